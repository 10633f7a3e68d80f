"""Several processes on one SQLite store: nothing acknowledged is lost, and nobody blocks for a dead one."""

import os
import signal
import threading
from pathlib import Path

import pytest

from omegacell.core.errors import StoreLockedError
from omegacell.store import sqlite
from omegacell.store.log import START, Append, CheckpointHead, Cursor
from omegacell.store.sqlite import SqliteStore
from omegacell.store.sqlite_database import Access, SqliteOptions
from omegacell.store.sqlite_errors import describe_corrupt
from omegacell.store.writerlock import FileLock
from tests.store.processes import WRITER, kill, read_line, start_code, start_python

PATIENT = SqliteOptions(patience_s=60.0)
IMPATIENT = SqliteOptions(patience_s=0.05)

HOLD_LOCK = """
import sys, time
from pathlib import Path
from omegacell.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
with store._database.writing("holding"):
    print("held", flush=True)
    sys.stdin.readline()
"""

HALF_CHECKPOINT = """
import sys
from pathlib import Path
from omegacell.store.log import CheckpointHead
from omegacell.store.sqlite import SqliteStore
def chunks():
    yield b"x" * 100_000
    print("half", flush=True)
    sys.stdin.readline()
    yield b"y"
head = CheckpointHead(revision=1, cursor=0, chain=b"c" * 16, digest=b"d" * 32, chunk_count=2, byte_count=100_001,
                      made_at_us=0)
SqliteStore(Path(sys.argv[1])).checkpoints.write(head, chunks())
"""


def append(store: SqliteStore, text: bytes) -> Cursor:
    return store.append([Append(entry=text, session=1, first_seq=1)])[0]


def texts(store: SqliteStore) -> list[bytes]:
    found: list[bytes] = []
    cursor = START
    while page := store.read(cursor):
        found.extend(stored.entry for stored in page)
        cursor = page[-1].cursor
    return found


@pytest.mark.slow
def test_every_acknowledged_append_outlives_killed_writers(tmp_path: Path) -> None:
    """Rounds of three processes killed under load: what was acknowledged is there, at its cursor, in order."""
    path = tmp_path / "cell.db"
    acknowledged: dict[int, str] = {}
    with SqliteStore(path, PATIENT) as store:
        for round_number in range(3):
            writers = [start_python(WRITER, path, f"{round_number}-{author}") for author in range(3)]
            said = [read_line(writer) for writer in writers for _ in range(30)]
            said += [line for writer in writers for line in kill(writer).decode().splitlines()]
            for line in said:
                cursor, text = line.split(" ")
                assert int(cursor) not in acknowledged
                acknowledged[int(cursor)] = text
            append(store, b"still works")
        log = {stored.cursor: stored.entry.decode() for stored in store.read(START, 1 << 30)}
        assert len(acknowledged) >= 3 * 3 * 30
        for number, text in acknowledged.items():
            assert log[Cursor(number)] == text * 20
        check_each_author_in_order(texts(store))
        assert store.find_faults() == []


def check_each_author_in_order(log: list[bytes]) -> None:
    last: dict[str, int] = {}
    for text in log:
        if b"/" in text:
            author, number = text[: len(text) // 20].decode().split("/")
            assert int(number) == last.get(author, -1) + 1
            last[author] = int(number)
    assert len(last) >= 3 * 3


def test_a_killed_holder_of_the_lock_blocks_nobody(tmp_path: Path) -> None:
    """A process is killed inside its transaction; the one that queued behind it gets its turn."""
    path = tmp_path / "cell.db"
    with SqliteStore(path, PATIENT) as store:
        holder = start_code(HOLD_LOCK, path)
        assert read_line(holder) == "held"
        answers: list[Cursor] = []
        queued = threading.Thread(target=lambda: answers.append(append(store, b"a")))
        queued.start()
        kill(holder)
        queued.join(30)
        assert len(answers) == 1
        assert texts(store) == [b"a"]


def test_a_stuck_holder_is_a_clear_error_and_nothing_is_written(tmp_path: Path) -> None:
    """Held by a process that hangs: the error names the lock; once it lets go, appends work and no thread stays."""
    path = tmp_path / "cell.db"
    threads = set(threading.enumerate())
    with SqliteStore(path, IMPATIENT) as store:
        holder = start_code(HOLD_LOCK, path)
        assert read_line(holder) == "held"
        os.kill(holder.pid, signal.SIGSTOP)
        with pytest.raises(StoreLockedError, match=r"cell\.db-lock: another process holds the lock"):
            append(store, b"a")
        assert texts(store) == []
        os.kill(holder.pid, signal.SIGCONT)
        holder.communicate(b"go\n", timeout=30)
        for thread in set(threading.enumerate()) - threads:
            thread.join(30)
        append(store, b"b")
        assert texts(store) == [b"b"]
    assert set(threading.enumerate()) == threads


def test_a_lock_that_comes_too_late_is_let_go(tmp_path: Path) -> None:
    """A waiter that gave up does not keep the lock that it gets afterwards."""
    lock = FileLock(tmp_path / "lock", purpose="testing")
    before = set(threading.enumerate())
    with lock.hold(0), pytest.raises(StoreLockedError), FileLock(tmp_path / "lock", purpose="testing").hold(0.01):
        pytest.fail("two held it")
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    with lock.hold(0):
        pass


def test_another_user_of_the_database_is_a_clear_error(tmp_path: Path) -> None:
    """Somebody's own SQLite transaction, past our lock: StoreLockedError, and afterwards appends work."""
    path = tmp_path / "cell.db"
    code = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""
    with SqliteStore(path, IMPATIENT) as store:
        holder = start_code(code, path)
        assert read_line(holder) == "held"
        with pytest.raises(StoreLockedError, match="another process holds the database"):
            append(store, b"a")
        holder.communicate(b"go\n", timeout=30)
        append(store, b"b")
        assert texts(store) == [b"b"]


def test_the_bell_tells_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With polling out of the way, an append of another process ends a wait: the bell was heard."""
    monkeypatch.setattr(sqlite, "POLL_S", 600.0)
    path = tmp_path / "cell.db"
    with SqliteStore(path) as store:
        for _ in range(3):
            head = store.head()
            writer = start_python(WRITER, path, "author")
            assert store.wait(head, 30.0) is True
            kill(writer)


def test_a_bell_that_nobody_hears_costs_a_poll_at_most(tmp_path: Path) -> None:
    """The bell file is gone (deleted while open): a follower still sees the append, by looking again."""
    path = tmp_path / "cell.db"
    with SqliteStore(path) as store, SqliteStore(path) as other:
        assert store.wait(START, 0.0) is False
        (tmp_path / "cell.db-bell").unlink()
        timer = threading.Timer(0.05, append, (other, b"a"))
        timer.start()
        assert store.wait(START, 30.0) is True
        timer.join()


def test_many_processes_may_make_one_store_at_once(tmp_path: Path) -> None:
    """Six processes open a store that is not there: one makes it, all use it."""
    code = """
import sys
from pathlib import Path
from omegacell.store.log import Append
from omegacell.store.sqlite import SqliteStore
sys.stdin.readline()
with SqliteStore(Path(sys.argv[1])) as store:
    store.append([Append(entry=b"a", session=1, first_seq=1)])
    print(store.incarnation)
"""
    path = tmp_path / "new" / "cell.db"
    processes = [start_code(code, path) for _ in range(6)]
    outputs = {process.communicate(b"go\n", timeout=60)[0] for process in processes}
    with SqliteStore(path) as store:
        assert outputs == {f"{store.incarnation}\n".encode()}
        assert texts(store) == [b"a"] * 6


def test_a_checkpoint_whose_writer_is_killed_does_not_exist(tmp_path: Path) -> None:
    """Killed between chunks: no checkpoint; the next writer clears the chunks."""
    path = tmp_path / "cell.db"
    head = CheckpointHead(
        revision=2, cursor=START, chain=b"c" * 16, digest=b"d" * 32, chunk_count=1, byte_count=1, made_at_us=0
    )
    with SqliteStore(path) as store:
        writer = start_code(HALF_CHECKPOINT, path)
        assert read_line(writer) == "half"
        with pytest.raises(StoreLockedError, match="writing a checkpoint"):
            store.checkpoints.write(head, [b"z"])
        kill(writer)
        assert store.checkpoints.heads() == []
        written = store.checkpoints.write(head, [b"z"])
        assert store.checkpoints.heads() == [written]
        with store._database.reading("counting chunks") as connection:
            assert connection.execute("SELECT COUNT(*) FROM chunk").fetchone() == (1,)


def test_a_second_handle_does_not_drop_the_locks_of_the_first(tmp_path: Path) -> None:
    """POSIX locks go when a process closes any descriptor of a file: so nobody but SQLite may open the database.

    Without its lock another process that closes takes itself for the last one and deletes the write-ahead log.
    """
    path = tmp_path / "cell.db"
    code = """
import sys
from pathlib import Path
from omegacell.store.sqlite import SqliteStore
SqliteStore(Path(sys.argv[1])).close()
"""
    with SqliteStore(path) as store:
        append(store, b"a")
        SqliteStore(path).close()
        SqliteStore(path, SqliteOptions(access=Access.READ_ONLY)).close()
        with store._database.reading("damage that is only claimed"):
            describe_corrupt(path, "here", "")
        start_code(code, path).communicate(timeout=30)
        assert path.with_name("cell.db-wal").exists()
        append(store, b"b")
        with SqliteStore(path) as other:
            assert texts(other) == [b"a", b"b"]
