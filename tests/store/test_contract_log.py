"""What every engine's log must do: the same suite over all of them."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from omegacell.core.errors import ClosedError, EntryTooLargeError, StoreCorruptError, StoreError, TruncatedError
from omegacell.store.log import (
    MAX_BATCH_BYTES,
    MAX_ENTRY_BYTES,
    MAX_HASH_BYTES,
    MAX_PAYLOAD_BYTES,
    START,
    Append,
    CheckpointId,
    Cursor,
    Store,
)
from tests.store.conftest import Handles

LIMIT_S = 20.0


def entry(text: bytes, first_seq: int = 1) -> Append:
    return Append(entry=text, session=7, first_seq=first_seq)


def fill(store: Store, texts: Sequence[bytes]) -> list[Cursor]:
    return store.append([entry(text, place) for place, text in enumerate(texts)])


def entries(store: Store, after: Cursor = START) -> list[bytes]:
    return [stored.entry for stored in store.read(after)]


def test_entries_are_read_in_the_order_of_their_cursors(handles: Handles) -> None:
    """Two handles append in turn; each reads both, in order, under the cursors that append returned."""
    one, two = handles.open(), handles.open()
    cursors = fill(one, [b"a", b"b"]) + fill(two, [b"c"]) + fill(one, [b"d"])
    assert cursors == sorted(set(cursors))
    assert cursors[0] > START
    for store in (one, two):
        assert [(stored.cursor, stored.entry) for stored in store.read(START)] == list(
            zip(cursors, [b"a", b"b", b"c", b"d"], strict=True)
        )
        assert store.head() == cursors[-1]
        assert entries(store, cursors[1]) == [b"c", b"d"]
        assert entries(store, cursors[-1]) == []


def test_an_empty_log_has_nothing_to_read(store: Store) -> None:
    """A new log: head and first are the start, and reading from there gives nothing."""
    assert (store.head(), store.first(), store.read(START)) == (START, START, [])
    assert store.append([]) == []
    assert store.head() == START


def test_all_handles_see_one_incarnation(handles: Handles) -> None:
    """The incarnation belongs to what is kept, not to the handle."""
    assert handles.open().incarnation == handles.open().incarnation != ""


def test_an_entry_of_exactly_the_limit_is_taken(store: Store) -> None:
    """MAX_ENTRY_BYTES is inclusive, and the bytes come back as they went in."""
    text = bytes(range(256)) * (MAX_ENTRY_BYTES // 256)
    fill(store, [text])
    assert entries(store) == [text]


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([entry(b"x" * (MAX_ENTRY_BYTES + 1), 9)], "1048577 bytes; at most 1048576"),
        ([entry(b"fine"), entry(b"x" * (2 * MAX_ENTRY_BYTES))], "entry 1 of the batch"),
        ([entry(b"x" * MAX_ENTRY_BYTES)] * (MAX_BATCH_BYTES // MAX_ENTRY_BYTES + 1), "at most 67108864"),
        (
            [Append(entry=b"x", session=1, first_seq=1, payloads={b"h": b"p" * (MAX_PAYLOAD_BYTES + 1)})],
            "payload 68 has 1048577 bytes; at most 1048576",
        ),
    ],
)
def test_what_is_too_large_is_refused_with_numbers(store: Store, batch: list[Append], expected: str) -> None:
    """Above any limit the whole batch is refused before anything is written, and the message has both numbers."""
    with pytest.raises(EntryTooLargeError, match=expected):
        store.append(batch)
    assert store.head() == START
    assert store.payloads.hashes() == frozenset()


@pytest.mark.parametrize(
    "item",
    [
        entry(b""),
        Append(entry=b"x", session=1, first_seq=1, payloads={b"": b"p"}),
        Append(entry=b"x", session=1, first_seq=1, payloads={b"h" * (MAX_HASH_BYTES + 1): b"p"}),
    ],
)
def test_an_empty_entry_or_a_wrong_hash_is_refused(store: Store, item: Append) -> None:
    """What no proposer may write is refused in every engine, without a trace."""
    with pytest.raises(StoreError):
        store.append([entry(b"fine"), item])
    assert store.head() == START


@pytest.mark.parametrize(
    ("limit_bytes", "expected"),
    [
        (0, [2]),
        (2, [2]),
        (4, [2]),
        (5, [2, 3]),
        (9, [2, 3, 4]),
        (13, [2, 3, 4]),
        (14, [2, 3, 4, 5]),
        (99, [2, 3, 4, 5]),
    ],
)
def test_a_read_stays_below_its_limit_but_gives_one_entry(store: Store, limit_bytes: int, expected: list[int]) -> None:
    """Whole entries up to the limit; one at least, or a reader would never get past a large one."""
    fill(store, [b"x" * size for size in (2, 3, 4, 5)])
    assert [len(stored.entry) for stored in store.read(START, limit_bytes)] == expected


def test_reading_page_by_page_gives_every_entry_once(store: Store) -> None:
    """Going on after the last cursor of each page visits all entries, none twice."""
    texts = [b"%d" % number for number in range(300)]
    fill(store, texts)
    seen: list[bytes] = []
    cursor = START
    while page := store.read(cursor, 50):
        seen.extend(stored.entry for stored in page)
        cursor = page[-1].cursor
    assert seen == texts


def test_200_entries_of_the_largest_size_are_followed_cold(handles: Handles) -> None:
    """A handle that was not there reads 200 MiB page by page: all entries, in order, unchanged; then the log goes."""
    author, reader = handles.open(), handles.open()
    filling = bytes(range(256)) * (MAX_ENTRY_BYTES // 256 - 1)
    for number in range(200):
        author.append([entry(b"%0256d" % number + filling, number)])
    cursor = START
    seen = 0
    while page := reader.read(cursor):
        for stored in page:
            assert stored.entry == b"%0256d" % seen + filling
            seen += 1
        cursor = page[-1].cursor
    assert (seen, cursor) == (200, reader.head())
    author.truncate(cursor)


def test_what_is_truncated_cannot_be_read(handles: Handles) -> None:
    """Below what is kept, reading raises and names the oldest cursor; above it nothing changed, in every handle."""
    one, two = handles.open(), handles.open()
    cursors = fill(one, [b"a", b"b", b"c"])
    one.truncate(cursors[1])
    for store in (one, two):
        assert store.first() == cursors[1]
        assert entries(store, cursors[1]) == [b"c"]
        with pytest.raises(TruncatedError, match=f"cursor {cursors[1]}") as caught:
            store.read(cursors[0])
        assert caught.value.oldest == cursors[1]
    one.truncate(cursors[0])  # is forgotten already
    assert two.first() == cursors[1]


def test_cursors_grow_after_everything_was_truncated(store: Store) -> None:
    """An emptied log keeps its head, and never gives a cursor twice."""
    cursors = fill(store, [b"a", b"b"])
    store.truncate(cursors[-1])
    assert (store.head(), store.first(), store.read(cursors[-1])) == (cursors[-1], cursors[-1], [])
    (next_cursor,) = fill(store, [b"c"])
    assert next_cursor > cursors[-1]
    assert entries(store, cursors[-1]) == [b"c"]


def test_more_than_one_step_is_truncated(store: Store) -> None:
    """A long log is forgotten whole, however many commits that takes."""
    cursors = fill(store, [b"x"] * 5000)
    store.truncate(cursors[-2])
    assert entries(store, cursors[-2]) == [b"x"]
    assert store.stat().entry_count == 1


def test_truncation_beyond_the_head_is_refused(store: Store) -> None:
    """What was not written cannot be forgotten: the caller is confused, and is told so."""
    (cursor,) = fill(store, [b"a"])
    with pytest.raises(StoreError, match=f"the head is {cursor}"):
        store.truncate(Cursor(cursor + 1))
    assert entries(store) == [b"a"]


def test_a_log_that_ends_before_the_reader_is_an_alarm(store: Store) -> None:
    """A cursor beyond the head was acknowledged once: silence would hide that entries are lost."""
    (cursor,) = fill(store, [b"a"])
    with pytest.raises(StoreCorruptError, match="acknowledged entries are lost"):
        store.read(Cursor(cursor + 1))
    assert store.wait(Cursor(cursor + 1), 0.0) is False


def test_concurrent_appends_are_all_there_under_their_own_cursors(handles: Handles) -> None:
    """Eight threads over two handles append; every caller's cursors lead to its own entries, next to each other."""
    stores = [handles.open(), handles.open()]

    def work(author: int) -> list[tuple[Cursor, bytes]]:
        mine: list[tuple[Cursor, bytes]] = []
        for place in range(15):
            texts = [b"%d/%d/%d" % (author, place, part) for part in range(1 + place % 3)]
            mine.extend(zip(fill(stores[author % 2], texts), texts, strict=True))
        return mine

    with ThreadPoolExecutor(8) as pool:
        acknowledged = [pair for pairs in pool.map(work, range(8)) for pair in pairs]
    log = [(stored.cursor, stored.entry) for stored in stores[0].read(START)]
    assert log == sorted(acknowledged)
    order = [text.rsplit(b"/", 1) for _, text in log]
    for before, after in pairwise(order):
        assert after[1] == b"0" or (after[0] == before[0] and int(after[1]) == int(before[1]) + 1)


# --- waiting ---------------------------------------------------------------------------------------------------


class Waiter:
    """A wait in a thread of its own."""

    def __init__(self, store: Store, after: Cursor) -> None:
        self.answer: bool | None = None
        self.error: BaseException | None = None
        self._store = store
        self._after = after
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.answer = self._store.wait(self._after, 600.0)
        except ClosedError as error:
            self.error = error

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(LIMIT_S)
        assert self.is_over(), "the wait did not return"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.001)


def test_a_wait_for_what_is_there_returns_at_once(store: Store) -> None:
    """Entries after the cursor: True, without waiting; none: False after the time is up."""
    (cursor,) = fill(store, [b"a"])
    assert store.wait(START, 600.0) is True
    assert store.wait(cursor, 0.0) is False
    assert store.wait(cursor, 0.02) is False


def test_an_append_ends_the_waits_of_all_handles(handles: Handles) -> None:
    """Several threads wait on two handles, a third appends: all of them return True."""
    stores = [handles.open(), handles.open()]
    waiters = [Waiter(store, START) for store in (*stores, *stores)]
    fill(handles.open(), [b"a"])
    for waiter in waiters:
        waiter.join()
        assert waiter.answer is True


def test_a_wake_ends_the_waits_of_its_handle_only(handles: Handles) -> None:
    """Wake returns every wait under way on this handle; another handle sleeps on until there is an entry."""
    one, two = handles.open(), handles.open()
    other = Waiter(two, START)
    mine = [Waiter(one, START) for _ in range(3)]

    def wake_until_over() -> bool:
        one.wake()
        return all(waiter.is_over() for waiter in mine)

    until(wake_until_over)
    assert [waiter.answer for waiter in mine] == [False] * 3
    assert not other.is_over()
    fill(one, [b"a"])
    other.join()
    assert other.answer is True


def test_a_wake_before_the_wait_is_not_lost(store: Store) -> None:
    """A thread told to stop just before it waits returns at once, the first time only."""
    store.wake()
    store.wake()
    began = time.monotonic()
    assert store.wait(START, 600.0) is False
    assert time.monotonic() - began < LIMIT_S
    assert store.wait(START, 0.01) is False


def test_closing_ends_waits_and_leaves_no_thread(handles: Handles) -> None:
    """Close makes waiters return with ClosedError; no thread of the engine is left."""
    before = set(threading.enumerate())
    store = handles.open()
    waiters = [Waiter(store, START) for _ in range(3)]
    store.close()
    for waiter in waiters:
        waiter.join()
        assert isinstance(waiter.error, ClosedError)
    assert set(threading.enumerate()) == before


def test_a_closed_handle_refuses_everything(handles: Handles) -> None:
    """After close, and closing again, every call says so; the other handles go on."""
    store = handles.open()
    fill(store, [b"a"])
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: fill(store, [b"b"]),
        lambda: store.read(START),
        store.head,
        store.first,
        lambda: store.wait(START, 0.0),
        lambda: store.truncate(START),
        lambda: store.void(1),
        store.voids,
        store.stat,
        store.find_faults,
        lambda: store.payloads.get(b"h"),
        lambda: store.payloads.put(b"h", b"p"),
        lambda: store.payloads.erase(b"h"),
        store.payloads.hashes,
        store.checkpoints.heads,
        lambda: list(store.checkpoints.read(CheckpointId(1))),
        lambda: store.checkpoints.confirm(CheckpointId(1)),
        lambda: store.checkpoints.delete(CheckpointId(1)),
    ]
    for call in calls:
        with pytest.raises(ClosedError):
            call()
    store.wake()
    assert entries(handles.open()) == [b"a"]
