"""What a scheduler's shell needs of the world, on a store: a replica that follows it, and appends to it.

This is the `omegacell.schedulers.runner.Port` of a live cell. One thread owns it; only `wake` may be called by others.
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


class LogPort:
    """A private copy of the cell that follows a store, and a way to append to it.

    Attributes:
        replica: the copy with its place in the log.
    """

    def __init__(self, store: Store) -> None:
        """Load the cell from the store's newest checkpoint and the log after it.

        Raises:
            StoreError: the store cannot be read.
        """
        self.replica = Replica(store)
        self._store = store
        self._unreported: list[Delta] = []

    @property
    def cell(self) -> Cell:
        """The copy as last folded; another object when it had to be replaced."""
        return self.replica.cell

    def catch_up(self) -> Delta:
        """Fold everything up to the head of the log; return what was touched since the last call."""
        self._unreported.append(self.replica.catch_up().delta)
        delta = join(self._unreported)
        self._unreported = []
        return delta

    def append(self, transactions: Sequence[Transaction]) -> Sequence[Outcome | None]:
        """Append one entry, fold to the head, and return the outcomes in order; None for one that nobody remembers.

        Raises:
            StoreError: see `omegacell.schedulers.runner.Port`.
        """
        signed = [
            replace(transaction, seen_chain=self.replica.chain_at(transaction.seen) or NO_CHAIN)
            for transaction in transactions
        ]
        self._store.append([to_append(signed)])
        folded = self.replica.catch_up()
        self._unreported.append(folded.delta)
        known: dict[tuple[int, int], Outcome] = {}
        for applied in folded.applied:
            if applied.transaction is not None:
                known.setdefault((applied.transaction.session, applied.transaction.seq), applied.outcome)
        return [
            known.get((each.session, each.seq)) or self.cell.outcome_of(each.session, each.seq) for each in transactions
        ]

    def wait(self, timeout_us: int) -> None:
        """Return when the log has grown beyond what is folded, when the time is over, or when it is woken."""
        self._store.wait(self.replica.cursor, timeout_us / 1_000_000)

    def wake(self) -> None:
        """End a wait that is under way; may be called from another thread, not from a signal handler."""
        self._store.wake()
