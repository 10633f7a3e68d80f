"""A full disk: one clear error with its own exit code, nothing acknowledged lost, and work goes on with room."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from omegacell.api.errors import ExitCode
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from tests.e2e.looking import await_seen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.root]


def fill(path: Path) -> None:
    """Write a file until there is no room left, to the last byte."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def submit(cell: EphemeralCell, number: int) -> "subprocess.CompletedProcess[str]":
    path = Path(tempfile.gettempdir()) / f"omega-small-{os.getpid()}.json"
    script = f"true # {'x' * 100_000}"
    job = {"name": f"job-{number}", "resources": {"cpu": "5m", "memory": "8Mi"}, "task": {"exec": {"script": script}}}
    path.write_text(json.dumps(job))
    try:
        return cell.command("run", "-d", str(path))
    finally:
        path.unlink()


def test_full_disk(small_disk: Path) -> None:
    """On a full disk a submit fails with its own exit code; with room it works again; all acknowledged is there."""
    cell = EphemeralCell(small_disk, CellShape(name="small"))
    acknowledged: list[int] = []
    with cell:
        for number in range(3):
            assert submit(cell, number).returncode == ExitCode.OK
            acknowledged.append(number)
        fill(small_disk / "filler")
        for number in range(3, 400):
            done = submit(cell, number)
            if done.returncode != ExitCode.OK:
                break
            acknowledged.append(number)
        assert done.returncode == ExitCode.DISK_FULL, done.stderr
        assert done.stderr.startswith("omega: ")
        assert "Traceback" not in done.stderr
        (small_disk / "filler").unlink()
        await_seen(lambda: submit(cell, 1_000).returncode, lambda code: code == ExitCode.OK)
        names = {job.name for job in cell.client.jobs().jobs}
        assert {f"job-{number}" for number in acknowledged} <= names
        assert cell.stop() == 0
    assert cell.command("store", "verify", str(cell.state.path)).returncode == ExitCode.OK


def test_start_on_a_full_disk(small_disk: Path) -> None:
    """`omega up` on a full disk says so in one line, with its exit code, and leaves nothing running."""
    fill(small_disk / "filler")
    cell = EphemeralCell(small_disk, CellShape(name="small"))
    done = cell.command("up", "--cell", "small", "--state", str(small_disk / "state"))
    assert done.returncode == ExitCode.DISK_FULL, done.stderr
    assert len(done.stderr.splitlines()) == 1
