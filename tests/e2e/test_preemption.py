"""Preemption on a real machine that is full, through the `omega` command: grace, order, and kill -9 in between."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from omegacell.api.errors import ExitCode, UnreachableError
from omegacell.api.records import Attempt, JobDetail, Task
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.jobs import TaskState
from tests.e2e.looking import await_seen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# As many tasks as fill the machine; each takes six seconds to leave.
SUMS = """\
name: sums
count: COUNT
priority: best_effort
resources: {cpu: 500m, memory: 8Mi}
grace: 30s
task:
  exec:
    script: |
      trap 'echo asked; sleep 6; echo left; exit 143' TERM
      sleep 600 &
      wait
"""
WEB = """\
name: web
kind: service
count: 1
resources: {cpu: 1, memory: 16Mi}
grace: 1s
task:
  exec: {script: "echo began; exec sleep 600"}
"""


@pytest.fixture
def cell(place: Path, tmp_path: Path) -> Iterator[EphemeralCell]:
    """Give a cell of this machine."""
    with EphemeralCell(place / tmp_path.name, CellShape(name="preempt")) as running:
        yield running


def run(cell: EphemeralCell, folder: Path, text: str) -> None:
    """Submit a job file, and do not wait for it."""
    path = folder / "job.yaml"
    path.write_text(text)
    done = cell.command("run", "--detach", str(path))
    assert done.returncode == ExitCode.OK, done.stderr


def tasks_of(cell: EphemeralCell, name: str) -> list[Task]:
    """Return the tasks of a job."""
    detail: JobDetail = cell.client.job(name)
    return list(detail.tasks)


def are_running(tasks: list[Task]) -> bool:
    """Say whether all of some tasks run."""
    return [task.state for task in tasks] == [TaskState.RUNNING] * len(tasks)


def answers(cell: EphemeralCell) -> bool:
    """Say whether the API server is there."""
    try:
        cell.client.status()
    except UnreachableError:
        return False
    return True


def last_ended(tasks: list[Task]) -> list[Attempt]:
    """Return the attempts that gave way."""
    return [past for task in tasks for past in task.past if past.preempted_by]


def press(cell: EphemeralCell, folder: Path) -> None:
    """Fill the machine, and submit a service that finds no room; return while it waits."""
    [machine] = cell.client.machines().machines
    run(cell, folder, SUMS.replace("COUNT", str(machine.capacity.cpu_milli // 500)))
    await_seen(lambda: tasks_of(cell, "sums"), are_running)
    run(cell, folder, WEB)
    [web] = await_seen(lambda: tasks_of(cell, "web"), lambda tasks: bool(tasks[0].waits_for))
    assert web.state is TaskState.PLACED
    assert len(web.waits_for) == 2


def check_order(cell: EphemeralCell) -> None:
    """Wait until the service runs; both who gave way had their grace, and had ended before it began."""
    [web] = await_seen(lambda: tasks_of(cell, "web"), are_running)
    gone = last_ended(tasks_of(cell, "sums"))
    assert [(past.preempted_by, past.exit_code, past.state) for past in gone] == [("web", 143, TaskState.EVICTED)] * 2
    assert web.last is not None
    assert max(past.ended_at_us for past in gone) <= web.last.started_at_us
    for past in gone:
        assert past.ended_at_us - past.started_at_us > 2_000_000
    sums = tasks_of(cell, "sums")
    assert sorted(task.state for task in sums) == [TaskState.PENDING] * 2 + [TaskState.RUNNING] * (len(sums) - 2)
    assert {task.restarts for task in sums} == {0}


def test_a_service_waits_for_those_who_give_way(cell: EphemeralCell, tmp_path: Path) -> None:
    """They get SIGTERM and their time, the service begins after them, and they come back when there is room."""
    press(cell, tmp_path)
    plan = cell.command("explain", "web/0")
    assert "waits for" in plan.stdout, plan.stdout
    check_order(cell)
    [first, *_] = [task for task in tasks_of(cell, "sums") if task.state is TaskState.PENDING]
    told = cell.command("explain", f"sums/{first.index}")
    assert "gave way to web" in told.stdout, told.stdout
    assert "nobody gives way" in told.stdout, told.stdout
    done = cell.command("job", "stop", "web")
    assert done.returncode == ExitCode.OK, done.stderr
    await_seen(lambda: tasks_of(cell, "sums"), are_running)


def test_everything_is_killed_while_it_waits(cell: EphemeralCell, tmp_path: Path) -> None:
    """kill -9 of the API server and of the agent in the middle: the same attempt begins, once, and after them."""
    press(cell, tmp_path)
    for name in ("api", "agent"):
        os.kill(cell.processes()[name], signal.SIGKILL)
    await_seen(lambda: answers(cell), bool)
    check_order(cell)
    [web] = tasks_of(cell, "web")
    assert web.last is not None
    assert (web.last.attempt, web.past) == (1, ())


def test_who_waits_is_stopped(cell: EphemeralCell, tmp_path: Path) -> None:
    """A task that has not begun ends at once when its job is stopped; those who gave way for it come back."""
    press(cell, tmp_path)
    done = cell.command("job", "stop", "web")
    assert done.returncode == ExitCode.OK, done.stderr
    [web] = tasks_of(cell, "web")
    assert (web.state, web.last.started_at_us if web.last is not None else 0) == (TaskState.STOPPED, 0)
    await_seen(lambda: tasks_of(cell, "sums"), are_running)
