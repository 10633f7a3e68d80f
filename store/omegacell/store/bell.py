"""Followers in other processes learn of a commit within a fraction of a millisecond.

A writer writes one byte to the `bell` file after its commit; followers watch the file with inotify. Watching the
write-ahead log itself fires before the commit is visible; polling every millisecond costs 7 % of a core (both
measured). A bell can be missed (a file system without inotify, a writer killed between commit and bell), so whoever
waits looks again once a second; that is the caller's business.

Rules:
    A ticket is taken before looking; waiting with it returns at once if the bell rang after it was taken.
    One of the waiting threads watches for all.
"""

import errno
import logging
import os
import select
import threading
import time
from pathlib import Path
from typing import Final

from inotify_simple import INotify, flags

from omegacell.core.errors import ClosedError, StoreFullError, StoreIOError, StoreUnsupportedError
from omegacell.store.writerlock import open_private

_LOG = logging.getLogger(__name__)

WATCHED: Final = flags.MODIFY | flags.CLOSE_WRITE


class Bell:
    """Rings for, and waits for, commits to one store.

    Args:
        path: The bell file.
        may_ring: Whether this one rings, too; then the file is created when it is not there. One that may not leaves
            no trace, and only hears a bell that is there.
    """

    def __init__(self, path: Path, *, may_ring: bool) -> None:
        self._path = path
        self._descriptor = -1
        if may_ring:
            self._descriptor = open_private(path, keep=True)
            # The byte stands there from the start, so that ringing needs no room on a full disk.
            self._write_first()
        self._changed = threading.Condition()
        self._ring_count = 0
        self._is_watched = False
        self._is_closed = False
        self._inotify: INotify | None = None
        self._wake_descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def ring(self) -> None:
        """Tell every follower that something was committed. The commit stands whatever becomes of the bell."""
        assert self._descriptor >= 0, "a bell opened for listening rings"
        try:
            os.pwrite(self._descriptor, b"\n", 0)
        except OSError as error:
            _LOG.warning("%s: cannot ring: %s; followers notice within a second", self._path, error)

    def ticket(self) -> int:
        """Return what ``wait`` compares with."""
        with self._changed:
            self._open_watch()
            return self._ring_count

    def wait(self, ticket: int, timeout_s: float) -> None:
        """Return as soon as the bell rang after ``ticket`` was taken, on ``interrupt``, or after ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._ring_count == ticket and not self._is_closed:
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return
                if self._is_watched:
                    self._changed.wait(remaining_s)
                else:
                    self._watch(remaining_s)

    def interrupt(self) -> None:
        """Make every ``wait`` under way return, as if the bell had rung."""
        with self._changed:
            self._ring_count += 1
            if self._is_watched:
                os.eventfd_write(self._wake_descriptor, 1)
            self._changed.notify_all()

    def close(self) -> None:
        """Make every ``wait`` return, and release the watch."""
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            os.eventfd_write(self._wake_descriptor, 1)
            self._changed.notify_all()
            while self._is_watched:
                self._changed.wait()
            if self._inotify is not None:
                self._inotify.close()
            os.close(self._wake_descriptor)
            if self._descriptor >= 0:
                os.close(self._descriptor)

    def _write_first(self) -> None:
        try:
            if os.fstat(self._descriptor).st_size == 0:
                os.pwrite(self._descriptor, b"\n", 0)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreFullError(f"{self._path}: cannot write it: {error.strerror}; make room and go on") from error

    def _open_watch(self) -> None:
        if self._is_closed:
            raise ClosedError(f"{self._path}: the store is closed")
        if self._inotify is not None or (self._descriptor < 0 and not self._path.exists()):
            return
        inotify = None
        try:
            inotify = INotify(nonblocking=True)
            inotify.add_watch(str(self._path), WATCHED)
        except OSError as error:
            if inotify is not None:
                inotify.close()
            if error.errno in (errno.EMFILE, errno.ENOSPC):
                raise StoreUnsupportedError(
                    f"{self._path}: cannot watch it: the user's inotify instances or watches are used up; raise"
                    " fs.inotify.max_user_instances and fs.inotify.max_user_watches (sysctl)"
                ) from error
            raise StoreIOError(f"{self._path}: cannot watch it: {error.strerror}") from error
        self._inotify = inotify

    def _watch(self, timeout_s: float) -> None:
        """Watch for everyone; called and left with the condition held, which is released meanwhile."""
        self._is_watched = True
        self._changed.release()
        try:
            poll = select.poll()
            if self._inotify is not None:
                poll.register(self._inotify.fileno(), select.POLLIN)
            poll.register(self._wake_descriptor, select.POLLIN)
            poll.poll(max(1, int(timeout_s * 1000)))
        finally:
            self._changed.acquire()
            self._is_watched = False
            if self._inotify is not None and list(self._inotify.read(timeout=0)):
                self._ring_count += 1
            self._drain_wake()
            self._changed.notify_all()

    def _drain_wake(self) -> None:
        try:
            os.eventfd_read(self._wake_descriptor)
        except BlockingIOError:
            return
