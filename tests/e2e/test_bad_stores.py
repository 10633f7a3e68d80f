"""`omega up` on stores that it cannot use: one line, the exit code of a store problem, and nothing is changed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from omegacell.api.errors import ExitCode
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.store.codec import GENESIS_SESSION, genesis_entry
from omegacell.store.engines import open_store
from omegacell.store.log import Append
from tests.e2e.looking import await_seen, processes_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def make_store(folder: Path) -> EphemeralCell:
    cell = EphemeralCell(folder, CellShape(name="bad"))
    cell.state.make()
    with open_store(cell.state.store_url) as store:
        entry = genesis_entry("bad", incarnation=store.incarnation)
        store.append([Append(entry=entry, session=GENESIS_SESSION, first_seq=1)])
    return cell


@pytest.mark.parametrize("damage", ["cut off", "overwritten", "not a database", "of another kind"])
def test_up_on_a_damaged_store(damage: str, place: Path) -> None:
    """A database that is damaged, or none of ours, is named; nothing is started, nothing written to it."""
    cell = make_store(place / damage.replace(" ", "-"))
    path = cell.state.database
    data = path.read_bytes()
    match damage:
        case "cut off":
            path.write_bytes(data[: len(data) // 2])
        case "overwritten":
            path.write_bytes(data[:4096] + b"damaged!" * ((len(data) - 4096) // 8))
        case "not a database":
            path.write_bytes(b"what is this" * 1_000)
        case _:
            path.unlink()
            path.mkdir()
    before = path.read_bytes() if path.is_file() else b""
    done = cell.command("up", "--cell", "bad", "--state", str(cell.state.path))
    assert done.returncode == ExitCode.STORE, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"omega: {path}")
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert list(processes_in(cell.folder)) == []


def test_store_that_is_damaged_under_a_cell(place: Path) -> None:
    """When the API cannot open its store again and again, `omega up` ends with one line and 6; no process is left."""
    cell = make_store(place / "under")
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "omegacell.api.cli",
            "up",
            "--cell",
            "bad",
            "--state",
            str(cell.state.path),
            "--no-agent",
        ],
        env=cell.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        record = await_seen(cell.state.read_record, lambda record: bool(record.get("is_ready")))
        data = cell.state.database.read_bytes()
        cell.state.database.write_bytes(data[:4096] + b"damaged!" * ((len(data) - 4096) // 8))
        os.kill(record["processes"]["api"], signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode == ExitCode.STORE, said
    last = said.splitlines()[-1]
    assert last.startswith(f"omega: cell bad cannot go on: api ended 5 times in a row: {cell.state.database}: "), said
    assert "damaged" in last
    assert "omega store restore" in last
    assert "Traceback" not in said
    assert list(processes_in(cell.folder)) == []


def test_up_on_a_read_only_store(place: Path, small_disk: Path) -> None:
    """A store on a file system that takes no writes is said to be read-only, wherever the state folder is."""
    cell = make_store(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    elsewhere = ("--state", str(place / "elsewhere"), "--store", cell.state.store_url)
    for arguments in (elsewhere, ("--state", str(cell.state.path))):
        done = EphemeralCell(place / "ro", CellShape(name="bad")).command("up", "--cell", "bad", *arguments)
        assert done.returncode == ExitCode.STORE, done.stderr
        assert "read-only" in done.stderr.lower()
        assert len(done.stderr.splitlines()) == 1
