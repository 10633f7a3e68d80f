"""Reads the log of an etcd store by key: what a watch cannot give, because it is too old or was compacted.

The keys of the log are not in its order. So they are listed once, sorted by the revision at which they were written,
and fetched page by page. The list stays right for ever, for frames are written once; it only grows old, and is made
anew when the reader has come to its end. A listing costs etcd the whole log, so a log that grows must not cost one a
page.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from omegacell.store.etcd_layout import Frame, Keys, Range, parse_frame, revision_of, unguard
from omegacell.store.etcd_wire import Connection, Get
from omegacell.store.log import Cursor

LIST_STEP: Final = 10_000
# How many frames are fetched at once, at first and at most: their sizes are not known before.
FIRST_FETCH: Final = 4
LARGEST_FETCH: Final = 100


def list_keys(connection: Connection, span: Range, *, since: int = 0, until: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the revision and key of everything in a range that was last written in a span of revisions."""
    key = span.key
    while True:
        # Not filtered by etcd: it would load the values of the whole rest of the range for every page.
        (found,) = connection.commit([Get(key=key, end=span.end, limit=LIST_STEP, has_values=False)]).found
        for item in found.items:
            if since <= item.mod_revision and (not until or item.mod_revision <= until):
                yield item.mod_revision, item.key
        if not found.is_cut or not found.items:
            return
        key = found.items[-1].key + b"\0"


def complete(connection: Connection, keys: Keys, frame: Frame) -> Frame | None:
    """Return a frame with its bytes, fetched from its parts when they lie there; None when those are gone."""
    if not frame.part_count:
        return frame
    span = keys.parts_of(frame.key)
    parts: list[bytes] = []
    key = span.key
    while len(parts) < frame.part_count:
        (found,) = connection.commit([Get(key=key, end=span.end, limit=FIRST_FETCH)]).found
        if not found.items:
            return None
        parts.extend(unguard(item.key, item.value) for item in found.items)
        key = found.items[-1].key + b"\0"
    return Frame(
        key=frame.key,
        revision=frame.revision,
        place=frame.place,
        count=frame.count,
        part_count=0,
        body=b"".join(parts),
        checksum=frame.checksum,
    )


class History:
    """Frames by key, in the order of the log. Any thread may use it.

    Args:
        connection: Where the log is.
        keys: Its keys.
    """

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._mutex = threading.Lock()
        self._listed: list[tuple[int, bytes]] = []
        self._since = 0
        self._until = -1  # the list has every key written from `_since` up to here

    def frames(self, after: Cursor, upto: Cursor, limit_bytes: int) -> list[Frame]:
        """Return frames with entries after ``after``, in order, at least ``limit_bytes`` of them if they are listed.

        They end at ``upto``, or before it where the list does; [] only when there is none up to ``upto``.
        What is truncated meanwhile is missing: look at the first cursor afterwards.
        """
        with self._mutex:
            self._list(revision_of(after), revision_of(upto))
            place = bisect_left(self._listed, (revision_of(after), b""))
            size = 0
            fetch = FIRST_FETCH
            found: list[Frame] = []
            while place < len(self._listed) and (not found or size < limit_bytes):
                end = self._end_of_revision(min(place + fetch, len(self._listed)))
                frames = [each for each in self._fetch(place, end) if each.last > after and each.first <= upto]
                found.extend(frames)
                size += sum(len(each.body) for each in frames)
                fetch = LARGEST_FETCH if size * LARGEST_FETCH < limit_bytes * len(found) else FIRST_FETCH
                place = end
            return found

    def forget(self) -> None:
        """Let the list go, once the reader is near the head."""
        with self._mutex:
            self._listed = []
            self._until = -1

    def _list(self, since: int, until: int) -> None:
        reach = self._listed[-1][0] if self._listed else -1
        if self._since <= since and (since < reach or until <= self._until):
            return
        self._listed = sorted(list_keys(self._connection, self._keys.log, since=since, until=until))
        self._since, self._until = since, until

    def _end_of_revision(self, place: int) -> int:
        """Return the next place where another commit begins: the frames of one are sorted only together."""
        while place < len(self._listed) and self._listed[place][0] == self._listed[place - 1][0]:
            place += 1
        return place

    def _fetch(self, start: int, end: int) -> list[Frame]:
        frames: list[Frame] = []
        for first in range(start, end, LARGEST_FETCH):
            wanted = self._listed[first : min(first + LARGEST_FETCH, end)]
            answer = self._connection.commit([Get(key=key) for _, key in wanted])
            for found in answer.found:
                for item in found.items:
                    whole = complete(self._connection, self._keys, parse_frame(item.key, item.value, item.mod_revision))
                    if whole is not None:
                        frames.append(whole)
        frames.sort(key=lambda frame: frame.first)
        return frames
