"""The engine of simulations and tests: what it keeps dies with its process.

Rules:
    It is no kinder than the real engines: the same limits, the same errors, cursors with gaps.
    Several handles on one ``MemoryDisk`` behave as several processes on one file do.
    No thread, no clock that decides anything: two runs of one simulation do the same.
"""

import threading
import time
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from omegacell.core.errors import (
    CheckpointGoneError,
    ClosedError,
    StoreCorruptError,
    StoreError,
    StoreLockedError,
    TruncatedError,
)
from omegacell.store.limits import (
    check_batch,
    check_checkpoint_head,
    check_chunk,
    check_chunk_totals,
    check_payload,
    describe_lost,
    describe_truncated,
)
from omegacell.store.log import (
    DEFAULT_READ_BYTES,
    START,
    Append,
    CheckpointHead,
    CheckpointId,
    Cursor,
    Stored,
    StoreStat,
    Synchronous,
)
from omegacell.store.waking import Waking

# Cursors are opaque and may have gaps (etcd's do); who adds one to a cursor shall find out here.
CURSOR_STEP: Final = 3
FORMAT_VERSION: Final = 1
DEFAULT_INCARNATION: Final = "0" * 32


class MemoryDisk:
    """What several handles share, as processes share a file.

    Args:
        incarnation: Names this life of the store.
    """

    def __init__(self, incarnation: str = DEFAULT_INCARNATION) -> None:
        self.incarnation = incarnation
        self.changed = threading.Condition()
        self.cursors: list[Cursor] = []
        self.entries: list[bytes] = []
        self.first = START
        self.head = START
        self.payloads: dict[bytes, bytes] = {}
        self.checkpoints: dict[CheckpointId, tuple[CheckpointHead, list[bytes]]] = {}
        self.checkpoint_count = 0
        self.is_writing_checkpoint = False
        self.voids: set[int] = set()


class MemoryPayloads:
    """Implements ``Payloads``."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    def get(self, payload_hash: bytes) -> bytes | None:
        """Return the payload, or None when it was never there or is erased."""
        with self._store.opened() as disk:
            return disk.payloads.get(payload_hash)

    def put(self, payload_hash: bytes, payload: bytes) -> None:
        """Keep a payload; a known hash is left alone."""
        check_payload(payload_hash, payload)
        with self._store.opened() as disk:
            disk.payloads.setdefault(payload_hash, payload)

    def erase(self, payload_hash: bytes) -> bool:
        """Erase a payload; return whether there was one."""
        with self._store.opened() as disk:
            return disk.payloads.pop(payload_hash, None) is not None

    def hashes(self) -> frozenset[bytes]:
        """Return the hashes of all payloads kept."""
        with self._store.opened() as disk:
            return frozenset(disk.payloads)


class MemoryCheckpoints:
    """Implements ``Checkpoints``."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    def write(self, head: CheckpointHead, chunks: Iterable[bytes]) -> CheckpointHead:
        """Write chunks and then the head; see ``Checkpoints.write``."""
        check_checkpoint_head(head)
        with self._store.opened() as disk:
            if disk.is_writing_checkpoint:
                raise StoreLockedError("another checkpoint is being written; try again when it is done")
            disk.is_writing_checkpoint = True
            disk.checkpoint_count += 1
            checkpoint_id = CheckpointId(disk.checkpoint_count)
        try:
            kept: list[bytes] = []
            for chunk in chunks:
                check_chunk(head, len(kept), chunk)
                kept.append(chunk)
            check_chunk_totals(head, len(kept), sum(map(len, kept)))
            stored = replace(head, checkpoint_id=checkpoint_id)
            with self._store.opened() as disk:
                disk.checkpoints[checkpoint_id] = (stored, kept)
            return stored
        finally:
            with self._store.disk.changed:
                self._store.disk.is_writing_checkpoint = False

    def heads(self) -> list[CheckpointHead]:
        """Return the heads, oldest first."""
        with self._store.opened() as disk:
            return [head for head, _ in disk.checkpoints.values()]

    def read(self, checkpoint_id: CheckpointId) -> Iterator[bytes]:
        """Yield the chunks in order; see ``Checkpoints.read``."""
        for position in range(self._find(checkpoint_id)[0].chunk_count):
            yield self._find(checkpoint_id)[1][position]

    def confirm(self, checkpoint_id: CheckpointId) -> None:
        """Record that another fold came to the same digest; see ``Checkpoints.confirm``."""
        with self._store.opened() as disk:
            head, chunks = self._find(checkpoint_id)
            disk.checkpoints[checkpoint_id] = (replace(head, is_confirmed=True), chunks)

    def delete(self, checkpoint_id: CheckpointId) -> None:
        """Delete head and chunks; one that is gone already stays so."""
        with self._store.opened() as disk:
            disk.checkpoints.pop(checkpoint_id, None)

    def _find(self, checkpoint_id: CheckpointId) -> tuple[CheckpointHead, list[bytes]]:
        with self._store.opened() as disk:
            found = disk.checkpoints.get(checkpoint_id)
        if found is None:
            raise CheckpointGoneError(f"checkpoint {checkpoint_id} is gone; start again from the newest")
        return found


class MemoryStore:
    """One handle on a ``MemoryDisk``. Implements ``Store``; any thread may use it.

    >>> store = MemoryStore()
    >>> cursors = store.append([Append(entry=b"first", session=1, first_seq=1)])
    >>> [stored.entry for stored in store.read(START)]
    [b'first']

    Args:
        disk: What it shares with other handles; one of its own by default.

    Attributes:
        disk: What it shares.
        payloads: The payloads beside the log.
        checkpoints: The checkpoints beside the log.
    """

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = MemoryDisk() if disk is None else disk
        self.payloads = MemoryPayloads(self)
        self.checkpoints = MemoryCheckpoints(self)
        self._waking = Waking()
        self._is_closed = False

    @property
    def incarnation(self) -> str:
        """The life of this store."""
        return self.disk.incarnation

    def opened(self) -> "_Opened":
        """Give the disk, locked, unless this handle is closed."""
        return _Opened(self.disk, is_closed=self._is_closed)

    def append(self, batch: Sequence[Append]) -> list[Cursor]:
        """Append entries next to each other; see ``Log.append``."""
        check_batch(batch)
        with self.opened() as disk:
            cursors = [Cursor(disk.head + CURSOR_STEP * place) for place in range(1, len(batch) + 1)]
            for item in batch:
                disk.entries.append(bytes(item.entry))
                for payload_hash, payload in item.payloads.items():
                    disk.payloads.setdefault(payload_hash, payload)
            disk.cursors.extend(cursors)
            disk.head = Cursor(disk.head + CURSOR_STEP * len(batch))
            disk.changed.notify_all()
        return cursors

    def read(self, after: Cursor, limit_bytes: int = DEFAULT_READ_BYTES) -> list[Stored]:
        """Return the entries after ``after``; see ``Log.read``."""
        found: list[Stored] = []
        size = 0
        with self.opened() as disk:
            if after < disk.first:
                raise TruncatedError(describe_truncated(after, disk.first), oldest=disk.first)
            if after > disk.head:
                raise StoreCorruptError(describe_lost(after, disk.head))
            for place in range(bisect_right(disk.cursors, after), len(disk.cursors)):
                entry = disk.entries[place]
                size += len(entry)
                if size > limit_bytes and found:
                    break
                found.append(Stored(disk.cursors[place], entry))
        return found

    def head(self) -> Cursor:
        """Return the cursor of the newest entry."""
        with self.opened() as disk:
            return disk.head

    def first(self) -> Cursor:
        """Return the cursor before the oldest entry kept."""
        with self.opened() as disk:
            return disk.first

    def wait(self, after: Cursor, timeout_s: float) -> bool:
        """Wait until something after ``after`` can be read; see ``Log.wait``."""
        deadline = time.monotonic() + timeout_s
        with self._waking.waiting() as seen:
            while True:
                with self.opened() as disk:
                    if disk.head > after:
                        return True
                    remaining_s = deadline - time.monotonic()
                    if remaining_s <= 0 or self._waking.is_woken(seen):
                        return False
                    disk.changed.wait(remaining_s)

    def wake(self) -> None:
        """Make every ``wait`` under way return; with none under way, the next one."""
        self._waking.wake()
        with self.disk.changed:
            self.disk.changed.notify_all()

    def truncate(self, upto: Cursor) -> None:
        """Forget the entries up to and including ``upto``; see ``Log.truncate``."""
        with self.opened() as disk:
            if upto > disk.head:
                raise StoreError(f"cannot truncate up to cursor {upto}: the head is {disk.head}")
            place = bisect_right(disk.cursors, upto)
            del disk.cursors[:place]
            del disk.entries[:place]
            disk.first = max(disk.first, upto)

    def void(self, revision: int) -> None:
        """Put a revision on the list of those that every fold skips."""
        if revision < 1:
            raise StoreError(f"cannot void revision {revision}: revisions begin at 1")
        with self.opened() as disk:
            disk.voids.add(revision)

    def voids(self) -> frozenset[int]:
        """Return the revisions that every fold skips."""
        with self.opened() as disk:
            return frozenset(disk.voids)

    def stat(self) -> StoreStat:
        """Return facts about the store. Cost: its number of entries."""
        with self.opened() as disk:
            sizes = [map(len, disk.entries), map(len, disk.payloads.values())]
            sizes += [map(len, chunks) for _, chunks in disk.checkpoints.values()]
            return StoreStat(
                engine="memory",
                incarnation=disk.incarnation,
                format_version=FORMAT_VERSION,
                synchronous=Synchronous.NONE,
                path=None,
                file_system=None,
                byte_count=sum(map(sum, sizes)),
                wal_byte_count=0,
                free_byte_count=0,
                disk_free_byte_count=0,
                entry_count=len(disk.entries),
                first=disk.first,
                head=disk.head,
                checkpoint_count=len(disk.checkpoints),
                payload_count=len(disk.payloads),
                void_count=len(disk.voids),
            )

    def find_faults(self) -> list[str]:
        """Return what is wrong: nothing, for memory does not rot."""
        with self.opened():
            return []

    def close(self) -> None:
        """Close this handle; its waiters return, the disk stays for the others."""
        self._is_closed = True
        self.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Opened:
    """Locks a disk for a block, unless the handle is closed."""

    __slots__ = ("_disk", "_is_closed")

    def __init__(self, disk: MemoryDisk, *, is_closed: bool) -> None:
        self._disk = disk
        self._is_closed = is_closed

    def __enter__(self) -> MemoryDisk:
        if self._is_closed:
            raise ClosedError("the store is closed")
        self._disk.changed.acquire()
        return self._disk

    def __exit__(self, *_: object) -> None:
        self._disk.changed.release()


_NAMED: "weakref.WeakValueDictionary[str, MemoryDisk]" = weakref.WeakValueDictionary()
_NAMED_MUTEX = threading.Lock()


def named_disk(name: str) -> MemoryDisk:
    """Return the disk of that name in this process; it lives as long as a handle on it does."""
    with _NAMED_MUTEX:
        disk = _NAMED.get(name)
        if disk is None:
            disk = _NAMED[name] = MemoryDisk()
        return disk
