"""System jobs in a real cell, through the `omega` command: late machines, drains, taints, losses, kill -9."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from omegacell.api.errors import ExitCode, UnreachableError
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.jobs import TaskState
from tests.e2e.looking import await_seen
from tests.tidy.tree import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SHAPE = CellShape(schedulers="system=1", simulated=4, name="system")
WATCH = "name: watch\nkind: system\nresources: {cpu: 1}\ntask: {simulated: {duration: forever}}\n"


@pytest.fixture(scope="module")
def cell(place: Path) -> Iterator[EphemeralCell]:
    """Give a cell with this machine and four simulated ones."""
    with EphemeralCell(place / "system", SHAPE) as running:
        yield running


def running_on(cell: EphemeralCell, name: str = "watch") -> list[str]:
    """Give the machines on which a job's tasks run; each is the machine that its task belongs to."""
    tasks = [task for task in cell.client.job(name).tasks if task.state is TaskState.RUNNING]
    assert all(task.last is not None and task.last.machine == task.own_machine for task in tasks)
    return sorted(task.own_machine for task in tasks)


def status(cell: EphemeralCell, *words: str) -> str:
    done = cell.command(*words)
    assert done.returncode == ExitCode.OK, done.stderr
    return done.stdout


def test_the_example_runs_on_the_real_machine(cell: EphemeralCell) -> None:
    """Of five machines one offers the driver of a real process; the others are named, with the reason."""
    status(cell, "run", str(REPOSITORY / "docs/examples/system.yaml"))
    shown = status(cell, "job", "status", "node-watch")
    assert "on every matching machine: 1 of 1 run, 4 machines do not match" in shown
    assert "4 do not offer the driver" in shown
    facts: dict[str, Any] = json.loads(status(cell, "job", "status", "node-watch", "-o", "json"))
    assert facts["job"]["held"]["lacks"][0]["machine_count"] == 4
    [real] = [index for index, task in enumerate(facts["tasks"]) if task["state"] == "running"]
    await_seen(lambda: "load=" in cell.command("logs", f"node-watch/{real}").stdout, bool)
    other = next(index for index, task in enumerate(facts["tasks"]) if task["state"] == "held")
    assert "does not match: offers simulated, not exec" in status(cell, "explain", f"node-watch/{other}")


def test_drains_taints_and_cordons(cell: EphemeralCell, tmp_path: Path) -> None:
    """A drained machine's task is held until it is open again; a taint and a cordon leave what runs alone."""
    file = tmp_path / "watch.yaml"
    file.write_text(WATCH)
    plan = cell.command("job", "plan", str(file))
    assert (plan.returncode, "tasks: 4 added, 1 held" in plan.stdout) == (1, True)
    status(cell, "run", str(file))
    everywhere = [f"sim-000{number}" for number in (1, 2, 3, 4)]
    assert running_on(cell) == everywhere
    assert cell.command("job", "plan", str(file)).returncode == 0

    status(cell, "machine", "drain", "sim-0002")
    await_seen(lambda: "draining" in status(cell, "job", "status", "watch"), bool)
    assert running_on(cell) == [name for name in everywhere if name != "sim-0002"]
    status(cell, "machine", "uncordon", "sim-0002")
    await_seen(lambda: running_on(cell) == everywhere, bool)

    status(cell, "machine", "taint", "sim-0003", "--add", "dedicated=db:no_place")
    status(cell, "machine", "cordon", "sim-0004")
    assert running_on(cell) == everywhere
    assert "watch/" in status(cell, "machine", "status", "sim-0003")
    changed = WATCH.replace("cpu: 1", "cpu: 2")
    file.write_text(changed)
    status(cell, "run", str(file), "--replace")
    assert running_on(cell) == ["sim-0001", "sim-0002"]
    shown = status(cell, "job", "status", "watch")
    assert "has the taint dedicated=db:no_place" in shown
    status(cell, "machine", "taint", "sim-0003", "--remove", "dedicated")
    status(cell, "machine", "uncordon", "sim-0004")
    await_seen(lambda: running_on(cell) == everywhere, bool)


@contextmanager
def more_machines(cell: EphemeralCell, count: int) -> Iterator[None]:
    """Let a further process play machines, and kill it with SIGKILL in the end."""
    address, token = cell.state.read_record()["address"], cell.state.path / "token"
    state = cell.folder / "late"
    words = ["--simulated", str(count), "--name", "late", "--state", state, "--api", address, "--token-file", token]
    argv = [sys.executable, "-m", "omegacell.api.processes.agent", *map(str, words)]
    process = subprocess.Popen(argv, env=cell.environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_machines_that_join_later_and_are_lost_and_return(cell: EphemeralCell) -> None:
    """Machines that join get the task, though the API was killed meanwhile; lost, it is held; returned, it is back."""
    before = running_on(cell)
    pid = cell.processes()["api"]
    with more_machines(cell, 1):
        await_seen(lambda: len(cell.client.machines().machines), lambda count: count == 6)
        os.kill(pid, signal.SIGKILL)
        await_seen(lambda: cell.processes().get("api", pid), lambda now: now != pid)
        await_seen(lambda: try_running_on(cell), lambda names: len(names) == len(before) + 1)
        [late] = set(running_on(cell)) - set(before)
    status(cell, "machine", "lost", late)
    await_seen(lambda: running_on(cell), lambda names: names == before)
    await_seen(lambda: status(cell, "job", "status", "watch"), lambda shown: "4 of 4 run" in shown)
    assert f"its machine {late} does not match: down" in status(cell, "explain", "watch/5")
    with more_machines(cell, 1):
        await_seen(lambda: running_on(cell), lambda names: late in names)


def try_running_on(cell: EphemeralCell) -> list[str]:
    """Do what `running_on` does; nothing while the API is away."""
    try:
        return running_on(cell)
    except UnreachableError:
        return []


@pytest.mark.parametrize(
    ("line", "words"),
    [("count: 3", "count: expected none with `kind: system`"), ("gang: true", "gang: expected none")],
)
def test_what_makes_no_sense_is_refused(cell: EphemeralCell, tmp_path: Path, line: str, words: str) -> None:
    """One line says what and why."""
    file = tmp_path / "job.yaml"
    file.write_text(WATCH + line + "\n")
    done = cell.command("run", str(file))
    assert done.returncode == ExitCode.USAGE
    assert words in done.stderr
