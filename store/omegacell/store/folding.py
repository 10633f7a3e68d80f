"""Folds stored entries into a cell: decode, apply, chain.

Rules:
    One entry at a time, whole; a fold always stands between two entries.
    The chain takes in the bytes as they are stored, never a second encoding of them.
    An entry that cannot be decoded counts as one revision, a voided transaction as its own; both do nothing.
    What ``apply`` raises means that the cell may be half written: the fold stops for good.

Nothing here reads a store (``checkpoints`` and ``replica`` do) or judges anything (``apply`` does).
"""

from collections import deque
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from omegacell.core.apply import apply, apply_malformed
from omegacell.core.cell import Cell
from omegacell.core.commands import NO_CHAIN, Transaction
from omegacell.core.errors import InvariantError, MalformedError
from omegacell.core.outcomes import Outcome, Status
from omegacell.core.outcomes import encode as encode_outcome
from omegacell.core.units import Revision, SessionId
from omegacell.store.codec import decode_entry
from omegacell.store.log import CHAIN_BYTES, START, Cursor, Stored

CHAINS_KEPT: Final = 4_096
"""For how many entries back a fold can be compared with what an author saw."""

NO_VOIDS: Final[frozenset[int]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One revision: what the log held, and what became of it.

    Attributes:
        revision: Its number.
        cursor: The entry that held it.
        transaction: What was asked; None when the entry could not be decoded.
        outcome: What became of it.
    """

    revision: Revision
    cursor: Cursor
    transaction: Transaction | None
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """An author's chain differs from ours at the same revision.

    Attributes:
        session: Whose transaction says so.
        seq: Its number.
        seen: The revision at which they differ.
        theirs: The author's chain.
        ours: This fold's.
    """

    session: SessionId
    seq: int
    seen: Revision
    theirs: bytes
    ours: bytes


class Fold:
    """A cell, the place in the log up to which it is folded, and the chain there. One thread's own.

    Attributes:
        cell: What was folded.
        cursor: The last entry in it.
        chain: The chain there.
        byte_count: Bytes of entries folded since this fold began.
        mismatches: Authors that saw another chain, since the list was last cleared.
    """

    def __init__(self, cell: Cell | None = None, *, cursor: Cursor = START, chain: bytes = NO_CHAIN) -> None:
        self.cell = Cell() if cell is None else cell
        self.cursor = cursor
        self.chain = chain
        self.byte_count = 0
        self.mismatches: list[Mismatch] = []
        self._chains: dict[int, bytes] = {}
        self._order: deque[int] = deque()
        self._applying = Revision(0)
        self._broken_at: Revision | None = None
        self._remember()

    @property
    def revision(self) -> Revision:
        """The revision of the cell."""
        return self.cell.revision

    @property
    def is_broken(self) -> bool:
        """Whether the cell may be half written: nothing may be read from it any more."""
        return self._broken_at is not None

    def chain_at(self, revision: int) -> bytes | None:
        """Return the chain at a revision where an entry ended, one of the last 4,096; else None."""
        return self._chains.get(revision)

    def fold(self, stored: Stored, voids: frozenset[int] = NO_VOIDS) -> list[Applied]:
        """Fold one entry and return what became of its transactions. Mutates.

        Args:
            stored: The entry after ``cursor``.
            voids: Revisions that do nothing, whatever the log holds there.

        Raises:
            InvariantError: The cell could not be written; this fold is of no more use.
            MemoryError: As above.
        """
        if self._broken_at is not None:
            raise InvariantError(f"this fold stopped at revision {self._broken_at}; restart the process")
        try:
            applied = self._apply_entry(stored, voids)
        except BaseException as error:
            self._broken_at = self._applying
            words = (
                f"revision {self._broken_at} (entry at cursor {stored.cursor}) could not be folded:"
                f" {type(error).__name__}: {error}"
            )
            error.add_note(words)
            if isinstance(error, Exception) and not isinstance(error, MemoryError | InvariantError):
                raise InvariantError(f"{words}; see `omega store void`") from error
            raise
        digest = blake2b(self.chain, digest_size=CHAIN_BYTES)
        digest.update(stored.entry)
        for one in applied:
            digest.update(encode_outcome(one.outcome))
        self.chain = digest.digest()
        self.cursor = stored.cursor
        self.byte_count += len(stored.entry)
        self._remember()
        return applied

    def _apply_entry(self, stored: Stored, voids: frozenset[int]) -> list[Applied]:
        cell = self.cell
        self._applying = Revision(cell.revision + 1)
        try:
            transactions: tuple[Transaction, ...] = decode_entry(stored.entry)
        except MalformedError:
            outcome = apply_malformed(cell)
            return [Applied(revision=outcome.revision, cursor=stored.cursor, transaction=None, outcome=outcome)]
        applied = []
        for transaction in transactions:
            # Noted before: an apply that fails half-way may have counted its revision already.
            self._applying = Revision(cell.revision + 1)
            is_void = self._applying in voids
            outcome = apply_malformed(cell) if is_void else apply(cell, transaction)
            if outcome.status is not Status.MALFORMED:
                self._compare(transaction)
            applied.append(
                Applied(revision=outcome.revision, cursor=stored.cursor, transaction=transaction, outcome=outcome)
            )
        return applied

    def _compare(self, transaction: Transaction) -> None:
        ours = self._chains.get(transaction.seen)
        theirs = transaction.seen_chain
        if ours is None or theirs in (ours, NO_CHAIN):
            return
        self.mismatches.append(
            Mismatch(session=transaction.session, seq=transaction.seq, seen=transaction.seen, theirs=theirs, ours=ours)
        )

    def _remember(self) -> None:
        revision = self.cell.revision
        self._chains[revision] = self.chain
        self._order.append(revision)
        if len(self._order) > CHAINS_KEPT:
            del self._chains[self._order.popleft()]
