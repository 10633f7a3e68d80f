"""Stores are opened by URL; a wrong one is refused with what was expected."""

import asyncio
from pathlib import Path

import pytest

from omegacell.core.errors import StoreNotFoundError, UsageError
from omegacell.store.engines import open_store
from omegacell.store.log import START, Append, Synchronous
from omegacell.store.sqlite_database import Access


def item(text: bytes) -> Append:
    return Append(entry=text, session=1, first_seq=1)


def test_memory_without_a_name_is_new_each_time() -> None:
    """Two opens share nothing."""
    with open_store("memory://") as one, open_store("memory://") as two:
        one.append([item(b"a")])
        assert two.read(START) == []


def test_memory_with_a_name_is_shared_while_somebody_holds_it() -> None:
    """Two opens of one name share a log; another name does not."""
    with open_store("memory://shared") as one, open_store("memory://shared") as two, open_store("memory://x") as three:
        one.append([item(b"a")])
        assert [stored.entry for stored in two.read(START)] == [b"a"]
        assert three.read(START) == []


def test_sqlite_is_opened_at_its_path(tmp_path: Path) -> None:
    """Three slashes and a path, escapes decoded; durable against power cuts unless the URL says otherwise."""
    url = f"sqlite://{tmp_path}/my%20cell/cell.db"
    with open_store(url) as store:
        store.append([item(b"a")])
        stat = store.stat()
        assert (stat.engine, stat.path, stat.synchronous) == ("sqlite", tmp_path / "my cell/cell.db", Synchronous.FULL)
    with open_store(f"{url}?synchronous=normal") as store:
        assert store.stat().synchronous is Synchronous.NORMAL
        assert [stored.entry for stored in store.read(START)] == [b"a"]
    with pytest.raises(StoreNotFoundError):
        open_store(f"sqlite://{tmp_path}/none.db", access=Access.EXISTING)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "no such engine; expected memory://"),
        ("cell.db", "no such engine"),
        ("mysql://host/db", "no such engine"),
        ("sqlite://cell.db", "three slashes"),
        ("sqlite://", "three slashes"),
        ("sqlite:///", "three slashes"),
        ("sqlite:///x/cell.db?synchronous=off", "'off'; expected full or normal"),
        ("sqlite:///x/cell.db?sync=full", "unknown setting sync"),
        ("memory://?synchronous=normal", "unknown setting synchronous"),
    ],
)
def test_a_wrong_url_is_refused(url: str, expected: str) -> None:
    """UsageError says what was expected, before any file is touched."""
    with pytest.raises(UsageError, match=expected):
        open_store(url)


@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_the_level_of_durability_is_that_of_every_connection(tmp_path: Path, synchronous: str) -> None:
    """The pragma is per connection: the one that writes has what the URL says."""
    from omegacell.store.sqlite import SqliteStore

    with open_store(f"sqlite://{tmp_path}/cell.db?synchronous={synchronous}") as store:
        assert isinstance(store, SqliteStore)
        with store._database.writing("asking") as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == ({"normal": 1, "full": 2}[synchronous],)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_appends_from_asyncio_go_through_threads(tmp_path: Path) -> None:
    """Many tasks append at once through `asyncio.to_thread`; all are in the log, under their own cursors."""

    async def append_all() -> list[int]:
        with open_store(f"sqlite://{tmp_path}/cell.db") as store:
            answers = await asyncio.gather(
                *(asyncio.to_thread(store.append, [item(b"%d" % number)]) for number in range(100))
            )
            found = {stored.cursor: stored.entry for stored in store.read(START)}
            return [int(found[cursor]) for (cursor,) in answers]

    assert asyncio.run(append_all()) == list(range(100))
