"""The output of tasks: plain files that are read from any offset, followed, and kept from growing for ever.

Choice: a task's outputs are files that it appends to itself (``O_APPEND``). Nothing of ours stands between a task and
its output, so killing the agent, the supervisor or both loses no byte and blocks no task, as a pump on a pipe would.
Such files cannot be renamed under a running task, and copy-and-truncate loses what is written between the two. So
rotation frees the *head* of the file in place (``fallocate`` with ``PUNCH_HOLE``): appending goes on at the tail,
nothing is copied, and an offset means the same byte for ever: its place in the whole output since the start. What has
been freed is a hole, so the first byte kept is where ``SEEK_DATA`` says: there is no other state to lose.

What can be lost: only what is older than the limit. ext4, xfs, btrfs, tmpfs, f2fs and overlays of them can do it.
Where a file system cannot, the file is truncated to nothing when it is twice its limit, everything in it up to then is
lost, and offsets start anew; `trim_log` returns which it was.

A file's apparent size (``ls``) is all that was ever written; its room on disk (``du``) is what is kept.
"""

import asyncio
import ctypes
import errno
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from omegacell.agent.messages import MAX_LOG_CHUNK_BYTES

_BLOCK_BYTES: Final = 1 << 16
_FALLOC_KEEP_SIZE: Final = 1
_FALLOC_PUNCH_HOLE: Final = 2
_IN_MODIFY: Final = 0x2
_IN_CREATE: Final = 0x100
_FOLLOW_POLL_S: Final = 5.0


class Trim(IntEnum):
    """What became of a file that was looked at."""

    FITS = 0
    FREED = 1
    """Its head was freed; offsets hold."""
    TRUNCATED = 2
    """The file system cannot free a head: all of it was dropped, and offsets start anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSlice:
    """Some output.

    Attributes:
        offset: of the first byte of ``data``; larger than what was asked for when older output has been freed.
        data: the bytes; empty at the end of what there is.
    """

    offset: int
    data: bytes


def find_first(fd: int, size: int) -> int:
    """Return the offset of the first byte that is kept of a file that had ``size`` bytes a moment ago."""
    try:
        return os.lseek(fd, 0, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing is kept, or nothing was written
            return size
        raise


def resolve_offset(path: str, offset: int) -> int:
    """Return a negative offset (so many bytes before the end) as one from the start."""
    if offset >= 0:
        return offset
    try:
        return max(os.stat(path).st_size + offset, 0)
    except FileNotFoundError:
        return 0


def read_log(path: str, offset: int, limit_bytes: int = MAX_LOG_CHUNK_BYTES) -> LogSlice:
    """Return output from ``offset`` on, or from the first whole line kept when that is later.

    A file that is not there yet reads as empty.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return LogSlice(offset=offset, data=b"")
    try:
        size = os.fstat(fd).st_size
        if offset > size:  # truncated: offsets have started anew
            offset = 0
        first = find_first(fd, size)
        while True:
            start = max(offset, first)
            data = os.pread(fd, limit_bytes, start)
            first, before = find_first(fd, size), first
            if first <= start:
                break  # else it was freed while it was read: what was read may be of the hole
        cut = data.find(b"\n") + 1 if before > offset else 0
        return LogSlice(offset=start + cut, data=data[cut:])
    finally:
        os.close(fd)


def trim_log(path: str, keep_bytes: int) -> Trim:
    """Free what is older than the last ``keep_bytes`` (and up to a quarter more, in whole blocks)."""
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        return Trim.FITS
    if size <= keep_bytes:
        return Trim.FITS
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        first = find_first(fd, size)
        upto = (size - keep_bytes) // _BLOCK_BYTES * _BLOCK_BYTES
        if upto - first < max(keep_bytes // 4, _BLOCK_BYTES):
            return Trim.FITS
        if _punch(fd, upto):
            return Trim.FREED
        if size < 2 * keep_bytes:
            return Trim.FITS
        os.ftruncate(fd, 0)
        return Trim.TRUNCATED
    finally:
        os.close(fd)


def _punch(fd: int, upto: int) -> bool:
    """Free the first ``upto`` bytes; return whether the file system can."""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_int(fd), ctypes.c_int(_FALLOC_PUNCH_HOLE | _FALLOC_KEEP_SIZE))
    if libc.fallocate64(*arguments, ctypes.c_int64(0), ctypes.c_int64(upto)) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EOPNOTSUPP, errno.ENOSYS):
        return False
    raise OSError(number, os.strerror(number))


async def follow_log(path: str, offset: int, ended: asyncio.Event) -> AsyncGenerator[LogSlice, None]:
    """Yield output from ``offset`` on as it is written, until ``ended`` is set and everything has been read."""
    watch = _Watch(path)
    try:
        while True:
            was_ended = ended.is_set()
            piece = await asyncio.to_thread(read_log, path, offset)
            if piece.data:
                yield piece
                offset = piece.offset + len(piece.data)
            elif was_ended:
                return
            else:
                offset = piece.offset
                await watch.wait(ended)
    finally:
        watch.close()


class _Watch:
    """An inotify watch of a file's folder, which is an attempt's own: the file may not be there yet."""

    def __init__(self, path: str) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._changed = asyncio.Event()
        if self._fd < 0:
            # No more watches for this user: the poll below is all there is.
            return
        folder = os.fsencode(os.path.dirname(path))
        self._libc.inotify_add_watch(self._fd, folder, _IN_MODIFY | _IN_CREATE)
        asyncio.get_running_loop().add_reader(self._fd, self._on_readable)

    def _on_readable(self) -> None:
        try:
            os.read(self._fd, 1 << 14)
        except BlockingIOError:
            return
        self._changed.set()

    async def wait(self, ended: asyncio.Event) -> None:
        """Return when the file may have changed, ``ended`` is set, or a few seconds have passed."""
        tasks = [asyncio.create_task(event.wait()) for event in (self._changed, ended)]
        try:
            await asyncio.wait(tasks, timeout=_FOLLOW_POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        self._changed.clear()

    def close(self) -> None:
        """Stop watching."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
