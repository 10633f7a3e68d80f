"""Checkpoints of a fold: captured, written, loaded, confirmed.

Rules:
    A checkpoint is loaded only when it is confirmed, and only when its bytes give the digest in its head.
    It is confirmed by a fold that began elsewhere: at an older confirmed one, or at genesis.
    A reader whose chunks vanish starts again from the newest.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from omegacell.core import snapshots
from omegacell.core.errors import (
    CheckpointGoneError,
    DivergedError,
    InvariantError,
    MalformedError,
    StoreCorruptError,
    StoreError,
    TruncatedError,
)
from omegacell.store.engines import open_store
from omegacell.store.folding import Fold
from omegacell.store.log import START, CheckpointHead, CheckpointId, Cursor, Store, split_chunks

_LOG = logging.getLogger(__name__)

MAX_LOADS: Final = 8
"""How often loading begins again when checkpoints are deleted under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A cell as bytes, not yet written: it can be written from another thread while the fold goes on."""

    head: CheckpointHead
    chunks: tuple[bytes, ...]


def wall_us() -> int:
    """Return the wall clock, for stamps that people read."""
    return time.time_ns() // 1_000


def capture(fold: Fold, *, now_us: Callable[[], int] = wall_us) -> Capture:
    """Encode the cell of a fold. Cost: O(cell).

    Raises:
        InvariantError: The fold is broken; a checkpoint of it would spread the damage.
    """
    if fold.is_broken:
        raise InvariantError("the fold is broken: no checkpoint is made of it")
    data = snapshots.encode(fold.cell)
    chunks = tuple(split_chunks(data))
    head = CheckpointHead(
        revision=fold.revision,
        cursor=fold.cursor,
        chain=fold.chain,
        digest=snapshots.digest_of(data),
        chunk_count=len(chunks),
        byte_count=len(data),
        made_at_us=now_us(),
    )
    return Capture(head=head, chunks=chunks)


def write(store: Store, captured: Capture) -> CheckpointHead:
    """Write a captured checkpoint, unconfirmed; return its head with its id.

    Raises:
        StoreError: As for ``Checkpoints.write``.
    """
    return store.checkpoints.write(captured.head, captured.chunks)


def read_fold(store: Store, head: CheckpointHead) -> Fold:
    """Return the fold that a checkpoint holds. Cost: O(cell).

    Raises:
        CheckpointGoneError: It was deleted.
        StoreCorruptError: Its bytes do not give the digest in its head.
    """
    data = b"".join(store.checkpoints.read(head.checkpoint_id))
    if snapshots.digest_of(data) != head.digest:
        raise StoreCorruptError(
            f"checkpoint {head.checkpoint_id}: {len(data)} bytes with digest {snapshots.digest_of(data).hex()};"
            f" expected {head.byte_count} with {head.digest.hex()}"
        )
    try:
        cell = snapshots.decode(data)
    except MalformedError as error:
        raise StoreCorruptError(f"checkpoint {head.checkpoint_id} cannot be decoded: {error}") from error
    if cell.revision != head.revision:
        raise StoreCorruptError(
            f"checkpoint {head.checkpoint_id} holds revision {cell.revision}; its head says {head.revision}"
        )
    return Fold(cell, cursor=head.cursor, chain=head.chain)


def load_newest(store: Store, *, upto: Cursor | None = None) -> Fold:
    """Return a fold to go on from: the newest confirmed checkpoint that can be read, or the empty cell.

    Args:
        store: Where to read.
        upto: Take none beyond this cursor.

    Raises:
        StoreCorruptError: None can be read, and the log does not reach back to genesis.
    """
    return _load(store, lambda heads: [head for head in reversed(heads) if upto is None or head.cursor <= upto])


def load_oldest(store: Store) -> Fold:
    """Return the fold that reaches back farthest: genesis while the log is whole, else the oldest checkpoint.

    Raises:
        StoreCorruptError: No confirmed checkpoint can be read, and the log does not reach back to genesis.
    """
    return Fold() if store.first() == START else _load(store, list)


def _load(store: Store, order: Callable[[list[CheckpointHead]], Sequence[CheckpointHead]]) -> Fold:
    for _ in range(MAX_LOADS):
        confirmed = [head for head in store.checkpoints.heads() if head.is_confirmed]
        first = store.first()
        confirmed.sort(key=lambda head: (head.revision, head.checkpoint_id))
        try:
            fold = _first_readable(store, [head for head in order(confirmed) if head.cursor >= first])
        except CheckpointGoneError:
            continue
        if fold is not None:
            return fold
        if store.first() == START:
            return Fold()
        if store.first() == first:
            break
    raise StoreCorruptError(
        f"the log begins after cursor {store.first()} and no confirmed checkpoint can be read there: restore a backup"
    )


def _first_readable(store: Store, heads: Sequence[CheckpointHead]) -> Fold | None:
    for head in heads:
        try:
            return read_fold(store, head)
        except StoreCorruptError as error:
            _LOG.error("%s; the next one is tried", error)
    return None


def fold_to(store: Store, fold: Fold, upto: Cursor) -> None:
    """Fold exactly up to the entry at ``upto``. Mutates ``fold``. Cost: the log between.

    Raises:
        TruncatedError: Entries between are not kept any more.
        StoreError: There is no entry at ``upto``.
    """
    while fold.cursor < upto:
        entries = store.read(fold.cursor)
        voids = store.voids()
        for stored in entries:
            if stored.cursor > upto:
                break
            fold.fold(stored, voids)
        fold.cell.drain_delta()
        if not entries or entries[0].cursor > upto:
            raise StoreError(f"the log holds no entry at cursor {upto}; the fold stands at {fold.cursor}")


def confirm(store: Store, checkpoint_id: CheckpointId) -> bool:
    """Fold to a checkpoint from an older one, or from genesis, and mark it as valid when both agree.

    Returns:
        Whether it is confirmed; False when no fold that began elsewhere can reach it any more, or it is gone.

    Raises:
        DivergedError: The fold came to another cell: one of the two is wrong, and this checkpoint stays unconfirmed.
    """
    head = next((head for head in store.checkpoints.heads() if head.checkpoint_id == checkpoint_id), None)
    if head is None or head.is_confirmed:
        return head is not None
    try:
        fold = _load_below(store, head)
        fold_to(store, fold, head.cursor)
    except (TruncatedError, StoreCorruptError) as error:
        _LOG.warning("checkpoint %d cannot be confirmed: %s", checkpoint_id, error)
        return False
    digest = snapshots.digest(fold.cell)
    if (fold.revision, fold.chain, digest) != (head.revision, head.chain, head.digest):
        raise DivergedError(
            f"checkpoint {checkpoint_id} holds revision {head.revision}, chain {head.chain.hex()}, digest"
            f" {head.digest.hex()}; a second fold came to revision {fold.revision}, chain {fold.chain.hex()}, digest"
            f" {digest.hex()}: run `omega store verify` and keep the log"
        )
    try:
        store.checkpoints.confirm(checkpoint_id)
    except CheckpointGoneError:
        return False
    return True


def _load_below(store: Store, head: CheckpointHead) -> Fold:
    return load_newest(store, upto=Cursor(head.cursor - 1))


def confirm_at(url: str, checkpoint_id: int) -> bool:
    """Confirm a checkpoint of the store at ``url``: for a process of its own, which shares no memory with the writer.

    Raises:
        DivergedError: As for `confirm`.
        StoreError: The store cannot be opened or read.
    """
    with open_store(url) as store:
        return confirm(store, CheckpointId(checkpoint_id))
