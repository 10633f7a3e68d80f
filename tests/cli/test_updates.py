"""What the commands say of updates, over a real API server without schedulers: a new version stays pending."""

from pathlib import Path

import pytest

from omegacell.api.cli.actions.progress import Lines
from omegacell.api.client import Client
from omegacell.api.records import Job, JobState
from omegacell.api.records_updates import UpdateProgress
from omegacell.core.jobs import TaskState
from omegacell.core.units import JobId
from tests.api.serving import job
from tests.cli.conftest import Omega, ask

VERSION = """\
name: web
kind: service
update: {{deadline: 5s, min_healthy: 0s, on_failure: {on_failure}}}
task: {{exec: {{command: /bin/true, args: ["{version}"]}}}}
"""


def write(path: Path, version: str, *, on_failure: str = "pause") -> str:
    """Write a version of a service, and return the file's name."""
    path.write_text(VERSION.format(version=version, on_failure=on_failure))
    return str(path)


CAUSE = "task 0 of job #2 is pending: no instance of scheduler 'service' runs: start one with `omega scheduler run`"


def test_a_run_ends_when_the_update_is_stuck(client: Client, omega: Omega, tmp_path: Path) -> None:
    """It fails as for a job that failed, with cause and what to do; every other command says the same."""
    assert omega("run", "--detach", write(tmp_path / "1.yaml", "1")).code == 0
    said = omega("run", write(tmp_path / "2.yaml", "2"), "--timeout", "60")
    assert said.code == 1, said
    last = said.err.splitlines()[-1]
    assert last.startswith("omega: web: the update is stuck: 0 of 1 updated, 1 being replaced, stuck for ")
    assert CAUSE in last
    assert last.endswith("; `omega job revert web` goes back")
    again = omega("run", write(tmp_path / "2.yaml", "2"), "--timeout", "60")
    assert (again.code, "web: unchanged" in again.err, CAUSE in again.err) == (1, True, True), again
    status, explanation = ask(omega, "job", "status", "web"), ask(omega, "explain", "web")
    assert status["job"]["state"] == explanation["state"] == "pending"
    assert status["job"]["update"]["summary"] == explanation["update"]["summary"] == CAUSE
    assert explanation["update"]["stuck_us"] >= 0
    assert "`omega job revert web` goes back" in omega("explain", "web").out


def test_a_run_of_a_reverted_update_names_the_cause(client: Client, omega: Omega, tmp_path: Path) -> None:
    """Where the policy reverts, the one line says what had stood in the way."""
    assert omega("run", "--detach", write(tmp_path / "1.yaml", "1")).code == 0
    said = omega("run", write(tmp_path / "2.yaml", "2", on_failure="revert"), "--timeout", "60")
    last = said.err.splitlines()[-1]
    assert (said.code, last) == (1, f"omega: web: the update is reverted to job #1: {CAUSE}; mend it and run it again")


def test_lines_are_said_of_what_changed_as_a_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """A task that starts and fails again and again is no news; one that is updated, or a stuck update, is."""
    lines = Lines()
    for state, updated, stuck_us in (
        (TaskState.PENDING, 0, -1),
        (TaskState.RUNNING, 0, -1),
        (TaskState.PENDING, 0, -1),
        (TaskState.RUNNING, 1, -1),
        (TaskState.PENDING, 1, -1),
        (TaskState.PENDING, 1, 0),
        (TaskState.RUNNING, 1, 1_000_000),
    ):
        lines.update(updating(state, updated, stuck_us))
    said = capsys.readouterr().err.splitlines()
    assert [line.partition("; ")[2] for line in said] == [
        "0 of 2 updated, 2 being replaced)",
        "1 of 2 updated, 1 being replaced)",
        "1 of 2 updated, 1 being replaced, stuck for 0 s)",
    ]


def updating(state: TaskState, updated: int, stuck_us: int) -> Job:
    """Return a job of two tasks in an update."""
    update = UpdateProgress(updated=updated, changing=2 - updated, waiting=0, is_revert=False, stuck_us=stuck_us)
    return Job(
        job_id=JobId(2), spec=job("web", count=2).spec, state=JobState[state.name], counts={state: 2},
        healthy_count=0, changed_at=1, submitted_at_us=1, first_decided_at_us=1, is_current=True, stopping_count=0,
        update=update,
    )  # fmt: skip
