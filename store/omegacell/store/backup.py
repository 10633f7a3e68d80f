"""Copies of an SQLite store, and the way back.

Rules:
    A copy is made through SQLite's backup API, so the cell may go on; copying the files of a running cell may tear.
    A copy is read back whole before it gets its name; a damaged one is never left behind.
    A restored store is another life of the cell: it gets a new incarnation, and whoever remembers the old reloads.
"""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omegacell.core.errors import StoreCorruptError, StoreIOError
from omegacell.store.log import Cursor
from omegacell.store.mounts import check_local, file_system_of
from omegacell.store.sqlite import SqliteStore
from omegacell.store.sqlite_database import Access, Database, SqliteOptions
from omegacell.store.sqlite_errors import translate
from omegacell.store.sqlite_schema import (
    FOLDER_MODE,
    check_vacant,
    draft_of,
    install,
    mint_incarnation,
    remove_database,
)
from omegacell.store.writerlock import PRIVATE_FILE_MODE

READ_ONLY: Final = SqliteOptions(access=Access.READ_ONLY)
SOURCE_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
SHOWN_FAULTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What was copied.

    Attributes:
        path: The copy.
        byte_count: Its length.
        incarnation: Of the copy.
        first: Cursor before its oldest entry.
        head: Cursor of its newest entry.
    """

    path: Path
    byte_count: int
    incarnation: str
    first: Cursor
    head: Cursor


def backup(source: Path, destination: Path) -> Copy:
    """Copy a store, which may be in use, to one file that stands alone.

    Raises:
        StoreNotFoundError: There is no store at ``source``.
        StoreExistsError: Something stands at ``destination``.
        StoreCorruptError: ``source`` is damaged.
        StoreFullError: There is no room for the copy.
    """
    return _copy(source, destination, incarnation=None)


def restore(source: Path, destination: Path) -> Copy:
    """Make a store of a backup, under a new incarnation.

    Raises:
        StoreNotFoundError: There is no backup at ``source``.
        StoreExistsError: Something stands at ``destination``.
        StoreCorruptError: ``source`` is damaged.
        StoreFullError: There is no room for the copy.
        StoreUnsupportedError: ``destination`` lies on a network file system.
    """
    destination = destination.expanduser().absolute()
    _make_folder(destination.parent)
    check_local(destination, file_system_of(destination.parent))
    return _copy(source, destination, incarnation=mint_incarnation())


def _copy(source: Path, destination: Path, *, incarnation: str | None) -> Copy:
    destination = destination.expanduser().absolute()
    check_vacant(destination)
    database = Database(source, READ_ONLY)
    try:
        _make_folder(destination.parent)
        draft = draft_of(destination)
        try:
            _fill(database, draft, incarnation)
            copy = _check(draft, destination)
            install(draft, destination)
        finally:
            remove_database(draft)
    finally:
        database.close()
    return copy


def _fill(database: Database, draft: Path, incarnation: str | None) -> None:
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE_MODE))
        target = sqlite3.connect(draft, isolation_level=None)
        try:
            with database.reading("copying the store") as connection:
                _transfer(connection, target, database.path, draft)
            if incarnation is None:
                # One file that stands alone and can be read from read-only media.
                target.execute("PRAGMA journal_mode=DELETE")
            else:
                target.execute("UPDATE meta SET value = ? WHERE key = 'incarnation'", (incarnation,))
                target.execute("PRAGMA journal_mode=WAL")
        finally:
            target.close()
    except sqlite3.Error as error:
        raise translate(error, draft, "writing the copy") from error
    except OSError as error:
        raise StoreIOError(f"{draft}: cannot write the copy: {error.strerror}") from error


def _transfer(connection: sqlite3.Connection, target: sqlite3.Connection, source: Path, draft: Path) -> None:
    try:
        connection.backup(target)  # in one step: with several, a busy writer makes it begin anew for ever
    except sqlite3.Error as error:
        is_source = getattr(error, "sqlite_errorcode", 0) & 0xFF in SOURCE_CODES
        raise translate(error, source if is_source else draft, "copying the store") from error


def _check(draft: Path, destination: Path) -> Copy:
    with SqliteStore(draft, READ_ONLY) as store:
        faults = store.find_faults()
        if faults:
            shown = "; ".join(faults[:SHOWN_FAULTS])
            raise StoreCorruptError(
                f"{destination}: not written: the source is damaged in {len(faults)} places: {shown};"
                " use another backup"
            )
        stat = store.stat()
    return Copy(
        path=destination,
        byte_count=stat.byte_count,
        incarnation=stat.incarnation,
        first=stat.first,
        head=stat.head,
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreIOError(f"{folder}: cannot make the folder: {error.strerror}") from error
