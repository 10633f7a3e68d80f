"""Writers of several processes queue on a file lock.

SQLite's own busy handler polls, and a busy writer starves the others (2.7 s measured); the kernel's queue for flock
does not (36 ms). A killed process loses its lock at once. flock has no time limit, so a contended lock is waited for
in a short-lived thread, which is given up when the limit passes and lets go of the lock should it still come.

What is done while the lock is held does not belong here.
"""

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from omegacell.core.errors import StoreFullError, StoreIOError, StoreLockedError, StoreReadOnlyError

PRIVATE_FILE_MODE: Final = 0o600


class FileLock:
    """An exclusive lock between processes and between the threads of one.

    Args:
        path: The lock file; created when it is not there, never deleted.
        purpose: What the holder does, for messages.
    """

    def __init__(self, path: Path, *, purpose: str) -> None:
        self._path = path
        self._purpose = purpose
        open_private(path)  # fails here, and not at the first commit, where no file may be created

    @contextmanager
    def hold(self, patience_s: float) -> Iterator[None]:
        """Hold the lock for the block.

        Raises:
            StoreLockedError: Another holder did not let go within ``patience_s``.
        """
        descriptor = open_private(self._path, keep=True)
        if not self._try(descriptor) and not _Waiter(descriptor).wait(patience_s):
            raise StoreLockedError(
                f"{self._path}: another process holds the lock ({self._purpose}) and did not let go within"
                f" {patience_s:g} s; find it with `fuser {self._path}`, or try again"
            )
        try:
            yield
        finally:
            os.close(descriptor)  # the last close of an open file lets go of its flock

    def _try(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                return False
            os.close(descriptor)
            raise StoreIOError(f"{self._path}: cannot lock it: {error.strerror}") from error
        return True


class _Waiter:
    """Waits for a flock with a limit. Unless the wait succeeds, it closes the descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._mutex = threading.Lock()
        self._is_held = False
        self._is_abandoned = False
        self._done = threading.Event()

    def wait(self, patience_s: float) -> bool:
        if patience_s <= 0:
            os.close(self._descriptor)
            return False
        try:
            threading.Thread(target=self._block, name="omega-writer-lock", daemon=True).start()
            self._done.wait(patience_s)
        except BaseException:
            self._abandon()
            raise
        return not self._abandon()

    def _abandon(self) -> bool:
        """Give up unless the lock is held; return whether it was given up."""
        with self._mutex:
            self._is_abandoned = not self._is_held
            return self._is_abandoned

    def _block(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        finally:
            with self._mutex:
                self._is_held = not self._is_abandoned
                if self._is_abandoned:
                    os.close(self._descriptor)
            self._done.set()


def open_private(path: Path, *, keep: bool = False) -> int:
    """Open a file for reading and writing, created for the owner alone; return the descriptor, or -1 if not kept.

    Raises:
        StoreReadOnlyError: The folder, the file or the file system takes no writes.
        StoreFullError: There is no room for one more file.
        StoreIOError: It failed in another way.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE_MODE)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StoreReadOnlyError(
                f"{path}: cannot write here: {error.strerror}; expected a folder this user may write to"
            ) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFullError(f"{path}: no room for one more file; make room and try again") from error
        raise StoreIOError(f"{path}: cannot open it: {error.strerror}") from error
    if keep:
        return descriptor
    os.close(descriptor)
    return -1
