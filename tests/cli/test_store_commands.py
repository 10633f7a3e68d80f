"""`omega store ...` on stores that are well, damaged, or not to be written."""

import json
import os
from pathlib import Path

import pytest

from omegacell.api.bench import cellmaking
from omegacell.api.errors import ExitCode
from omegacell.store import checkpoints
from omegacell.store.codec import to_append
from omegacell.store.engines import open_store
from omegacell.store.log import Append
from omegacell.store.replica import Replica
from tests.cli.conftest import Omega, Said

MACHINES = 5


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a state folder whose store holds a small cell, with a confirmed checkpoint."""
    folder = tmp_path / "state"
    with open_store(f"sqlite://{folder}/cell.db") as store:
        transactions = list(cellmaking.begin(MACHINES))
        author = cellmaking.Author("api-1")
        transactions.append(author.write(cellmaking.submit("job", 10), seen=len(transactions)))
        store.append([to_append([transaction]) for transaction in transactions])
        head = checkpoints.write(store, checkpoints.capture(Replica(store).fold))
        assert checkpoints.confirm(store, head.checkpoint_id)
        store.append([Append(entry=b"\xff not an entry", session=9, first_seq=1)])
    return folder


def test_verify_folds_again_and_compares(state: Path, omega: Omega) -> None:
    """A sound store is said to be sound, with what it holds; an entry of random bytes changes nothing."""
    said = omega("store", "verify", str(state), "-o", "json")
    facts = json.loads(said.out)
    assert said.code == ExitCode.OK
    assert (facts["is_sound"], facts["cell"], facts["checkpoints_compared"]) == (True, "bench", 1)
    assert facts["revision"] == 2 * MACHINES + 3


def test_changed_entry_is_found(state: Path, omega: Omega) -> None:
    """An entry that is not what was written is found and named, in one line."""
    path = state / "cell.db"
    data = path.read_bytes()
    assert b"m3" in data
    path.write_bytes(data.replace(b"m3", b"m4"))
    said = omega("store", "verify", str(path))
    check_damaged(said)
    found = [line for line in said.out.splitlines() if "is not what was written" in line]
    assert len(found) == len(set(found)) == 2  # the entry, and the checkpoint that has it too
    assert said.err == f"omega: {path}: 2 faults, as listed\n"


@pytest.mark.parametrize("page", range(2, 6))
def test_overwritten_page_is_found(page: int, state: Path, omega: Omega) -> None:
    """A page of the database that is overwritten is found, whichever it is."""
    path = state / "cell.db"
    data = bytearray(path.read_bytes())
    data[page * 4096 : (page + 1) * 4096] = b"damaged!" * 512
    path.write_bytes(data)
    said = omega("store", "verify", str(path))
    check_damaged(said)
    assert "SQLite" not in said.out
    lines = said.out.splitlines()
    assert len(lines) == len(set(lines))


def check_damaged(said: Said) -> None:
    assert said.code in (ExitCode.FAILED, ExitCode.STORE), said
    assert said.err.startswith("omega: ")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("command", ["verify", "stat"])
@pytest.mark.parametrize("kept", [0, 50, 5_000])
def test_cut_off_file_is_a_clear_error(command: str, kept: int, state: Path, omega: Omega) -> None:
    """A truncated database is one line and the exit code of a store problem, whatever was asked."""
    path = state / "cell.db"
    os.truncate(path, kept)
    said = omega("store", command, str(path))
    assert said.code in (ExitCode.STORE, ExitCode.FAILED), said
    assert said.err.startswith("omega: ")
    assert "Traceback" not in said.err


def test_backup_and_restore(state: Path, tmp_path: Path, omega: Omega) -> None:
    """A backup verifies as its original; a restored store is another incarnation of the same log."""
    copy, again = tmp_path / "copy.db", tmp_path / "again"
    assert omega("store", "backup", str(state), str(copy)).code == ExitCode.OK
    refused = omega("store", "backup", str(state), str(copy))
    assert (refused.code, refused.out) == (ExitCode.USAGE, "")
    assert "something stands here already; move it away first" in refused.err
    assert omega("store", "restore", str(copy), str(again)).code == ExitCode.OK
    facts = [json.loads(omega("store", "verify", str(each), "-o", "json").out) for each in (state, copy, again)]
    assert len({each["digest"] for each in facts}) == 1
    stats = [json.loads(omega("store", "stat", str(each), "-o", "json").out) for each in (state, copy, again)]
    assert stats[0]["incarnation"] == stats[1]["incarnation"] != stats[2]["incarnation"]


def test_void_is_asked_for_twice(state: Path, omega: Omega) -> None:
    """Voiding changes what the log means: without --yes nothing happens, and only what the log holds can be voided."""
    last = str(2 * MACHINES + 2)
    assert omega("store", "void", str(state), last).code == ExitCode.USAGE
    assert omega("store", "void", str(state), "999", "--yes").code == ExitCode.USAGE
    assert json.loads(omega("store", "stat", str(state), "-o", "json").out)["void_count"] == 0
    assert omega("store", "void", str(state), last, "--yes").code == ExitCode.OK
    assert json.loads(omega("store", "stat", str(state), "-o", "json").out)["void_count"] == 1


def test_conflicts_of_a_stopped_cell(state: Path, omega: Omega) -> None:
    """Questions about conflicts need no running cell."""
    said = omega("conflicts", "--store", str(state), "-o", "json")
    assert said.code == ExitCode.OK
    assert json.loads(said.out)["refused_claims"] == []
