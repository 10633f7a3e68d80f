"""Follows the log of an etcd store with a watch, and keeps its newest frames at hand.

Rules:
    The watch begins at the log's head: what is older is read by key, for etcd sends everything since a revision in
    one piece. It is resumed after the last change seen; when etcd has compacted beyond that, it begins at the head
    anew.
    `covers` says whether all frames after a cursor are here, or will be; whoever is behind reads by key.
    The memory is bounded: the oldest frames go first.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from omegacell.core.errors import ClosedError, StoreCorruptError, StoreError
from omegacell.store.etcd_layout import Frame, Keys, parse_frame, revision_of
from omegacell.store.etcd_wire import CompactedError, Connection, KeyValue, WatchBrokenError, Watching
from omegacell.store.log import Cursor

_LOG = logging.getLogger(__name__)

KEPT_BYTES: Final = 32 << 20
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 1.0


class Tail:
    """The newest frames of a log, fed by a thread of its own from the first call of `begin` on.

    Args:
        connection: Where the log is.
        keys: Its keys.
        read_head: Returns the cursor of the newest entry.
        kept_bytes: How many bytes of frames are kept.
    """

    def __init__(
        self, connection: Connection, keys: Keys, read_head: Callable[[], Cursor], *, kept_bytes: int = KEPT_BYTES
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._read_head = read_head
        self._kept_bytes = kept_bytes
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._byte_count = 0
        self._floor = Cursor(0)  # every entry after it, as far as `_seen`, is in `_frames`
        self._seen = 0  # the revision up to which changes came
        self._head = Cursor(0)
        self._thread: threading.Thread | None = None
        self._watching: Watching | None = None
        self._is_closed = False
        self.begin_count = 0

    def begin(self, head: Cursor) -> None:
        """Follow from the log's head, as just read, unless it is followed already."""
        with self._changed:
            if self._thread is not None or self._is_closed:
                return
            self._reset(head)
            self._thread = threading.Thread(target=self._run, name="etcd-tail", daemon=True)
            self._thread.start()

    def covers(self, after: Cursor) -> bool:
        """Say whether all frames after ``after`` are here, as far as they were seen."""
        with self._changed:
            return self._thread is not None and after >= self._floor

    def frames(self, after: Cursor, upto: Cursor, timeout_s: float) -> list[Frame] | None:
        """Return the frames with entries after ``after``, at least those up to ``upto``; None when they do not come."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while after >= self._floor and self._seen < revision_of(upto):
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0 or self._is_closed:
                    return None
                self._changed.wait(remaining_s)
            if after < self._floor:
                return None
            found: list[Frame] = []
            for frame in reversed(self._frames):
                if frame.last <= after:
                    break
                found.append(frame)
            found.reverse()
            return found

    def wait(self, after: Cursor, timeout_s: float, is_over: Callable[[], bool]) -> bool:
        """Return whether the log grew beyond ``after``, at once when it did, or when ``is_over`` after a `notify`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._head <= after and not is_over() and not self._is_closed:
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return False
                self._changed.wait(remaining_s)
            return self._head > after and not self._is_closed

    def notify(self) -> None:
        """Let waiting threads look again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End the watch and its threads."""
        with self._changed:
            self._is_closed = True
            watching = self._watching
            self._changed.notify_all()
        if watching is not None:
            watching.close()
        if self._thread is not None:
            self._thread.join()

    def _reset(self, head: Cursor) -> None:
        self._frames.clear()
        self._byte_count = 0
        self._floor = self._head = head
        self._seen = revision_of(head)
        self.begin_count += 1
        self._changed.notify_all()

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._is_closed:
            seen_before = self._seen
            try:
                self._follow()
            except CompactedError as error:
                _LOG.info("%s: %s; following begins at the head anew", self._connection.name, error)
                self._begin_anew()
            except (WatchBrokenError, StoreError) as error:
                if not self._is_closed:
                    # Once, and not for every attempt while etcd is away.
                    level = logging.INFO if pause_s == FIRST_PAUSE_S else logging.DEBUG
                    _LOG.log(level, "%s: the watch ended (%s); it is resumed", self._connection.name, error)
            except ClosedError:
                return
            pause_s = FIRST_PAUSE_S if self._seen > seen_before else min(2 * pause_s, LONGEST_PAUSE_S)
            with self._changed:
                if not self._is_closed:
                    self._changed.wait(pause_s)

    def _begin_anew(self) -> None:
        try:
            head = self._read_head()
        except (StoreError, ClosedError) as error:
            _LOG.info("%s: %s; the next attempt to watch says more", self._connection.name, error)
            return
        with self._changed:
            self._reset(head)

    def _follow(self) -> None:
        watching = self._connection.watch(self._keys.log.key, self._keys.log.end, start=self._seen + 1)
        with self._changed:
            self._watching = watching
            is_late = self._is_closed
        if is_late:
            watching.close()
        try:
            for written in watching:
                if written:
                    self._take(written)
        finally:
            watching.close()
            watching.join()
            with self._changed:
                self._watching = None

    def _take(self, written: Sequence[KeyValue]) -> None:
        try:
            frames = [parse_frame(each.key, each.value, each.mod_revision) for each in written]
        except StoreCorruptError as error:
            # The reader that comes to it by key says the same, to somebody who can act on it.
            _LOG.error("%s: %s", self._connection.name, error)
            raise CompactedError(str(error)) from error
        frames.sort(key=lambda frame: frame.first)
        with self._changed:
            for frame in frames:
                self._frames.append(frame)
                self._byte_count += len(frame.body)
            self._seen = max(self._seen, written[-1].mod_revision)
            self._head = max(self._head, frames[-1].last)
            while self._byte_count > self._kept_bytes and self._frames:
                gone = self._frames.popleft()
                self._byte_count -= len(gone.body)
                self._floor = gone.last
            self._changed.notify_all()
