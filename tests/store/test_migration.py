"""A store moves between engines with everything it keeps, and the cell goes on in another life."""

import threading
from pathlib import Path

import pytest

from omegacell.core.commands import Reincarnate
from omegacell.core.errors import StoreExistsError, StoreLockedError, StoreNotFoundError, UsageError
from omegacell.store import checkpoints, migration
from omegacell.store.engines import open_etcd, open_store
from omegacell.store.log import START, Append, Store
from omegacell.store.migration import check_quiet, migrate
from omegacell.store.proposer import Proposal
from omegacell.store.replica import Replica
from tests.store.conftest import EtcdClusters, EtcdEngine
from tests.support.following import begin_cell, committed, session_on, submit


@pytest.fixture
def etcd_url(etcds: EtcdClusters) -> str:
    return EtcdEngine(etcds.of(1)).url


def fill(url: str, *, is_cut: bool) -> Replica:
    """Make a cell with jobs, a payload, a void and two checkpoints; perhaps cut its log below the first."""
    with open_store(url) as store:
        begin_cell(store)
        session = session_on(store)
        for number in range(3):
            committed(session.submit([submit(f"before-{number}")]))
            store.payloads.put(b"hash-%d" % number, b"payload" * number)
        first = checkpoints.write(store, checkpoints.capture(session.replica.fold))
        assert checkpoints.confirm(store, first.checkpoint_id)
        for number in range(60):
            committed(session.submit([submit(f"after-{number}")]))
        store.void(1_000)
        second = checkpoints.write(store, checkpoints.capture(session.replica.fold))
        assert checkpoints.confirm(store, second.checkpoint_id)
        committed(session.submit([submit("last")]))
        if is_cut:
            store.truncate(first.cursor)
        return Replica(store)


def check(url: str, before: Replica, *, is_cut: bool) -> None:
    """Check that a store holds the same cell, from wherever one begins to fold, and that the cell goes on."""
    with open_store(url) as store:
        assert store.incarnation != before.cell.incarnation
        for replica in (Replica(store), Replica(store, from_checkpoint=is_cut), fold_oldest(store)):
            assert (replica.revision, replica.chain) == (before.revision, before.chain)
            assert replica.is_restored
        assert store.payloads.hashes() == {b"hash-0", b"hash-1", b"hash-2"}
        assert store.payloads.get(b"hash-2") == b"payload" * 2
        assert store.voids() == {1_000}
        assert [head.is_confirmed for head in store.checkpoints.heads()] == [True, True]
        assert (store.first() != START) == is_cut
        assert store.find_faults() == []
        session = session_on(store)
        committed(session.submit([Proposal(commands=(Reincarnate(incarnation=store.incarnation),))]))
        committed(session.submit([submit("afterwards")]))
        assert not session.replica.is_restored


def fold_oldest(store: Store) -> Replica:
    replica = Replica.at_oldest(store)
    replica.catch_up()
    return replica


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_cell_moves_to_etcd_and_back(tmp_path: Path, etcd_url: str, is_cut: bool) -> None:
    """SQLite to etcd to SQLite: the same chain from genesis or the oldest checkpoint, each time another life."""
    one, two = (f"sqlite://{tmp_path}/{name}/cell.db" for name in ("one", "two"))
    before = fill(one, is_cut=is_cut)
    moved = migrate(one, etcd_url)
    assert (moved.payload_count, moved.checkpoint_count, moved.void_count) == (3, 2, 1)
    back = migrate(etcd_url, two)
    assert back.entry_count == moved.entry_count == 65 - (4 if is_cut else 0)
    check(two, before, is_cut=is_cut)
    check(etcd_url, before, is_cut=is_cut)


def test_what_stands_at_the_destination_is_left_alone(tmp_path: Path, etcd_url: str) -> None:
    """A store, or another's keys, at the destination: refused, before anything is written; so is a missing source."""
    one, two = (f"sqlite://{tmp_path}/{name}.db" for name in ("one", "two"))
    fill(one, is_cut=False)
    with open_store(two) as store, open_store(etcd_url) as other:
        heads = store.head(), other.head()
    for destination in (two, etcd_url):
        with pytest.raises(StoreExistsError):
            migrate(one, destination)
        with open_store(destination) as store:
            assert store.head() in heads
    with pytest.raises(StoreNotFoundError):
        migrate(f"sqlite://{tmp_path}/none.db", f"{etcd_url}-new")
    with pytest.raises(UsageError, match="a store moves to"):
        migrate(one, "memory://x")
    with pytest.raises(UsageError, match="a store moves to") as caught:
        migrate(one, "etcds://me:secret@host/x")
    assert "secret" not in str(caught.value)


def test_a_migration_that_breaks_off_is_made_anew(
    tmp_path: Path, etcd_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off half-way, nobody can open the copy; the next attempt begins at the beginning and succeeds."""
    one, two = f"sqlite://{tmp_path}/one.db", f"sqlite://{tmp_path}/two.db"
    before = fill(one, is_cut=False)

    def break_off(*_: object) -> int:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(migration, "_copy_checkpoints", break_off)
        for destination in (etcd_url, two):
            with pytest.raises(ZeroDivisionError):
                migrate(one, destination)
    with pytest.raises(StoreLockedError, match="a migration is filling this store"):
        open_store(etcd_url)
    assert not (tmp_path / "two.db").exists()
    for destination in (etcd_url, two):
        migrate(one, destination)
        check(destination, before, is_cut=False)


def test_a_source_that_grows_is_refused(tmp_path: Path, etcd_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell was not stopped: what came after the copy was read would be missing, so there is no copy."""
    one = f"sqlite://{tmp_path}/one.db"
    fill(one, is_cut=False)
    copy = migration._copy_checkpoints

    def copy_and_grow(source: Store, destination: Store, cursors: migration._Cursors) -> int:
        with open_store(one) as store:
            store.append([Append(entry=b"late", session=1, first_seq=1)])
        return copy(source, destination, cursors)

    monkeypatch.setattr(migration, "_copy_checkpoints", copy_and_grow)
    with pytest.raises(StoreLockedError, match="stop its cell"):
        migrate(one, etcd_url)
    with open_etcd(etcd_url, is_draft=True) as store:
        assert store.head() == START


def test_a_store_that_is_written_to_is_not_quiet(tmp_path: Path, etcd_url: str) -> None:
    """A cell that is up gives itself away within a tick, wherever its processes run; one that is down does not."""
    fill(etcd_url, is_cut=False)
    check_quiet(etcd_url, wait_s=0.3)
    stop = threading.Event()

    def tick() -> None:
        with open_store(etcd_url) as store:
            for number in range(1, 200):
                if stop.wait(0.02):
                    return
                store.append([Append(entry=b"tick", session=77, first_seq=number)])

    cell = threading.Thread(target=tick)
    cell.start()
    try:
        with pytest.raises(StoreLockedError, match="is up"):
            check_quiet(etcd_url, wait_s=20)
    finally:
        stop.set()
        cell.join()
