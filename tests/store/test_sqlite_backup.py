"""Backups are whole, stand alone, and come back as another life of the cell."""

import os
import threading
from pathlib import Path

import pytest

from omegacell.core.errors import (
    NotAStoreError,
    StoreCorruptError,
    StoreError,
    StoreExistsError,
    StoreFullError,
    StoreNotFoundError,
    StoreUnsupportedError,
)
from omegacell.store import mounts
from omegacell.store.backup import backup, restore
from omegacell.store.log import START, Append, CheckpointHead, Cursor
from omegacell.store.sqlite import SqliteStore
from omegacell.store.sqlite_database import Access, SqliteOptions

READ_ONLY = SqliteOptions(access=Access.READ_ONLY)
HEAD = CheckpointHead(
    revision=1, cursor=START, chain=b"c" * 16, digest=b"d" * 32, chunk_count=1, byte_count=1, made_at_us=0
)


def append(store: SqliteStore, text: bytes) -> Cursor:
    return store.append([Append(entry=text, session=1, first_seq=1, payloads={text[:64]: b"payload of " + text})])[0]


def texts(store: SqliteStore) -> list[bytes]:
    return [stored.entry for stored in store.read(store.first(), 1 << 30)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store that holds something of every kind."""
    path = tmp_path / "state" / "cell.db"
    with SqliteStore(path) as store:
        cursors = [append(store, b"%d" % number) for number in range(50)]
        store.truncate(cursors[9])
        store.void(3)
        store.checkpoints.write(HEAD, [b"x"])
    return path


def test_a_backup_is_one_file_that_can_be_read_alone(path: Path, tmp_path: Path) -> None:
    """Made while the store is open, it holds all: log, payloads, checkpoints, voids; the owner alone may read it."""
    destination = tmp_path / "copies" / "one.db"
    with SqliteStore(path) as store:
        append(store, b"still in the write-ahead log")
        copy = backup(path, destination)
        assert (copy.incarnation, copy.first, copy.head) == (store.incarnation, store.first(), store.head())
        append(store, b"after the backup")
        expected = texts(store)[:-1]
    assert copy.byte_count == destination.stat().st_size
    assert destination.stat().st_mode & 0o777 == 0o600
    assert os.listdir(destination.parent) == ["one.db"]
    with SqliteStore(destination, READ_ONLY) as found:
        assert texts(found) == expected
        assert found.payloads.get(b"20") == b"payload of 20"
        assert [b"".join(found.checkpoints.read(head.checkpoint_id)) for head in found.checkpoints.heads()] == [b"x"]
        assert found.voids() == {3}


def test_a_backup_beside_a_busy_writer_is_a_moment_of_the_log(path: Path, tmp_path: Path) -> None:
    """Taken while another thread appends: a prefix of the log, without faults, and it ends."""
    is_over = threading.Event()

    def write(store: SqliteStore) -> None:
        number = 0
        while not is_over.is_set():
            append(store, b"busy %d" % number)
            number += 1

    with SqliteStore(path) as store:
        writer = threading.Thread(target=write, args=(store,))
        writer.start()
        try:
            copies = [backup(path, tmp_path / f"{number}.db") for number in range(5)]
        finally:
            is_over.set()
            writer.join()
        expected = texts(store)
    for copy in copies:
        with SqliteStore(copy.path, READ_ONLY) as found:
            log = texts(found)
            assert log == expected[: len(log)]
            assert len(log) == copy.head - copy.first


def test_a_restored_store_is_another_life_of_the_cell(path: Path, tmp_path: Path) -> None:
    """Everything comes back, under a new incarnation; and it takes appends, whose cursors go on."""
    backup(path, tmp_path / "one.db")
    with SqliteStore(path) as store:
        old_incarnation, expected, head = store.incarnation, texts(store), store.head()
    copy = restore(tmp_path / "one.db", tmp_path / "new" / "cell.db")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert os.listdir(tmp_path / "new") == ["cell.db"]
    with SqliteStore(copy.path) as restored:
        assert restored.incarnation == copy.incarnation != old_incarnation
        assert texts(restored) == expected
        assert append(restored, b"goes on") > head
        assert restored.find_faults() == []
    again = restore(tmp_path / "one.db", tmp_path / "again.db")
    assert again.incarnation not in {old_incarnation, copy.incarnation}


def test_a_backup_put_in_place_by_hand_works(path: Path, tmp_path: Path) -> None:
    """Several handles open it for writing at once: it is a store like any other."""
    destination = tmp_path / "one.db"
    backup(path, destination)
    with SqliteStore(destination) as one, SqliteStore(destination) as two:
        append(one, b"a")
        append(two, b"b")
        assert texts(one)[-2:] == [b"a", b"b"]


def test_nothing_that_stands_there_is_overwritten(path: Path, tmp_path: Path) -> None:
    """A backup over a file, a restore over a cell, either over a forgotten write-ahead log: refused, all as it was."""
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "free-wal").write_text("of another")
    for action in (backup, restore):
        with pytest.raises(StoreExistsError, match="move it away first"):
            action(path, tmp_path / "taken")
        with pytest.raises(StoreExistsError):
            action(path, path)
        with pytest.raises(StoreCorruptError, match="write-ahead log is here"):
            action(path, tmp_path / "free")
    assert (tmp_path / "taken").read_text() == "mine"
    assert not (tmp_path / "free").exists()


def test_a_damaged_source_gives_no_copy(path: Path, tmp_path: Path) -> None:
    """A flipped bit in an entry, which SQLite does not see: StoreCorruptError names it, and no file is left."""
    with SqliteStore(path) as store:
        append(store, b"needle" * 100)
    content = bytearray(path.read_bytes())
    content[content.index(b"needle" * 100) + 5] ^= 1
    path.write_bytes(content)
    folder = tmp_path / "copies"
    for action in (backup, restore):
        with pytest.raises(StoreCorruptError, match=r"damaged in 1 places: .* log 51"):
            action(path, folder / "one.db")
    assert os.listdir(folder) == []


def test_a_source_that_is_no_store_gives_no_copy(tmp_path: Path) -> None:
    """A missing file, or another one: an error each, and nothing is made."""
    (tmp_path / "text").write_text("hello")
    for action in (backup, restore):
        with pytest.raises(StoreNotFoundError):
            action(tmp_path / "nowhere", tmp_path / "copy.db")
        with pytest.raises(NotAStoreError):
            action(tmp_path / "text", tmp_path / "copy.db")
    assert os.listdir(tmp_path) == ["text"]


def test_no_room_for_a_copy_is_said_and_leaves_nothing(path: Path, tmp_path: Path) -> None:
    """The file system of the destination is full (/dev/full's kind): StoreFullError, and the folder is as it was."""
    with SqliteStore(path) as store:
        for _ in range(4):
            store.append([Append(entry=os.urandom(1 << 20), session=1, first_seq=1)])
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=1m omega-test '{folder}' 2>/dev/null") != 0:
        pytest.skip("mounting a small file system needs a root that may mount")
    try:
        with pytest.raises(StoreFullError, match="small"):
            backup(path, folder / "one.db")
        assert os.listdir(folder) == []
    finally:
        assert os.system(f"umount '{folder}'") == 0


def test_a_cell_is_not_restored_onto_a_network(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup may lie on a network file system; a live store may not."""
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda / ext4 rw 0 0\nhost:/x {tmp_path}/net nfs4 rw 0 0\n")
    monkeypatch.setattr(mounts, "MOUNTS_PATH", table)
    copy = backup(path, tmp_path / "net" / "one.db")
    with pytest.raises(StoreUnsupportedError):
        restore(copy.path, tmp_path / "net" / "cell.db")
    assert restore(copy.path, tmp_path / "local.db").head == copy.head


def test_a_write_that_fails_is_an_error_of_the_store(path: Path, tmp_path: Path) -> None:
    """A destination below a file: one clear StoreError."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder"):
        backup(path, tmp_path / "file" / "one.db")
