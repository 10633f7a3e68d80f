"""What can be wrong with a disk or a file: each is one error of its own, says what to do, and loses nothing."""

import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from omegacell.core.errors import (
    NotAStoreError,
    StoreCorruptError,
    StoreCutShortError,
    StoreError,
    StoreFullError,
    StoreIOError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreReplacedError,
    StoreUnsupportedError,
    StoreVersionError,
)
from omegacell.store import mounts
from omegacell.store.log import MAX_ENTRY_BYTES, START, Append, CheckpointHead, Cursor
from omegacell.store.sqlite import SqliteStore
from omegacell.store.sqlite_database import Access, SqliteOptions

READ_ONLY = SqliteOptions(access=Access.READ_ONLY)
EXISTING = SqliteOptions(access=Access.EXISTING)
HEADER_BYTES = 100


def append(store: SqliteStore, text: bytes) -> Cursor:
    return store.append([Append(entry=text, session=1, first_seq=1)])[0]


def texts(store: SqliteStore) -> list[bytes]:
    return [stored.entry for stored in store.read(START, 1 << 30)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a hundred entries, closed: one file without a write-ahead log."""
    path = tmp_path / "cell.db"
    with SqliteStore(path) as store:
        for number in range(100):
            append(store, b"%04d" % number * 200)
    assert not path.with_name("cell.db-wal").exists()
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small file system needs root; the same is tested with max_page_count")
    command = [mount, "-t", "tmpfs", "-o", "size=2m", "omega-test", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("this root may not mount (a container?); the same is tested with max_page_count")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill_up(store: SqliteStore, size: int) -> list[bytes]:
    """Append until the disk is full; return what was acknowledged."""
    acknowledged: list[bytes] = []
    while True:
        text = b"%06d" % len(acknowledged) * (size // 6)
        try:
            append(store, text)
        except StoreFullError:
            return acknowledged
        acknowledged.append(text)
        assert len(acknowledged) < 100_000


# --- full ------------------------------------------------------------------------------------------------------


@pytest.mark.root
@pytest.mark.parametrize("size", [60, 3000, 200_000])
def test_a_full_disk_loses_nothing_and_heals(small_disk: Path, size: int) -> None:
    """StoreFullError; what was acknowledged is there, now and after reopening; with room, the same handle goes on."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(400_000))
    path = small_disk / "cell" / "cell.db"
    with SqliteStore(path) as store:
        acknowledged = fill_up(store, size)
        assert texts(store) == acknowledged
        acknowledged += fill_up(store, 6)  # the last crumbs
        with pytest.raises(StoreFullError, match=r"the disk is full .* make room"):
            store.payloads.put(b"h", bytes(MAX_ENTRY_BYTES))
        with SqliteStore(path, READ_ONLY) as reader:
            assert texts(reader) == acknowledged
        ballast.unlink()
        append(store, b"goes on")
        acknowledged.append(b"goes on")
        assert texts(store) == acknowledged
    with SqliteStore(path) as store:
        assert texts(store) == acknowledged
        assert store.find_faults() == []


@pytest.mark.root
def test_a_store_is_not_half_made_on_a_full_disk(small_disk: Path) -> None:
    """No room for a new store: StoreFullError and no file of its name; with room, it is made."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2 * 1024 * 1024 - 16 * 1024))
    path = small_disk / "cell.db"
    with pytest.raises(StoreFullError):
        SqliteStore(path)
    assert not path.exists()
    ballast.unlink()
    with SqliteStore(path) as store:
        append(store, b"a")


def test_a_full_database_loses_nothing_and_heals(path: Path) -> None:
    """SQLite's own limit of pages says full, without root: the same error, and the same handle goes on with room."""
    with SqliteStore(path) as store:
        before = texts(store)
        writer = store._database._writer
        assert writer is not None
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count={pages + 5}")
        acknowledged = before + fill_up(store, 3000)
        assert texts(store) == acknowledged
        writer.execute("PRAGMA max_page_count=1000000")
        append(store, b"goes on")
        assert texts(store) == [*acknowledged, b"goes on"]


# --- read-only, missing, replaced ------------------------------------------------------------------------------


@pytest.mark.root
def test_a_read_only_file_system_is_said_to_be_one(path: Path) -> None:
    """Writing there: StoreReadOnlyError; for reading only it opens, without a trace."""
    if os.geteuid() != 0:
        pytest.skip("mounting read-only needs root")
    folder = str(path.parent)
    if subprocess.run(["mount", "--bind", folder, folder], check=False, capture_output=True).returncode != 0:
        pytest.skip("this root may not mount (a container?)")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        with pytest.raises(StoreReadOnlyError, match="Read-only file system"):
            SqliteStore(path)
        with SqliteStore(path, READ_ONLY) as store:
            assert len(texts(store)) == 100
            assert store.wait(START, 0.0) is True
            assert store.wait(store.head(), 0.01) is False
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_store_opened_for_reading_takes_no_writes(path: Path) -> None:
    """Every writing call: StoreReadOnlyError; reading, also beside a writer, works."""
    with SqliteStore(path) as writer, SqliteStore(path, READ_ONLY) as reader:
        calls: list[Callable[[], object]] = [
            lambda: append(reader, b"a"),
            lambda: reader.truncate(Cursor(1)),
            lambda: reader.void(1),
            lambda: reader.payloads.put(b"h", b"p"),
            lambda: reader.payloads.erase(b"h"),
        ]
        for call in calls:
            with pytest.raises(StoreReadOnlyError, match="opened for reading only"):
                call()
        append(writer, b"new")
        assert reader.wait(Cursor(100), 30.0) is True
        assert texts(reader)[-1] == b"new"


@pytest.mark.parametrize("options", [EXISTING, READ_ONLY])
def test_a_store_that_is_not_there_is_not_made_by_mistake(tmp_path: Path, options: SqliteOptions) -> None:
    """Opening what must be there: StoreNotFoundError, and nothing is left at the place, not even a folder."""
    with pytest.raises(StoreNotFoundError, match="check the path"):
        SqliteStore(tmp_path / "folder" / "cell.db", options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_replaced_while_open_takes_no_appends(path: Path) -> None:
    """Another file under the name: StoreReplacedError instead of writing into a file that nobody sees."""
    with SqliteStore(path) as store:
        shutil.copy(path, path.with_name("other.db"))
        path.with_name("other.db").rename(path)
        with pytest.raises(StoreReplacedError, match="nothing was written"):
            append(store, b"lost")
        path.unlink()
        with pytest.raises(StoreReplacedError):
            append(store, b"lost")
        with pytest.raises(StoreReplacedError):
            store.wait(store.head(), 600.0)


def test_a_forgotten_write_ahead_log_is_not_mixed_into_a_new_store(path: Path) -> None:
    """The database is gone and its log is there: refused, for SQLite would replay it into the new file."""
    path.unlink()
    path.with_name("cell.db-wal").write_bytes(b"x" * 5000)
    with pytest.raises(StoreCorruptError, match=r"move cell\.db-wal away"):
        SqliteStore(path)
    assert not path.exists()


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """Folder 0700, files 0600, whatever the umask."""
    old = os.umask(0)
    try:
        with SqliteStore(tmp_path / "state" / "cell.db") as store:
            append(store, b"a")
            files = sorted((tmp_path / "state").iterdir())
            assert [file.name for file in files] == [
                "cell.db", "cell.db-bell", "cell.db-lock", "cell.db-shm", "cell.db-wal",
            ]  # fmt: skip
            assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
            assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(old)


# --- other files, other versions -------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"hello", b"name: job\ntasks: 3\n" * 100, bytes(8192)])
def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path, content: bytes) -> None:
    """NotAStoreError, and the file is as it was."""
    path = tmp_path / "cell.db"
    path.write_bytes(content)
    with pytest.raises(NotAStoreError, match=r": it is no store; expected an SQLite database: check the path$"):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_database_of_another_application_is_not_touched(tmp_path: Path) -> None:
    """NotAStoreError names both application ids."""
    path = tmp_path / "cell.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE log (a)")
    connection.close()
    content = path.read_bytes()
    with pytest.raises(NotAStoreError, match=r"another application .*0x4f4d4547"):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    """NotAStoreError."""
    with pytest.raises(NotAStoreError, match="is a folder"):
        SqliteStore(tmp_path)


@pytest.mark.parametrize(("version", "hint"), [(2, "use a newer omegacell"), (0, "the omegacell that wrote it")])
def test_another_format_version_is_refused_with_both_numbers(path: Path, version: int, hint: str) -> None:
    """StoreVersionError says which version it is, which is read, and what to do."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA user_version={version}")
    connection.close()
    with pytest.raises(StoreVersionError, match=f"format version {version}; this program reads 1; .*{hint}"):
        SqliteStore(path)


def test_missing_tables_are_corruption(path: Path) -> None:
    """Somebody dropped a table: StoreCorruptError, at opening or at reading."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TABLE log")
    connection.close()
    with pytest.raises(StoreCorruptError, match="no such table"), SqliteStore(path) as store:
        store.read(START)


# --- damage ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, 4096, 20_000, -4096, -1])
def test_a_file_cut_short_is_said_to_be_cut_short(path: Path, kept: int) -> None:
    """Truncated anywhere: StoreCutShortError; an empty file is not taken for a new store."""
    size = kept if kept >= 0 else path.stat().st_size + kept
    os.truncate(path, size)
    with pytest.raises(StoreCutShortError, match=str(size)), SqliteStore(path) as store:
        texts(store)
    assert path.stat().st_size == size


def test_an_overwritten_header_is_no_store(path: Path) -> None:
    """The first bytes are gone: NotAStoreError."""
    with path.open("r+b") as file:
        file.write(b"\0" * 16)
    with pytest.raises(NotAStoreError):
        SqliteStore(path)


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_reported_and_never_read_as_data(path: Path, seed: int) -> None:
    """Random bytes over random places: each read gives what was written, or a StoreError; `find_faults` says which."""
    source = random.Random(seed)
    with SqliteStore(path) as store:
        written = texts(store)
    with path.open("r+b") as file:
        for _ in range(source.randint(1, 4)):
            file.seek(source.randrange(HEADER_BYTES, path.stat().st_size - 64))
            file.write(source.randbytes(source.randint(1, 64)))
    try:
        with SqliteStore(path) as store:
            faults = store.find_faults()
            found = texts(store)
    except (StoreCorruptError, StoreIOError):
        return
    assert found == written or faults


def test_a_flipped_bit_in_an_entry_is_found(path: Path) -> None:
    """SQLite checks no page; the entry's own checksum does. Reading names the cursor, the check names the row."""
    content = path.read_bytes()
    place = content.index(b"0042" * 200)
    with path.open("r+b") as file:
        file.seek(place + 7)
        file.write(b"\xff")
    with SqliteStore(path) as store:
        with pytest.raises(StoreCorruptError, match=r"entry at cursor 43 .* restore a backup"):
            texts(store)
        assert len(store.read(Cursor(43))) == 57
        (fault,) = store.find_faults()
        assert "log 43" in fault


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM log WHERE cursor = 50", "entry at cursor 50 is missing"),
        ("DELETE FROM log WHERE cursor = 1", "entry at cursor 1 is missing"),
        ("DELETE FROM log WHERE cursor = 100", "head is 100, and entries up to 99"),
        ("UPDATE log SET entry = 17 WHERE cursor = 7", "cursor 7"),
        ("UPDATE log SET crc = 17 WHERE cursor = 7", "entry at cursor 7 is not what was written"),
        ("UPDATE meta SET value = 'x' WHERE key = 'truncated'", "expected a count, found 'x'"),
        ("DELETE FROM meta WHERE key = 'truncated'", "expected a count, found None"),
        ("UPDATE sqlite_sequence SET seq = 90", "head is 90"),
        ("UPDATE sqlite_sequence SET seq = -1", "expected a count, found -1"),
    ],
)
def test_rows_that_no_store_writes_are_not_believed(path: Path, statement: str, expected: str) -> None:
    """A hole, a wrong type, a wrong head: reading the log is a StoreCorruptError, and the check finds it, too."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    with SqliteStore(path) as store:
        with pytest.raises(StoreCorruptError, match=expected):
            texts(store)
        assert store.find_faults() != []


def test_a_checkpoint_head_carries_a_checksum(path: Path) -> None:
    """A head that was changed is not listed as if it were sound; confirming one is no change."""
    head = CheckpointHead(
        revision=1, cursor=START, chain=b"c" * 16, digest=b"d" * 32, chunk_count=1, byte_count=1, made_at_us=0
    )
    with SqliteStore(path) as store:
        written = store.checkpoints.write(head, [b"x"])
        store.checkpoints.confirm(written.checkpoint_id)
        assert store.checkpoints.heads() == [replace(written, is_confirmed=True)]
        with store._database.writing("damaging") as connection:
            connection.execute("UPDATE checkpoint SET cursor = 5")
        with pytest.raises(StoreCorruptError, match="head of checkpoint 1 is not what was written"):
            store.checkpoints.heads()
        assert any("head of checkpoint 1" in fault for fault in store.find_faults())


def test_an_erased_payload_is_in_no_file(tmp_path: Path) -> None:
    """After erasing, its bytes are neither in the database nor in the write-ahead log; other payloads are."""
    path = tmp_path / "cell.db"
    secret, other = b"SECRET-" * 3000, b"PUBLIC-" * 3000

    def kept(text: bytes) -> bool:
        return any(text[:70] in file.read_bytes() for file in tmp_path.iterdir())

    with SqliteStore(path) as store, SqliteStore(path) as reader:
        store.append([Append(entry=b"a", session=1, first_seq=1, payloads={b"h1": secret, b"h2": other})])
        assert reader.payloads.get(b"h1") == secret
        assert kept(secret)
        assert store.payloads.erase(b"h1") is True
        assert not kept(secret)
        assert kept(other)
        assert reader.payloads.get(b"h1") is None


# --- file systems ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_system", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_system: str) -> None:
    """A folder that the kernel's table shows on a network: StoreUnsupportedError for writing; a copy may be read."""
    table = tmp_path / "mounts"
    folder = tmp_path / "a folder"
    with SqliteStore(folder / "copy.db") as store:
        append(store, b"a")
    escaped = str(folder).replace(" ", "\\040")
    table.write_text(f"/dev/sda / ext4 rw 0 0\nhost:/x {escaped} {file_system} rw 0 0\n")
    monkeypatch.setattr(mounts, "MOUNTS_PATH", table)
    with pytest.raises(StoreUnsupportedError, match=file_system):
        SqliteStore(folder / "cell.db")
    assert not (folder / "cell.db").exists()
    with SqliteStore(folder / "copy.db", READ_ONLY) as store:
        assert texts(store) == [b"a"]
        assert store.stat().file_system == file_system
    with SqliteStore(tmp_path / "cell.db") as store:
        assert store.stat().file_system == "ext4"


def test_errors_of_the_store_are_one_family() -> None:
    """A caller that cannot do better catches StoreError."""
    assert issubclass(StoreCutShortError, StoreCorruptError)
    assert issubclass(NotAStoreError, StoreVersionError)
    for kind in (StoreCorruptError, StoreFullError, StoreReadOnlyError, StoreVersionError, StoreReplacedError):
        assert issubclass(kind, StoreError)
