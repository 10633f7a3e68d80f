"""What an agent has to report, until the cell has folded it. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omegacell.agent.messages import MAX_REPORTS_PER_MESSAGE, AttemptKey, ReportKind, Reports, TaskReport
from omegacell.core.units import MachineRow

_HEALTH = (ReportKind.HEALTHY, ReportKind.UNHEALTHY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A report that the cell has not folded yet; row and epoch are those of the link it goes out on."""

    key: AttemptKey
    kind: ReportKind
    code: int
    at_us: int
    message: str


class Outbox:
    """Facts in order: unsent, or in a batch that was sent on this link. Batches are numbered over all links."""

    def __init__(self) -> None:
        self._unsent: list[Fact] = []
        self._sent: dict[int, list[Fact]] = {}
        self._next_batch = 1

    def __len__(self) -> int:
        return len(self._unsent) + sum(len(batch) for batch in self._sent.values())

    def add(self, fact: Fact) -> None:
        """Add a fact; of verdicts on health that wait only the last matters, so that waiting is bounded."""
        if fact.kind in _HEALTH:
            self._unsent = [old for old in self._unsent if old.key != fact.key or old.kind not in _HEALTH]
        self._unsent.append(fact)

    def take(self, row: MachineRow, epoch: int) -> Iterator[Reports]:
        """Yield everything unsent as batches, which are sent from now on."""
        while self._unsent:
            facts = self._unsent[:MAX_REPORTS_PER_MESSAGE]
            del self._unsent[:MAX_REPORTS_PER_MESSAGE]
            batch = self._next_batch
            self._next_batch += 1
            self._sent[batch] = facts
            yield Reports.of(batch, [_to_report(fact, row, epoch) for fact in facts])

    def acknowledge(self, batch: int) -> list[Fact]:
        """Return and drop a batch that was folded; nothing for one of an older link."""
        return self._sent.pop(batch, [])

    def reopen(self) -> None:
        """Take back what was sent on a link that is gone."""
        self._unsent = [fact for batch in sorted(self._sent) for fact in self._sent[batch]] + self._unsent
        self._sent = {}

    def keep_only(self, keys: Iterable[AttemptKey]) -> None:
        """Drop what nobody may hear of any more."""
        kept = frozenset(keys)
        self._unsent = [fact for fact in self._unsent if fact.key in kept]


def _to_report(fact: Fact, row: MachineRow, epoch: int) -> TaskReport:
    return TaskReport(
        row=row,
        epoch=epoch,
        key=fact.key,
        kind=fact.kind,
        code=fact.code,
        at_us=fact.at_us,
        message=fact.message,
    )
