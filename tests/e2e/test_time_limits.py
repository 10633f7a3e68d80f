"""Time limits of real tasks in a real cell, through the `omega` command and over `kill -9`."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from omegacell.api.errors import ExitCode
from omegacell.api.records import ExitNote, JobState
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.jobs import TaskState
from tests.e2e.looking import await_seen, task_processes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SHAPE = CellShape(schedulers="batch=1", simulated=1, name="limits")


@pytest.fixture(scope="module")
def cell(place: Path) -> Iterator[EphemeralCell]:
    """Give a cell that runs real tasks on this machine, and simulated ones."""
    with EphemeralCell(place / "limits", SHAPE) as running:
        yield running


def test_a_task_is_ended_at_its_limit_over_a_killed_agent(cell: EphemeralCell, tmp_path: Path) -> None:
    """The agent is killed once the task runs; its end, with the reason, is told by whoever follows."""
    path = tmp_path / "long.yaml"
    path.write_text("name: long\ntime_limit: 4s\ngrace: 1s\ntask:\n  exec: {script: exec sleep 600}\n")
    assert cell.command("run", "--detach", str(path)).returncode == ExitCode.OK
    cell.client.wait_job("long", until=lambda job: job.counts[TaskState.RUNNING] == 1, timeout_s=30)
    pid = cell.processes()["agent"]
    os.kill(pid, signal.SIGKILL)
    await_seen(lambda: cell.processes().get("agent", pid), lambda now: now != pid)
    job = cell.client.wait_job("long", until=lambda job: job.state.is_ended, timeout_s=60)
    assert job.state is JobState.FAILED
    [task] = cell.client.job("long").tasks
    assert task.last is not None
    assert (task.last.note, task.last.signal) == (ExitNote.TIME_LIMIT, signal.SIGTERM)
    assert task.last.ended_at_us - task.last.started_at_us >= 3_900_000
    shown = cell.command("job", "status", "long").stdout
    assert "SIGTERM time limit" in shown
    assert "ran into its time limit of 4s" in shown
    assert not task_processes(cell.state.path)


def test_a_run_names_the_limit(cell: EphemeralCell, tmp_path: Path) -> None:
    """The one line of a failed run says what the task ran into, simulated tasks too."""
    path = tmp_path / "pretend.yaml"
    path.write_text("name: pretend\ntime_limit: 500ms\ntask:\n  simulated: {duration: forever}\n")
    done = cell.command("run", str(path), "--timeout", "60")
    assert done.returncode == ExitCode.FAILED
    error = done.stderr.splitlines()[-1]
    assert "ended with SIGTERM time limit: ran into its time limit of 500ms" in error


def test_a_job_is_stopped_at_its_deadline(cell: EphemeralCell, tmp_path: Path) -> None:
    """With all its tasks, whatever they are at; the API is killed meanwhile, and status and history say why."""
    path = tmp_path / "late.yaml"
    task = "task:\n  exec: {script: exec sleep 600}\n"
    path.write_text(f"name: late\ndeadline: 5s\n{task}---\nname: later\ndeadline: 5s\nafter: [late]\n{task}")
    assert cell.command("run", "--detach", str(path)).returncode == ExitCode.OK
    assert "5.0s after its submission, in " in cell.command("job", "status", "late").stdout
    pid = cell.processes()["api"]
    os.kill(pid, signal.SIGKILL)
    await_seen(lambda: cell.processes().get("api", pid), lambda now: now != pid)
    done = cell.command("run", str(path), "--timeout", "60")
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.splitlines()[-1] == "omega: late was stopped at its deadline"
    for name in ("late", "later"):
        job = cell.client.job(name).job
        assert (job.state, job.is_stopped_late, job.deadline_left_us) == (JobState.STOPPED, True, 0)
        assert "stopped at its deadline" in cell.command("job", "status", name).stdout
    assert "late: at its deadline" in cell.command("history", "--kind", "stop").stdout
    assert not task_processes(cell.state.path)


def test_the_example_comes_through(cell: EphemeralCell) -> None:
    """A restart follows an attempt that was ended for its limit, as it does any that failed."""
    done = cell.command("run", "docs/examples/time_limit.yaml", "--timeout", "60")
    assert done.returncode == ExitCode.OK, done.stderr
    [task] = cell.client.job("hangs-once").tasks
    assert [each.note for each in task.past] == [ExitNote.TIME_LIMIT]
    assert cell.command("logs", "hangs-once/0").stdout == "attempt 2 came through\n"
