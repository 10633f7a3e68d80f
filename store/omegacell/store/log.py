"""What every engine keeps, and the limits that hold in all of them.

Rules:
    An append is acknowledged only when it is durable, and readable by everyone.
    Cursors grow along the log and mean nothing else; they may have gaps.
    The smallest limit of any engine is the limit of all, so that a cell can move between engines.
    A checkpoint exists once its head is written, which is last.

Nothing here knows what an entry means, or which engine is at work.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final, NewType, Protocol, Self

Cursor = NewType("Cursor", int)
"""A place in the log: that of an entry, or ``START`` before all of them. Only order means anything."""

CheckpointId = NewType("CheckpointId", int)
"""Names a checkpoint for ever; larger is later."""

START: Final = Cursor(0)
UNSTORED: Final = CheckpointId(0)

# etcd refuses requests of about 1.5 MiB; what fits nowhere must not fit anywhere.
MAX_ENTRY_BYTES: Final = 1 << 20
MAX_PAYLOAD_BYTES: Final = 1 << 20
MAX_CHUNK_BYTES: Final = 1 << 20
MAX_HASH_BYTES: Final = 64
# A batch is one commit; more than this would hold other writers up for too long.
MAX_BATCH_BYTES: Final = 64 << 20
DEFAULT_READ_BYTES: Final = 4 << 20

CHAIN_BYTES: Final = 16
DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """One entry to append, and the payloads that must be there when it is.

    Attributes:
        entry: Encoded transactions, at most ``MAX_ENTRY_BYTES``.
        session: Session of the transactions; with ``first_seq`` it names the entry where an engine can refuse
            the second delivery of one (etcd). The embedded engines leave that to the fold.
        first_seq: Sequence number of the first transaction.
        payloads: Salted hash to payload, written in the same commit. A hash that is known already is left alone.
    """

    entry: bytes
    session: int
    first_seq: int
    payloads: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as the log keeps it."""

    cursor: Cursor
    entry: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointHead:
    """What identifies and guards a checkpoint.

    Attributes:
        revision: Revision of the cell in it.
        cursor: The last entry folded into it; following goes on after this one.
        chain: Chain value at ``revision``, ``CHAIN_BYTES`` long.
        digest: Full digest of the cell, ``DIGEST_BYTES`` long.
        chunk_count: How many chunks follow.
        byte_count: Their length together.
        made_at_us: Wall clock, for people.
        is_confirmed: Whether another fold came to the same digest.
        checkpoint_id: Given by the engine when it is written.
    """

    revision: int
    cursor: Cursor
    chain: bytes
    digest: bytes
    chunk_count: int
    byte_count: int
    made_at_us: int
    is_confirmed: bool = False
    checkpoint_id: CheckpointId = UNSTORED


class Synchronous(Enum):
    """How far an append goes before it is acknowledged."""

    NONE = "none"  # memory: nothing outlives the process
    NORMAL = "normal"  # survives a killed process; a power cut may erase the last commits
    FULL = "full"  # survives a power cut


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStat:
    """Facts about a store at one moment, for people and metrics.

    Attributes:
        engine: ``memory``, ``sqlite`` or ``etcd``.
        incarnation: Minted when the store was created or restored.
        format_version: Version of the engine's own layout.
        synchronous: What an acknowledgement is worth.
        path: The database; None in memory and in etcd.
        file_system: Its type; None in memory and in etcd.
        byte_count: Bytes taken, the write-ahead log included; in etcd those of the whole member.
        wal_byte_count: Bytes of the write-ahead log.
        free_byte_count: Bytes inside the file that are free to be used again.
        disk_free_byte_count: Bytes free on the file system.
        entry_count: Entries kept.
        first: Cursor before the oldest entry kept.
        head: Cursor of the newest entry.
        checkpoint_count: Checkpoints with a head.
        payload_count: Payloads kept.
        void_count: Voided revisions.
    """

    engine: str
    incarnation: str
    format_version: int
    synchronous: Synchronous
    path: Path | None
    file_system: str | None
    byte_count: int
    wal_byte_count: int
    free_byte_count: int
    disk_free_byte_count: int
    entry_count: int
    first: Cursor
    head: Cursor
    checkpoint_count: int
    payload_count: int
    void_count: int


class Log(Protocol):
    """An ordered, durable list of entries. Every method may be called from any thread."""

    @property
    def incarnation(self) -> str:
        """The life of this store; another value means that everything learned from it must be reloaded."""
        ...

    def append(self, batch: Sequence[Append]) -> list[Cursor]:
        """Append entries in one durable commit, all or none, next to each other.

        Concurrent callers share a commit. On any error but ``EntryTooLargeError`` nothing is acknowledged, and the
        batch may or may not be in the log: fold up to the head before deciding, and retry with the same sequence
        numbers.

        Returns:
            The cursor of each entry, in order.

        Raises:
            EntryTooLargeError: An entry or payload is above the limit; nothing was written.
            StoreError: The engine failed; the subclass says how.
        """
        ...

    def read(self, after: Cursor, limit_bytes: int = DEFAULT_READ_BYTES) -> list[Stored]:
        """Return the entries after ``after``, in order, up to ``limit_bytes`` but at least one; [] at the head.

        Raises:
            TruncatedError: Entries after ``after`` are not kept any more.
            StoreCorruptError: An entry is not what was written, or the log ends before ``after``.
        """
        ...

    def head(self) -> Cursor:
        """Return the cursor of the newest entry, durable now; that of the last truncated one in an empty log."""
        ...

    def first(self) -> Cursor:
        """Return the cursor before the oldest entry kept: the smallest that ``read`` accepts."""
        ...

    def wait(self, after: Cursor, timeout_s: float) -> bool:
        """Wait until something after ``after`` can be read; return whether there is.

        Returns False after ``timeout_s``, or at once when ``wake`` is called.

        Raises:
            ClosedError: The store is closed, or was while waiting.
        """
        ...

    def wake(self) -> None:
        """Make every ``wait`` under way on this handle return; with none under way, the next one."""
        ...

    def truncate(self, upto: Cursor) -> None:
        """Forget the entries up to and including ``upto``. What is forgotten already stays so.

        Raises:
            StoreError: ``upto`` is beyond the head.
        """
        ...

    def close(self) -> None:
        """Release everything; waiters return. Closing twice is allowed."""
        ...


class Payloads(Protocol):
    """What entries refer to and ``apply`` never reads, by salted hash."""

    def get(self, payload_hash: bytes) -> bytes | None:
        """Return the payload, or None when it was never there or is erased."""
        ...

    def put(self, payload_hash: bytes, payload: bytes) -> None:
        """Keep a payload durably; a known hash is left alone."""
        ...

    def erase(self, payload_hash: bytes) -> bool:
        """Erase a payload beyond recovery; return whether there was one."""
        ...

    def hashes(self) -> frozenset[bytes]:
        """Return the hashes of all payloads kept."""
        ...


class Checkpoints(Protocol):
    """Snapshots of the cell, in chunks."""

    def write(self, head: CheckpointHead, chunks: Iterable[bytes]) -> CheckpointHead:
        """Write chunks and then the head; return the head with its id.

        One checkpoint is written at a time. Appends go on between chunks. When it fails, or the process dies,
        there is no checkpoint, and what was written of it is cleared.

        Raises:
            StoreLockedError: Another one is being written.
            EntryTooLargeError: A chunk is above ``MAX_CHUNK_BYTES``.
            StoreError: The chunks are not as many, or not as long, as the head says.
        """
        ...

    def heads(self) -> list[CheckpointHead]:
        """Return the heads, oldest first."""
        ...

    def read(self, checkpoint_id: CheckpointId) -> Iterator[bytes]:
        """Yield the chunks in order.

        Raises:
            CheckpointGoneError: It was deleted, perhaps while being read: start again from the newest.
        """
        ...

    def confirm(self, checkpoint_id: CheckpointId) -> None:
        """Record that another fold came to the same digest.

        Raises:
            CheckpointGoneError: It was deleted.
        """
        ...

    def delete(self, checkpoint_id: CheckpointId) -> None:
        """Delete head and chunks; one that is gone already stays so."""
        ...


class Store(Log, Protocol):
    """An engine: the log and what stands beside it."""

    @property
    def payloads(self) -> Payloads:
        """The payloads beside the log."""
        ...

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints beside the log."""
        ...

    def void(self, revision: int) -> None:
        """Put a revision on the list of those that every fold skips."""
        ...

    def voids(self) -> frozenset[int]:
        """Return the revisions that every fold skips."""
        ...

    def stat(self) -> StoreStat:
        """Return facts about the store."""
        ...

    def find_faults(self) -> list[str]:
        """Read everything and return what is wrong, a line each; [] when nothing is. Cost: the whole store."""
        ...

    def __enter__(self) -> Self:
        """Return the store; it is closed at the end of the block."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        ...


def split_chunks(data: bytes, chunk_bytes: int = MAX_CHUNK_BYTES) -> list[bytes]:
    """Cut a checkpoint into chunks.

    >>> split_chunks(b"abcde", 2)
    [b'ab', b'cd', b'e']
    """
    return [data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes)]
