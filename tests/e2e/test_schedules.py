"""Schedules of a real cell over kill -9 of the API: no instant twice, none lost; and a dispatch through `omega`."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.invariants import check
from omegacell.core.outcomes import Spawning
from omegacell.core.spawn_commands import SpawnJob
from omegacell.store.engines import open_store
from omegacell.store.replica import Replica
from omegacell.store.sqlite_database import Access
from tests.e2e.looking import KILL_ROUNDS, await_seen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SECOND_US = 1_000_000
TICK = "name: tick\nschedule: {cron: '* * * * * *', catch_up: all}\ntask: {simulated: {duration: 100ms}}\n"
COUNT = (
    "name: count\nparameters: {required: [word], optional: {sign: '!'}, payload: required}\n"
    "task: {exec: {script: 'echo $OMEGA_PARAM_WORD$OMEGA_PARAM_SIGN; wc -c < $OMEGA_DISPATCH_INPUT'}}\n"
)


@pytest.fixture(scope="module")
def cell(place: Path) -> Iterator[EphemeralCell]:
    """Give a cell of this machine and a simulated one."""
    shape = CellShape(schedulers="batch=1", simulated=1, name="schedules", has_agent=True)
    with EphemeralCell(place / "schedules", shape) as running:
        yield running


def omega(cell: EphemeralCell, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run an `omega` command."""
    command = [sys.executable, "-m", "omegacell.api.cli", *arguments]
    return subprocess.run(
        command, env=cell.environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def test_no_instant_is_lost_or_made_twice_over_kills(cell: EphemeralCell, place: Path) -> None:
    """The API is killed again and again while a job runs at every second; the log tells what was made."""
    (place / "tick.yaml").write_text(TICK)
    done = omega(cell, "run", str(place / "tick.yaml"))
    assert (done.returncode, "runs next at" in done.stderr) == (0, True), done.stderr
    for _ in range(KILL_ROUNDS):
        await_more(cell, 2)
        pid = cell.processes()["api"]
        os.kill(pid, signal.SIGKILL)
    await_more(cell, 3)
    assert omega(cell, "job", "stop", "tick", "--detach").returncode == 0
    instants = made_instants(cell)
    assert [each for each, count in Counter(instants).items() if count > 1] == []
    assert {b - a for a, b in pairwise(instants)} == {SECOND_US}
    assert len(instants) >= 2 * KILL_ROUNDS + 3


def test_a_dispatch_runs_with_what_it_was_given(cell: EphemeralCell, place: Path) -> None:
    """Waited for like any job; its output shows parameters, default and payload; its status the template."""
    (place / "count.yaml").write_text(COUNT)
    assert omega(cell, "run", str(place / "count.yaml")).returncode == 0
    command = ("job", "dispatch", "count", "-p", "word=hello", "--payload", "-", "--token", "t1", "-o", "json")
    done = omega(cell, *command, stdin="12345")
    assert done.returncode == 0, done.stderr
    [job] = json.loads(done.stdout)["jobs"]
    assert (job["state"], job["parent"]) == ("succeeded", "count")
    assert omega(cell, "logs", f"{job['spec']['name']}/0").stdout.split() == ["hello!", "5"]
    again = omega(cell, *command, "--detach", stdin="other")
    assert json.loads(again.stdout)["dispatched"]["job_id"] == job["job_id"]
    status = json.loads(omega(cell, "job", "status", "count", "-o", "json").stdout)
    assert (status["template"]["made_count"], status["template"]["children"][0]["job_id"]) == (1, job["job_id"])
    wrong = omega(cell, "job", "dispatch", "count", "-p", "wrod=a", stdin="")
    assert (wrong.returncode, wrong.stderr.count("\n"), "'wrod'" in wrong.stderr) == (2, 1, True)


def await_more(cell: EphemeralCell, count: int) -> None:
    """Wait until so many more children were made for instants."""
    made = len(made_instants(cell))
    await_seen(lambda: len(made_instants(cell)), lambda now: now >= made + count)


def made_instants(cell: EphemeralCell) -> list[int]:
    """Fold the cell's log from outside, and return the instants for which it made children, in its order."""
    made: list[int] = []
    with open_store(cell.state.store_url, access=Access.READ_ONLY) as store:
        replica = Replica.at_oldest(store)
        while (folded := replica.catch_up(256)).applied:
            for each in folded.applied:
                command = each.transaction.last_command if each.transaction is not None else None
                if isinstance(command, SpawnJob) and each.outcome.detail == Spawning.MADE:
                    made.append(command.instant_us)
        check(replica.cell)
    return [instant for instant in made if instant]
