"""Says in our words what SQLite says in codes: one error for each thing that a person would do something else about.

The code alone does not always tell: a full disk can show as a failed write, a truncated file as a corrupt one. So the
file and its file system are asked, too.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from omegacell.core.errors import (
    ClosedError,
    NotAStoreError,
    StoreCorruptError,
    StoreCutShortError,
    StoreError,
    StoreFullError,
    StoreIOError,
    StoreLockedError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreReplacedError,
)

SQLITE_MAGIC: Final = b"SQLite format 3\x00"
HEADER_BYTES: Final = 100
# Less than this free on the file system, and a failed write is a full disk.
FULL_BELOW_BYTES: Final = 256 << 10

ACTION_READ_ONLY: Final = "mount it writable or fix its permissions, or open it for reading only"
ACTION_CORRUPT: Final = "stop the cell, keep a copy of the folder, and restore a backup with `omega store restore`"
LOCKED: Final = "another process holds the database {detail}; it must end its transaction: find it with `fuser {path}`"
ACTION_FULL: Final = "everything acknowledged is safe; make room and go on"

# By extended code first, then by primary code.
MEANINGS: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_FULL: (StoreFullError, "the disk is full {detail}; " + ACTION_FULL),
    sqlite3.SQLITE_READONLY_DBMOVED: (
        StoreReplacedError,
        "the file was moved or deleted while open {detail}; reopen the store",
    ),
    sqlite3.SQLITE_READONLY: (StoreReadOnlyError, "the store takes no writes {detail}; " + ACTION_READ_ONLY),
    sqlite3.SQLITE_BUSY: (StoreLockedError, LOCKED),
    sqlite3.SQLITE_LOCKED: (StoreLockedError, LOCKED),
    sqlite3.SQLITE_PROTOCOL: (StoreLockedError, LOCKED),
    sqlite3.SQLITE_NOTADB: (
        NotAStoreError,
        "not a store: no SQLite database, or its first bytes are overwritten {detail}; check the path, or restore a"
        " backup with `omega store restore`",
    ),
    sqlite3.SQLITE_ERROR: (StoreCorruptError, "the tables are not those of a store {detail}; " + ACTION_CORRUPT),
}


@contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Raise the errors of SQLite that leave the block as those of the store."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path, doing) from error


def translate(error: sqlite3.Error, path: Path, doing: str) -> StoreError | ClosedError:
    """Return the error of ours that says what an error of SQLite means for the store at ``path``."""
    extended: int | None = getattr(error, "sqlite_errorcode", None)
    where = f"{path}: {doing}"
    if extended is None:
        if "closed database" in str(error):
            return ClosedError(f"{where}: the store is closed")
        if isinstance(error, sqlite3.OperationalError):  # bytes that are no text where text must be
            return describe_corrupt(path, where, f"({error})")
        return StoreError(f"{where}: {error}")
    detail = f"(SQLite: {error}, {error.sqlite_errorname})"
    primary = extended & 0xFF
    if extended == sqlite3.SQLITE_IOERR_SHORT_READ or primary == sqlite3.SQLITE_CORRUPT:
        return describe_corrupt(path, where, detail)
    if primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return _failed_file(path, where, detail)
    kind, sentence = MEANINGS.get(extended, MEANINGS.get(primary, (StoreIOError, "the database failed {detail}")))
    return kind(f"{where}: {sentence.format(detail=detail, path=path)}")


def check_file(path: Path) -> None:
    """Refuse a file that can be no store, before SQLite opens it and mistakes an empty one for a new one.

    Raises:
        StoreNotFoundError: There is no file.
        StoreCutShortError: The file is empty or shorter than a header.
        NotAStoreError: It does not begin as an SQLite database does.
        StoreReadOnlyError: It may not even be read.
    """
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
        raise NotAStoreError(
            f"{path}: not a store: it begins with {header[:16]!r}; expected an SQLite database; check the path"
        )
    if len(header) < HEADER_BYTES:
        raise StoreCutShortError(
            f"{path}: has {len(header)} bytes; a store has at least a header of {HEADER_BYTES}; {ACTION_CORRUPT}"
        )


def promised_bytes(header: bytes) -> int:
    """Return the length that a database's header promises (SQLite file format, section 1.3).

    >>> promised_bytes(bytes(16) + (4096).to_bytes(2, "big") + bytes(10) + (3).to_bytes(4, "big"))
    12288
    """
    page_size = int.from_bytes(header[16:18], "big")
    page_count = int.from_bytes(header[28:32], "big")
    return (65536 if page_size == 1 else page_size) * page_count


def describe_corrupt(path: Path, where: str, detail: str) -> StoreCorruptError:
    """Return the error for damage that was found; the file tells whether it was cut short."""
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
        size = path.stat().st_size
    except OSError as error:
        return StoreCorruptError(
            f"{where}: the database is damaged and unreadable ({error}) {detail}; {ACTION_CORRUPT}"
        )
    if len(header) == HEADER_BYTES and size < promised_bytes(header):
        return StoreCutShortError(
            f"{where}: the file is cut short: it has {size} bytes, its header promises {promised_bytes(header)}"
            f" {detail}; {ACTION_CORRUPT}"
        )
    return StoreCorruptError(f"{where}: the database is damaged {detail}; {ACTION_CORRUPT}")


def _failed_file(path: Path, where: str, detail: str) -> StoreError:
    try:
        facts = os.statvfs(path.parent)
    except OSError as error:
        return StoreIOError(f"{where}: the folder is gone or unreadable: {error.strerror} {detail}")
    if facts.f_flag & os.ST_RDONLY:
        return StoreReadOnlyError(f"{where}: the file system takes no writes {detail}; {ACTION_READ_ONLY}")
    if facts.f_bavail * facts.f_frsize < FULL_BELOW_BYTES or facts.f_favail == 0 < facts.f_files:
        return StoreFullError(f"{where}: the disk is full {detail}; {ACTION_FULL}")
    if not path.exists():
        return StoreNotFoundError(f"{where}: the file is gone {detail}; check the path")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return StoreReadOnlyError(f"{where}: this user may not write here {detail}; {ACTION_READ_ONLY}")
    return StoreIOError(f"{where}: the disk failed {detail}; look at the kernel's log (`dmesg`)")
