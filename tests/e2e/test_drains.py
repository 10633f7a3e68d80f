"""Drains of real cells, through the `omega` command: over kill -9 of the API, kept for ever, interrupted, overdue."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from omegacell.api.errors import ApiError, ExitCode
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.budgets import find_available
from omegacell.core.commands import Evict
from omegacell.core.drains import Eligibility, EvictCause
from omegacell.core.jobs import TaskState
from omegacell.store.engines import open_store
from omegacell.store.replica import Replica
from omegacell.store.sqlite_database import Access
from tests.e2e.looking import await_seen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

REPLICAS = 12
SERVICE = (
    "name: {name}\nkind: service\ncount: {count}\nmax_unavailable: {limit}\nresources: {{cpu: 2, memory: 1Gi}}\n"
    "grace: 1s\ntask:\n  simulated: {{duration: forever}}\n"
)


SHAPE = CellShape(schedulers="service=1", simulated=4, name="drains", has_agent=False)


@pytest.fixture
def cell(place: Path, tmp_path: Path) -> Iterator[EphemeralCell]:
    """Give a cell of four simulated machines, of 16 cores each."""
    with EphemeralCell(place / tmp_path.name, SHAPE) as running:
        yield running


@contextmanager
def begin(cell: EphemeralCell, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """Begin an `omega` command, and end it if it has not ended by then."""
    with subprocess.Popen(
        [sys.executable, "-m", "omegacell.api.cli", *arguments],
        env=cell.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(cell: EphemeralCell, folder: Path, name: str, *, count: int, limit: int) -> None:
    """Run a service, all its tasks running."""
    path = folder / f"{name}.yaml"
    path.write_text(SERVICE.format(name=name, count=count, limit=limit))
    done = cell.command("run", str(path))
    assert done.returncode == ExitCode.OK, done.stderr


def most_used(cell: EphemeralCell) -> str:
    """Return the machine with most of its CPU taken."""
    machines = cell.client.machines().machines
    return max(machines, key=lambda machine: machine.allocated.cpu_milli).name


def left_on(cell: EphemeralCell, name: str) -> int:
    """Return how many tasks a machine has, as far as anybody answers."""
    try:
        return len(cell.client.machine(name).tasks)
    except ApiError:
        return -1


def test_a_drain_goes_on_over_a_killed_api(cell: EphemeralCell, tmp_path: Path) -> None:
    """The API is killed while two machines drain: the drain finishes, and never was more than one task missing."""
    run(cell, tmp_path, "web", count=REPLICAS, limit=1)
    names = sorted({task.last.machine for task in cell.client.job("web").tasks if task.last is not None})[:2]
    before = sum(left_on(cell, name) for name in names)
    assert before >= 4
    with begin(cell, "machine", "drain", *names) as drain:
        await_seen(lambda: sum(left_on(cell, name) for name in names), lambda count: 0 < count < before)
        pid = cell.processes()["api"]
        os.kill(pid, signal.SIGKILL)
        await_seen(lambda: cell.processes().get("api", pid), lambda now: now != pid)
        out, err = drain.communicate(timeout=120)
    assert drain.returncode == ExitCode.OK, err
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [[name, "draining", "0"] for name in names]
    assert [left_on(cell, name) for name in names] == [0, 0]
    assert "can never finish" not in err
    job = cell.client.wait_job("web", until=lambda job: job.counts[TaskState.RUNNING] == REPLICAS, timeout_s=30)
    assert cell.stop() == 0
    check_log(cell, names, before=before, until=job.changed_at)


def check_log(cell: EphemeralCell, names: list[str], *, before: int, until: int) -> None:
    """Fold the log as far as a revision: while machines drained, never more than one task was unavailable."""
    evicted = 0
    with open_store(cell.state.store_url, access=Access.READ_ONLY) as store:
        replica = Replica.at_oldest(store)
        while replica.revision < until:
            folded = replica.catch_up(1)
            state = replica.cell
            for each in folded.applied:
                command = each.transaction.last_command if each.transaction is not None else None
                if isinstance(command, Evict):
                    assert command.cause is EvictCause.DRAIN
                    evicted += each.outcome.granted
            is_draining = state.machines.eligibility == Eligibility.DRAINING
            if is_draining.any():
                assert int(np.count_nonzero(~find_available(state, 0))) <= 1, f"at {replica.revision}"
        assert sorted(np.array(state.machines.names)[is_draining].tolist()) == sorted(names)
    assert evicted == before


def test_a_drain_that_can_never_finish_says_so(cell: EphemeralCell, tmp_path: Path) -> None:
    """With the job that keeps it; another budget for that job, which starts no task anew, lets it finish."""
    run(cell, tmp_path, "rock", count=4, limit=0)
    name = most_used(cell)
    done = cell.command("machine", "drain", name)
    assert done.returncode == ExitCode.FAILED
    [error] = [line for line in done.stderr.splitlines() if line.startswith("omega: ")]
    assert f"the drain of {name} can never finish: " in error
    assert "of rock stay" in error
    assert "max_unavailable: 0" in error
    shown = cell.ask("machine", "status", name)["machine"]
    assert shown["eligibility"] == "draining"
    assert [(block["job"], block["is_forever"]) for block in shown["drain"]["blocks"]] == [("rock", True)]
    before = cell.client.job("rock")
    run(cell, tmp_path, "rock", count=4, limit=1)
    done = cell.command("machine", "drain", name, "--timeout", "60")
    assert done.returncode == ExitCode.OK, done.stderr
    after = cell.client.job("rock")
    assert after.job.job_id == before.job.job_id
    moved = {task.index for task in before.tasks if task.last is not None and task.last.machine == name}
    assert {task.index for task in after.tasks if task.past} == moved


def test_a_deadline_an_interruption_and_the_way_back(cell: EphemeralCell, tmp_path: Path) -> None:
    """Ctrl-C leaves the drain going on, and says so; a deadline empties the machine whatever jobs allow."""
    run(cell, tmp_path, "rock", count=4, limit=0)
    run(cell, tmp_path, "web", count=4, limit=1)
    name = most_used(cell)
    with begin(cell, "machine", "drain", name, "--deadline", "1h") as drain:
        assert drain.stderr is not None
        assert drain.stderr.readline().startswith(f"{name}: ")
        drain.send_signal(signal.SIGINT)
        _, err = drain.communicate(timeout=30)
    assert (drain.returncode, "omega machine uncordon" in err) == (ExitCode.INTERRUPTED, True)
    done = cell.command("machine", "drain", name, "--timeout", "0.1")
    assert done.returncode == ExitCode.FAILED
    assert "the time is over" in done.stderr
    done = cell.command("machine", "drain", name, "--deadline", "0s", "-o", "json")
    assert done.returncode == ExitCode.OK, done.stderr
    assert left_on(cell, name) == 0
    assert cell.command("machine", "uncordon", name).returncode == ExitCode.OK
    assert cell.client.machine(name).machine.eligibility is Eligibility.OPEN
    assert cell.command("machine", "drain", "nope").returncode == ExitCode.NOT_FOUND
