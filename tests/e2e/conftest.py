"""Real cells in folders that root's tasks, which run as another user, may pass through."""

import shutil
import subprocess
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


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Give a file system of 64 MB, where this user may mount one."""
    folder = Path(tempfile.mkdtemp(prefix="omega-small-"))
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0711", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        folder.rmdir()
        pytest.skip(f"may not mount a small file system here: {done.stderr.strip() or 'mount failed'}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    shutil.rmtree(folder, ignore_errors=True)
