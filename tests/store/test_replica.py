"""A replica folds the log to its head, survives whatever stands in it, and knows when it is not to be trusted."""

import logging
import random
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

import pytest

from omegacell.core import outcomes, snapshots
from omegacell.core.commands import NO_CHAIN, Renew, Transaction
from omegacell.core.errors import DivergedError, InvariantError, StoreCorruptError, StoreIOError
from omegacell.core.outcomes import Status
from omegacell.core.units import JobId, Revision, SessionId
from omegacell.store import checkpoints
from omegacell.store.codec import to_append
from omegacell.store.folding import CHAINS_KEPT, Applied, Fold
from omegacell.store.log import DEFAULT_READ_BYTES, START, Append, Cursor, Store, Stored
from omegacell.store.memory import MemoryDisk, MemoryStore
from omegacell.store.replica import Replica
from omegacell.store.sqlite import SqliteStore
from tests.support.following import (
    PLACES_TASKS,
    SUBMITS_JOBS,
    add_machine,
    begin_cell,
    committed,
    digest_without_revision,
    new_disk,
    place,
    session_on,
    stop,
    submit,
)


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open handles on one store with a cell just begun, as processes do."""
    disk = MemoryDisk("0" * 32)
    opened: list[Store] = []

    def open_handle() -> Store:
        store: Store = MemoryStore(disk) if request.param == "memory" else SqliteStore(tmp_path / "cell.db")
        opened.append(store)
        return store

    begin_cell(open_handle())
    yield open_handle
    for store in opened:
        store.close()


def append_raw(store: Store, entry: bytes) -> None:
    """Append bytes, whatever they are."""
    store.append([Append(entry=entry, session=1, first_seq=1)])


def append_lie(store: Store, session: int, *, seen: int) -> None:
    """Append a transaction whose author saw another chain."""
    transaction = Transaction(
        session=SessionId(session),
        seq=1,
        seen=Revision(seen),
        seen_chain=b"\x01" * 16,
        commands=(SUBMITS_JOBS, Renew()),
    )
    store.append([to_append((transaction,))])


def write_valid_checkpoint(replica: Replica) -> None:
    """Write a checkpoint and confirm it."""
    head = checkpoints.write(replica.store, checkpoints.capture(replica.fold))
    assert checkpoints.confirm(replica.store, head.checkpoint_id)


def test_every_follower_comes_to_the_same_cell(open_store: Callable[[], Store]) -> None:
    """Two replicas on handles of their own agree in revision, chain, digest, and in what they return."""
    session = session_on(open_store())
    follower = Replica(open_store())
    add_machine(session)
    jobs = committed(session.submit([submit("one"), submit("two")]))
    folded = follower.catch_up()
    assert (follower.revision, follower.chain) == (session.replica.revision, session.replica.chain)
    assert snapshots.digest(follower.cell) == snapshots.digest(session.replica.cell)
    assert [one.revision for one in folded.applied] == list(range(2, follower.revision + 1))
    last = folded.applied[-2:]
    assert [one.outcome.value for one in last] == [one.value for one in jobs]
    assert last[0].cursor == last[1].cursor == follower.cursor
    assert folded.delta.jobs == tuple(JobId(one.value) for one in jobs)
    assert not folded.is_reloaded
    assert follower.catch_up().applied == ()


def test_a_limit_folds_that_many_entries(open_store: Callable[[], Store]) -> None:
    """The rest comes with the next calls, in order and without a gap."""
    follower = Replica(open_store())
    session = session_on(open_store())
    for number in range(5):
        committed(session.submit([submit(f"job-{number}")]))
    parts = [[one.revision for one in follower.catch_up(2).applied] for _ in range(4)]
    assert parts == [[2, 3], [4, 5], [6], []]


class CountingStore(MemoryStore):
    """Counts what is read."""

    read_count = 0

    def read(self, after: Cursor, limit_bytes: int = DEFAULT_READ_BYTES) -> list[Stored]:
        found = super().read(after, limit_bytes)
        self.read_count += len(found)
        return found


def test_small_limits_read_every_entry_once() -> None:
    """A long tail in small slices is not read again with every slice."""
    disk = new_disk()
    store = CountingStore(disk)
    follower = Replica(store)
    session = session_on(MemoryStore(disk))
    for number in range(20):
        committed(session.submit([submit(f"job-{number}")]))
    while follower.revision < session.replica.revision:
        follower.catch_up(3)
    assert store.read_count == 1 + 20
    assert follower.chain == session.replica.chain


def test_the_chain_is_a_hash_of_stored_bytes_and_outcomes(open_store: Callable[[], Store]) -> None:
    """Recomputed here by its definition from the log and the outcomes."""
    session = session_on(open_store())
    committed(session.submit([submit("one"), submit("two")]))
    committed(session.submit([stop(1)]))
    replica = Replica.at_oldest(open_store())
    applied = replica.catch_up().applied
    chain = NO_CHAIN
    for stored in replica.store.read(START):
        inside = b"".join(outcomes.encode(one.outcome) for one in applied if one.cursor == stored.cursor)
        chain = blake2b(chain + stored.entry + inside, digest_size=16).digest()
        last = max(one.revision for one in applied if one.cursor == stored.cursor)
        assert replica.chain_at(last) == chain
    assert replica.chain == chain


def test_chains_are_kept_for_the_last_entries_only() -> None:
    """4,096 entries back an author can be compared with; before that, and inside an entry, there is no answer."""
    disk = new_disk()
    store = MemoryStore(disk)
    session = session_on(store)
    committed(session.submit([submit("one"), submit("two")]))
    replica = Replica(store)
    assert replica.chain_at(2) is None
    store.append([Append(entry=b"junk", session=1, first_seq=1)] * CHAINS_KEPT)
    replica.catch_up()
    assert replica.chain_at(3) is None
    assert replica.chain_at(4) is not None
    assert replica.chain_at(replica.revision) == replica.chain


def test_random_bytes_in_the_log_change_nothing() -> None:
    """10,000 random byte strings are a revision each, MALFORMED, and leave the cell as it was."""
    disk = new_disk()
    session = session_on(MemoryStore(disk))
    add_machine(session)
    committed(session.submit([submit("one")]))
    before = digest_without_revision(session.replica.cell)
    revision = session.replica.revision
    rng = random.Random(3)
    junk = [Append(entry=rng.randbytes(rng.randrange(1, 80)), session=1, first_seq=1) for _ in range(10_000)]
    MemoryStore(disk).append(junk)
    folded = session.replica.catch_up()
    assert {(one.transaction, one.outcome.status) for one in folded.applied} == {(None, Status.MALFORMED)}
    assert session.replica.revision == revision + 10_000
    assert digest_without_revision(session.replica.cell) == before
    committed(session.submit([submit("two")]))


def test_a_voided_revision_does_nothing() -> None:
    """Its transaction is there to be seen, its outcome is MALFORMED, and the cell is that without it."""
    store = MemoryStore(new_disk())
    follower = Replica(store)
    session = session_on(store)
    committed(session.submit([submit("one"), submit("two")]))
    store.void(3)
    folded = follower.catch_up()
    assert [one.outcome.status for one in folded.applied] == [Status.COMMITTED, Status.MALFORMED]
    assert follower.cell.jobs.by_name("one") is not None
    assert follower.cell.jobs.by_name("two") is None


def test_a_revision_voided_behind_a_replica_is_folded_again() -> None:
    """Who had folded it starts again, and says so."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    committed(session.submit([submit("one"), submit("two")]))
    follower = Replica(store)
    store.void(3)
    append_raw(store, b"junk")
    folded = follower.catch_up()
    assert folded.is_reloaded
    assert follower.cell.jobs.by_name("two") is None
    assert follower.reload_count == 1


def test_a_truncated_log_is_left_for_a_checkpoint(open_store: Callable[[], Store]) -> None:
    """A follower below what is kept loads the newest valid checkpoint, and comes to the same cell."""
    session = session_on(open_store())
    follower = Replica(open_store())
    committed(session.submit([submit("one")]))
    write_valid_checkpoint(session.replica)
    session.replica.store.truncate(session.replica.cursor)
    committed(session.submit([submit("two")]))
    old = follower.cell
    folded = follower.catch_up()
    assert folded.is_reloaded
    assert follower.cell is not old
    assert [one.revision for one in folded.applied] == [3]
    assert snapshots.digest(follower.cell) == snapshots.digest(session.replica.cell)
    assert follower.chain == session.replica.chain
    assert not follower.catch_up().is_reloaded


def test_a_truncated_log_without_a_valid_checkpoint_is_said_to_be_lost() -> None:
    """Neither the log nor an unconfirmed checkpoint is enough to begin with."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    committed(session.submit([submit("one")]))
    checkpoints.write(store, checkpoints.capture(session.replica.fold))
    store.truncate(session.replica.cursor)
    with pytest.raises(StoreCorruptError, match="no confirmed checkpoint"):
        Replica(store)


def test_history_begins_at_the_oldest_state_that_is_kept() -> None:
    """Genesis while the log is whole, the oldest valid checkpoint after it was cut."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    committed(session.submit([submit("one")]))
    assert Replica.at_oldest(store).revision == 0
    write_valid_checkpoint(session.replica)
    store.truncate(session.replica.cursor)
    committed(session.submit([submit("two")]))
    committed(session.submit([submit("three")]))
    write_valid_checkpoint(session.replica)
    oldest = Replica.at_oldest(store)
    assert oldest.revision == 2
    assert [one.revision for one in oldest.catch_up(1).applied] == [3]


def test_a_log_that_ends_before_what_was_folded_is_corrupt() -> None:
    """The same incarnation with a shorter log has lost what it acknowledged."""
    disk = new_disk()
    session = session_on(MemoryStore(disk))
    committed(session.submit([submit("one")]))
    del disk.cursors[-1], disk.entries[-1]
    disk.head = disk.cursors[-1]
    with pytest.raises(StoreCorruptError):
        session.replica.catch_up()


def test_another_incarnation_is_loaded_anew() -> None:
    """What was learned of the old one is dropped; the cell itself still has to be told."""
    disk = new_disk()
    replica = Replica(MemoryStore(disk))
    assert not replica.is_restored
    disk.incarnation = "1" * 32
    assert replica.catch_up().is_reloaded
    assert replica.is_restored


def test_an_author_that_saw_another_chain_is_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted, costs one fold for its session, and changes no outcome."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    committed(session.submit([submit("one")]))
    follower = Replica(store)
    append_lie(store, 77, seen=2)
    append_lie(store, 77, seen=2)
    with caplog.at_level(logging.ERROR):
        folded = follower.catch_up()
    assert [one.outcome.status for one in folded.applied] == [Status.COMMITTED, Status.DUPLICATE]
    assert follower.divergences == 2
    assert [record.message.endswith("the author is wrong, stop it") for record in caplog.records] == [True]


def test_authors_that_cannot_be_compared_are_no_alarm() -> None:
    """A revision inside an entry, an author that says nothing, one that saw what we have."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    committed(session.submit([submit("one"), submit("two")]))
    append_lie(store, 78, seen=2)
    transaction = Transaction(session=SessionId(79), seq=1, seen=Revision(1), commands=(SUBMITS_JOBS,))
    store.append([to_append((transaction,))])
    committed(session.submit([submit("three")]))
    assert Replica(store).divergences == 0


def test_a_replica_that_differs_from_itself_stops() -> None:
    """A cell that was changed behind apply's back is found out by the next author, and used no more."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    committed(session.submit([submit("one")]))
    session.replica.cell.elapsed += 1
    append_lie(store, 77, seen=2)
    for _ in range(2):
        with pytest.raises(DivergedError, match="differs from itself"):
            session.replica.catch_up()


class FailingAuthors:
    """Stands where a table was, and fails as memory or code may."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @property
    def rows(self) -> list[object]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "raised"),
    [(KeyError("books"), InvariantError), (MemoryError("no room"), MemoryError)],
)
def test_a_failure_while_writing_stops_the_fold(error: Exception, raised: type[Exception]) -> None:
    """It names the revision; nothing is folded after it, and no checkpoint is made of it."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    committed(session.submit([submit("one")]))
    follower = Replica(store)
    follower.cell.authors = FailingAuthors(error)  # type: ignore[assignment]
    committed(session.submit([submit("two")]))
    with pytest.raises(raised) as caught:
        follower.catch_up()
    assert "revision 3" in "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    with pytest.raises(InvariantError, match="stopped at revision 3"):
        follower.catch_up()
    with pytest.raises(InvariantError, match="no checkpoint"):
        checkpoints.capture(follower.fold)


class FlakyStore(MemoryStore):
    """Fails its third read, once."""

    reads = 0

    def read(self, after: Cursor, limit_bytes: int = 1) -> list[Stored]:
        self.reads += 1
        if self.reads == 3:
            raise StoreIOError("planned: the third read fails")
        return super().read(after, 1)


def test_what_was_folded_before_an_error_is_not_lost() -> None:
    """The call after a failed read returns what the failed one had folded."""
    disk = new_disk()
    follower = Replica(FlakyStore(disk))
    assert follower.revision == 1
    session = session_on(MemoryStore(disk))
    for number in range(3):
        committed(session.submit([submit(f"job-{number}")]))
    with pytest.raises(StoreIOError):
        follower.catch_up()
    assert follower.revision == 2
    assert [one.revision for one in follower.catch_up().applied] == [2, 3, 4]


def test_a_checkpoint_and_the_tail_are_the_full_replay() -> None:
    """At each of 40 moments of a random history, loading the checkpoint and folding on gives what genesis gives."""
    rng = random.Random(4)
    store = MemoryStore(new_disk())
    api, scheduler = session_on(store), session_on(store, PLACES_TASKS)
    for number in range(3):
        add_machine(api, f"m{number}")
    for step in range(40):
        match rng.randrange(3):
            case 0:
                api.submit([submit(f"job-{rng.randrange(8)}", rng.randrange(1, 9))])
            case 1:
                scheduler.submit([place(rng.randrange(1, 9), rng.sample(range(9), 3), rng.randrange(4))])
            case _:
                api.submit([stop(rng.randrange(1, 9))])
        api.replica.catch_up()
        if step % 8 == 3:
            write_valid_checkpoint(api.replica)
    whole = Replica(store, from_checkpoint=False)
    for head in store.checkpoints.heads():
        fold = checkpoints.read_fold(store, head)
        checkpoints.fold_to(store, fold, whole.cursor)
        assert (fold.revision, fold.chain) == (whole.revision, whole.chain)
        assert snapshots.digest(fold.cell) == snapshots.digest(whole.cell)
    assert len(store.checkpoints.heads()) == 5


def test_folding_one_entry_gives_its_transactions() -> None:
    """A fold needs no store: an entry in, its outcomes out."""
    store = MemoryStore(new_disk())
    fold = Fold()
    (one,) = fold.fold(store.read(START)[0])
    assert isinstance(one, Applied)
    assert (one.revision, fold.cell.name, fold.byte_count > 0) == (1, "home", True)
