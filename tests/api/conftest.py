"""A server and a client for each test that asks for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from omegacell.api.client import Client
from tests.api.serving import Served, serving, store_url


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Run an API server over an SQLite store."""
    with serving(store_url(tmp_path)) as served:
        yield served


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """Return a client of it."""
    with served.client() as client:
        yield client
