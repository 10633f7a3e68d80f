"""Looks at database files from outside of SQLite, and only while this process has them not open.

The rule of this module is a trap of POSIX: when a process closes any descriptor of a file, all its locks on that file
are gone, those of SQLite too (sqlite.org/howtocorrupt.html, section 2.2). Without its lock, another process that
closes takes itself for the last one and deletes the write-ahead log under our feet. So the first bytes of a file are
read before SQLite opens it, never afterwards, and what they say is remembered.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from omegacell.core.errors import (
    NotAStoreError,
    StoreCutShortError,
    StoreIOError,
    StoreNotFoundError,
    StoreReadOnlyError,
)

SQLITE_MAGIC: Final = b"SQLite format 3\x00"
HEADER_BYTES: Final = 100
ACTION_CORRUPT: Final = "stop the cell, keep a copy of the folder, and restore a backup with `omega store restore`"

_MUTEX = threading.RLock()
_OPEN_COUNTS: Counter[tuple[int, int]] = Counter()
_PROMISED_BYTES: dict[Path, int] = {}


@contextmanager
def opening() -> Iterator[None]:
    """Keep other threads from opening or examining a database while this one does."""
    with _MUTEX:
        yield


def identify(path: Path) -> tuple[int, int]:
    """Return device and inode of a file; zeros when there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (facts.st_dev, facts.st_ino)


def register(file_id: tuple[int, int]) -> None:
    """Note that SQLite has a file open in this process."""
    with _MUTEX:
        _OPEN_COUNTS[file_id] += 1


def release(file_id: tuple[int, int]) -> None:
    """Note that one handle on a file is closed."""
    with _MUTEX:
        _OPEN_COUNTS[file_id] -= 1
        if _OPEN_COUNTS[file_id] <= 0:
            del _OPEN_COUNTS[file_id]


def promised_bytes(path: Path) -> int:
    """Return the length that the header of a database promised when it was examined; 0 when it never was."""
    with _MUTEX:
        return _PROMISED_BYTES.get(path, 0)


def check_file(path: Path) -> None:
    """Refuse a file that can be no store, before SQLite opens it and mistakes an empty one for a new one.

    A file that this process has open already passed; it is not looked at.

    Raises:
        StoreNotFoundError: There is no file.
        StoreCutShortError: The file is empty or shorter than a header.
        NotAStoreError: It does not begin as an SQLite database does.
        StoreReadOnlyError: It may not even be read.
    """
    with _MUTEX:
        if identify(path) not in _OPEN_COUNTS:
            _PROMISED_BYTES[path] = parse_promised_bytes(_read_header(path))


def _read_header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except FileNotFoundError as error:
        raise StoreNotFoundError(f"{path}: there is no store here; check the path") from error
    except IsADirectoryError as error:
        raise NotAStoreError(f"{path}: is a folder; expected the database file of a store") from error
    except PermissionError as error:
        raise StoreReadOnlyError(f"{path}: may not be read by this user; run as the owner of the cell") from error
    except OSError as error:
        raise StoreIOError(f"{path}: cannot read it: {error.strerror}") from error
    if not header.startswith(SQLITE_MAGIC[: len(header)]):
        raise NotAStoreError(f"{path}: it is no store; expected an SQLite database: check the path")
    if len(header) < HEADER_BYTES:
        raise StoreCutShortError(
            f"{path}: has {len(header)} bytes; a store has at least a header of {HEADER_BYTES}; {ACTION_CORRUPT}"
        )
    return header


def parse_promised_bytes(header: bytes) -> int:
    """Return the length that a database's header promises (SQLite file format, section 1.3).

    >>> parse_promised_bytes(bytes(16) + (4096).to_bytes(2, "big") + bytes(10) + (3).to_bytes(4, "big"))
    12288
    """
    page_size = int.from_bytes(header[16:18], "big")
    page_count = int.from_bytes(header[28:32], "big")
    return (65536 if page_size == 1 else page_size) * page_count
