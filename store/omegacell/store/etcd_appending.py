"""Commits appends to etcd, in transactions that etcd takes by default.

Rules:
    The entries of one append are one frame, and a frame is written by one transaction, only if it is absent: all of
    them or none, next to each other.
    A frame that is too large for one key is written in parts first, and exists when its key does.
    A second delivery finds its frame, and gets the cursors of the first, as long as this handle has not read them
    yet. An author that has read its entry and appends it again knows that it was refused without a trace (for a gap
    in its numbers, say), so it gets another place; the fold refuses what was judged already.
    Payloads are there before the entries that name them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from omegacell.core.errors import StoreIOError
from omegacell.store.etcd_beside import KEY_COST_BYTES, payload_groups
from omegacell.store.etcd_layout import PLACE_BITS, Draft, Keys, cursor_at, draft_frame, parse_frame
from omegacell.store.etcd_wire import (
    MAX_OPERATIONS,
    MAX_REQUEST_BYTES,
    Absent,
    Condition,
    Connection,
    Get,
    KeyValue,
    Operation,
    Present,
    Put,
    PutNew,
)
from omegacell.store.log import Append, Cursor

MAX_ATTEMPTS: Final = 100


class Appender:
    """Makes groups of appends durable, one group at a time.

    Args:
        connection: Where the log is.
        keys: Its keys.
        read_upto: Returns the cursor up to which this handle has read.
    """

    def __init__(self, connection: Connection, keys: Keys, read_upto: Callable[[], Cursor]) -> None:
        self._connection = connection
        self._keys = keys
        self._read_upto = read_upto
        self._known_upto = Cursor(0)

    def commit(self, batches: Sequence[Sequence[Append]]) -> list[Cursor]:
        """Write the batches in order, each of them whole; return the cursors of all entries.

        Raises:
            StoreError: Some of them may be in the log, and some not.
        """
        # As of now: what is read while this is under way may be what this call itself wrote.
        self._known_upto = self._read_upto()
        cursors: list[Cursor] = []
        drafts: list[Draft] = []
        payloads: dict[bytes, bytes] = {}
        size = entries = 0
        for batch in batches:
            draft = draft_frame(self._keys, batch)
            brought = {key: value for item in batch for key, value in item.payloads.items()}
            cost = _cost(draft, brought)
            is_full = 2 * len(drafts) + len(payloads) + len(brought) >= MAX_OPERATIONS - 3
            if drafts and (is_full or size + cost > MAX_REQUEST_BYTES or (entries + draft.count) >> PLACE_BITS):
                cursors += self._write(drafts, payloads)
                drafts, payloads, size, entries = [], {}, 0, 0
            drafts.append(draft)
            payloads |= {key: value for key, value in brought.items() if key not in payloads}
            size += cost
            entries += draft.count
        return cursors + self._write(drafts, payloads)

    def _write(self, drafts: Sequence[Draft], payloads: dict[bytes, bytes]) -> list[Cursor]:
        """Write frames in one transaction, and their payloads in it or before it."""
        beside = list(payload_groups(self._keys, payloads))
        size = sum(len(draft.body) + KEY_COST_BYTES for draft in drafts if not draft.is_in_parts)
        size += sum(len(payload) + KEY_COST_BYTES for payload in payloads.values())
        if size > MAX_REQUEST_BYTES or 2 * len(drafts) + len(payloads) >= MAX_OPERATIONS:
            for group in beside:
                self._connection.commit(group)
            beside = []
        found: dict[int, tuple[Cursor, ...]] = {}
        waiting = dict(enumerate(drafts))
        for _ in range(MAX_ATTEMPTS):
            waiting = self._attempt(waiting, [put for group in beside for put in group], found)
            if not waiting:
                return [cursor for place in range(len(drafts)) for cursor in found[place]]
        raise StoreIOError(
            f"{self._connection.name}: the same entries were found {MAX_ATTEMPTS} times and never kept; is somebody"
            " deleting keys of the log?"
        )

    def _attempt(
        self, waiting: dict[int, Draft], beside: list[PutNew], found: dict[int, tuple[Cursor, ...]]
    ) -> dict[int, Draft]:
        """Write what waits; note the cursors of what is in the log now, and return what is not."""
        first_of: dict[bytes, int] = {}  # the same append may come twice in one group
        then: list[Operation] = [*beside]
        when: list[Condition] = []
        count = 0
        places: dict[int, int] = {}
        for number, draft in waiting.items():
            if draft.key in first_of:
                continue
            first_of[draft.key] = number
            self._write_parts(draft)
            if draft.is_in_parts:
                when.append(Present(self._keys.parts_of(draft.key).key + b"%08x" % 0))
            when.append(Absent(draft.key))
            then.append(Put(draft.key, draft.value(count)))
            if draft.count > 1:
                then.append(Put(self._keys.many_of(draft.key), b""))
            places[number] = count
            count += draft.count
        then.append(Put(self._keys.head, b"%d" % count))
        answer = self._connection.commit(then, when=when, otherwise=[Get(key=key) for key in first_of])
        if answer.is_met:
            for number, draft in waiting.items():
                start = places[first_of[draft.key]]
                found[number] = tuple(cursor_at(answer.revision, start + place) for place in range(draft.count))
            return {}
        return self._note_known(waiting, [item for each in answer.found for item in each.items], found)

    def _note_known(
        self, waiting: dict[int, Draft], items: Sequence[KeyValue], found: dict[int, tuple[Cursor, ...]]
    ) -> dict[int, Draft]:
        known = {item.key: item for item in items}
        left: dict[int, Draft] = {}
        for number, draft in waiting.items():
            item = known.get(draft.key)
            if item is None:
                left[number] = draft
                continue
            frame = parse_frame(item.key, item.value, item.mod_revision)
            if frame.last <= self._known_upto:
                left[number] = replace(draft, key=_next_key(draft.key))
            else:
                found[number] = tuple(cursor_at(frame.revision, frame.place + place) for place in range(frame.count))
        return left

    def _write_parts(self, draft: Draft) -> None:
        span = self._keys.parts_of(draft.key)
        for index, part in enumerate(draft.parts()):
            key = span.key + b"%08x" % index
            self._connection.commit([Put(key, part)], when=[Absent(key), Absent(draft.key)])


def _cost(draft: Draft, payloads: dict[bytes, bytes]) -> int:
    own = 0 if draft.is_in_parts else len(draft.body)
    return own + sum(map(len, payloads.values())) + KEY_COST_BYTES * (1 + len(payloads))


def _next_key(key: bytes) -> bytes:
    """Return the key of one more delivery.

    >>> _next_key(b"/log/7/1/00ff-1"), _next_key(b"/log/7/1/00ff-1.1")
    (b'/log/7/1/00ff-1.1', b'/log/7/1/00ff-1.2')
    """
    stem, _, number = key.rpartition(b"/")[2].partition(b".")
    return b"%s/%s.%d" % (key.rpartition(b"/")[0], stem, int(number or b"0") + 1)
