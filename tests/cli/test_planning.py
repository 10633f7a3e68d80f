"""`omega job plan` and `omega explain` as a user and a script meet them: exit codes, JSON, words, wrong input."""

import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from omegacell.api.client import Client
from tests.api.serving import TOKEN, Served, serving, store_url
from tests.api.test_planning import add_machines, scheduler_on, sized
from tests.api.test_statistics import make_conflict, place
from tests.cli.conftest import Omega

JOB = """\
name: {name}
count: {count}
resources: {{cpu: {cpu}, memory: {memory}, disk: 0}}
task: {{exec: {{command: /bin/true}}}}
"""


@dataclass(frozen=True, slots=True)
class World:
    """A server with two machines of 1 CPU and 1 GiB, a client of it, and a folder for job files."""

    served: Served
    client: Client
    folder: Path

    def file(self, name: str = "a", *, count: int = 1, cpu: str = "500m", memory: str = "16Mi") -> str:
        """Write a job file and return its path."""
        path = self.folder / f"{name}-{count}-{cpu}-{memory}.yaml"
        path.write_text(JOB.format(name=name, count=count, cpu=cpu, memory=memory))
        return str(path)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, omega: Omega) -> Iterator[World]:
    """Give a world that `omega` commands of this process mean, too."""
    with serving(store_url(tmp_path)) as served, served.client() as client:
        monkeypatch.setenv("OMEGA_ADDR", served.running.address)
        monkeypatch.setenv("OMEGA_TOKEN", TOKEN)
        add_machines(served)
        yield World(served, client, tmp_path)


def test_exit_codes_of_a_plan(world: World, omega: Omega) -> None:
    """0: nothing would change; 1: something would; 255: it would be refused."""
    file = world.file(count=2)
    planned = omega("job", "plan", file)
    assert (planned.code, planned.err) == (1, "")
    assert omega("run", "--detach", file).code == 0
    assert omega("job", "plan", file).code == 0
    assert omega("job", "plan", world.file(count=3)).code == 1
    refused = omega("job", "plan", world.file(count=2, cpu="400m"))
    assert refused.code == 255
    assert "resources.cpu" in refused.out
    assert refused.out.endswith(": the cell would refuse it\n")
    assert refused.err.startswith("omega: job 'a' would not be submitted: a job of that name with another spec")
    assert omega("job", "plan", "--replace", world.file(count=2, cpu="400m")).code == 1


# arguments, words of the error
BROKEN = [
    (("no-such-file.yaml",), "no-such-file.yaml: cannot be read"),
    (("wrong.yaml",), "wrong.yaml:2:1: cuont: unknown field; did you mean 'count'?"),
    (("a.yaml", "a.yaml"), "job a is in these files more than once"),
]


@pytest.mark.parametrize(("files", "words"), BROKEN)
def test_what_cannot_be_planned(
    world: World, omega: Omega, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], words: str
) -> None:
    """Files that are none, or wrong, are one line of error and 255, never the code of a change."""
    monkeypatch.chdir(world.folder)
    (world.folder / "wrong.yaml").write_text("name: a\ncuont: 3\ntask: {exec: {command: /bin/true}}\n")
    (world.folder / "a.yaml").write_text("name: a\ntask: {exec: {command: /bin/true}}\n")
    said = omega("job", "plan", *files)
    assert (said.code, said.out, len(said.err.splitlines())) == (255, "", 1)
    assert words in said.err


def test_a_plan_without_a_cell(omega: Omega, tmp_path: Path) -> None:
    """Where no cell is known nothing can be planned."""
    (tmp_path / "a.yaml").write_text("name: a\ntask: {exec: {command: /bin/true}}\n")
    said = omega("job", "plan", str(tmp_path / "a.yaml"))
    assert (said.code, len(said.err.splitlines())) == (255, 1)


def test_a_plan_in_words(world: World, omega: Omega) -> None:
    """A plan shows the fields that differ, what becomes of each task, why some wait, and what it was planned on."""
    omega("run", "--detach", world.file(count=1))
    author = scheduler_on(world.served)
    author.replica.catch_up()
    author.do(place(1, [0], [1]))
    said = omega("job", "plan", "--replace", world.file(count=3, cpu="900m"))
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0] == "a: would be replaced; tasks: 1 added, 1 moved, 1 pending"
    assert lines[1].split() == ["FIELD", "NOW", "THEN"]
    assert [line.split() for line in lines[2:4]] == [
        ["~", "count", "1", "3"],
        ["~", "resources.cpu", "0.5", "0.9"],
    ]
    tasks = [line.split() for line in lines if " a/" in line]
    assert tasks[0] == ["~", "a/0", "moved", "m1", "m0"]
    assert tasks[1][:5] == ["+", "a/1", "added", "-", "m1"]
    assert tasks[1][5:] == ["once", "the", "tasks", "that", "make", "room", "have", "ended"]
    assert tasks[2] == ["?", "a/2", "pending", "-", "-"]
    assert "1 would wait: 2 of 2 machines have too little cpu_milli free" in lines
    assert lines[-1].startswith("planned at revision ")
    assert lines[-1].endswith(": something would change")


def test_a_plan_shows_some_tasks(world: World, omega: Omega) -> None:
    """Of many tasks some are shown, and it is said how to see more."""
    file = world.file(count=30, cpu="10m")
    assert "20 of 30 tasks (--tasks N shows more)" in omega("job", "plan", file).out
    assert sum(" a/" in line for line in omega("job", "plan", "--tasks", "0", file).out.splitlines()) == 30


def test_a_plan_names_who_stands_in(world: World, omega: Omega, tmp_path: Path) -> None:
    """For a plug-in the built-in scheduler of the kind decides, and the plan says so."""
    (tmp_path / "mine.yaml").write_text("name: a\nscheduler: mine\ntask: {exec: {command: /bin/true}}\n")
    said = omega("job", "plan", str(tmp_path / "mine.yaml"))
    assert "planned by 'batch', because scheduler 'mine' runs in a process of its own" in said.out


def test_a_plan_of_standard_input(world: World, omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several jobs of one stream are planned on one fork: the second finds what the first left."""
    text = "---\n".join(JOB.format(name=name, count=2, cpu="600m", memory="16Mi") for name in ("a", "b"))
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        said = omega("job", "plan", "-", "-o", "json")
    assert said.code == 1
    first, second = json.loads(said.out)["jobs"]
    assert (first["name"], first["counts"]["added"]) == ("a", 2)
    assert (second["name"], second["counts"]["pending"]) == ("b", 2)


def test_the_shape_of_a_plan(world: World, omega: Omega) -> None:
    """What scripts read of a plan: fields are added, never renamed."""
    said = omega("job", "plan", world.file(count=3, cpu="900m"), "-o", "json")
    facts: dict[str, Any] = json.loads(said.out)
    assert (said.code, facts["is_change"], facts["evicted"]) == (1, True, [])
    assert set(facts["at"]) == {"revision", "incarnation"}
    [job] = facts["jobs"]
    assert job["change"] == "created"
    assert job["counts"] == {
        **dict.fromkeys(("kept", "moved", "restarted", "stopped", "evicted", "held"), 0),
        "added": 2,
        "pending": 1,
    }
    assert [task["action"] for task in job["tasks"]].count("added") == 2
    assert set(job["tasks"][0]) == {"index", "action", "before", "after", "waits"}
    assert job["pending"]["lacks"] == [{"reason": "RESOURCES", "dimension": "cpu_milli", "machine_count": 2}]


def test_why_a_job_waits(world: World, omega: Omega) -> None:
    """In words: why, the machines by reason, the nearest and what each lacks, and what would make it fit."""
    scheduler_on(world.served)
    world.client.submit(sized("waits", count=2, memory_bytes=3 << 29))
    said = omega("explain", "waits")
    assert (said.code, said.err) == (0, "")
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert "tasks 2: 2 pending" in lines
    never = "no machine has 1.5 GiB memory at all, the largest has 1 GiB"
    assert f"why 2 pending: 2 of 2 machines have too little memory_bytes free: {never}" in lines
    assert "room 0 of 2 machines take one more task now" in lines
    assert "resources memory_bytes 2" in lines
    assert "m0 resources 1 GiB of 1.5 GiB memory free" in lines
    assert "1 1 GiB memory instead of 1.5 GiB 2 of 2" in lines
    assert "EVICTED" not in said.out


def test_why_a_task_is_where_it_is(world: World, omega: Omega) -> None:
    """In words: who placed it, having seen what, and what had room."""
    author = scheduler_on(world.served)
    world.client.submit(sized("there"))
    author.replica.catch_up()
    author.do(place(1, [0], [1]))
    said = omega("explain", "there/0")
    assert "batch-0 placed it on m1 at revision" in said.out
    assert "2 of 2 machines at revision" in said.out
    assert said.out.count("besides it m0") == 2


def test_what_was_lost(omega: Omega, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words: what a claim lost to whom, and for what."""
    with serving(store_url(tmp_path)) as served:
        make_conflict(served.store)
        monkeypatch.setenv("OMEGA_ADDR", served.running.address)
        monkeypatch.setenv("OMEGA_TOKEN", TOKEN)
        said = omega("explain", "second/0")
    [line] = [" ".join(line.split()) for line in said.out.splitlines() if "conflict" in line]
    assert "0 alpha resources cpu_milli" in line
    assert "batch-0 1 task of first conflict" in line


def test_the_shape_of_an_explanation(world: World, omega: Omega) -> None:
    """What scripts read of an explanation, and that amounts are exact there."""
    scheduler_on(world.served)
    world.client.submit(sized("waits", cpu_milli=1_001))
    facts: dict[str, Any] = json.loads(omega("explain", "waits", "-o", "json").out)
    assert (facts["job"], facts["index"], facts["state"], facts["pending_count"]) == ("waits", 0, "pending", 1)
    assert facts["misses"][0] == {
        "machine": "m0",
        "reason": "RESOURCES",
        "message": "1 of 1.001 cpu free",
        "shortages": [{"dimension": "cpu_milli", "asked": 1_001, "free": 1_000}],
    }
    assert facts["changes"] == [
        {
            "message": "1 cpu instead of 1.001",
            "steps": [{"kind": "LESS", "name": "cpu_milli", "before": 1_001, "after": 1_000}],
            "fit_count": 1,
            "fields": [{"field": "resources.cpu", "before": "1.001", "after": "1"}],
        }
    ]
    assert (facts["evicted"], facts["conflicts"], facts["then"], facts["planned_by"]) == ([], [], None, "batch")


def test_status_points_to_the_explanation(world: World, omega: Omega) -> None:
    """The status of a job with pending tasks says where more is told; that of another job does not."""
    author = scheduler_on(world.served)
    world.client.submit(sized("waits"))
    assert "`omega explain waits` tells more" in omega("job", "status", "waits").out
    author.replica.catch_up()
    author.do(place(1, [0], [1]))
    assert "omega explain" not in omega("job", "status", "waits").out


# what is asked for, words of the error
NOWHERE = [
    ("waitz", "omega: there is no job 'waitz'; did you mean waits?\n"),
    ("waits/99999999999", "omega: there is no task waits/99999999999; no job has more than 1000000 tasks\n"),
    ("waits/7", "omega: there is no task waits/7; job waits has 2 tasks, waits/0 to waits/1\n"),
    ("other/0", "omega: there is no job 'other'; `omega job list` shows those there are\n"),
]


@pytest.mark.parametrize(("name", "error"), NOWHERE)
def test_what_is_not_there(world: World, omega: Omega, name: str, error: str) -> None:
    """An unknown job or task is one line and the code of what is not found."""
    world.client.submit(sized("waits", count=2))
    said = omega("explain", name)
    assert (said.code, said.out, said.err) == (3, "", error)


def test_what_is_no_task(world: World, omega: Omega) -> None:
    """What cannot be a task's name is bad usage."""
    assert omega("explain", "waits/x").code == 2
