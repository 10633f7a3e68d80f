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


def test_schedule(omega: Omega) -> None:
    """Decisions are measured for both schedulers, one task and many, three sets of rules; all were granted."""
    said = omega("bench", "schedule", "--machines", "400", "--seconds", "0.02", "--tasks", "50", "-o", "json")
    facts = json.loads(said.out)
    cases = facts["cases"]
    kinds = {(case["scheduler"], case["tasks"], case["rules"]) for case in cases}
    rules = ("plain", "constraints", "all rules", "pressing", "all rules, pressing")
    assert kinds == {(name, tasks, each) for name in ("batch", "service") for tasks in (1, 50) for each in rules}
    assert all(0 < case["place_p50_ms"] <= case["place_p99_ms"] for case in cases)
    assert all(case["step_p50_ms"] > 0 and case["judge_p50_ms"] > 0 and case["samples"] >= 5 for case in cases)
    assert {case["place_ratio"] for case in cases if case["rules"] == "plain"} == {1.0}
    assert "the cell is full" in facts["preemption"]
    assert "service: 50 at once, all rules" in said.err


def test_a_cell_too_small_for_the_schedule_bench(omega: Omega) -> None:
    """A job that does not fit is an error that says what to do, not a figure."""
    said = omega("bench", "schedule", "--machines", "100", "--seconds", "0.02", "--tasks", "10000")
    assert (said.code, said.out) == (ExitCode.FAILED, "")
    assert "choose more --machines" in said.err


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
    first, second = throughput.make_jobs("many", 2, 7, scheduler="first-fit")
    assert (first.spec.name, second.spec.name, first.spec.count) == ("many-0", "many-1", 7)
    assert first.spec.scheduler == "first-fit"
    assert first.payload == second.payload
