"""Connections to one SQLite store: one to write, one to read, and how transactions on them begin and end.

Rules:
    A write holds the file lock that writers of all processes queue on, then BEGIN IMMEDIATE, then COMMIT; no COMMIT,
    no trace. The bell rings after it.
    A read is a short transaction; what is done with the rows happens outside of it. One left open makes the
    write-ahead log grow without limit.
    Nobody but SQLite opens the database file while this process has it open; see ``sqlite_files``.
    Every error of SQLite leaves as one of the store's.

What the tables hold does not belong here.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import quote

from omegacell.core.errors import (
    ClosedError,
    StoreIOError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreReplacedError,
)
from omegacell.store.bell import Bell
from omegacell.store.log import Synchronous
from omegacell.store.mounts import check_local, file_system_of
from omegacell.store.sqlite_errors import ACTION_READ_ONLY, translated
from omegacell.store.sqlite_files import check_file, identify, opening, register, release
from omegacell.store.sqlite_schema import FOLDER_MODE, check_format, create_store
from omegacell.store.writerlock import FileLock

DEFAULT_PATIENCE_S: Final = 10.0
# After a checkpoint SQLite keeps this much of the write-ahead log for the next commits.
WAL_KEPT_BYTES: Final = 16 << 20
# Scrubbing waits this long for readers, and holds up writers meanwhile.
SCRUB_PATIENCE_MS: Final = 200

_LOG = logging.getLogger(__name__)


class Access(Enum):
    """What the opener wants to do with a store."""

    CREATE = "create"  # read and write; made when it is not there
    EXISTING = "existing"  # read and write; must be there
    READ_ONLY = "read_only"  # changes nothing: a copy, a backup, the files of a stopped or a running cell


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteOptions:
    """How a store is opened.

    Attributes:
        access: What for.
        synchronous: FULL, unless the user said that a power cut may erase acknowledged commits.
        patience_s: How long a writer waits for other processes before it says that the store is locked.
    """

    access: Access = Access.CREATE
    synchronous: Synchronous = Synchronous.FULL
    patience_s: float = DEFAULT_PATIENCE_S


class Database:
    """An open SQLite store. Thread-safe.

    Args:
        path: The database file.
        options: How to open it.

    Attributes:
        path: The database file, resolved.
        options: As given.
        file_system: Type of the file system it lies on.
        incarnation: Of the store.
        bell: Rung after commits.
    """

    def __init__(self, path: Path, options: SqliteOptions) -> None:
        self.path = path.expanduser().absolute()
        self.options = options
        self._read_mutex = threading.Lock()
        self._write_mutex = threading.Lock()
        self._is_closed = False
        self._writer: sqlite3.Connection | None = None
        if options.access is not Access.READ_ONLY:
            self._make_folder()
            self.file_system = file_system_of(self.path.parent)
            check_local(self.path, self.file_system)
            self._lock = FileLock(self._beside("lock"), purpose="writing to the store")
            self._make_file()
        with opening():
            check_file(self.path)
            self.file_system = file_system_of(self.path.parent)
            self._file_id = identify(self.path)
            register(self._file_id)
            try:
                self._open()
            except BaseException:
                release(self._file_id)
                raise

    def _open(self) -> None:
        if self.options.access is Access.READ_ONLY:
            self._reader, self.incarnation = self._open_read_only()
            self.bell = Bell(self._beside("bell"), may_ring=False)
            return
        if not os.access(self.path, os.W_OK):
            raise StoreReadOnlyError(f"{self.path}: opening the store: it takes no writes; {ACTION_READ_ONLY}")
        self._reader = self._connect("mode=rw")
        try:
            self.incarnation = self._prepare(self._reader)
            self._writer = self._connect("mode=rw")
            self._prepare(self._writer)
            self.bell = Bell(self._beside("bell"), may_ring=True)
        except BaseException:
            self._close_connections()
            raise

    @contextmanager
    def reading(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Give the reading connection, inside one short transaction."""
        with self._read_mutex, translated(self.path, doing):
            self._check_open()
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                if self._reader.in_transaction:  # some errors end it on their own
                    self._reader.execute("ROLLBACK")

    @contextmanager
    def writing(self, doing: str, *, is_rung: bool = False) -> Iterator[sqlite3.Connection]:
        """Give the writing connection inside a transaction, committed durably when the block ends well.

        Raises:
            StoreLockedError: Another process did not let go in time.
            StoreReadOnlyError: The store was opened for reading only.
            StoreReplacedError: The file at the path is not the one that is open.
        """
        with self._write_mutex:
            self._check_open()
            if self._writer is None:
                raise StoreReadOnlyError(f"{self.path}: {doing}: the store was opened for reading only")
            with self._lock.hold(self.options.patience_s), translated(self.path, doing):
                self.check_in_place(doing)
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                finally:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
        if is_rung:
            self.bell.ring()

    def check_in_place(self, doing: str) -> None:
        """Refuse to go on with a file that has lost its name: nobody else sees it.

        Raises:
            StoreReplacedError: Another file stands at the path, or none.
        """
        if identify(self.path) != self._file_id:
            raise StoreReplacedError(
                f"{self.path}: {doing}: the file was replaced or deleted while open; nothing was written;"
                " reopen the store"
            )

    @contextmanager
    def scrubbing(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Like ``writing``, but what is deleted is overwritten, in the file and in the write-ahead log."""
        with self.writing(doing) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            try:
                yield connection
            finally:
                connection.execute("PRAGMA secure_delete=OFF")
        with self._write_mutex, self._lock.hold(self.options.patience_s), translated(self.path, doing):
            self._check_open()
            assert self._writer is not None
            self._writer.execute(f"PRAGMA busy_timeout={SCRUB_PATIENCE_MS}")
            (is_busy, _, _) = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._writer.execute(f"PRAGMA busy_timeout={int(self.options.patience_s * 1000)}")
        if is_busy:
            _LOG.warning("%s: %s: a reader is in the way; the log keeps the bytes until it is reused", self.path, doing)

    def private_lock(self, name: str, purpose: str) -> FileLock:
        """Return a lock of its own beside the database, for what must not run twice but lets appends go on."""
        if self._writer is None:
            raise StoreReadOnlyError(f"{self.path}: {purpose}: the store was opened for reading only")
        return FileLock(self._beside(name), purpose=purpose)

    def close(self) -> None:
        """Close the connections once their transactions are over."""
        with self._write_mutex, self._read_mutex:
            if self._is_closed:
                return
            self._is_closed = True
            self._close_connections()
            release(self._file_id)
            self.bell.close()

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._is_closed

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError(f"{self.path}: the store is closed")

    def _beside(self, name: str) -> Path:
        return self.path.with_name(f"{self.path.name}-{name}")

    def _make_folder(self) -> None:
        if self.options.access is not Access.CREATE:
            if not self.path.exists():  # before a lock file is left there
                raise StoreNotFoundError(f"{self.path}: there is no store here; check the path")
            return
        folder = self.path.parent
        if folder.is_dir():
            return
        try:
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        except PermissionError as error:
            raise StoreReadOnlyError(
                f"{folder}: cannot make the folder: {error.strerror}; {ACTION_READ_ONLY}"
            ) from error
        except OSError as error:
            raise StoreIOError(f"{folder}: cannot make the folder: {error.strerror}") from error

    def _make_file(self) -> None:
        if self.path.exists() or self.options.access is not Access.CREATE:
            return
        with self._lock.hold(self.options.patience_s):
            if self.path.exists():
                return
            create_store(self.path)

    def _connect(self, query: str) -> sqlite3.Connection:
        with translated(self.path, "opening the store"):
            return sqlite3.connect(
                f"file:{quote(str(self.path))}?{query}",
                uri=True,
                timeout=self.options.patience_s,
                isolation_level=None,
                check_same_thread=False,
            )

    def _prepare(self, connection: sqlite3.Connection) -> str:
        incarnation = check_format(connection, self.path)
        with translated(self.path, "opening the store"):
            connection.execute(f"PRAGMA synchronous={self.options.synchronous.name}")
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if mode != "wal":  # a backup, put in place by hand
                with self._lock.hold(self.options.patience_s):
                    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            connection.execute(f"PRAGMA journal_size_limit={WAL_KEPT_BYTES}")
            connection.execute("PRAGMA cell_size_check=ON")
            # Some builds overwrite whatever is deleted; here that is for payloads that are erased (`scrubbing`).
            connection.execute("PRAGMA secure_delete=OFF")
        if mode != "wal":
            raise StoreReadOnlyError(
                f"{self.path}: cannot switch on the write-ahead log (mode {mode!r}); {ACTION_READ_ONLY}"
            )
        return incarnation

    def _open_read_only(self) -> tuple[sqlite3.Connection, str]:
        """Open for reading; where not even the shared memory of the log can be made, as a file that never changes."""
        connection = self._connect("mode=ro")
        try:
            return connection, check_format(connection, self.path)
        except BaseException as error:
            connection.close()
            wal = self._beside("wal")
            has_log = wal.exists() and wal.stat().st_size > 0
            if has_log or not isinstance(error, StoreReadOnlyError | StoreIOError):
                raise
        connection = self._connect("mode=ro&immutable=1")
        try:
            return connection, check_format(connection, self.path)
        except BaseException:
            connection.close()
            raise

    def _close_connections(self) -> None:
        self._reader.close()
        if self._writer is not None:
            self._writer.close()
