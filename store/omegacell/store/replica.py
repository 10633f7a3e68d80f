"""Follows the log with a private copy of the cell.

Rules:
    One thread owns a replica; nobody else reads its cell while it folds.
    `catch_up` reaches the log's head as of the call, so an answer from the cell after it is linearizable.
    Whoever finds that an author saw another chain folds again from a checkpoint, once for each session: who then
    differs from itself stops; otherwise it is the author who is wrong, and that is counted and logged.
    Below what the log keeps, after a new incarnation, or when a revision behind us was voided: start again from a
    checkpoint, and say so (`Folded.is_reloaded`), for then no list of changes is complete.
"""

import logging
from collections import deque
from dataclasses import dataclass
from typing import Final

from omegacell.core import snapshots
from omegacell.core.cell import Cell
from omegacell.core.deltas import Delta
from omegacell.core.errors import DivergedError, StoreCorruptError, TruncatedError
from omegacell.core.units import Revision, SessionId
from omegacell.store.checkpoints import fold_to, load_newest, load_oldest
from omegacell.store.folding import Applied, Fold, Mismatch
from omegacell.store.limits import describe_lost
from omegacell.store.log import Cursor, Store, Stored

_LOG = logging.getLogger(__name__)

MAX_RELOADS: Final = 4
"""How often in a row one call starts again before it gives up."""

MAX_SUSPECTS: Final = 256
"""Sessions that may cost a fold of their own; those beyond are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What one `Replica.catch_up` did.

    Attributes:
        applied: The revisions folded, in order; those that a reload jumped over are missing.
        delta: What changed in the cell.
        is_reloaded: The cell was loaded anew: ``Replica.cell`` is another object, and what was known of it must be
            read again.
    """

    applied: tuple[Applied, ...]
    delta: Delta
    is_reloaded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What a store has beyond a replica's cursor, read before it is folded.

    Attributes:
        head: The log's head.
        entries: What follows the cursor, perhaps not all of it.
        voids: The revisions that every fold skips.
    """

    head: Cursor
    entries: tuple[Stored, ...]
    voids: frozenset[int]


class Replica:
    """A copy of the cell that follows a store.

    Args:
        store: What is followed; not closed here.
        from_checkpoint: Begin at the newest valid checkpoint; else at genesis, which takes as long as the log.

    Attributes:
        store: What is followed.
        divergences: Transactions whose authors saw another chain than this fold.
        reload_count: How often the cell was loaded anew; `cell` is another object after each.

    Raises:
        StoreCorruptError: No checkpoint can be read, and the log does not reach back to genesis.
        InvariantError: A revision could not be folded.
    """

    def __init__(self, store: Store, *, from_checkpoint: bool = True) -> None:
        self._begin(store, load_newest(store) if from_checkpoint else Fold())
        # A long tail would not fit in a list; who comes new reads the whole cell anyway.
        self._follow(None, None, keeps_applied=False)
        self._is_reloaded = False

    @classmethod
    def at_oldest(cls, store: Store) -> "Replica":
        """Return a replica at the oldest state that can be reached, with nothing of the log after it folded.

        For questions about history: `catch_up` with a limit then gives every revision that is kept.
        """
        replica = cls.__new__(cls)
        replica._begin(store, load_oldest(store))
        return replica

    def _begin(self, store: Store, fold: Fold) -> None:
        self.store = store
        self.divergences = 0
        self.reload_count = 0
        self._fold = fold
        self._byte_count_before = 0
        self._incarnation = store.incarnation
        self._voids = store.voids()
        self._suspects: set[SessionId] = set()
        self._diverged: str | None = None
        self._applied: list[Applied] = []
        # Read, not yet folded: small limits would read the same again and again.
        self._ahead: deque[Stored] = deque()
        self._is_reloaded = False

    @property
    def cell(self) -> Cell:
        """The cell at `revision`; only this replica writes it."""
        return self._fold.cell

    @property
    def revision(self) -> Revision:
        """Transactions folded."""
        return self._fold.revision

    @property
    def cursor(self) -> Cursor:
        """The last entry folded."""
        return self._fold.cursor

    @property
    def chain(self) -> bytes:
        """The chain at `revision`."""
        return self._fold.chain

    @property
    def fold(self) -> Fold:
        """The fold itself, for checkpoints."""
        return self._fold

    @property
    def folded_byte_count(self) -> int:
        """Bytes of entries folded by this replica, those that it folded again after a reload too."""
        return self._byte_count_before + self._fold.byte_count

    @property
    def is_restored(self) -> bool:
        """Whether the store began another life than the cell knows of: a `Reincarnate` is due."""
        return self.cell.genesis is not None and self.cell.incarnation != self.store.incarnation

    def chain_at(self, revision: int) -> bytes | None:
        """Return the chain at a revision where an entry ended, one of the last 4,096; else None."""
        return self._fold.chain_at(revision)

    def look_ahead(self) -> Ahead:
        """Read what `catch_up` folds next, and fold nothing: another thread may do it while nobody folds.

        Raises:
            TruncatedError: It is not kept any more: `catch_up` starts again from a checkpoint.
            StoreCorruptError: The log ends before what was folded already.
            StoreError: The store cannot be read.
        """
        head = self._head()
        entries = () if head == self.cursor or self._ahead else tuple(self.store.read(self.cursor))
        return Ahead(head=head, entries=entries, voids=self.store.voids())

    def catch_up(self, limit_entries: int | None = None, *, ahead: Ahead | None = None) -> Folded:
        """Fold up to the log's head as of now, or at most ``limit_entries`` further.

        With ``ahead`` no more is folded than was read, and the store is asked only when something is wrong.

        Raises:
            DivergedError: This fold differs from itself when repeated: the process must stop.
            InvariantError: A revision could not be folded: the process must stop.
            StoreCorruptError: The log ends before what was folded already.
            StoreError: The store cannot be read. What was folded before it failed is returned by the next call.
        """
        self._follow(limit_entries, ahead, keeps_applied=True)
        folded = Folded(applied=tuple(self._applied), delta=self.cell.drain_delta(), is_reloaded=self._is_reloaded)
        self._applied = []
        self._is_reloaded = False
        return folded

    def _head(self) -> Cursor:
        head = self.store.head()
        if head < self.cursor:
            raise StoreCorruptError(describe_lost(self.cursor, head))
        return head

    def _follow(self, limit_entries: int | None, ahead: Ahead | None, *, keeps_applied: bool) -> None:
        if self._diverged is not None:
            raise DivergedError(self._diverged)
        if self.store.incarnation != self._incarnation:
            self._reload("the store has another incarnation")
            ahead = None
        if ahead is not None and not self._ahead:
            # What it has may be folded already, by a call in between.
            self._ahead.extend(stored for stored in ahead.entries if stored.cursor > self.cursor)
        head = self._head() if ahead is None else ahead.head
        for _ in range(MAX_RELOADS):
            try:
                self._fold_upto(head, limit_entries, ahead, keeps_applied=keeps_applied)
                return
            except (TruncatedError, _VoidedBehindError) as error:
                self._reload(str(error))
                ahead = None
        raise StoreCorruptError(f"{MAX_RELOADS} times the log was cut while it was read; cursor {self.cursor}")

    def _fold_upto(self, head: Cursor, limit_entries: int | None, ahead: Ahead | None, *, keeps_applied: bool) -> None:
        remaining = limit_entries
        while self.cursor < head and remaining != 0:
            if not self._ahead and ahead is None:
                self._ahead.extend(self.store.read(self.cursor))
            if not self._ahead:
                return
            self._take_voids(self.store.voids() if ahead is None else ahead.voids)
            count = len(self._ahead) if remaining is None else min(remaining, len(self._ahead))
            for _ in range(count):
                # Taken off only when folded: what an error leaves is folded by the next call, or refused again.
                applied = self._fold.fold(self._ahead[0], self._voids)
                self._ahead.popleft()
                if keeps_applied:
                    self._applied += applied
                if self._fold.mismatches:
                    self._judge_mismatches()
            if not keeps_applied:
                self.cell.drain_delta()
            if remaining is not None:
                remaining -= count

    def _take_voids(self, voids: frozenset[int]) -> None:
        if voids == self._voids:
            return
        behind = sorted(revision for revision in voids ^ self._voids if revision <= self.revision)
        self._voids = voids
        if behind:
            raise _VoidedBehindError(f"revisions {behind} were voided after they had been folded")

    def _reload(self, why: str) -> None:
        _LOG.warning("the replica at revision %d starts again from a checkpoint: %s", self.revision, why)
        self._incarnation = self.store.incarnation
        self._voids = self.store.voids()
        self._byte_count_before += self._fold.byte_count
        self._fold = load_newest(self.store)
        self._applied = []
        self._ahead.clear()
        self._is_reloaded = True
        self.reload_count += 1

    def _judge_mismatches(self) -> None:
        mismatches = list(self._fold.mismatches)
        self._fold.mismatches.clear()
        for mismatch in mismatches:
            self.divergences += 1
            is_new = mismatch.session not in self._suspects and len(self._suspects) < MAX_SUSPECTS
            if is_new:
                self._suspects.add(mismatch.session)
                self._check_self(mismatch)

    def _check_self(self, mismatch: Mismatch) -> None:
        """Fold again up to where this fold stands, and stop if the two differ."""
        words = (
            f"transaction ({mismatch.session}, {mismatch.seq}) saw chain {mismatch.theirs.hex()} at revision"
            f" {mismatch.seen}, this fold had {mismatch.ours.hex()}"
        )
        try:
            again = load_newest(self.store, upto=self.cursor)
            fold_to(self.store, again, self.cursor)
        except (TruncatedError, StoreCorruptError) as error:
            _LOG.error("%s; it cannot be folded again: %s", words, error)
            return
        ours = (self.revision, self.chain, snapshots.digest(self.cell))
        theirs = (again.revision, again.chain, snapshots.digest(again.cell))
        if ours != theirs:
            self._diverged = (
                f"{words}; folded again, revision {self.revision} has chain {again.chain.hex()} instead of"
                f" {self.chain.hex()}: this process differs from itself and stops; start it again, and if it"
                " happens again run `omega store verify`"
            )
            raise DivergedError(self._diverged)
        _LOG.error("%s; folded again it has the same: the author is wrong, stop it", words)


class _VoidedBehindError(Exception):
    """A revision that is folded already was voided, or is no longer."""
