"""How far an update under way is, as the client gives it; part of `records`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateProgress:
    """How far an update is: each index that the new job wants is in one of the three.

    Attributes:
        updated: the new task is available, and has run for ``min_healthy``.
        changing: the old task was stopped or ended, and the new one is not there yet.
        waiting: the old task goes on.
        is_revert: an older job takes its place back.
        stuck_us: for how long it is stuck, of the cell's time; negative when it is not.
        summary: what it waits for now, a clause, as in ``task 0 of job #2 failed: exit code 7``.
        advice: what to do about one that is stuck, a clause; empty when it is not.
    """

    updated: int
    changing: int
    waiting: int
    is_revert: bool
    stuck_us: int
    summary: str = ""
    advice: str = ""

    @property
    def is_stuck(self) -> bool:
        """Whether it came no further for longer than its policy allows."""
        return self.stuck_us >= 0

    def describe(self) -> str:
        """Return it in words.

        >>> UpdateProgress(updated=3, changing=1, waiting=6, is_revert=False, stuck_us=12_500_000).describe()
        '3 of 10 updated, 1 being replaced, stuck for 12 s'
        """
        verb = "reverted" if self.is_revert else "updated"
        total = self.updated + self.changing + self.waiting
        words = f"{self.updated} of {total} {verb}, {self.changing} being replaced"
        return words + (f", stuck for {self.stuck_us // 1_000_000} s" if self.is_stuck else "")

    def explain(self) -> str:
        """Return it in words, with what it waits for and what to do."""
        return ": ".join(filter(None, (self.describe(), "; ".join(filter(None, (self.summary, self.advice))))))
