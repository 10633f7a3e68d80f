"""The benches give figures, name what they were measured on, and refuse what would mean nothing."""

import json
from pathlib import Path

import pytest

from omegacell.api.bench import throughput
from omegacell.api.errors import ExitCode
from omegacell.store.mounts import file_system_of
from tests.cli.conftest import Omega

MEMORY = Path("/dev/shm")


def test_fold(omega: Omega) -> None:
    """Folding is measured on exactly the placements asked for."""
    said = omega("bench", "fold", "--placements", "2000", "--machines", "20", "--claims", "50", "-o", "json")
    facts = json.loads(said.out)
    assert facts["figures"]["placements"] == 2_000
    assert facts["figures"]["placements_per_second"] > 0
    assert facts["host"]["processor"]
    assert facts["host"]["cores"] >= 1


def test_commit(omega: Omega, tmp_path: Path) -> None:
    """Commits are measured durably, on a file system that is named, in a folder that is gone afterwards."""
    said = omega("bench", "commit", "--seconds", "0.2", "--writers", "2", "--folder", str(tmp_path), "-o", "json")
    if file_system_of(tmp_path) in ("tmpfs", "ramfs"):
        assert said.code == ExitCode.USAGE
        return
    facts = json.loads(said.out)
    assert facts["figures"]["synchronous"] == "full"
    assert {"append_per_second", "append_by_2_per_second", "commit_of_100_claims_p99_ms"} <= facts["figures"].keys()
    assert facts["host"]["file_system"] == file_system_of(tmp_path)
    assert list(tmp_path.glob("bench-*")) == []


@pytest.mark.parametrize("bench", ["commit", "throughput", "latency", "idle"])
def test_memory_is_refused(bench: str, omega: Omega) -> None:
    """Figures of durable things are refused on a file system in memory."""
    if not MEMORY.is_dir() or file_system_of(MEMORY) != "tmpfs":
        pytest.skip("no tmpfs at /dev/shm")
    said = omega("bench", bench, "--folder", str(MEMORY))
    assert (said.code, said.out) == (ExitCode.USAGE, "")
    assert "tmpfs" in said.err


def test_jobs_of_the_throughput_bench() -> None:
    """The jobs of the throughput bench differ in their names alone, and are as large as asked for."""
    first, second = throughput.make_jobs("many", 2, 7)
    assert (first.spec.name, second.spec.name, first.spec.count) == ("many-0", "many-1", 7)
    assert first.payload == second.payload
