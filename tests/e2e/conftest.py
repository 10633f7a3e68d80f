"""Real cells in folders that root's tasks, which run as another user, may pass through."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.looking import processes_in


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Give a folder outside of pytest's, which are closed to others; nothing that runs in it may be left."""
    folder = Path(tempfile.mkdtemp(prefix="omega-e2e-"))
    folder.chmod(0o711)
    yield folder
    left = [f"{process.pid} {process.cmdline()}" for process in processes_in(folder)]
    shutil.rmtree(folder, ignore_errors=True)
    assert left == []
