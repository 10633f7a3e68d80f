"""The server over a store that misbehaves: what was acknowledged is there once, what failed is said."""

import itertools
import random
import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.api.client import Client
from omegacell.api.errors import (
    DiskFullError,
    ExitCode,
    ServerStoreError,
    UnreachableError,
    exit_code_of,
)
from omegacell.api.figures import HistoryQuery
from omegacell.api.records import Change
from omegacell.api.server.app import ServerSettings
from omegacell.core.errors import StoreFullError, StoreIOError
from omegacell.store.faults import Fault, FaultyStore
from omegacell.store.log import Append, Cursor
from omegacell.store.memory import MemoryDisk, MemoryStore
from tests.api.serving import LIMIT_S, TOKEN, Served, job

NOISE = itertools.count(1)


def noise() -> Append:
    """Return an entry that nobody writes."""
    return Append(entry=b"\xff noise %d" % next(NOISE), session=99, first_seq=1)


class Moody(FaultyStore):
    """A store whose disk is full, or that cannot be reached, while the test says so."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(MemoryDisk()))
        self.is_full = threading.Event()
        self.is_gone = threading.Event()
        self.may_append = threading.Event()
        self.may_append.set()
        self.is_appending = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def append(self, batch: Sequence[Append]) -> list[Cursor]:
        if self.is_full.is_set():
            raise StoreFullError("no room on the disk of the test")
        if self.is_gone.is_set():
            raise StoreIOError("the disk of the test is gone")
        self.is_appending.set()
        assert self.may_append.wait(LIMIT_S)
        return super().append(batch)

    def head(self) -> Cursor:
        assert self.may_answer.wait(LIMIT_S)
        if self.is_gone.is_set():
            raise StoreIOError("the disk of the test is gone")
        return super().head()


def until_it_writes(served: Served) -> None:
    """Wait until the server has reached its log again."""
    deadline = time.monotonic() + LIMIT_S
    while not served.running.host.can_write:
        assert time.monotonic() < deadline, "the server does not reach its log again"
        time.sleep(0.01)


PLANS = st.lists(
    st.sampled_from(
        [
            Fault.NONE,
            Fault.FOREIGN_FIRST,
            Fault.FOREIGN_AFTER,
            Fault.TWICE,
            Fault.ANSWER_LOST,
            Fault.REQUEST_LOST,
            Fault.LATE,
            Fault.ANSWER_LOST | Fault.TWICE,
            Fault.FOREIGN_FIRST | Fault.LATE,
        ]
    ),
    max_size=25,
)


@settings(max_examples=15)
@given(plan=PLANS)
def test_every_submit_happens_once(plan: list[Fault]) -> None:
    """Whatever gets lost, comes twice or comes late, each acknowledged job is in the cell, and exactly once."""
    store = FaultyStore(MemoryStore(MemoryDisk()), [Fault.NONE, *plan], foreign=noise)
    served = Served(store, ServerSettings(token=TOKEN))
    try:
        with served.client() as client:
            names = [f"job-{number}" for number in range(12)]
            results = [client.submit(job(name, count=2)) for name in names[:6]]
            results += client.submit_many([job(name, count=2) for name in names[6:]], batch=2)
            assert [result.change for result in results] == [Change.CREATED] * 12
            assert sorted(each.name for each in client.jobs().jobs) == sorted(names)
            granted = client.history(HistoryQuery(kind="submit", status="committed", limit=100)).rows
            assert sorted(row.jobs[0] for row in granted) == sorted(names)
    finally:
        served.stop()
        store.close()


def test_a_full_disk_is_said_and_gone_when_there_is_room() -> None:
    """A full disk has its own exit code; reads go on, and writes too once there is room."""
    with Moody() as store:
        served = Served(store, ServerSettings(token=TOKEN))
        try:
            with served.client() as client:
                client.submit(job("before"))
                store.is_full.set()
                with pytest.raises(DiskFullError, match="make room") as raised:
                    client.submit(job("during"))
                assert exit_code_of(raised.value) is ExitCode.DISK_FULL
                with pytest.raises(DiskFullError):
                    list(client.submit_many([job("stream")]))
                assert [each.name for each in client.jobs().jobs] == ["before"]
                store.is_full.clear()
                assert client.submit(job("after")).change is Change.CREATED
        finally:
            served.stop()


def test_a_server_that_lost_the_log_takes_no_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a confirmed head a server refuses writes and current reads, answers stale ones, and recovers."""
    monkeypatch.setattr("omegacell.api.server.host.HEAD_TRUST_S", 0.2)
    with Moody() as store:
        served = Served(store, ServerSettings(token=TOKEN))
        try:
            with served.client() as client:
                client.submit(job("before"))
                store.is_gone.set()
                with pytest.raises(ServerStoreError) as raised:
                    client.jobs()
                assert exit_code_of(raised.value) is ExitCode.STORE
                assert [each.name for each in client.jobs(stale=True).jobs] == ["before"]
                deadline = time.monotonic() + LIMIT_S
                while served.running.host.can_write and time.monotonic() < deadline:
                    time.sleep(0.01)
                with pytest.raises((UnreachableError, ServerStoreError), match="takes no writes"):
                    client.submit(job("during"))
                store.is_gone.clear()
                while not served.running.host.can_write and time.monotonic() < deadline:
                    time.sleep(0.01)
                assert client.submit(job("after")).change is Change.CREATED
                assert [each.name for each in client.jobs().jobs] == ["before", "after"]
        finally:
            served.stop()


def test_a_log_that_does_not_answer_does_not_stop_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store hangs, as etcd's calls do while it is away, the server answers and says what it cannot do."""
    monkeypatch.setattr("omegacell.api.server.host.HEAD_TRUST_S", 0.2)
    with Moody() as store:
        served = Served(store, ServerSettings(token=TOKEN))
        try:
            with served.client() as client, Client(served.running.address, TOKEN, timeout_s=0.2) as hasty:
                client.submit(job("before"))
                store.may_answer.clear()
                for _ in range(20):  # more than there are threads
                    with pytest.raises(UnreachableError, match="did not answer in time"):
                        hasty.jobs()
                assert [each.name for each in client.jobs(stale=True).jobs] == ["before"]
                assert not served.running.host.can_write
                with pytest.raises((UnreachableError, ServerStoreError), match="takes no writes"):
                    client.submit(job("during"))
                store.may_answer.set()
                until_it_writes(served)
                assert client.submit(job("after")).change is Change.CREATED
                assert [each.name for each in client.jobs().jobs] == ["before", "after"]
        finally:
            store.may_answer.set()
            served.stop()


def test_random_bytes_in_the_log_change_nothing(served: Served) -> None:
    """Entries of random bytes count a revision each and do nothing else, to a server that is at work."""
    rng = random.Random(7)
    with served.client() as client:
        client.submit(job("a", count=3))
        before = client.job("a")
        for _ in range(20):
            batch = [
                Append(entry=rng.randbytes(rng.randint(1, 300)), session=rng.getrandbits(60), first_seq=1)
                for _ in range(50)
            ]
            served.store.append(batch)
        after = client.job("a")
        assert after.at.revision >= before.at.revision + 1_000
        assert (after.job, after.tasks) == (before.job, before.tasks)
        assert client.submit(job("b")).change is Change.CREATED


def test_a_server_stops_while_an_append_is_under_way() -> None:
    """Who waits for an append when the server stops is told to try again; the server ends once the disk answers."""
    with Moody() as store:
        served = Served(store, ServerSettings(token=TOKEN))
        errors: list[Exception] = []

        def submit() -> None:
            with served.client() as client:
                try:
                    client.submit(job("a"))
                except UnreachableError as error:
                    errors.append(error)

        store.may_append.clear()
        store.is_appending.clear()
        submitting = threading.Thread(target=submit)
        submitting.start()
        assert store.is_appending.wait(LIMIT_S)
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        submitting.join(LIMIT_S)
        store.may_append.set()
        stopping.join(LIMIT_S)
        assert not submitting.is_alive()
        assert not stopping.is_alive()
        assert len(errors) == 1
