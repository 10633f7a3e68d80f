"""What an etcd can do to a store, and what the store says then: real members that are killed, full, or shut."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omegacell.core.errors import (
    StoreDeniedError,
    StoreError,
    StoreFullError,
    StoreReplacedError,
    StoreUnreachableError,
    UsageError,
)
from omegacell.store.engines import open_store
from omegacell.store.log import START, Append, Cursor, Store
from tests.store.conftest import EtcdClusters, EtcdEngine
from tests.support.etcds import EtcdCluster, find_etcd, free_ports, require_etcd, running_etcd
from tests.support.tcp_proxy import TcpProxy

LIMIT_S = 30.0
TLS = Path(__file__).parents[1] / "testdata" / "tls"


def item(number: int, size: int = 8) -> Append:
    return Append(entry=b"%0*d" % (size, number), session=7, first_seq=number)


def read_all(store: Store) -> list[int]:
    found: list[int] = []
    after = START
    while page := store.read(after):
        found += [int(stored.entry[-8:]) for stored in page]
        after = page[-1].cursor
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Give three members of our own: they are killed."""
    with running_etcd(tmp_path_factory.mktemp("three"), 3) as cluster:
        yield cluster


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_appends_and_followers_outlive_any_member(three: EtcdCluster, killed: int) -> None:
    """A member is killed while an author appends and a follower follows: nothing acknowledged is lost or doubled."""
    url = three.url(f"killed-{killed}", "patience_s=20")
    acknowledged: list[int] = []
    seen: list[int] = []
    errors: list[BaseException] = []
    is_over = threading.Event()
    is_all_seen = threading.Event()

    def write(store: Store) -> None:
        try:
            for number in range(1, 10_000):
                store.append([item(number)])
                acknowledged.append(number)
                if is_over.is_set():
                    return
        except StoreError as error:
            errors.append(error)

    def follow(store: Store) -> None:
        after = START
        try:
            while not is_all_seen.is_set():
                if store.wait(after, 0.2):
                    page = store.read(after)
                    seen.extend(int(stored.entry) for stored in page)
                    after = page[-1].cursor
        except StoreError as error:
            errors.append(error)

    with open_store(url) as author, open_store(url) as follower:
        threads = [threading.Thread(target=write, args=(author,)), threading.Thread(target=follow, args=(follower,))]
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(seen) > 20 or bool(errors))
            three.members[killed].kill()
            count = len(seen)
            until(lambda: len(seen) > count + 50 or bool(errors))
            is_over.set()
            threads[0].join(LIMIT_S)
            until(lambda: seen[-1:] == acknowledged[-1:] or bool(errors))
        finally:
            is_over.set()
            is_all_seen.set()
            for thread in threads:
                thread.join(LIMIT_S)
            three.members[killed].start()
            three.members[killed].wait_until_it_listens()
        assert errors == []
        assert seen == acknowledged == list(range(1, len(seen) + 1))
        assert read_all(author) == acknowledged


def test_without_a_leader_the_store_says_so_and_recovers(three: EtcdCluster) -> None:
    """Two of three members are gone: an error that says what is missing; back again, the same handle goes on."""
    with open_store(three.url("no-leader", "patience_s=3")) as store:
        store.append([item(1)])
        three.members[0].kill()
        three.members[1].kill()
        try:
            with pytest.raises(StoreUnreachableError, match=r"no leader|no endpoint answered"):
                store.append([item(2)])
            with pytest.raises(StoreUnreachableError, match=r"more than half|no endpoint answered"):
                store.read(START)
        finally:
            for member in three.members[:2]:
                member.start()
            for member in three.members[:2]:
                member.wait_until_it_listens()

        def is_back() -> bool:
            try:
                store.append([item(2)])
            except StoreUnreachableError:
                return False
            return True

        until(is_back)
        assert read_all(store) == [1, 2]


def test_an_etcd_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Nobody listens: the error has the endpoints, how long was tried, and no password."""
    (port,) = free_ports(1)
    with pytest.raises(StoreUnreachableError, match=f"127.0.0.1:{port}/x: no endpoint answered for 0.5 s") as caught:
        open_store(f"etcd://me:secret@127.0.0.1:{port}/x?patience_s=0.5")
    assert "secret" not in str(caught.value)


def test_what_is_no_etcd_is_not_waited_for_long() -> None:
    """A server that speaks something else: an error within the patience, not a hang."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StoreUnreachableError):
            open_store(f"etcd://127.0.0.1:{port}/x?patience_s=0.5")


def test_a_full_etcd_is_a_full_store(tmp_path: Path) -> None:
    """The quota is used up: StoreFullError says what to do; reading goes on, and nothing acknowledged is lost."""
    quota = ["--quota-backend-bytes", str(16 << 20)]
    with running_etcd(tmp_path / "full", extra=quota) as cluster, open_store(cluster.url("full")) as store:
        acknowledged: list[int] = []

        def fill() -> None:
            for number in range(1, 64):
                store.append([item(number, 1 << 19)])
                acknowledged.append(number)

        with pytest.raises(StoreFullError, match=r"NOSPACE.*alarm disarm"):
            fill()
        assert len(acknowledged) > 10
        # The one that failed may be in the log: that is what an error means.
        assert read_all(store)[: len(acknowledged)] == acknowledged
        assert store.stat().byte_count >= len(acknowledged) << 19


def test_another_cluster_is_refused(etcds: EtcdClusters, tmp_path: Path) -> None:
    """Two endpoints of two clusters: whoever fails over to the other is told, and has written nothing there."""
    with running_etcd(tmp_path / "other") as other:
        clusters = etcds.of(1), other
        wires = [TcpProxy(cluster.members[0].port) for cluster in clusters]
        try:
            for cluster in clusters:  # a store under the same prefix stands in both
                open_store(cluster.url("mixed")).close()
            url = f"etcd://127.0.0.1:{wires[0].port},127.0.0.1:{wires[1].port}/mixed?patience_s=5"
            with open_store(url) as store:
                store.append([item(1)])

                def leave_both() -> None:
                    for wire in wires:  # it is on one of the two
                        wire.refuse()
                        store.append([item(2)])
                        wire.heal()

                with pytest.raises(StoreReplacedError, match="endpoints of one cluster"):
                    leave_both()
                with pytest.raises(StoreReplacedError, match="endpoints of one cluster"):
                    store.head()
            found: list[list[int]] = []
            for cluster in clusters:
                with open_store(cluster.url("mixed")) as store:
                    found.append(read_all(store))
            assert [] in found
            assert [1] in found or [1, 2] in found
        finally:
            for wire in wires:
                wire.close()


def test_a_restored_snapshot_is_another_life(etcds: EtcdClusters, tmp_path: Path) -> None:
    """etcdctl restores a snapshot into a new cluster: the log is there, under a new incarnation."""
    import subprocess

    program = find_etcd("etcdctl")
    assert program is not None
    engine = EtcdEngine(etcds.of(1))
    with engine.open() as store:
        store.append([item(1)])
        before = store.incarnation
    etcds.of(1).control("snapshot", "save", str(tmp_path / "snapshot.db"))
    (tmp_path / "restored").mkdir()
    subprocess.run(
        [program, "snapshot", "restore", str(tmp_path / "snapshot.db"), "--data-dir", str(tmp_path / "data")],
        env={"ETCDCTL_API": "3"},
        capture_output=True,
        check=True,
    )
    with running_etcd(tmp_path / "restored", extra=["--data-dir", str(tmp_path / "data")]) as cluster:
        url = cluster.url(engine.url.rpartition("/")[2])
        with open_store(url) as store:
            assert read_all(store) == [1]
            after = store.incarnation
            assert after != before
        with open_store(url) as store:
            assert store.incarnation == after


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[EtcdCluster]:
    """Give an etcd with users: root, and cell, who may do everything under /cell/."""
    with running_etcd(tmp_path / "guarded", extra=["--auth-token-ttl", "1"]) as cluster:
        for words in (
            "user add root:toor",
            "user grant-role root root",
            "user add cell:secret",
            "role add cell",
            "role grant-permission cell --prefix=true readwrite /cell/",
            "user grant-role cell cell",
            "auth enable",
        ):
            cluster.control(*words.split())
        yield cluster


def test_who_is_not_let_in_is_told_why(guarded: EtcdCluster, tmp_path: Path) -> None:
    """Wrong password, no user, or a prefix that is another's: StoreDeniedError, at once, without the password."""
    hosts = guarded.hosts
    began = time.monotonic()
    for url, expected in [
        (f"etcd://cell:wrong@{hosts}/cell", "'cell': authentication failed"),
        (f"etcd://{hosts}/cell", "no user"),
        (f"etcd://cell:secret@{hosts}/other", "permission denied"),
    ]:
        with pytest.raises(StoreDeniedError, match=expected) as caught:
            open_store(url)
        assert "wrong" not in str(caught.value)
        assert "secret" not in str(caught.value)
    assert time.monotonic() - began < LIMIT_S
    (tmp_path / "password").write_text("secret\n")
    with open_store(f"etcd://cell@{hosts}/cell?password_file={tmp_path / 'password'}") as store:
        store.append([item(1)])


def test_a_token_that_ran_out_is_renewed(guarded: EtcdCluster) -> None:
    """etcd forgets tokens when it starts, and after a second here: the store logs in again, for calls and watch."""
    url = f"etcd://cell:secret@{guarded.hosts}/cell"
    with open_store(url) as author, open_store(url) as follower:
        (first,) = author.append([item(1)])
        assert follower.wait(START, LIMIT_S)
        assert read_all(follower) == [1]
        guarded.members[0].kill()  # its tokens die with it, and so does the watch
        guarded.members[0].start()
        guarded.members[0].wait_until_it_listens()
        (second,) = author.append([item(2)])
        author.truncate(first)
        assert follower.wait(first, LIMIT_S)
        assert [int(stored.entry) for stored in follower.read(first)] == [2]
        # and they run out: a watch begun with a new one goes on, calls get another
        deadline = time.monotonic() + 2.5
        until(lambda: time.monotonic() > deadline)
        author.append([item(3)])
        assert follower.wait(second, LIMIT_S)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Give an etcd that speaks TLS only, and asks for a certificate."""
    words = ["--cert-file", "server.pem", "--key-file", "server.key", "--trusted-ca-file", "ca.pem"]
    extra = [str(TLS / word) if not word.startswith("--") else word for word in words]
    with running_etcd(tmp_path_factory.mktemp("tls"), extra=[*extra, "--client-cert-auth"]) as cluster:
        yield cluster


def test_tls_with_a_certificate_is_let_in(encrypted: EtcdCluster) -> None:
    """The authority and the client's certificate come from the URL; appending and following work as without."""
    query = f"ca={TLS}/ca.pem&cert={TLS}/client.pem&key={TLS}/client.key"
    with open_store(encrypted.url("cell", query)) as one, open_store(encrypted.url("cell", query)) as two:
        (cursor,) = one.append([item(1)])
        assert two.wait(START, LIMIT_S)
        assert read_all(two) == [1]
        assert two.wait(cursor, 0.0) is False


@pytest.mark.parametrize("query", ["", "tls=yes", f"ca={TLS}/ca.pem", f"ca={TLS}/client.pem"])
def test_tls_that_does_not_fit_is_refused(encrypted: EtcdCluster, query: str) -> None:
    """No TLS, an authority that is not known, no certificate: an error within the patience that names TLS."""
    with pytest.raises(StoreUnreachableError, match="TLS on both sides"):
        open_store(encrypted.url("cell", f"{query}&patience_s=1"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("etcd://", "is not HOST:PORT"),
        ("etcd://host:x/cell", "'host:x' is not HOST:PORT"),
        ("etcd://host:2379,/cell", "'' is not HOST:PORT"),
        ("etcd://host:0/cell", "is not HOST:PORT"),
        ("etcd://me@host/cell", "a user and a password go together"),
        ("etcd://:secret@host/cell", "a user and a password go together"),
        ("etcd://host/a//b", "prefix '/a//b'"),
        ("etcd://host/cell?tls=1", "tls='1'; expected yes or no"),
        ("etcd://host/cell?ca=/nowhere", "ca='/nowhere' is no file"),
        ("etcd://host/cell?cert=/x", "cert and key go together"),
        ("etcd://host/cell?patience_s=0", "patience_s='0'"),
        ("etcd://host/cell?patience=1", "unknown setting patience; expected password_file"),
        ("etcd://me@host/cell?password_file=/nowhere", "cannot be read"),
    ],
)
def test_a_wrong_url_is_refused(url: str, expected: str) -> None:
    """UsageError says what was expected, before anything is connected; secrets are not repeated."""
    with pytest.raises(UsageError, match=expected) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_the_tests_have_an_etcd() -> None:
    """In CI a missing etcd is a failure, and elsewhere a skip that says what to install."""
    assert Path(require_etcd()).exists()
    assert Cursor(0) == START
