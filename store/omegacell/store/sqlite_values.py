"""Values from a damaged file may be of any type: they are checked before they are believed."""

import sqlite3
from pathlib import Path
from typing import Final
from zlib import crc32

from omegacell.store.sqlite_errors import describe_corrupt

# `seq` of sqlite_sequence is the head: it outlives the rows. `truncated` in meta is the first cursor.
HEAD: Final = "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0)"
FIRST: Final = "SELECT (SELECT value FROM meta WHERE key = 'truncated')"


def read_count(connection: sqlite3.Connection, query: str, path: Path) -> int:
    """Return the one number that a query gives.

    Raises:
        StoreCorruptError: It is none, or negative.
    """
    (value,) = connection.execute(query).fetchone()
    if not isinstance(value, int) or value < 0:
        raise describe_corrupt(path, f"{path}: {query}", f"(expected a count, found {value!r:.80})")
    return value


def is_sound(value: object, crc: object) -> bool:
    """Return whether a value is the bytes that its checksum was made of."""
    return isinstance(value, bytes) and crc32(value) == crc


def check_rows(rows: list[tuple[int, int, bytes]], after: int, path: Path) -> None:
    """Check the rows of the log after a cursor: sound, in order, without a gap.

    Raises:
        StoreCorruptError: The first that is not is named.
    """
    for place, (cursor, crc, entry) in enumerate(rows, start=after + 1):
        if cursor != place:
            where = f"{path}: the entry at cursor {place} is missing"
            raise describe_corrupt(path, where, f"(the next one is at {cursor!r:.80})")
        if crc32(entry) != crc:
            where = f"{path}: the entry at cursor {cursor} is not what was written"
            raise describe_corrupt(path, where, f"({len(entry)} bytes)")
