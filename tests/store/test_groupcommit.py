"""Concurrent appends share a commit; errors, interrupts and limits go where they belong."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from omegacell.core.errors import AnswerLostError, ClosedError, StoreFullError, StoreLockedError
from omegacell.store import groupcommit
from omegacell.store.groupcommit import GroupCommit
from omegacell.store.log import Append, Cursor

LIMIT_S = 20.0


class Disk:
    """A commit that waits until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.errors: list[BaseException] = []
        self.is_open = threading.Event()
        self.is_entered = threading.Event()

    def commit(self, batches: Sequence[Sequence[Append]]) -> list[Cursor]:
        batch = [item for each in batches for item in each]
        self.is_entered.set()
        assert self.is_open.wait(LIMIT_S)
        if self.errors:
            raise self.errors.pop(0)
        start = sum(map(len, self.groups))
        self.groups.append([item.entry for item in batch])
        return [Cursor(start + place) for place in range(len(batch))]


def item(text: str) -> Append:
    return Append(entry=text.encode(), session=1, first_seq=1)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.001)


def queue_up(
    group: GroupCommit, pool: ThreadPoolExecutor, disk: Disk, count: int, *, parts: int = 1
) -> list["Future[list[Cursor]]"]:
    """Let one caller lead, and queue the others behind it, in order."""
    futures = [pool.submit(group.append, [item("leader")], 1)]
    assert disk.is_entered.wait(LIMIT_S)
    for number in range(count):
        futures.append(pool.submit(group.append, [item(f"{number}/{part}") for part in range(parts)], parts))
        until(lambda number=number: len(group._queue) == number + 1)  # type: ignore[misc]
    return futures


def test_what_comes_during_a_commit_shares_the_next_one() -> None:
    """Ten callers queue behind a slow commit: one more commit answers them all, each with its own cursors."""
    disk = Disk()
    group = GroupCommit(disk.commit, patience_s=LIMIT_S)
    with ThreadPoolExecutor(11) as pool:
        futures = queue_up(group, pool, disk, 10, parts=2)
        disk.is_open.set()
        answers = [future.result(LIMIT_S) for future in futures]
    assert [len(entries) for entries in disk.groups] == [1, 20]
    assert answers == [[0], *([1 + 2 * number, 2 + 2 * number] for number in range(10))]
    assert (group.group_count, group.ticket_count) == (2, 11)


def test_a_group_has_a_limit() -> None:
    """Groups are cut by bytes, without splitting a batch or changing the order."""
    disk = Disk()
    group = GroupCommit(disk.commit, patience_s=LIMIT_S, max_bytes=5)
    with ThreadPoolExecutor(6) as pool:
        futures = queue_up(group, pool, disk, 5, parts=2)
        disk.is_open.set()
        for future in futures:
            future.result(LIMIT_S)
    assert [len(entries) for entries in disk.groups] == [1, 4, 4, 2]
    in_order = [text for entries in disk.groups for text in entries]
    assert in_order[1:] == [f"{number}/{part}".encode() for number in range(5) for part in range(2)]


def test_a_failed_commit_is_everybodys_error_and_the_next_one_works() -> None:
    """A full disk fails the whole group, each caller in its own words; who comes later is served."""
    disk = Disk()
    disk.errors = [StoreFullError("first"), StoreFullError("no room")]
    group = GroupCommit(disk.commit, patience_s=LIMIT_S)
    with ThreadPoolExecutor(4) as pool:
        futures = queue_up(group, pool, disk, 3)
        disk.is_open.set()
        errors = [future.exception(LIMIT_S) for future in futures]
    assert [str(error) for error in errors] == ["first", "no room", "no room", "no room"]
    assert len({id(error) for error in errors}) == 4
    assert group.append([item("later")], 1) == [0]


def test_a_bug_in_a_commit_is_the_leaders_and_nobody_hangs() -> None:
    """Something unforeseen breaks the commit: the leader gets it, the others are told that the answer is lost."""
    disk = Disk()
    disk.errors = [StoreFullError("first"), ZeroDivisionError()]
    group = GroupCommit(disk.commit, patience_s=LIMIT_S)
    with ThreadPoolExecutor(4) as pool:
        futures = queue_up(group, pool, disk, 3)
        disk.is_open.set()
        kinds = [type(future.exception(LIMIT_S)) for future in futures]
    assert kinds == [StoreFullError, ZeroDivisionError, AnswerLostError, AnswerLostError]
    assert group.append([item("later")], 1) == [0]


@pytest.mark.parametrize("is_promoted", [False, True])
def test_a_caller_that_is_interrupted_takes_its_place_along(monkeypatch: pytest.MonkeyPatch, is_promoted: bool) -> None:
    """KeyboardInterrupt while queued, or just as the lead was handed over: the others are answered all the same."""
    disk = Disk()
    group = GroupCommit(disk.commit, patience_s=LIMIT_S)

    class InterruptedEvent(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if is_promoted:
                super().wait(timeout)
            raise KeyboardInterrupt

    class InterruptedTicket(groupcommit._Ticket):
        def __init__(self, batch: Sequence[Append], size: int) -> None:
            super().__init__(batch, size)
            self.ready = InterruptedEvent()

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(group.append, [item("leader")], 1)]
        assert disk.is_entered.wait(LIMIT_S)
        with monkeypatch.context() as patch:
            patch.setattr(groupcommit, "_Ticket", InterruptedTicket)
            interrupted = pool.submit(group.append, [item("interrupted")], 1)
            until(lambda: bool(group._queue) if is_promoted else interrupted.done())
        before = len(group._queue)
        futures.append(pool.submit(group.append, [item("patient")], 1))
        until(lambda: len(group._queue) == before + 1)
        disk.is_open.set()
        assert isinstance(interrupted.exception(LIMIT_S), KeyboardInterrupt)
        assert [future.result(LIMIT_S) for future in futures] == [[0], [1]]
    assert disk.groups == [[b"leader"], [b"patient"]]


def test_a_full_queue_is_waited_for_with_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers beyond the queue's limit wait for room, and give up with a clear error; the queued are answered."""
    monkeypatch.setattr(groupcommit, "MAX_QUEUE_BYTES", 2)
    disk = Disk()
    group = GroupCommit(disk.commit, patience_s=0.02)
    with ThreadPoolExecutor(4) as pool:
        futures = queue_up(group, pool, disk, 2)
        with pytest.raises(StoreLockedError, match="2 appends"):
            group.append([item("too many")], 1)
        disk.is_open.set()
        assert [future.result(LIMIT_S) for future in futures] == [[0], [1], [2]]
    assert group.append([item("later")], 1) == [3]


def test_closing_answers_who_is_under_way_and_refuses_who_comes_later() -> None:
    """Close returns once the queue is served; an append after it is refused."""
    disk = Disk()
    group = GroupCommit(disk.commit, patience_s=LIMIT_S)
    with ThreadPoolExecutor(5) as pool:
        futures = queue_up(group, pool, disk, 3)
        closing = pool.submit(group.close)
        until(lambda: group._is_closed)
        with pytest.raises(ClosedError):
            group.append([item("late")], 1)
        assert not closing.done()
        disk.is_open.set()
        closing.result(LIMIT_S)
        assert [future.result(LIMIT_S) for future in futures] == [[0], [1], [2], [3]]
