"""The embedded engine: one SQLite file, shared by several processes of one machine.

The write-ahead log with ``synchronous=FULL`` makes a commit durable and lets readers go on; the rest (queue of
writers, bell, group commit) is in modules of its own. See design section 5, rule 11, for what was measured.
"""

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from zlib import crc32

from omegacell.core.errors import StoreCorruptError, StoreError, TruncatedError
from omegacell.store.groupcommit import GroupCommit
from omegacell.store.limits import check_batch, describe_lost, describe_truncated
from omegacell.store.log import DEFAULT_READ_BYTES, Append, Cursor, Stored, StoreStat
from omegacell.store.sqlite_beside import SqliteCheckpoints, SqlitePayloads, find_rotten, insert_payloads
from omegacell.store.sqlite_database import Database, SqliteOptions
from omegacell.store.sqlite_errors import describe_corrupt
from omegacell.store.sqlite_schema import FORMAT_VERSION
from omegacell.store.sqlite_values import FIRST, HEAD, check_rows, read_count
from omegacell.store.waking import Waking

# A bell can be missed; a follower looks again after this.
POLL_S: Final = 1.0
# Entries forgotten in one commit, so that truncation does not hold up appends.
TRUNCATE_STEP: Final = 2000


class SqliteStore:
    """A store in an SQLite file. Implements ``Store``; any thread may use it, and any number of processes the file.

    Args:
        path: The database file; its folder is made, for its owner alone, when it is not there.
        options: How to open it.

    Attributes:
        payloads: The payloads beside the log.
        checkpoints: The checkpoints beside the log.

    Raises:
        StoreError: It cannot be opened; the subclass and the message say why and what to do.
    """

    def __init__(self, path: Path, options: SqliteOptions = SqliteOptions()) -> None:  # noqa: B008  (frozen)
        self._database = Database(path, options)
        self._group = GroupCommit(self._commit, patience_s=options.patience_s)
        self.payloads = SqlitePayloads(self._database)
        self.checkpoints = SqliteCheckpoints(self._database)
        self._waking = Waking()

    @property
    def incarnation(self) -> str:
        """The life of this store."""
        return self._database.incarnation

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    def append(self, batch: Sequence[Append]) -> list[Cursor]:
        """Append entries in one durable commit, shared with concurrent callers; see ``Log.append``."""
        size = check_batch(batch)
        return self._group.append(batch, size) if batch else []

    def read(self, after: Cursor, limit_bytes: int = DEFAULT_READ_BYTES) -> list[Stored]:
        """Return the entries after ``after``; see ``Log.read``."""
        rows: list[tuple[int, int, bytes]] = []
        size = 0
        is_cut = False
        with self._database.reading("reading the log") as connection:
            first = read_count(connection, FIRST, self.path)
            head = read_count(connection, HEAD, self.path)
            if after >= first:
                query = "SELECT cursor, crc, entry FROM log WHERE cursor > ? ORDER BY cursor"
                for row in connection.execute(query, (after,)):
                    if not isinstance(row[2], bytes):
                        raise describe_corrupt(self.path, f"{self.path}: reading the log", f"(cursor {row[0]!r:.80})")
                    size += len(row[2])
                    is_cut = size > limit_bytes and len(rows) > 0
                    if is_cut:
                        break
                    rows.append(row)
        if after < first:
            raise TruncatedError(describe_truncated(after, Cursor(first)), oldest=first)
        check_rows(rows, after, self.path)
        if not is_cut and after + len(rows) != head:
            raise StoreCorruptError(describe_lost(Cursor(after + len(rows)), Cursor(head)))
        return [Stored(Cursor(cursor), entry) for cursor, _, entry in rows]

    def head(self) -> Cursor:
        """Return the cursor of the newest entry."""
        with self._database.reading("reading the head") as connection:
            return Cursor(read_count(connection, HEAD, self.path))

    def first(self) -> Cursor:
        """Return the cursor before the oldest entry kept."""
        with self._database.reading("reading the oldest cursor") as connection:
            return Cursor(read_count(connection, FIRST, self.path))

    def truncate(self, upto: Cursor) -> None:
        """Forget the entries up to and including ``upto``, in steps, each a commit; see ``Log.truncate``."""
        while True:
            with self._database.writing("truncating the log") as connection:
                head = read_count(connection, HEAD, self.path)
                first = read_count(connection, FIRST, self.path)
                if upto > head:
                    raise StoreError(f"{self.path}: cannot truncate up to cursor {upto}: the head is {head}")
                if upto <= first:
                    return
                step = min(upto, first + TRUNCATE_STEP)
                connection.execute("DELETE FROM log WHERE cursor <= ?", (step,))
                connection.execute("UPDATE meta SET value = ? WHERE key = 'truncated'", (step,))

    def void(self, revision: int) -> None:
        """Put a revision on the list of those that every fold skips."""
        if revision < 1:
            raise StoreError(f"cannot void revision {revision}: revisions begin at 1")
        with self._database.writing("voiding a revision") as connection:
            connection.execute("INSERT OR IGNORE INTO void VALUES (?)", (revision,))

    def voids(self) -> frozenset[int]:
        """Return the revisions that every fold skips."""
        with self._database.reading("reading the voids") as connection:
            return frozenset(revision for (revision,) in connection.execute("SELECT revision FROM void"))

    def wait(self, after: Cursor, timeout_s: float) -> bool:
        """Wait until something after ``after`` can be read; see ``Log.wait``."""
        deadline = time.monotonic() + timeout_s
        bell = self._database.bell
        with self._waking.waiting() as seen:
            while True:
                ticket = bell.ticket()
                self._database.check_in_place("waiting")
                if self.head() > after:
                    return True
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0 or self._waking.is_woken(seen):
                    return False
                bell.wait(ticket, min(remaining_s, POLL_S))

    def wake(self) -> None:
        """Make every ``wait`` under way return; with none under way, the next one."""
        self._waking.wake()
        self._database.bell.interrupt()

    def stat(self) -> StoreStat:
        """Return facts about the store."""
        database = self._database
        with database.reading("reading the store's figures") as connection:
            first = read_count(connection, FIRST, self.path)
            head = read_count(connection, HEAD, self.path)
            counts = [
                connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
                for table in ("checkpoint", "payload", "void")
            ]
            (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
            (free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
        wal = self.path.with_name(f"{self.path.name}-wal")
        wal_bytes = wal.stat().st_size if wal.exists() else 0
        disk = os.statvfs(self.path.parent)
        return StoreStat(
            engine="sqlite",
            incarnation=database.incarnation,
            format_version=FORMAT_VERSION,
            synchronous=database.options.synchronous,
            path=self.path,
            file_system=database.file_system,
            byte_count=self.path.stat().st_size + wal_bytes,
            wal_byte_count=wal_bytes,
            free_byte_count=page_bytes * free_pages,
            disk_free_byte_count=disk.f_bavail * disk.f_frsize,
            entry_count=head - first,
            first=Cursor(first),
            head=Cursor(head),
            checkpoint_count=counts[0],
            payload_count=counts[1],
            void_count=counts[2],
        )

    def find_faults(self) -> list[str]:
        """Read everything and return what is wrong, a line each; [] when nothing is. Cost: the whole store."""
        faults: list[str] = []
        for find in (self._find_torn, partial(find_rotten, self._database)):
            try:
                faults.extend(find())
            except StoreCorruptError as error:
                faults.append(str(error))
        return faults

    def close(self) -> None:
        """Let the appends under way finish, wake waiters and close the file."""
        self._group.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find_torn(self) -> list[str]:
        with self._database.reading("checking the store") as connection:
            lines = [line for (line,) in connection.execute("PRAGMA integrity_check")]
            first = read_count(connection, FIRST, self.path)
            head = read_count(connection, HEAD, self.path)
            (count,) = connection.execute("SELECT COUNT(*) FROM log WHERE cursor > ?", (first,)).fetchone()
        faults = [f"{self.path}: SQLite: {line}" for line in lines if line != "ok"]
        if count != head - first:
            faults.append(f"{self.path}: the log has {count} entries between cursors {first} and {head}")
        return faults

    def _commit(self, batches: Sequence[Sequence[Append]]) -> list[Cursor]:
        batch = [item for each in batches for item in each]
        rows = [(crc32(item.entry), item.entry) for item in batch]
        with self._database.writing("appending to the log", is_rung=True) as connection:
            head = read_count(connection, HEAD, self.path)
            for item in batch:
                insert_payloads(connection, item.payloads)
            connection.executemany("INSERT INTO log (crc, entry) VALUES (?, ?)", rows)
            last = read_count(connection, HEAD, self.path)
            if last != head + len(batch):
                raise StoreCorruptError(describe_lost(Cursor(head + len(batch)), Cursor(last)))
        return [Cursor(cursor) for cursor in range(head + 1, last + 1)]
