"""The tables of an SQLite store, their version, and how a new one comes to be.

Rules:
    A store is made whole under another name and then linked to its own, so that no crash leaves half of one.
    What an older program cannot read gets a new FORMAT_VERSION; a newer store is refused with both numbers.
    Every stored value carries its crc32, because SQLite checks no page.
"""

import os
import secrets
import sqlite3
import time
from pathlib import Path
from typing import Final

from omegacell.core.errors import NotAStoreError, StoreCorruptError, StoreExistsError, StoreVersionError
from omegacell.store.sqlite_errors import translated
from omegacell.store.sqlite_files import ACTION_CORRUPT

APPLICATION_ID: Final = 0x4F4D4547  # "OMEG"
FORMAT_VERSION: Final = 1
INCARNATION_BYTES: Final = 16
FOLDER_MODE: Final = 0o700

SCHEMA: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "CREATE TABLE log (cursor INTEGER PRIMARY KEY AUTOINCREMENT, crc INTEGER NOT NULL, entry BLOB NOT NULL)",
    "CREATE TABLE payload (hash BLOB PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL)",
    "CREATE TABLE void (revision INTEGER PRIMARY KEY)",
    """CREATE TABLE checkpoint (
        id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, cursor INTEGER NOT NULL, chain BLOB NOT NULL,
        digest BLOB NOT NULL, chunk_count INTEGER NOT NULL, byte_count INTEGER NOT NULL,
        made_at_us INTEGER NOT NULL, is_confirmed INTEGER NOT NULL, crc INTEGER NOT NULL)""",
    """CREATE TABLE chunk (
        id INTEGER PRIMARY KEY, checkpoint_id INTEGER NOT NULL, position INTEGER NOT NULL, crc INTEGER NOT NULL,
        chunk BLOB NOT NULL, UNIQUE (checkpoint_id, position))""",
    "CREATE TABLE checkpoint_sequence (id INTEGER PRIMARY KEY AUTOINCREMENT)",
)


def create_store(path: Path) -> None:
    """Make an empty store at ``path``; the caller holds the writers' lock, and the folder exists.

    Raises:
        StoreExistsError: Something stands there.
        StoreCorruptError: The write-ahead log of another database stands there.
    """
    check_vacant(path)
    draft = draft_of(path)
    with translated(path, "creating the store"):
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            os.chmod(draft, 0o600)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
            connection.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [
                    ("incarnation", mint_incarnation()),
                    ("truncated", 0),
                    ("created_at_us", time.time_ns() // 1000),
                ],
            )
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
    install(draft, path)


def check_vacant(path: Path) -> None:
    """Refuse a place where a store, or the write-ahead log of one, stands: SQLite would mix the two.

    Raises:
        StoreExistsError: Something stands there.
        StoreCorruptError: The write-ahead log of another database stands there.
    """
    if path.exists():
        raise StoreExistsError(f"{path}: something stands here already; move it away first")
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size > 0:
        raise StoreCorruptError(
            f"{path}: the database is gone but its write-ahead log is here; put the database back, or move {wal.name}"
            " away to begin anew"
        )


def draft_of(path: Path) -> Path:
    """Return the name under which a store is made before it gets its own; nothing stands there."""
    draft = path.with_name(f"{path.name}.new")
    remove_database(draft)
    return draft


def install(draft: Path, path: Path) -> None:
    """Give a finished database its name, durably, unless something stands there.

    Raises:
        StoreExistsError: Something does.
    """
    sync(draft)
    try:
        os.link(draft, path)  # unlike rename, refuses to replace
    except FileExistsError as error:
        raise StoreExistsError(f"{path}: something stands here already; move it away first") from error
    finally:
        draft.unlink()
    sync(path.parent)


def mint_incarnation() -> str:
    """Return a name for a new life of a store."""
    return secrets.token_hex(INCARNATION_BYTES)


def check_format(connection: sqlite3.Connection, path: Path) -> str:
    """Return the incarnation of a store of this version.

    Raises:
        NotAStoreError: The database belongs to another application.
        StoreVersionError: It is of another version.
        StoreCorruptError: It has no incarnation.
    """
    with translated(path, "opening the store"):
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID:
        raise NotAStoreError(
            f"{path}: not a store: an SQLite database of another application (application id {application_id:#x};"
            f" expected {APPLICATION_ID:#x}); check the path"
        )
    if version != FORMAT_VERSION:
        hint = "use a newer omegacell" if version > FORMAT_VERSION else "use the omegacell that wrote it"
        raise StoreVersionError(
            f"{path}: the store has format version {version}; this program reads {FORMAT_VERSION}; {hint}"
        )
    with translated(path, "opening the store"):
        row = connection.execute("SELECT value FROM meta WHERE key = 'incarnation'").fetchone()
    if row is None or not isinstance(row[0], str):
        raise StoreCorruptError(f"{path}: the store has no incarnation; {ACTION_CORRUPT}")
    return row[0]


def remove_database(path: Path) -> None:
    """Remove a draft and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
