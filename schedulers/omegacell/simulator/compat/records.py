"""What a run leaves: counters by scheduler, and, when asked for, every attempt, commit and placement."""

from dataclasses import dataclass, field
from typing import TypeAlias

from omegacell.simulator.compat.cellstate import Claim

Row: TypeAlias = dict[str, object]


@dataclass(slots=True, eq=False)
class Counters:
    """What one scheduler did."""

    useful_s: float = 0.0
    wasted_s: float = 0.0
    successes: int = 0
    failures: int = 0
    retries: int = 0
    task_successes: int = 0
    task_failures: int = 0
    no_room: int = 0
    abandoned: int = 0
    vain_probes: int = 0


@dataclass(slots=True, eq=False)
class Recorder:
    """Everything that happened, in the words of the golden files."""

    names: tuple[str, ...]
    attempts: list[Row] = field(default_factory=list)
    commits: list[Row] = field(default_factory=list)
    placements: list[Row] = field(default_factory=list)

    def note_attempt(self, row: Row, claims: list[Claim]) -> None:
        """Note a decision with the machines that it found."""
        self.attempts.append(row | {"tasks_found": len(claims), "machines": [claim.machine for claim in claims]})

    def note_commit(
        self, time_s: float, claims: list[Claim], before: list[int], result: tuple[list[Claim], list[Claim]]
    ) -> None:
        """Note a transaction: what was claimed, what the common state had, what became of it."""
        committed, conflicted = result
        self.commits.append(
            {
                "time": time_s,
                "scheduler": self.names[claims[0].job.scheduler],
                "submitted": [_row_of(claim) for claim in claims],
                "common_seq_nums_before": before,
                "committed_machines": [claim.machine for claim in committed],
                "conflicted": [_row_of(claim) for claim in conflicted],
            }
        )

    def note_placements(self, time_s: float, claims: list[Claim], *, is_prefill: bool = False) -> None:
        """Note tasks that begin to run."""
        for claim in claims:
            spec = claim.job.spec
            self.placements.append(
                {
                    "job": None if is_prefill else spec.number,
                    "scheduler": self.names[claim.job.scheduler],
                    "machine": claim.machine,
                    "start": time_s,
                    "end": time_s + spec.duration_s,
                    "cpus": spec.cpus,
                    "mem": spec.memory_gb,
                }
            )


def _row_of(claim: Claim) -> Row:
    return {"job": claim.job.spec.number, "machine": claim.machine, "seq_num_seen": claim.seen}
