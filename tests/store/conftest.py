"""The engines that the contract suite runs over.

A further engine is one more class with ``open``, and one more line in ``ENGINES``.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from omegacell.store.faults import FaultyStore
from omegacell.store.log import Store
from omegacell.store.memory import MemoryDisk, MemoryStore
from omegacell.store.sqlite import SqliteStore


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


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "memory": MemoryEngine,
    "faulty": FaultyEngine,
    "sqlite": SqliteEngine,
}


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


@pytest.fixture(params=sorted(ENGINES))
def handles(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Handles]:
    opened = Handles(ENGINES[request.param](tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def store(handles: Handles) -> Store:
    return handles.open()
