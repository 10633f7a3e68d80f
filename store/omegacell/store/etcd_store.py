"""The etcd engine proper: the log and what stands beside it, over a `Connection`.

Rules:
    The head is read through etcd's leader, and so is where the log begins, unless the watch covers what is asked for.
    Entries come from the watch when it covers them, else by key; both give the same.
    Only truncation and erasing compact, up to their own revision: followers that are behind read by key.
"""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from omegacell.core.errors import (
    StoreCorruptError,
    StoreError,
    StoreLockedError,
    StoreReadOnlyError,
    TruncatedError,
)
from omegacell.store.etcd_appending import Appender
from omegacell.store.etcd_beside import EtcdCheckpoints, EtcdPayloads
from omegacell.store.etcd_check import find_faults
from omegacell.store.etcd_follow import Tail
from omegacell.store.etcd_guard import BoundConnection, ReadOnlyConnection
from omegacell.store.etcd_history import History, complete
from omegacell.store.etcd_layout import Frame, Keys, LogKey, cursor_at
from omegacell.store.etcd_meta import Meta, begin_draft, open_meta, publish
from omegacell.store.etcd_truncation import count_skipped, delete_frames, delete_orphans
from omegacell.store.etcd_wire import Connection, Found, Get, Put, Unchanged
from omegacell.store.groupcommit import GroupCommit
from omegacell.store.limits import check_batch, describe_lost, describe_truncated
from omegacell.store.log import DEFAULT_READ_BYTES, START, Append, Cursor, Stored, StoreStat, Synchronous
from omegacell.store.sqlite_database import Access
from omegacell.store.waking import Waking

# A watch can break without a word; a follower asks again after this.
POLL_S: Final = 2.0
# How long a reader waits for what the watch must bring, before it reads by key.
TAIL_PATIENCE_S: Final = 1.0
MAX_GROUP_BYTES: Final = 1 << 20
MAX_GROUP_TICKETS: Final = 48
MAX_TURNS: Final = 64


class EtcdStore:
    """A store in etcd. Implements ``Store``; any thread may use it, and any number of machines the same etcd.

    Args:
        connection: To etcd; closed with the store.
        prefix: What its keys begin with.
        access: What for.
        is_draft: Make a store that nobody else opens until `publish`.

    Attributes:
        payloads: The payloads beside the log.
        checkpoints: The checkpoints beside the log.

    Raises:
        StoreError: It cannot be opened; the subclass and the message say why and what to do.
    """

    def __init__(
        self, connection: Connection, prefix: str, access: Access = Access.CREATE, *, is_draft: bool = False
    ) -> None:
        reading = ReadOnlyConnection(connection) if access is Access.READ_ONLY else connection
        self._is_writable = access is not Access.READ_ONLY
        self._keys = Keys(prefix)
        try:
            self._meta: Meta = begin_draft(reading, self._keys) if is_draft else open_meta(reading, self._keys, access)
        except BaseException:
            connection.close()
            raise
        # What says which store this is, is written past it.
        self._unbound = reading
        self._bound = BoundConnection(reading, self._keys.meta, self._meta.encode())
        self._connection: Connection = self._bound
        self.payloads = EtcdPayloads(self._connection, self._keys)
        self.checkpoints = EtcdCheckpoints(self._connection, self._keys)
        self._read_upto = START
        self._known_head = START
        self._appender = Appender(self._connection, self._keys, lambda: self._read_upto)
        self._group = GroupCommit(
            self._appender.commit,
            patience_s=connection.patience_s,
            max_bytes=MAX_GROUP_BYTES,
            max_tickets=MAX_GROUP_TICKETS,
        )
        self._history = History(self._connection, self._keys)
        self._tail = Tail(self._connection, self._keys, self.head)
        self._waking = Waking()

    @property
    def incarnation(self) -> str:
        """The life of this store."""
        return self._meta.incarnation

    @property
    def name(self) -> str:
        """Where it is, without secrets."""
        return self._connection.name

    def publish(self) -> None:
        """Let everybody open a draft that is whole."""
        self._meta = publish(self._unbound, self._keys, self._meta)
        self._bound.bind(self._meta.encode())

    def append(self, batch: Sequence[Append]) -> list[Cursor]:
        """Append entries in one transaction, shared with concurrent callers; see ``Log.append``."""
        size = check_batch(batch)
        if not self._is_writable:
            raise StoreReadOnlyError(f"{self.name}: the store is opened for reading only; nothing was written")
        return self._group.append(batch, size) if batch else []

    def read(self, after: Cursor, limit_bytes: int = DEFAULT_READ_BYTES) -> list[Stored]:
        """Return the entries after ``after``; see ``Log.read``."""
        # Who asked for the head just now needs no other answer to read up to it: the watch brings what is there.
        frames = self._frames_at_hand(after, self._known_head, limit_bytes)
        if frames is None:
            first, head = self._ends()
            self._check_reach(after, first, head)
            if after == head:
                return []
            frames = self._frames_by_key(after, head, limit_bytes)
        found: list[Stored] = []
        size = 0
        for frame in frames:
            for stored in frame.entries():
                size += len(stored.entry)
                if stored.cursor <= after:
                    size -= len(stored.entry)
                    continue
                if size > limit_bytes and found:
                    return self._seen(found)
                found.append(stored)
        if not found:
            # Entries are missing: truncated while we looked, or the log has a hole.
            first, head = self._ends()
            self._check_reach(after, first, head)
            raise StoreCorruptError(describe_lost(head, after))
        return self._seen(found)

    def head(self) -> Cursor:
        """Return the cursor of the newest entry."""
        (found,) = self._connection.commit([Get(key=self._keys.head)]).found
        self._known_head = max(self._known_head, _head_of(found))
        return _head_of(found)

    def first(self) -> Cursor:
        """Return the cursor before the oldest entry kept."""
        (found,) = self._connection.commit([Get(key=self._keys.first)]).found
        return _first_of(found)

    def wait(self, after: Cursor, timeout_s: float) -> bool:
        """Wait until something after ``after`` can be read; see ``Log.wait``."""
        deadline = time.monotonic() + timeout_s
        with self._waking.waiting() as seen:
            while True:
                head = self.head()
                if head > after:
                    return True
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0 or self._waking.is_woken(seen):
                    return False
                self._tail.begin(head)
                if self._tail.wait(after, min(remaining_s, POLL_S), lambda: self._waking.is_woken(seen)):
                    return True

    def wake(self) -> None:
        """Make every ``wait`` under way return; with none under way, the next one."""
        self._waking.wake()
        self._tail.notify()

    def truncate(self, upto: Cursor) -> None:
        """Forget the entries up to and including ``upto``; see ``Log.truncate``."""
        for _ in range(MAX_TURNS):
            found = self._connection.commit([Get(key=self._keys.first), Get(key=self._keys.head)]).found
            head = _head_of(found[1])
            if upto > head:
                raise StoreError(f"cannot truncate up to cursor {upto}: the head is {head}")
            if upto <= _first_of(found[0]):
                return
            seen = found[0].items[0].mod_revision if found[0].items else 0
            # First the mark, then the keys: who reads in between is told, and never finds a hole.
            mark = Put(self._keys.first, b"%d %d" % (upto, count_skipped(self._connection, self._keys, upto)))
            if self._connection.commit([mark], when=[Unchanged(self._keys.first, seen)]).is_met:
                break
        else:
            raise StoreLockedError(f"{self.name}: others truncate the log all the time; try again")
        delete_frames(self._connection, self._keys, upto)
        delete_orphans(self._connection, self._keys, upto)
        self._connection.compact(self._connection.commit([]).revision)

    def void(self, revision: int) -> None:
        """Put a revision on the list of those that every fold skips."""
        if revision < 1:
            raise StoreError(f"cannot void revision {revision}: revisions begin at 1")
        self._connection.commit([Put(self._keys.void(revision), b"")])

    def voids(self) -> frozenset[int]:
        """Return the revisions that every fold skips."""
        span = self._keys.voids
        (found,) = self._connection.commit([Get(key=span.key, end=span.end, has_values=False)]).found
        return frozenset(int(item.key.rpartition(b"/")[2], 16) for item in found.items)

    def stat(self) -> StoreStat:
        """Return facts about the store; bytes are those of the whole etcd. Cost: the appends of several entries."""
        status = self._connection.status()
        keys = self._keys
        counted = (keys.log, keys.checkpoint_heads, keys.payloads, keys.voids)
        first, head, many, *counts = self._connection.commit(
            [
                Get(key=keys.first),
                Get(key=keys.head),
                Get(key=keys.many.key, end=keys.many.end, has_values=False),
                *(Get(key=span.key, end=span.end, is_count=True) for span in counted),
            ]
        ).found
        further = sum(LogKey.parse(item.key).entry_count - 1 for item in many.items)
        return StoreStat(
            engine="etcd",
            incarnation=self.incarnation,
            format_version=self._meta.format_version,
            synchronous=Synchronous.FULL,
            path=None,
            file_system=None,
            byte_count=status.byte_count,
            wal_byte_count=0,
            free_byte_count=max(0, status.byte_count - status.used_byte_count),
            disk_free_byte_count=0,
            entry_count=counts[0].count + further - _skipped_of(first),
            first=_first_of(first),
            head=_head_of(head),
            checkpoint_count=counts[1].count,
            payload_count=counts[2].count,
            void_count=counts[3].count,
        )

    def find_faults(self) -> list[str]:
        """Read everything and return what is wrong, a line each; [] when nothing is. Cost: the whole store."""
        first, head = self._ends()
        return find_faults(self._connection, self._keys, first=first, head=head)

    def close(self) -> None:
        """Let the appends under way finish, wake waiters and close the connection."""
        self._group.close()
        self._connection.close()
        self._tail.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ends(self) -> tuple[Cursor, Cursor]:
        first, head = self._connection.commit([Get(key=self._keys.first), Get(key=self._keys.head)]).found
        return _first_of(first), _head_of(head)

    def _check_reach(self, after: Cursor, first: Cursor, head: Cursor) -> None:
        if after < first:
            raise TruncatedError(describe_truncated(after, first), oldest=first)
        if after > head:
            raise StoreCorruptError(describe_lost(after, head))

    def _frames_by_key(self, after: Cursor, head: Cursor, limit_bytes: int) -> list[Frame]:
        """Return frames after ``after``, from the watch if it covers them meanwhile, else by key."""
        self._tail.begin(head)
        frames = self._frames_at_hand(after, head, limit_bytes)
        if frames is None:
            frames = self._history.frames(after, head, limit_bytes)
            # Keys vanish after the mark moved: only who looks at it now knows that none is missing in between.
            first, head = self._ends()
            self._check_reach(after, first, head)
        return frames

    def _frames_at_hand(self, after: Cursor, upto: Cursor, limit_bytes: int) -> list[Frame] | None:
        """Return frames after ``after`` that the watch has brought, or brings up to ``upto``; None when it does not."""
        if after >= upto or not self._tail.covers(after):
            return None
        frames = self._tail.frames(after, upto, TAIL_PATIENCE_S)
        if frames is None:
            return None
        self._history.forget()
        whole: list[Frame] = []
        size = 0
        for frame in frames:
            completed = complete(self._connection, self._keys, frame)
            if completed is None:
                return whole
            whole.append(completed)
            size += len(completed.body)
            if size > limit_bytes and completed.last > after:
                break
        return whole

    def _seen(self, found: list[Stored]) -> list[Stored]:
        self._read_upto = max(self._read_upto, found[-1].cursor)
        return found


def _head_of(found: Found) -> Cursor:
    if not found.items:
        return START
    return cursor_at(found.items[0].mod_revision, int(found.items[0].value) - 1)


def _first_of(found: Found) -> Cursor:
    return Cursor(int(found.items[0].value.split()[0])) if found.items else START


def _skipped_of(found: Found) -> int:
    return int(found.items[0].value.split()[1]) if found.items else 0
