"""Which claims were granted, when and to whom, from the log: where each attempt comes from, and who took what.

A cell remembers a task's attempts, and not who placed them; the log does. Grants are kept as columns, newest first out,
and no further back than the log or `CLAIMS_KEPT` reaches.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import Int32s
from omegacell.core.commands import Evict, Place
from omegacell.core.outcomes import Status
from omegacell.store.folding import Applied
from omegacell.store.log import Cursor

CLAIMS_KEPT: Final = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grant:
    """Granted claims of one job in one transaction.

    Attributes:
        revision: the transaction. cursor: the entry that holds it.
        author: who decided. seen: the revision that it had seen.
        job: id of the job.
        indices, machines: the tasks and the rows of the machines they were put on, ``(claims,)`` int32.
    """

    revision: int
    cursor: Cursor
    author: str
    seen: int
    job: int
    indices: Int32s
    machines: Int32s

    def machine_of(self, index: int) -> int:
        """Return the row of the machine that a task was put on, -1 when it is not among them."""
        places = np.flatnonzero(self.indices == index)
        return int(self.machines[places[-1]]) if len(places) else -1


class Grants:
    """Remembers grants in the order of the log."""

    def __init__(self, *, after: int) -> None:
        """Begin after a revision."""
        self._after = after
        self._grants: deque[Grant] = deque()
        self._by_job: dict[int, deque[Grant]] = {}
        self._claim_count = 0

    @property
    def oldest_revision(self) -> int:
        """The oldest revision of which grants are known."""
        return self._after + 1

    def record(self, applied: Applied, author: str) -> None:
        """Remember what a transaction was granted."""
        for grant in _grants_of(applied, author):
            self._add(grant)
        while self._claim_count > CLAIMS_KEPT:
            self._drop_oldest()

    def forget_all(self, *, after: int) -> None:
        """Begin anew after a revision: those before it were jumped over."""
        self._after = after
        self._grants.clear()
        self._by_job.clear()
        self._claim_count = 0

    def prepend(self, older: "Grants") -> None:
        """Put what another one remembers of earlier revisions before what this one does."""
        newer = list(self._grants)
        before = [grant for grant in older._grants if grant.revision <= self._after]
        self.forget_all(after=older._after)
        for grant in (*before, *newer):
            self._add(grant)
        while self._claim_count > CLAIMS_KEPT:
            self._drop_oldest()

    def of_task(self, job: int, index: int) -> Iterator[Grant]:
        """Give the grants of a task, the newest first. Cost: O(claims of its job)."""
        for grant in reversed(self._by_job.get(job, ())):
            if grant.machine_of(index) >= 0:
                yield grant

    def at(self, revision: int) -> list[Grant]:
        """Return the grants of a transaction. Cost: O(log(grants))."""
        low, high = 0, len(self._grants)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._grants[middle].revision < revision else (low, middle)
        found = []
        while low < len(self._grants) and self._grants[low].revision == revision:
            found.append(self._grants[low])
            low += 1
        return found

    def _add(self, grant: Grant) -> None:
        self._grants.append(grant)
        self._by_job.setdefault(grant.job, deque()).append(grant)
        self._claim_count += len(grant.indices)

    def _drop_oldest(self) -> None:
        grant = self._grants.popleft()
        self._after = grant.revision
        self._claim_count -= len(grant.indices)
        of_job = self._by_job[grant.job]
        of_job.popleft()
        if not of_job:
            del self._by_job[grant.job]


def granted_rows(applied: Applied) -> Iterator[tuple[Place | Evict, NDArray[np.bool_]]]:
    """Give the claims and evictions of a transaction, each with which of its rows were granted: ``(rows,)`` bool."""
    transaction, outcome = applied.transaction, applied.outcome
    if transaction is None or outcome.status not in (Status.COMMITTED, Status.PARTIAL):
        return
    first = 0
    for command in transaction.commands:
        if not isinstance(command, Place | Evict):
            continue
        count = len(command.indices)
        is_granted = np.ones(count, np.bool_)
        refused = outcome.refusals.positions - first
        is_granted[refused[(refused >= 0) & (refused < count)]] = False
        yield command, is_granted
        first += count


def _grants_of(applied: Applied, author: str) -> Iterator[Grant]:
    for command, is_granted in granted_rows(applied):
        if isinstance(command, Place) and is_granted.any():
            assert applied.transaction is not None, "only a transaction has commands"
            yield Grant(
                revision=applied.revision,
                cursor=applied.cursor,
                author=author,
                seen=applied.transaction.seen,
                job=command.job,
                indices=command.indices[is_granted],
                machines=command.machines[is_granted],
            )
