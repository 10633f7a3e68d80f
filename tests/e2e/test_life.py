"""A cell stops cleanly, survives its own death, and restarts what dies."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from omegacell.api.errors import ExitCode
from omegacell.api.records import Job
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.jobs import TaskState
from tests.e2e.looking import KILL_ROUNDS, LONG, await_seen, processes_in, task_processes, task_supervisor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SERVICE = (
    "name: {name}\nkind: service\ncount: 2\nresources: {{cpu: 20m, memory: 16Mi}}\ngrace: 1s\n"
    "task:\n  exec: {{command: /bin/sleep, args: ['600']}}\n"
)
WAITS = (
    "name: waits\nresources: {{cpu: 20m, memory: 16Mi}}\ntask:\n"
    "  exec: {{command: /bin/sh, args: ['-c', 'until test -e {path}; do sleep 0.05; done; exit 7']}}\n"
)


def submit(cell: EphemeralCell, name: str) -> None:
    path = cell.folder / f"{name}.yaml"
    path.write_text(SERVICE.format(name=name))
    done = cell.command("run", str(path), "--timeout", "60")
    assert done.returncode == ExitCode.OK, done.stderr


def is_running(job: Job) -> bool:
    return job.counts.get(TaskState.RUNNING, 0) == job.spec.count


def test_stop_leaves_nothing_and_start_brings_it_back(place: Path) -> None:
    """Ctrl-C ends tasks and processes alike; the next start places the tasks again, and counts no failure."""
    cell = EphemeralCell(place / "stop", CellShape(name="stop"))
    with cell:
        submit(cell, "steady")
        assert cell.stop() == ExitCode.OK
        assert [process.cmdline() for process in processes_in(cell.folder)] == []
        cell.start()
        job = cell.client.wait_job("steady", until=is_running, timeout_s=60)
        assert job.counts.get(TaskState.FAILED, 0) == 0
        tasks = cell.client.job("steady").tasks
        assert [(task.restarts, [past.state for past in task.past]) for task in tasks] == [(0, [TaskState.LOST])] * 2


def test_killed_up_is_survived(place: Path) -> None:
    """kill -9 of `omega up` takes its processes along and leaves the tasks; the next one takes them over."""
    cell = EphemeralCell(place / "killed", CellShape(name="killed"))
    with cell:
        submit(cell, "steady")
        before = task_processes(cell.state.path)
        assert len(before) == 2
        cell.kill()
        await_seen(lambda: [each.name() for each in processes_in(cell.folder)], lambda names: len(names) == 3)
        cell.start()
        job = cell.client.wait_job("steady", until=is_running, timeout_s=60)
        assert task_processes(cell.state.path) == before
        assert [task.last.attempt for task in cell.client.job("steady").tasks if task.last] == [1, 1]
        assert job.spec.count == 2


def test_no_lease_runs_out_while_a_cell_is_away(place: Path) -> None:
    """A task outlives a killed `omega up` however long it is away: no deadline is set, and its exit code is real."""
    cell = EphemeralCell(place / "away", CellShape(schedulers="batch=1", name="away"))
    with cell:
        go_on = cell.folder / "go-on"
        (cell.folder / "waits.yaml").write_text(WAITS.format(path=go_on))
        assert cell.command("run", "-d", str(cell.folder / "waits.yaml")).returncode == ExitCode.OK
        cell.client.wait_job("waits", until=is_running, timeout_s=60)
        records = cell.state.agent / "supervisor"
        (before,) = [json.loads(path.read_text())["pid"] for path in (records / "attempts").iterdir()]
        cell.kill()
        assert (records / "deadline").read_text() == ""
        cell.start()
        cell.client.wait_job("waits", until=is_running, timeout_s=60)
        (after,) = [json.loads(path.read_text())["pid"] for path in (records / "attempts").iterdir()]
        assert after == before
        go_on.touch()
        cell.client.wait_job("waits", until=lambda job: job.state.is_ended, timeout_s=60)
        (task,) = cell.client.job("waits").tasks
        assert task.last is not None
        assert (task.last.attempt, task.last.exit_code) == (1, 7)


def test_down_ends_what_a_killed_up_left(place: Path) -> None:
    """`omega down` stops a cell, and the tasks of one whose `omega up` was killed."""
    cell = EphemeralCell(place / "down", CellShape(name="down"))
    cell.start()
    submit(cell, "steady")
    cell.kill()
    assert task_supervisor(cell.state.path)
    done = cell.command("down", "--cell", "down", "--state", str(cell.state.path))
    assert (done.returncode, "ended 2 tasks" in done.stderr) == (ExitCode.OK, True), done.stderr
    assert [process.cmdline() for process in processes_in(cell.folder)] == []


def test_detached(place: Path) -> None:
    """`omega up -d` comes back when the cell is up, at once when it was up already; `omega down` stops it."""
    cell = EphemeralCell(place / "detached", CellShape(name="detached"))
    cell.folder.mkdir()
    state = ("--cell", "detached", "--state", str(cell.state.path))
    done = cell.command("up", "-d", *state)
    assert done.returncode == ExitCode.OK, done.stderr
    assert cell.command("cell", "status").returncode == ExitCode.OK
    again = cell.command("up", "-d", *state)
    assert (again.returncode, again.stdout) == (ExitCode.OK, done.stdout), again.stderr
    assert "is up already (omega up, pid " in again.stderr
    assert cell.command("down", *state).returncode == ExitCode.OK
    assert [process.cmdline() for process in processes_in(cell.folder)] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
        ("class Mine:\n    def place(self, pending, cell, ctx):\n        raise ValueError('oh no')\n", "oh no"),
    ],
    ids=["cannot be loaded", "raises"],
)
def test_broken_plugin_harms_nobody(text: str, words: str, place: Path) -> None:
    """A plug-in that does not load, or raises, is named; its jobs stay pending with that reason; others go on."""
    folder = place / f"plugin-{len(text)}"
    folder.mkdir()
    folder.chmod(0o711)
    (folder / "mine.py").write_text(text)
    shape = CellShape(schedulers=f"batch=1,{folder}/mine.py:Mine=1", name="plugin")
    with EphemeralCell(folder, shape) as cell:
        (folder / "job.yaml").write_text(SERVICE.format(name="mine") + "scheduler: mine\n")
        assert cell.command("run", "-d", str(folder / "job.yaml")).returncode == ExitCode.OK
        (folder / "other.yaml").write_text("name: other\nscheduler: batch\ntask:\n  exec: {command: /bin/true}\n")
        assert cell.command("run", str(folder / "other.yaml")).returncode == ExitCode.OK
        await_seen(lambda: str(cell.ask("job", "status", "mine")["pending"]), lambda pending: words in pending)
        if "import" in text:
            told, listed = [line for line in cell.said().splitlines() if words in line]
            assert told.startswith("mine-0: scheduler ")
            assert re.match(r"mine-0 +pid \d+, not loaded: scheduler ", listed)
            before = cell.processes()["mine-0"]
            (folder / "mine.py").write_text("from omegacell.schedulers.service import ServiceScheduler as Mine\n")
            await_seen(lambda: cell.ask("job", "status", "mine")["job"]["state"], lambda state: state == "running")
            assert cell.processes()["mine-0"] == before


@pytest.mark.parametrize("target", ["mine.py", "mine.py:Mine", "mine.py:Mine:Extra", "no.py", "bogus", "os:path"])
def test_scheduler_that_cannot_be_loaded_does_not_run(target: str, tmp_path: Path) -> None:
    """`omega scheduler run` of something that is no scheduler: one line, exit 2, and no store was even opened."""
    (tmp_path / "mine.py").write_text("class Mine:\n    pass\n")
    command = ["scheduler", "run", target, "--store", f"sqlite://{tmp_path}/cell.db"]
    done = subprocess.run(
        [sys.executable, "-m", "omegacell.api.cli", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, ""), done.stderr
    assert done.stderr.startswith("omega: scheduler "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "cell.db").exists()


def test_scheduler_whose_name_is_none_does_not_run(tmp_path: Path) -> None:
    """A name that no cell takes is refused before anything is opened; it used to open ten sessions first."""
    command = ["scheduler", "run", "batch", "--name", "A B", "--store", f"sqlite://{tmp_path}/cell.db"]
    done = subprocess.run(
        [sys.executable, "-m", "omegacell.api.cli", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, ""), done.stderr
    assert done.stderr.startswith("omega: scheduler 'A B' is no name; expected "), done.stderr
    assert not (tmp_path / "cell.db").exists()


@pytest.mark.parametrize("form", ["sqlite://{}/cell.db", "sqlite://{}/away/cell.db", "{}", "{}/cell.db"])
def test_scheduler_makes_no_store(form: str, tmp_path: Path) -> None:
    """Where no store is, a scheduler says so, where it looked and what to do, with code 3, and leaves nothing there."""
    command = ["scheduler", "run", "batch", "--store", form.format(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "omegacell.api.cli", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (ExitCode.NOT_FOUND, ""), done.stderr
    assert re.fullmatch(rf"omega: {tmp_path}(/away)?/cell.db: .*(check the path|name cell.db).*\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_scheduler_run_beside_the_cell(place: Path) -> None:
    """`omega scheduler run` adds a scheduler to a running cell, for jobs that name it, until SIGINT."""
    folder = place / "beside"
    with EphemeralCell(folder, CellShape(schedulers="batch=1", name="beside")) as cell:
        target = "omegacell.schedulers.service:ServiceScheduler"
        command = [sys.executable, "-m", "omegacell.api.cli", "scheduler", "run", target, "--name", "mine"]
        with subprocess.Popen(command, env=cell.environment, stderr=subprocess.DEVNULL) as process:
            (folder / "job.yaml").write_text("name: other\nscheduler: mine\ntask:\n  exec: {command: /bin/true}\n")
            assert cell.command("run", str(folder / "job.yaml")).returncode == ExitCode.OK
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        # A command that finds the API killed waits until it is back.
        os.kill(cell.processes()["api"], signal.SIGKILL)
        rows = cell.ask("scheduler", "list")["schedulers"]
        assert [row["placements"] for row in rows if row["scheduler"] == "mine"] == [1]


@pytest.mark.skipif(KILL_ROUNDS < LONG, reason=f"waits for a minute: runs with KILL_ROUNDS={LONG}")
def test_schedulers_that_hang_are_fenced(place: Path) -> None:
    """A scheduler that is stopped in its tracks is killed once its session is over, and a new one does the work."""
    folder = place / "hang"
    with EphemeralCell(folder, CellShape(schedulers="batch=1", name="hang")) as cell:
        before = cell.processes()["batch-0"]
        os.kill(before, signal.SIGSTOP)
        after = await_seen(lambda: cell.processes()["batch-0"], lambda pid: pid != before, limit_s=180)
        assert after != before
        (folder / "job.yaml").write_text("name: other\ntask:\n  exec: {command: /bin/true}\n")
        assert cell.command("run", str(folder / "job.yaml")).returncode == ExitCode.OK
