"""The engines that the contract suite runs over.

A further engine is one more class with ``open``, and one more line in ``ENGINES``. etcd runs once for all tests of a
process, as one member and as three; each test has a prefix of its own.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from omegacell.store.engines import open_store
from omegacell.store.faults import FaultyStore
from omegacell.store.log import Store
from omegacell.store.memory import MemoryDisk, MemoryStore
from omegacell.store.sqlite import SqliteStore
from tests.support.etcds import EtcdCluster, running_etcd


class Engine(Protocol):
    """One place where a store is kept."""

    def open(self) -> Store:
        """Open one more handle on it, as another process would."""
        ...


class MemoryEngine:
    def __init__(self, folder: Path) -> None:
        del folder
        self._disk = MemoryDisk()

    def open(self) -> Store:
        return MemoryStore(self._disk)


class FaultyEngine(MemoryEngine):
    """The fault-injecting wrapper with an empty plan: it must pass for the real thing."""

    def open(self) -> Store:
        return FaultyStore(super().open())


class SqliteEngine:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "cell.db"

    def open(self) -> Store:
        return SqliteStore(self._path)


class EtcdEngine:
    """A prefix in an etcd that runs already."""

    _numbers = itertools.count(1)

    def __init__(self, cluster: EtcdCluster) -> None:
        self.url = cluster.url(f"test-{next(self._numbers)}")

    def open(self) -> Store:
        return open_store(self.url)


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "memory": MemoryEngine,
    "faulty": FaultyEngine,
    "sqlite": SqliteEngine,
}
ETCD_SIZES = {"etcd": 1, "etcd-of-three": 3}


class EtcdClusters:
    """The clusters of one test process, started when a test first asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._running: dict[int, EtcdCluster] = {}

    def of(self, size: int) -> EtcdCluster:
        if size not in self._running:
            self._running[size] = self._stack.enter_context(running_etcd(self._folder / f"of-{size}", size))
        return self._running[size]

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def etcds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdClusters]:
    clusters = EtcdClusters(tmp_path_factory.mktemp("etcd"))
    yield clusters
    clusters.close()


class Handles:
    """Opens handles on one engine, and closes them at the end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._opened: list[Store] = []

    def open(self) -> Store:
        store = self._engine.open()
        self._opened.append(store)
        return store

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture(params=[*sorted(ENGINES), *ETCD_SIZES])
def handles(request: pytest.FixtureRequest, tmp_path: Path, etcds: EtcdClusters) -> Iterator[Handles]:
    size = ETCD_SIZES.get(request.param)
    opened = Handles(ENGINES[request.param](tmp_path) if size is None else EtcdEngine(etcds.of(size)))
    yield opened
    opened.close()


@pytest.fixture
def store(handles: Handles) -> Store:
    return handles.open()
