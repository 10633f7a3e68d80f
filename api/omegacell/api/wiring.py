"""Satisfies what the lower rooms ask for with what the others have: the one place where they meet.

Schedulers declare a `Port` onto a cell, and get a replica and a store. The agents' connector is `agent_link`, the
controllers' shell is in `server.keeping`.
"""

from collections.abc import Sequence
from dataclasses import replace

from omegacell.core.cell import Cell
from omegacell.core.commands import NO_CHAIN, Transaction
from omegacell.core.deltas import Delta, join
from omegacell.core.outcomes import Outcome
from omegacell.store.codec import to_append
from omegacell.store.log import Store
from omegacell.store.replica import Replica


class ReplicaPort:
    """A scheduler's port: a private copy of the cell that follows a store; see `omegacell.schedulers.runner.Port`.

    Args:
        store: The cell's; not closed here.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replica = Replica(store)
        self._gathered: Delta | None = None

    @property
    def cell(self) -> Cell:
        """The copy as last folded; another object when it had to be replaced."""
        return self._replica.cell

    def catch_up(self) -> Delta:
        """Fold everything up to the head of the log; return what was touched since the last call."""
        folded = self._replica.catch_up()
        delta = folded.delta if self._gathered is None else join((self._gathered, folded.delta))
        self._gathered = None
        return delta

    def append(self, transactions: Sequence[Transaction]) -> Sequence[Outcome | None]:
        """Append one entry, fold up to it, and return the outcomes in order; None for one nobody remembers."""
        replica = self._replica
        chain = replica.chain_at(transactions[0].seen) or NO_CHAIN
        entry = to_append([replace(transaction, seen_chain=chain) for transaction in transactions])
        [cursor] = self._store.append([entry])
        outcomes: list[Outcome] = []
        while replica.cursor < cursor:
            folded = replica.catch_up()
            outcomes += [one.outcome for one in folded.applied if one.cursor == cursor]
            self._gathered = folded.delta if self._gathered is None else join((self._gathered, folded.delta))
        if len(outcomes) == len(transactions):
            return outcomes
        return [replica.cell.outcome_of(transaction.session, transaction.seq) for transaction in transactions]

    def wait(self, timeout_us: int) -> None:
        """Return when the log has grown, when the time is over, or when the store is woken."""
        self._store.wait(self._replica.cursor, timeout_us / 1e6)
