"""Jobs that run after others in real cells, through the `omega` command: in order, after a failure, over kill -9."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from omegacell.api.errors import ExitCode, UnreachableError
from omegacell.api.records import JobState
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.commands import Place
from omegacell.core.hold_commands import ReleaseTasks
from omegacell.core.holds import find_unmet
from omegacell.core.jobs import TaskState
from omegacell.store.engines import open_store
from omegacell.store.replica import Replica
from omegacell.store.sqlite_database import Access
from tests.e2e.looking import await_seen
from tests.tidy.tree import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SHAPE = CellShape(schedulers="batch=1", simulated=0, name="after")
STEP = "name: step-{number}\ncount: 2\nafter: [{after}]\ntask:\n  exec: {{script: sleep 0.3}}\n"


@pytest.fixture(scope="module")
def cell(place: Path) -> Iterator[EphemeralCell]:
    """Give a cell that runs real tasks on this machine."""
    with EphemeralCell(place / "after", SHAPE) as running:
        yield running


def test_the_example_runs_in_order(cell: EphemeralCell) -> None:
    """A diamond whose file names the last job first: what it prints is right only if each ran after the others."""
    done = cell.command("run", str(REPOSITORY / "docs/examples/dag.yaml"))
    assert done.returncode == ExitCode.OK, done.stderr
    assert cell.command("logs", "publish/0").stdout.split() == ["64", "81", "100"]
    ends = {name: [task.last for task in cell.client.job(name).tasks] for name in ("extract", "double", "publish")}
    times = {
        name: (min(each.started_at_us for each in found if each), max(each.ended_at_us for each in found if each))
        for name, found in ends.items()
    }
    assert times["extract"][1] <= times["double"][0]
    assert times["double"][1] <= times["publish"][0]


def test_a_failed_predecessor_ends_the_run_and_holds_the_rest(cell: EphemeralCell, tmp_path: Path) -> None:
    """The run does not wait for ever for what is held; submitted again, the predecessor lets the others go on."""
    jobs = tmp_path / "jobs.yaml"
    text = "name: {name}\n{after}task:\n  exec: {{script: exit {code}}}\n"
    chain = [
        text.format(name=name, after=f"after: [{after}]\n", code=0)
        for name, after in (("load", "get"), ("tell", "load"))
    ]
    jobs.write_text("---\n".join([*chain, text.format(name="get", after="", code=7)]))
    done = cell.command("run", str(jobs), "--timeout", "60")
    assert done.returncode == ExitCode.FAILED
    error = done.stderr.splitlines()[-1]
    assert error.startswith("omega: get failed: 1 of 1 tasks; task 0 on ")
    assert error.endswith("; still held: load, tell")
    held = cell.client.job("load").job.held
    assert held is not None
    assert held.summary == "waits for 'get', which failed: submit it again with --replace, or stop this job"
    jobs.write_text(text.format(name="get", after="", code=0))
    done = cell.command("run", "--replace", str(jobs))
    assert done.returncode == ExitCode.OK, done.stderr
    job = cell.client.wait_job("tell", until=lambda job: job.state.is_ended, timeout_s=30)
    assert job.state is JobState.SUCCEEDED


def test_a_chain_goes_on_over_a_killed_api(cell: EphemeralCell, tmp_path: Path) -> None:
    """The API is killed twice in the middle of a chain: it ends, in order, and every task ran once."""
    steps = 8
    (tmp_path / "chain.yaml").write_text(
        "---\n".join(
            STEP.format(number=number, after=f"step-{number - 1}" if number else "")
            for number in reversed(range(steps))
        )
    )
    done = cell.command("run", "--detach", str(tmp_path / "chain.yaml"))
    assert done.returncode == ExitCode.OK, done.stderr
    for number in (1, 4):
        name = f"step-{number}"
        cell.client.wait_job(name, until=lambda job: job.counts[TaskState.HELD] == 0, timeout_s=60)
        kill_api(cell)
    cell.client.wait_job(f"step-{steps - 1}", until=lambda job: job.state.is_ended, timeout_s=90)
    for number in range(steps):
        detail = cell.client.job(f"step-{number}")
        assert detail.job.state is JobState.SUCCEEDED
        assert [task.last.attempt for task in detail.tasks if task.last is not None] == [1, 1]
    assert cell.stop() == 0
    check_log(cell)


def kill_api(cell: EphemeralCell) -> None:
    """Kill the API as `kill -9` does, and wait until the next one answers."""
    pid = cell.processes()["api"]
    os.kill(pid, signal.SIGKILL)
    await_seen(lambda: cell.processes().get("api", pid), lambda now: now != pid)

    def answers() -> bool:
        try:
            cell.client.jobs()
        except UnreachableError:
            return False
        return True

    await_seen(answers, bool)


def check_log(cell: EphemeralCell) -> None:
    """Fold the log: no task was placed, and none released, while its job had to wait for another."""
    released = 0
    with open_store(cell.state.store_url, access=Access.READ_ONLY) as store:
        replica = Replica.at_oldest(store)
        while (folded := replica.catch_up(1)).applied:
            state = replica.cell
            for each in folded.applied:
                command = each.transaction.last_command if each.transaction is not None else None
                if isinstance(command, Place | ReleaseTasks) and each.outcome.granted:
                    row = state.jobs.row_of(command.job)
                    assert row is not None
                    assert find_unmet(state, state.jobs.spec_of(row)) == ()
                    released += isinstance(command, ReleaseTasks)
    assert released >= 7
