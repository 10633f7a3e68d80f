"""`omega lab` from the command line."""

import json
import re
from pathlib import Path
from threading import Event

import pytest

from omegacell.api.cli.actions.lab import saying
from omegacell.api.errors import ExitCode
from tests.cli.conftest import Omega
from tests.simulator.compiling import compile_once
from tests.simulator.test_golden import FIELDS

pytestmark = pytest.mark.timeout(600)
"""The first run on the compiled path compiles."""

HEAD = "id,workload,submitted,num_tasks,duration,cpus_per_task,mem_per_task\n"


def write_golden(folder: Path, name: str, **expected: object) -> str:
    """Write a golden file of one small scenario."""
    path = folder / name
    path.write_text(json.dumps(FIELDS | {"expected": expected}))
    return str(path)


def test_golden_says_equal_or_the_first_difference(omega: Omega, tmp_path: Path) -> None:
    """One line for each file; one that differs makes the exit code 1."""
    good = write_golden(tmp_path, "good.json", end_time=9.375, events_left=0)
    bad = write_golden(tmp_path, "bad.json", end_time=9.5, events_left=0)
    said = omega("lab", "golden", good)
    assert (said.code, said.out) == (ExitCode.OK, f"{good}: equal\n")
    said = omega("lab", "golden", good, bad)
    assert said.code == ExitCode.FAILED
    assert said.out.splitlines() == [
        f"{good}: equal",
        f"{bad}: expected.end_time: the file has 9.5, here it is 9.375",
    ]
    assert said.err == f"omega: 1 of 2 differ: {bad}\n"
    facts = json.loads(omega("lab", "golden", good, bad, "-o", "json").out)
    assert [each["is_equal"] for each in facts] == [True, False]


def test_golden_refuses_what_it_cannot_compare(omega: Omega, tmp_path: Path) -> None:
    """No file, one that is none or is not there, and a table without its workload are mistakes, not differences."""
    text = tmp_path / "text.json"
    text.write_text("not JSON")
    for arguments in ((), (str(text),), (str(tmp_path / "none.json"),), ("--results", str(text))):
        assert omega("lab", "golden", *arguments).code == ExitCode.USAGE


def test_run_shows_metrics(omega: Omega, tmp_path: Path) -> None:
    """The tables and the JSON hold the same run, whichever path it takes, and say which."""
    compile_once()
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(HEAD + "1,Batch,0.5,3,10.0,1.0,1.0\n2,Service,1.0,2,10.0,1.0,1.0\n")
    command = ("lab", "run", "--workload", str(jobs), "--machines", "2", "--seconds", "100")
    said = omega(*command, "--path", "production")
    assert said.code == ExitCode.OK
    assert "batch-0" in said.out
    assert re.search(r"^path +production$", said.out, re.MULTILINE)
    said = omega(*command)
    assert "tasks per CPU-second" in said.out
    assert "CPU-seconds, not counted above" in said.out
    plain = json.loads(omega(*command, "--path", "production", "-o", "json").out)
    facts = json.loads(omega(*command, "-o", "json").out)
    assert (plain["path"], facts["path"]) == ("production", "compiled")
    measured = {"path", "cpu_s", "compile_s", "tasks_per_cpu_s"}
    assert {name: facts[name] for name in facts.keys() - measured} == {
        name: plain[name] for name in plain.keys() - measured
    }
    assert facts["tasks_placed"] == 5
    assert [each["busy_s"] for each in facts["schedulers"]] == [0.115, 0.11]
    assert omega(*command, "--architecture", "borg").code == ExitCode.USAGE


def test_what_takes_long_says_so() -> None:
    """A line about compiling is said while it goes on, and never when it is over sooner."""
    said: list[str] = []
    has_said = Event()

    def say(line: str) -> None:
        said.append(line)
        has_said.set()

    with saying("soon over", after_s=3_600.0, say=say):
        pass
    with saying("compiling", after_s=0.0, say=say):
        assert has_said.wait(60.0)
    assert said == ["compiling"]


def test_run_draws_a_synthetic_cell(omega: Omega) -> None:
    """A cell is simulated by one command, and the same seed gives the same jobs."""
    compile_once()
    command = ("lab", "run", "--cell", "c", "--seconds", "600", "-o", "json")
    facts = [json.loads(omega(*command).out) for _ in range(2)]
    assert facts[0]["workloads"] == facts[1]["workloads"]
    assert facts[0]["tasks_placed"] > 1_000
    assert 0.5 < facts[0]["mean_utilisation"] < 0.7


def test_run_refuses_what_it_cannot_run(omega: Omega, tmp_path: Path) -> None:
    """No jobs, two kinds of them, an unknown cell or path, and the compiled path for what it does not know."""
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(HEAD + "1,Batch,0.5,3,10.0,1.0,1.0\n")
    for arguments in (
        (),
        ("--cell", "c", "--workload", str(jobs)),
        ("--cell", "z"),
        ("--workload", str(jobs), "--path", "fast"),
    ):
        assert omega("lab", "run", *arguments).code == ExitCode.USAGE
    said = omega("lab", "run", "--workload", str(jobs), "--path", "compiled", "--architecture", "two_level")
    assert said.code == ExitCode.USAGE
    assert said.err == "omega: the compiled path cannot take this run: it does not know offers (two_level)\n"


def test_faults_compares_both_simulators(omega: Omega, tmp_path: Path) -> None:
    """Every fault has a row or more, and the product stands beside the old simulator."""
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(HEAD + "".join(f"{number},Batch,{number / 2},8,9.0,1.0,1.0\n" for number in range(1, 20)))
    command = ("lab", "faults", "--workload", str(jobs), "--machines", "3", "--seconds", "60", "-o", "json")
    facts = json.loads(omega(*command).out)
    assert len(facts["faults"]) == 12
    assert len(facts["product"]) == 7
