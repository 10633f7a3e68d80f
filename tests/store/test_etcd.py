"""What is particular to etcd: deliveries on its wire, following by watch, compaction, limits of its requests."""

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from omegacell.core.commands import Renew
from omegacell.core.errors import (
    CheckpointGoneError,
    StoreError,
    StoreExistsError,
    StoreLockedError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreReplacedError,
    TruncatedError,
)
from omegacell.core.outcomes import Change, Status
from omegacell.store import checkpoints
from omegacell.store.engines import erase_etcd, open_etcd, open_store
from omegacell.store.etcd import EtcdConnection
from omegacell.store.etcd_history import History
from omegacell.store.etcd_layout import Frame
from omegacell.store.faults import Fault, FaultyStore
from omegacell.store.log import (
    MAX_ENTRY_BYTES,
    MAX_PAYLOAD_BYTES,
    START,
    Append,
    CheckpointHead,
    CheckpointId,
    Cursor,
    Store,
)
from omegacell.store.proposer import Proposal
from omegacell.store.replica import Replica
from omegacell.store.sqlite_database import Access
from tests.store.conftest import EtcdClusters, EtcdEngine
from tests.support.etcds import EtcdCluster
from tests.support.following import begin_cell, committed, foreign_entry, session_on, submit
from tests.support.tcp_proxy import TcpProxy

LIMIT_S = 20.0


@pytest.fixture(params=[1, 3])
def cluster(request: pytest.FixtureRequest, etcds: EtcdClusters) -> EtcdCluster:
    return etcds.of(request.param)


@pytest.fixture
def engine(cluster: EtcdCluster) -> EtcdEngine:
    return EtcdEngine(cluster)


@pytest.fixture
def wire(cluster: EtcdCluster) -> Iterator[TcpProxy]:
    """Give a wire to one member that can be cut."""
    proxy = TcpProxy(cluster.members[0].port)
    yield proxy
    proxy.close()


def over(wire: TcpProxy, engine: EtcdEngine, query: str = "") -> str:
    return f"etcd://127.0.0.1:{wire.port}/{engine.url.rpartition('/')[2]}?{query}"


def item(text: bytes, seq: int = 1, session: int = 7) -> Append:
    return Append(entry=text, session=session, first_seq=seq)


def texts(store: Store, after: Cursor = START) -> list[bytes]:
    found: list[bytes] = []
    while page := store.read(after):
        found += [stored.entry for stored in page]
        after = page[-1].cursor
    return found


# --- deliveries ------------------------------------------------------------------------------------------------


def test_what_is_delivered_twice_is_kept_once(engine: EtcdEngine) -> None:
    """The same append again, by the same or another handle, is answered with the cursors of the first."""
    with engine.open() as one, engine.open() as two:
        first = one.append([item(b"a"), item(b"b", 2)])
        assert one.append([item(b"a"), item(b"b", 2)]) == first
        assert two.append([item(b"a"), item(b"b", 2)]) == first
        assert texts(two) == [b"a", b"b"]
        assert one.stat().entry_count == 2


def test_the_same_numbers_with_other_bytes_are_another_entry(engine: EtcdEngine) -> None:
    """The engine never answers for bytes that are not in the log; what the fold makes of it is its business."""
    with engine.open() as store:
        store.append([item(b"a")])
        store.append([item(b"b")])
        assert texts(store) == [b"a", b"b"]


def test_the_same_append_by_many_callers_at_once_is_kept_once(engine: EtcdEngine) -> None:
    """Eight callers of two handles deliver one append: one entry, one answer."""
    with engine.open() as one, engine.open() as two:
        answers: list[list[Cursor]] = []
        threads = [
            threading.Thread(target=lambda store=store: answers.append(store.append([item(b"a")])))
            for store in [one, two] * 4
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [answers[0]] * 8
        assert texts(one) == [b"a"]


def test_who_has_read_its_entry_and_appends_again_gets_another_place(engine: EtcdEngine) -> None:
    """The second of two transactions arrives first and is refused for the gap; appended again it is judged."""
    with engine.open() as store:
        begin_cell(store)
        session = session_on(store)
        committed(session.submit([submit("one")]))
        early, late = (session.prepare([submit(name)]) for name in ("two", "three"))
        store.append(list(late.appends))
        assert session.outcomes_of(late, session.replica.catch_up()) is None
        store.append(list(early.appends))
        folded = session.replica.catch_up()
        assert [one.status for one in session.outcomes_of(early, folded) or ()] == [Status.COMMITTED]
        store.append(list(late.appends))
        outcomes = session.outcomes_of(late, session.replica.catch_up())
        assert outcomes is not None
        committed(outcomes)


def test_answers_lost_on_the_wire_leave_one_entry_each(engine: EtcdEngine, wire: TcpProxy) -> None:
    """The request arrives and its answer is cut off, twenty times: every append is answered in the end, kept once."""
    with open_store(over(wire, engine)) as store:
        for number in range(20):
            wire.drop_answers(1)
            (cursor,) = store.append([item(b"%d" % number, number + 1)])
            assert store.head() == cursor
        assert wire.drop_count >= 20
        assert texts(store) == [b"%d" % number for number in range(20)]


def test_submits_happen_once_under_a_storm_of_faults(engine: EtcdEngine) -> None:
    """Two sessions take turns while half of all appends go wrong: job ids are dense, each submit created one job."""
    rng = random.Random(5)
    kinds = [
        Fault.FOREIGN_FIRST,
        Fault.TWICE,
        Fault.ANSWER_LOST,
        Fault.REQUEST_LOST,
        Fault.LATE,
        Fault.FOREIGN_FIRST | Fault.LATE,
        Fault.TWICE | Fault.ANSWER_LOST | Fault.FOREIGN_AFTER,
    ]
    with engine.open() as one, engine.open() as two:
        begin_cell(one)
        plans = [[rng.choice(kinds) if rng.random() < 0.5 else Fault.NONE for _ in range(500)] for _ in range(2)]
        sessions = [
            session_on(FaultyStore(store, plan, foreign=foreign_entry))
            for store, plan in zip((one, two), plans, strict=True)
        ]
        ids = []
        for number in range(20):
            for which, session in enumerate(sessions):
                (outcome,) = committed(session.submit([submit(f"job-{which}-{number}", 1)]))
                assert outcome.detail == Change.CREATED
                ids.append(outcome.value)
        assert sorted(ids) == list(range(1, 41))
        assert Replica(one).chain == Replica(two).chain


# --- following -------------------------------------------------------------------------------------------------


def test_a_follower_goes_on_after_its_connection_broke(engine: EtcdEngine, wire: TcpProxy) -> None:
    """Cut off while twelve of the largest entries are appended, it follows them by the same watch once it is back."""
    with engine.open() as author, open_store(over(wire, engine)) as follower:
        (before,) = author.append([item(b"a")])
        assert texts(follower) == [b"a"]
        assert follower.wait(before, 0.0) is False  # follows now
        wire.refuse()
        large = [bytes([number]) * MAX_ENTRY_BYTES for number in range(12)]
        for number, text in enumerate(large):
            author.append([item(text, 10 + number)])
        wire.heal()
        assert follower.wait(before, LIMIT_S)
        assert texts(follower, before) == large
        assert follower._tail.begin_count == 1  # type: ignore[attr-defined]


def test_a_follower_notices_that_etcd_compacted_beyond_it(engine: EtcdEngine, wire: TcpProxy) -> None:
    """Cut off while others append and everything is compacted, it reads by key what no watch gives any more."""
    with engine.open() as author, open_store(over(wire, engine)) as follower:
        (before,) = author.append([item(b"a")])
        assert texts(follower) == [b"a"]
        wire.refuse()
        author.append([item(b"b", 2)])
        author.payloads.put(b"h", b"p")
        author.append([item(b"c", 3)])
        assert author.payloads.erase(b"h")  # compacts
        wire.heal()
        assert follower.wait(before, LIMIT_S)
        assert texts(follower, before) == [b"b", b"c"]
        (last,) = author.append([item(b"d", 4)])
        assert follower.wait(before, LIMIT_S)
        assert texts(follower, before) == [b"b", b"c", b"d"]
        assert follower.head() == last


def test_a_replica_left_behind_by_truncation_reloads(engine: EtcdEngine, wire: TcpProxy) -> None:
    """Cut off while the log is truncated and compacted: it starts again from a checkpoint, and ends where others do."""
    with engine.open() as one, open_store(over(wire, engine)) as two:
        begin_cell(one)
        session = session_on(one)
        behind = Replica(two)
        wire.refuse()
        for name in ("one", "two", "three"):
            committed(session.submit([submit(name)]))
        head = checkpoints.write(one, checkpoints.capture(session.replica.fold))
        assert checkpoints.confirm(one, head.checkpoint_id)
        one.truncate(session.replica.cursor)
        committed(session.submit([submit("four")]))
        wire.heal()
        assert behind.catch_up().is_reloaded
        assert (behind.revision, behind.chain) == (session.replica.revision, session.replica.chain)


def test_a_truncation_during_a_read_leaves_no_hole(engine: EtcdEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries go between a reader's look at the mark and its listing of keys: TruncatedError, never what is left."""
    with engine.open() as author, engine.open() as reader:
        cursors = [cursor for number in range(6) for cursor in author.append([item(b"%d" % number, 1 + number)])]
        frames = History.frames

        def truncate_first(history: History, after: Cursor, upto: Cursor, limit_bytes: int) -> list[Frame]:
            author.truncate(cursors[3])
            return frames(history, after, upto, limit_bytes)

        monkeypatch.setattr(History, "frames", truncate_first)
        with pytest.raises(TruncatedError) as caught:
            reader.read(START)
        assert caught.value.oldest == cursors[3]
        assert [stored.entry for stored in reader.read(cursors[3])] == [b"4", b"5"]


# --- limits ----------------------------------------------------------------------------------------------------


def test_an_append_larger_than_a_request_is_kept_whole(engine: EtcdEngine) -> None:
    """Twelve of the largest entries, each with the largest payload, are one append: adjacent, and gone together."""
    large = [bytes([number]) * MAX_ENTRY_BYTES for number in range(12)]
    batch = [
        Append(entry=text, session=9, first_seq=place, payloads={b"%d" % place: text[:MAX_PAYLOAD_BYTES]})
        for place, text in enumerate(large, 1)
    ]
    with engine.open() as one, engine.open() as two:
        cursors = one.append(batch)
        assert one.append(batch) == cursors
        assert [cursor - cursors[0] for cursor in cursors] == list(range(12))
        assert texts(two) == large
        assert two.payloads.get(b"12") == large[11]
        assert two.find_faults() == []
        one.truncate(cursors[5])
        assert texts(two, cursors[5]) == large[6:]
        one.truncate(cursors[11])
        assert two.stat().entry_count == 0
        assert two.find_faults() == []


def test_many_callers_with_payloads_stay_within_a_request(engine: EtcdEngine) -> None:
    """Sixty-four callers append at once, each with three payloads: more than etcd takes in a transaction, all kept."""
    with engine.open() as store:

        def work(author: int) -> None:
            payloads = {b"%d/%d" % (author, number): b"p" * 20_000 for number in range(3)}
            store.append([Append(entry=b"%d" % author, session=author, first_seq=1, payloads=payloads)])

        threads = [threading.Thread(target=work, args=(author,)) for author in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(texts(store), key=int) == [b"%d" % author for author in range(64)]
        assert len(store.payloads.hashes()) == 192


def test_a_log_longer_than_a_listing_is_read_in_order(engine: EtcdEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are listed page by page, and frames fetched in the log's order, whoever their authors are."""
    from omegacell.store import etcd_history

    monkeypatch.setattr(etcd_history, "LIST_STEP", 7)
    with engine.open() as author, engine.open() as reader:
        for number in range(60):
            author.append([item(b"%d" % number, 1, session=1_000 - number)])
        assert texts(reader) == [b"%d" % number for number in range(60)]
        assert reader.stat().entry_count == 60


def test_a_log_that_grows_is_listed_once(engine: EtcdEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader far behind a busy author does not list all keys again for every page, and misses nothing."""
    from omegacell.store import etcd_history

    listings: list[int] = []
    list_keys = etcd_history.list_keys

    def counted(*words: Any, since: int, until: int) -> Iterator[tuple[int, bytes]]:
        listings.append(until)
        return list_keys(*words, since=since, until=until)

    with engine.open() as author, engine.open() as reader:
        expected = [b"%d" % number for number in range(40)]
        for number, text in enumerate(expected):
            author.append([item(text, 1 + number)])
        monkeypatch.setattr(etcd_history, "list_keys", counted)
        found: list[bytes] = []
        after = START
        while page := reader.read(after, 1):
            found += [stored.entry for stored in page]
            after = page[-1].cursor
            if len(expected) < 60:
                expected.append(b"%d" % len(expected))
                author.append([item(expected[-1], len(expected))])
        assert found == expected
        assert len(listings) == 1


def test_what_the_watch_keeps_is_bounded(engine: EtcdEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that comes late finds the oldest gone from memory, and reads them by key: nothing is missing."""
    from omegacell.store import etcd_follow

    monkeypatch.setattr(etcd_follow.Tail.__init__, "__kwdefaults__", {"kept_bytes": 300})
    with engine.open() as author, engine.open() as reader:
        (before,) = author.append([item(b"a")])
        assert texts(reader) == [b"a"]
        written = [b"%d" % number * 50 for number in range(20)]
        for number, text in enumerate(written):
            (last,) = author.append([item(text, 2 + number)])
        assert reader.wait(Cursor(last - 1), LIMIT_S)
        assert texts(reader, before) == written
        assert reader._tail._byte_count <= 300  # type: ignore[attr-defined]


def test_a_lease_that_ran_out_is_a_lock_that_is_gone(engine: EtcdEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """etcd was away for longer than the lease that was just granted: an error of the store, and no checkpoint."""
    head = CheckpointHead(
        revision=1, cursor=START, chain=b"c" * 16, digest=b"d" * 32, chunk_count=1, byte_count=1, made_at_us=0
    )
    with engine.open() as store:
        monkeypatch.setattr(EtcdConnection, "grant", lambda connection, ttl_s: 12_345)
        with pytest.raises(StoreLockedError, match="its lock is gone"):
            store.checkpoints.write(head, [b"x"])
        monkeypatch.undo()
        store.checkpoints.write(head, [b"x"])
        assert len(store.checkpoints.heads()) == 1


# --- opening ---------------------------------------------------------------------------------------------------


def test_access_is_what_was_asked_for(engine: EtcdEngine) -> None:
    """A store that must be there is not made; one that is read only is not written."""
    for access in (Access.EXISTING, Access.READ_ONLY):
        with pytest.raises(StoreNotFoundError, match="check the prefix"):
            open_store(engine.url, access=access)
    with engine.open() as store:
        store.append([item(b"a")])
    head = CheckpointHead(
        revision=1, cursor=START, chain=b"c" * 16, digest=b"d" * 32, chunk_count=0, byte_count=0, made_at_us=0
    )
    with open_store(engine.url, access=Access.READ_ONLY) as store:
        assert texts(store) == [b"a"]
        for write in (
            lambda: store.append([item(b"b", 2)]),
            lambda: store.truncate(store.head()),
            lambda: store.void(1),
            lambda: store.payloads.put(b"h", b"p"),
            lambda: store.payloads.erase(b"h"),
            lambda: store.checkpoints.write(head, []),
        ):
            with pytest.raises(StoreReadOnlyError):
                write()


def test_two_prefixes_are_two_stores(cluster: EtcdCluster) -> None:
    """Stores share an etcd and nothing else, also when one name begins with the other."""
    one, two = EtcdEngine(cluster), EtcdEngine(cluster)
    inner = f"{one.url}/inner"
    with open_store(one.url) as first, open_store(two.url) as second:
        first.append([item(b"a")])
        assert (texts(second), second.stat().entry_count) == ([], 0)
        assert first.incarnation != second.incarnation
    with pytest.raises(StoreNotFoundError):
        open_store(inner, access=Access.EXISTING)


def test_a_draft_is_its_makers_until_it_is_published(engine: EtcdEngine) -> None:
    """Others are turned away from a draft; one that broke off is made anew; a store is never overwritten."""
    with open_etcd(engine.url, is_draft=True) as draft:
        draft.append([item(b"half")])
        with pytest.raises(StoreLockedError, match="migration"):
            open_store(engine.url)
    with open_etcd(engine.url, is_draft=True) as draft:
        assert texts(draft) == []
        draft.append([item(b"whole")])
        draft.publish()
    with engine.open() as store:
        assert texts(store) == [b"whole"]
    with pytest.raises(StoreExistsError, match="take another prefix"):
        open_etcd(engine.url, is_draft=True)


def test_of_two_migrations_the_later_one_goes_on(engine: EtcdEngine) -> None:
    """Two fill one prefix: the first can write nothing more, nor publish; the store is the second's alone."""
    with open_etcd(engine.url, is_draft=True) as first:
        first.append([item(b"first")])
        with open_etcd(engine.url, is_draft=True) as second:
            second.append([item(b"second")])
            with pytest.raises(StoreReplacedError):
                first.append([item(b"more", 2)])
            with pytest.raises(StoreExistsError, match="somebody else"):
                first.publish()
            second.publish()
            second.append([item(b"afterwards", 2)])
    with engine.open() as store:
        assert texts(store) == [b"second", b"afterwards"]


def test_a_store_that_was_made_anew_is_not_written_by_who_knew_the_old(
    engine: EtcdEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted, some keys at a time, and made again: another life, of which the old handle changes nothing."""
    from omegacell.store import etcd_meta

    monkeypatch.setattr(etcd_meta, "ERASE_STEP", 3)
    large = Append(entry=b"x" * MAX_ENTRY_BYTES, session=9, first_seq=1, payloads={b"h": b"p"})
    with engine.open() as old:
        for number in range(10):
            old.append([item(b"%d" % number, 1 + number)])
        old.append([large])
        erase_etcd(engine.url)
        writes: list[Callable[[], object]] = [
            lambda: old.append([item(b"late", 20)]),
            lambda: old.append([large, large, large]),
            lambda: old.void(1),
            lambda: old.payloads.put(b"h", b"p"),
            lambda: old.payloads.erase(b"i"),
            lambda: old.checkpoints.delete(CheckpointId(1)),
            lambda: old.checkpoints.confirm(CheckpointId(1)),
        ]
        for write in writes:
            with pytest.raises(StoreError) as caught:
                write()
            assert isinstance(caught.value, StoreReplacedError | CheckpointGoneError)
        with engine.open() as new:
            new.append([item(b"new")])
            new.payloads.put(b"i", b"p")
            for write in writes:
                with pytest.raises((StoreReplacedError, CheckpointGoneError)):
                    write()
            assert texts(new) == [b"new"]
            assert new.payloads.hashes() == {b"i"}
            assert new.find_faults() == []


def test_renewing_is_a_proposal_like_any_other(engine: EtcdEngine) -> None:
    """A session lives on an etcd store: it opens, renews, and is renewed again."""
    with engine.open() as store:
        begin_cell(store)
        session = session_on(store)
        committed(session.submit())
        committed(session.submit([Proposal(commands=(Renew(),))]))
        assert session.is_known
