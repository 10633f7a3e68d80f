"""State folders whose supervisors are ended with the test, whatever became of it."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

import pytest

from omegacell.agent.supervisor import processes


@pytest.fixture
def state() -> Iterator[str]:
    """A state folder that any user may pass through; every process that was started from it is ended."""
    folder = tempfile.mkdtemp(prefix="omega-agent-")
    os.chmod(folder, 0o711)
    try:
        yield folder
    finally:
        kill_all_of(folder)
        shutil.rmtree(folder)


def kill_all_of(folder: str) -> None:
    """Kill every process that names the folder in its arguments or its environment, supervisors first."""
    for stat in sorted(find_processes_of(folder), key=lambda stat: stat.pid):
        processes.send_signal(stat.pid, stat.start_ticks, signal.SIGKILL)


def find_processes_of(folder: str) -> list[processes.ProcessStat]:
    """Return every living process that names the folder in its arguments or its environment."""
    found = []
    for stat in processes.scan_processes():
        if stat.pid == os.getpid() or stat.is_dead:
            continue
        words = [*processes.read_environment(stat.pid), *_read_arguments(stat.pid)]
        if any(folder.encode() in word for word in words):
            found.append(stat)
    return found


def _read_arguments(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
