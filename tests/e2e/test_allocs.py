"""Alloc sets of real cells: an application and its log-saver share a folder that outlives both, and move together."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from omegacell.api.errors import ExitCode
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.jobs import Stopping, TaskState
from tests.e2e.looking import await_seen, processes_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "alloc.yaml"
INSIDE = """
name: box
kind: alloc
count: 4
max_unavailable: 1
resources: {cpu: 4, memory: 1Gi}
max_per_machine: 1
task: {simulated: {}}
---
name: app
kind: service
alloc: box
count: 4
resources: {cpu: 3, memory: 512Mi}
task: {simulated: {duration: forever}}
---
name: saver
kind: service
alloc: box
count: 4
resources: {cpu: 1, memory: 512Mi}
task: {simulated: {duration: forever}}
"""
BAD = (
    (
        "name: a\nalloc: web-box\nresources: {memory: 2Gi}\n",
        5,
        "an alloc of 'web-box' has 128 MiB memory, a task of 'a' asks for 2 GiB",
    ),
    ("name: a\nalloc: crate\n", 5, "there is no alloc set 'crate'"),
    ("name: a\nalloc: web-app\n", 5, "'web-app' is a service job, not an alloc set"),
    ("name: a\nalloc: web-box\ndevices: {gpu: 1}\n", 2, "devices: a task inside an alloc shares those of the alloc"),
    ("name: a\nkind: alloc\n", 2, "an alloc set runs nothing of its own"),
)


@pytest.fixture(scope="module")
def real(place: Path) -> Iterator[EphemeralCell]:
    """Give a cell of this machine, on which the example runs."""
    with EphemeralCell(place, CellShape(schedulers="batch=1,service=1", name="allocs")) as running:
        done = running.command("run", str(EXAMPLE))
        assert done.returncode == ExitCode.OK, done.stderr
        yield running


def tasks_of(cell: EphemeralCell, job: str) -> list[dict[str, Any]]:
    """Return the tasks of a job."""
    tasks: list[dict[str, Any]] = cell.ask("job", "status", job)["tasks"]
    return tasks


def log_of(cell: EphemeralCell, task: str) -> list[str]:
    """Return what a task printed, line by line."""
    return cell.command("logs", task).stdout.splitlines()


def attempts_of(cell: EphemeralCell, job: str) -> dict[str, int]:
    """Return the running attempt of each of a job's tasks, by the alloc that it is in."""
    tasks = [task for task in cell.client.job(job).tasks if task.last is not None and task.state is TaskState.RUNNING]
    return {task.alloc: task.last.attempt for task in tasks if task.last is not None}


def kill_application(cell: EphemeralCell, alloc: str) -> None:
    """Kill the application that writes into an alloc's folder."""
    [task] = [task for task in cell.client.job("web-app").tasks if task.alloc == alloc]
    assert task.last is not None
    folder = f"/tasks/{cell.client.job('web-app').job.job_id}.{task.index}.{task.last.attempt}/work"
    found = [each for each in processes_in(cell.state.path) if each.name() == "sh" and folder in each.cwd()]
    os.kill(found[0].pid, signal.SIGKILL)


def test_a_log_saver_stands_beside_each_application(real: EphemeralCell) -> None:
    """One of each is in each alloc, and what the application writes there the other reads."""
    contents = {task.index: task.contents for task in real.client.job("web-box").tasks}
    names = {index: sorted(each.job for each in known.tasks) for index, known in contents.items() if known is not None}
    assert names == {0: ["log-saver", "web-app"], 1: ["log-saver", "web-app"]}
    assert all(known is not None and known.free.cpu_milli == 0 for known in contents.values())
    for index in range(2):
        await_seen(partial(log_of, real, f"log-saver/{index}"), lambda lines: "began" in lines and len(lines) > 2)
    told = real.command("job", "status", "web-box").stdout
    assert "TASKS INSIDE" in told
    assert real.ask("job", "status", "web-app")["tasks"][0]["alloc"].startswith("web-box/")


def test_what_restarts_inside_finds_its_data(real: EphemeralCell) -> None:
    """The application is killed and begins again in the same alloc: its log goes on, and the alloc never noticed."""
    before, boxes = attempts_of(real, "web-app"), attempts_of(real, "log-saver")
    kill_application(real, "web-box/1")
    after = await_seen(lambda: attempts_of(real, "web-app"), lambda now: now.get("web-box/1", 0) > before["web-box/1"])
    assert after["web-box/0"] == before["web-box/0"]
    assert attempts_of(real, "log-saver") == boxes
    [saver] = [task.index for task in real.client.job("log-saver").tasks if task.alloc == "web-box/1"]
    lines = await_seen(lambda: log_of(real, f"log-saver/{saver}"), lambda lines: lines.count("began") == 2)
    assert lines.index("began") == 0
    assert {task.last.attempt for task in real.client.job("web-box").tasks if task.last is not None} == {1}


def test_allocs_outlive_a_killed_agent(real: EphemeralCell) -> None:
    """The agent is killed: the next one adopts allocs and what is inside, each in its attempt."""
    before = attempts_of(real, "web-app"), attempts_of(real, "log-saver")
    pid = real.processes()["agent"]
    os.kill(pid, signal.SIGKILL)
    await_seen(lambda: real.processes().get("agent", pid), lambda now: now != pid)
    await_seen(lambda: real.client.machines().machines[0].is_connected, bool)
    assert (attempts_of(real, "web-app"), attempts_of(real, "log-saver")) == before


@pytest.mark.parametrize(("text", "code", "words"), BAD, ids=[words[:40] for _, _, words in BAD])
def test_what_cannot_be_is_said_in_a_line(
    real: EphemeralCell, tmp_path: Path, text: str, code: int, words: str
) -> None:
    """A job that fits into no alloc, or a set that is none: one line that says what stands against what."""
    path = tmp_path / "bad.yaml"
    path.write_text(text + 'task: {exec: {command: "true"}}\n')
    done = real.command("run", str(path))
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert words in done.stderr


def test_a_stopped_set_takes_everything_along(real: EphemeralCell) -> None:
    """Stopping it says which jobs run inside; their tasks are evicted and wait, and the folders are gone."""
    folders = real.state.agent / "allocs"
    assert len(list(folders.iterdir())) == 2
    done = real.command("job", "stop", "web-box")
    assert done.returncode == ExitCode.OK
    assert "2 jobs run inside: web-app, log-saver; their tasks are evicted" in done.stderr
    states = {task.state for name in ("web-app", "log-saver") for task in real.client.job(name).tasks}
    assert states == {TaskState.PENDING}
    assert {task.past[-1].state for task in real.client.job("log-saver").tasks} == {TaskState.EVICTED}
    await_seen(lambda: list(folders.iterdir()), lambda left: not left)
    again = real.command("run", "--replace", str(EXAMPLE))
    assert again.returncode == ExitCode.OK, again.stderr
    assert set(attempts_of(real, "web-app")) == {"web-box/0", "web-box/1"}


def test_a_drain_moves_the_whole_set(place: Path, tmp_path: Path) -> None:
    """A machine drains: its alloc goes with what is inside, and all of it comes up on another machine."""
    path = tmp_path / "inside.yaml"
    path.write_text(INSIDE)
    shape = CellShape(schedulers="service=1", simulated=5, name="moving", has_agent=False)
    with EphemeralCell(place / tmp_path.name, shape) as cell:
        done = cell.command("run", str(path))
        assert done.returncode == ExitCode.OK, done.stderr
        [name] = {
            task.last.machine for task in cell.client.job("box").tasks if task.index == 0 and task.last is not None
        }
        drained = cell.command("machine", "drain", name)
        assert drained.returncode == ExitCode.OK, drained.stderr
        for job in ("box", "app", "saver"):
            cell.client.wait_job(job, until=lambda job: job.counts[TaskState.RUNNING] == 4, timeout_s=60)
            tasks = cell.client.job(job).tasks
            assert name not in {task.last.machine for task in tasks if task.last is not None}
            assert {task.stopping for task in tasks} == {Stopping.NO}
            ends = [past.state for task in tasks for past in task.past]
            assert ends == [TaskState.EVICTED], job
        assert set(attempts_of(cell, "app")) == {f"box/{index}" for index in range(4)}
