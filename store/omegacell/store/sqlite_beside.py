"""What stands beside the log in an SQLite store: payloads and checkpoints."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any, Final
from zlib import crc32

from omegacell.core.errors import CheckpointGoneError, StoreCorruptError, StoreError
from omegacell.store.limits import check_checkpoint_head, check_chunk, check_chunk_totals, check_payload
from omegacell.store.log import CheckpointHead, CheckpointId
from omegacell.store.sqlite_database import Database
from omegacell.store.sqlite_errors import describe_corrupt
from omegacell.store.sqlite_values import is_sound

# Rows checked in one read transaction, so that checking a large store does not make the write-ahead log grow.
CHECK_STEP: Final = 500

HEAD_COLUMNS: Final = "revision, cursor, chain, digest, chunk_count, byte_count, made_at_us, is_confirmed, id"
HEAD_COLUMN_COUNT: Final = 9
CHECKED_TABLES: Final = (("log", "cursor", "entry"), ("payload", "rowid", "payload"), ("chunk", "id", "chunk"))


class SqlitePayloads:
    """Implements ``Payloads``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, payload_hash: bytes) -> bytes | None:
        """Return the payload, or None when it was never there or is erased."""
        with self._database.reading("reading a payload") as connection:
            row = connection.execute("SELECT crc, payload FROM payload WHERE hash = ?", (payload_hash,)).fetchone()
        if row is None:
            return None
        crc, payload = row
        if not isinstance(payload, bytes) or not is_sound(payload, crc):
            where = f"{self._database.path}: payload {payload_hash.hex()} is not what was written"
            raise describe_corrupt(self._database.path, where, f"({payload!r:.40})")
        return payload

    def put(self, payload_hash: bytes, payload: bytes) -> None:
        """Keep a payload durably; a known hash is left alone."""
        check_payload(payload_hash, payload)
        with self._database.writing("keeping a payload") as connection:
            insert_payloads(connection, {payload_hash: payload})

    def erase(self, payload_hash: bytes) -> bool:
        """Erase a payload: its bytes are overwritten, too; return whether there was one."""
        with self._database.scrubbing("erasing a payload") as connection:
            return connection.execute("DELETE FROM payload WHERE hash = ?", (payload_hash,)).rowcount > 0

    def hashes(self) -> frozenset[bytes]:
        """Return the hashes of all payloads kept."""
        with self._database.reading("listing the payloads") as connection:
            return frozenset(payload_hash for (payload_hash,) in connection.execute("SELECT hash FROM payload"))


class SqliteCheckpoints:
    """Implements ``Checkpoints``. Each chunk is a commit of its own, so that appends go on between them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, head: CheckpointHead, chunks: Iterable[bytes]) -> CheckpointHead:
        """Write chunks and then the head; see ``Checkpoints.write``."""
        check_checkpoint_head(head)
        lock = self._database.private_lock("checkpoint", "writing a checkpoint")
        with lock.hold(0):
            checkpoint_id = self._begin()
            try:
                return self._write(checkpoint_id, head, chunks)
            except BaseException as error:
                self._clear(checkpoint_id, error)
                raise

    def heads(self) -> list[CheckpointHead]:
        """Return the heads, oldest first."""
        with self._database.reading("listing the checkpoints") as connection:
            rows = connection.execute(f"SELECT {HEAD_COLUMNS}, crc FROM checkpoint ORDER BY id").fetchall()
        return [self._head_of(row[:HEAD_COLUMN_COUNT], row[HEAD_COLUMN_COUNT]) for row in rows]

    def read(self, checkpoint_id: CheckpointId) -> Iterator[bytes]:
        """Yield the chunks in order, each from a read transaction of its own; see ``Checkpoints.read``."""
        position, chunk_count = 0, 1
        while position < chunk_count:
            with self._database.reading("reading a checkpoint") as connection:
                head = connection.execute(
                    "SELECT chunk_count FROM checkpoint WHERE id = ?", (checkpoint_id,)
                ).fetchone()
                row = connection.execute(
                    "SELECT crc, chunk FROM chunk WHERE checkpoint_id = ? AND position = ?", (checkpoint_id, position)
                ).fetchone()
            if head is None:
                raise self._gone(checkpoint_id)
            (chunk_count,) = head
            if chunk_count == 0:
                return
            if row is None or not is_sound(row[1], row[0]):
                raise StoreCorruptError(
                    f"{self._database.path}: chunk {position} of checkpoint {checkpoint_id} is not what was written;"
                    " use another checkpoint"
                )
            yield row[1]
            position += 1

    def confirm(self, checkpoint_id: CheckpointId) -> None:
        """Record that another fold came to the same digest; see ``Checkpoints.confirm``."""
        with self._database.writing("confirming a checkpoint") as connection:
            changed = connection.execute("UPDATE checkpoint SET is_confirmed = 1 WHERE id = ?", (checkpoint_id,))
            if changed.rowcount == 0:
                raise self._gone(checkpoint_id)

    def delete(self, checkpoint_id: CheckpointId) -> None:
        """Delete head and chunks; one that is gone already stays so."""
        with self._database.writing("deleting a checkpoint") as connection:
            connection.execute("DELETE FROM checkpoint WHERE id = ?", (checkpoint_id,))
            connection.execute("DELETE FROM chunk WHERE checkpoint_id = ?", (checkpoint_id,))

    def _head_of(self, row: Sequence[Any], crc: object) -> CheckpointHead:
        head = CheckpointHead(
            revision=row[0],
            cursor=row[1],
            chain=row[2],
            digest=row[3],
            chunk_count=row[4],
            byte_count=row[5],
            made_at_us=row[6],
            is_confirmed=bool(row[7]),
            checkpoint_id=row[8],
        )
        if head_crc(head) != crc:
            where = f"{self._database.path}: the head of checkpoint {head.checkpoint_id} is not what was written"
            raise describe_corrupt(self._database.path, where, f"({head!r:.80})")
        return head

    def _begin(self) -> CheckpointId:
        """Take an id, and clear what writers left that died: nobody else is writing."""
        with self._database.writing("beginning a checkpoint") as connection:
            connection.execute("DELETE FROM chunk WHERE checkpoint_id NOT IN (SELECT id FROM checkpoint)")
            connection.execute("DELETE FROM checkpoint_sequence")
            checkpoint_id = connection.execute("INSERT INTO checkpoint_sequence DEFAULT VALUES").lastrowid
        assert checkpoint_id is not None
        return CheckpointId(checkpoint_id)

    def _write(self, checkpoint_id: CheckpointId, head: CheckpointHead, chunks: Iterable[bytes]) -> CheckpointHead:
        chunk_count = byte_count = 0
        for chunk in chunks:
            check_chunk(head, chunk_count, chunk)
            with self._database.writing("writing a checkpoint") as connection:
                connection.execute(
                    "INSERT INTO chunk (checkpoint_id, position, crc, chunk) VALUES (?, ?, ?, ?)",
                    (checkpoint_id, chunk_count, crc32(chunk), chunk),
                )
            chunk_count += 1
            byte_count += len(chunk)
        check_chunk_totals(head, chunk_count, byte_count)
        stored = replace(head, checkpoint_id=checkpoint_id)
        with self._database.writing("writing a checkpoint's head") as connection:
            connection.execute(
                f"INSERT INTO checkpoint ({HEAD_COLUMNS}, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*astuple(stored), head_crc(stored)),
            )
        return stored

    def _clear(self, checkpoint_id: CheckpointId, reason: BaseException) -> None:
        try:
            self.delete(checkpoint_id)
        except StoreError as error:  # the next writer clears it; the reason must not be hidden
            reason.add_note(f"its chunks are still there: {error}")

    def _gone(self, checkpoint_id: CheckpointId) -> CheckpointGoneError:
        return CheckpointGoneError(
            f"{self._database.path}: checkpoint {checkpoint_id} is gone; start again from the newest"
        )


def head_crc(head: CheckpointHead) -> int:
    """Return the checksum of a head, which does not change when it is confirmed."""
    return crc32(repr(astuple(replace(head, is_confirmed=False))).encode())


def insert_payloads(connection: sqlite3.Connection, payloads: Mapping[bytes, bytes]) -> None:
    """Insert payloads in the transaction under way; a known hash is left alone."""
    if payloads:
        rows = [(payload_hash, crc32(payload), payload) for payload_hash, payload in payloads.items()]
        connection.executemany("INSERT OR IGNORE INTO payload (hash, crc, payload) VALUES (?, ?, ?)", rows)


def find_rotten(database: Database) -> list[str]:
    """Read every entry, payload and chunk; return a line for each that is not what was written."""
    faults: list[str] = []
    for table, key, value in CHECKED_TABLES:
        last = 0
        while True:
            with database.reading(f"checking {table}") as connection:
                query = f"SELECT {key}, crc, {value} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT {CHECK_STEP}"
                rows = connection.execute(query, (last,)).fetchall()
            if not rows:
                break
            faults.extend(
                f"{database.path}: {table} {row[0]!r:.80} is not what was written"
                for row in rows
                if not is_sound(row[2], row[1])
            )
            last = rows[-1][0]
    SqliteCheckpoints(database).heads()
    with database.reading("checking the checkpoints") as connection:
        query = """SELECT id, chunk_count, byte_count, (SELECT COUNT(*) FROM chunk WHERE checkpoint_id = checkpoint.id),
            (SELECT COALESCE(SUM(LENGTH(chunk)), 0) FROM chunk WHERE checkpoint_id = checkpoint.id) FROM checkpoint"""
        faults.extend(
            f"{database.path}: checkpoint {row[0]} has {row[3]} chunks of {row[4]} bytes;"
            f" its head says {row[1]} of {row[2]}"
            for row in connection.execute(query)
            if row[1:3] != row[3:5]
        )
    return faults
