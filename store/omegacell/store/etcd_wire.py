"""What the etcd engine needs of a connection to etcd, in plain values.

``etcd`` implements it with the `etcd3` package; nothing else of the engine knows that package, or gRPC.

Rules:
    Every transaction that the engine sends may be sent twice: what a lost answer leaves open, sending again settles.
    So a connection tries again by itself, on every endpoint, until its patience ends.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

# etcd's own defaults: 128 operations and 1.5 MiB for a request. Both are kept well below.
MAX_OPERATIONS: Final = 100
MAX_REQUEST_BYTES: Final = 5 << 18


class CompactedError(Exception):
    """A watch asked for changes that etcd has compacted: look at the keys instead."""


class WatchBrokenError(Exception):
    """A watch ended; another one goes on where it ended."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key as etcd keeps it; ``lease`` is 0 when it is bound to none."""

    key: bytes
    value: bytes
    mod_revision: int
    lease: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """Reads a key, or the keys from ``key`` up to before ``end``.

    Attributes:
        key: The key, or the first.
        end: Before which key to stop; None for one key.
        limit: At most so many; 0 for all.
        has_values: Whether values are wanted.
        is_count: Whether only the number of keys is wanted.
    """

    key: bytes
    end: bytes | None = None
    limit: int = 0
    has_values: bool = True
    is_count: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """Writes a key."""

    key: bytes
    value: bytes
    lease: int = 0


@dataclass(frozen=True, slots=True)
class PutNew:
    """Writes a key unless it is there."""

    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes a key, or the keys from ``key`` up to before ``end``."""

    key: bytes
    end: bytes | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """Holds when the key is not there."""

    key: bytes


@dataclass(frozen=True, slots=True)
class Present:
    """Holds when the key is there."""

    key: bytes


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Holds when the key was last written at that revision; 0 when it is not there."""

    key: bytes
    mod_revision: int


@dataclass(frozen=True, slots=True)
class HasValue:
    """Holds when the key has that value."""

    key: bytes
    value: bytes


Operation: TypeAlias = Get | Put | PutNew | Delete
Condition: TypeAlias = Absent | Present | Unchanged | HasValue


@dataclass(frozen=True, slots=True)
class Found:
    """What one operation answered: the keys of a `Get`, and how many there are, or how many a `Delete` deleted."""

    items: tuple[KeyValue, ...] = ()
    count: int = 0
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a transaction answered.

    Attributes:
        is_met: Whether all conditions held.
        revision: etcd's revision after it.
        found: One for each operation that was done.
    """

    is_met: bool
    revision: int
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """What etcd says of the member that answers."""

    version: str
    byte_count: int
    used_byte_count: int


class Watching(Protocol):
    """Changes of a range, from a revision on."""

    def __iter__(self) -> Iterator[Sequence[KeyValue]]:
        """Yield what was written, in order; an empty list when the watch begins.

        Raises:
            CompactedError: The changes that were asked for are not kept.
            WatchBrokenError: It ended.
        """
        ...

    def close(self) -> None:
        """End it; the thread that iterates returns soon. May be called from any thread."""
        ...

    def join(self) -> None:
        """Return once no thread of it is left."""
        ...


class Connection(Protocol):
    """A connection to one etcd cluster, over any of its members. Any thread may use it."""

    @property
    def name(self) -> str:
        """What errors and people call it: endpoints and prefix, without secrets."""
        ...

    @property
    def cluster(self) -> str:
        """The cluster's id."""
        ...

    @property
    def patience_s(self) -> float:
        """How long a call tries."""
        ...

    def commit(
        self,
        then: Sequence[Operation],
        *,
        when: Sequence[Condition] = (),
        otherwise: Sequence[Operation] = (),
    ) -> Answer:
        """Do ``then`` in one transaction when all conditions hold, else ``otherwise``.

        Raises:
            StoreError: The subclass says how etcd failed; what was to be written may have been.
            ClosedError: The connection is closed.
        """
        ...

    def compact(self, revision: int) -> None:
        """Let etcd forget what was superseded or deleted before ``revision``; done already is done."""
        ...

    def grant(self, ttl_s: int) -> int:
        """Return a lease: keys bound to it go when nobody renews it."""
        ...

    def revoke(self, lease: int) -> None:
        """End a lease, and delete the keys bound to it; one that ended stays so."""
        ...

    def status(self) -> Status:
        """Ask the member in use how it is."""
        ...

    def watch(self, key: bytes, end: bytes, *, start: int) -> Watching:
        """Watch a range from revision ``start`` on."""
        ...

    def close(self) -> None:
        """Release everything. Closing twice is allowed."""
        ...
