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
from omegacell.store.sqlite_files import ACTION_CORRUPT, promised_bytes

# Less than this free on the file system, and a failed write is a full disk.
FULL_BELOW_BYTES: Final = 256 << 10

ACTION_READ_ONLY: Final = "mount it writable or fix its permissions, or open it for reading only"
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


def describe_corrupt(path: Path, where: str, detail: str) -> StoreCorruptError:
    """Return the error for damage that was found; the length of the file tells whether it was cut short."""
    size = path.stat().st_size if path.exists() else 0
    promised = promised_bytes(path)
    if size < promised:
        return StoreCutShortError(
            f"{where}: the file is cut short: it has {size} bytes, its header promises {promised} {detail};"
            f" {ACTION_CORRUPT}"
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
