"""Several jobs in one command: all of them are judged before the first is submitted, or stopped without warnings."""

import json
from pathlib import Path

import pytest

from omegacell.api.client import Client
from omegacell.api.errors import NotFoundError
from omegacell.api.grpc_errors import REASON_NOT_STARTED
from tests.api.serving import job
from tests.cli.conftest import Omega

FILE = """\
name: fine
task: {exec: {command: /bin/true}}
---
name: taken
task: {exec: {command: /bin/true}}
"""
SET = """\
name: box
kind: alloc
---
name: guest
kind: service
alloc: box
task: {exec: {command: /bin/true}}
"""


def test_none_is_submitted_when_one_would_be_refused(client: Client, omega: Omega, tmp_path: Path) -> None:
    """The line names the job, where it stands, the cause and what to do; a plan in JSON says refused, too."""
    client.submit(job("taken", count=2))
    (tmp_path / "jobs.yaml").write_text(FILE)
    said = omega("run", "--detach", str(tmp_path / "jobs.yaml"))
    assert (said.code, said.out) == (5, "")
    assert said.err.startswith(f"omega: {tmp_path / 'jobs.yaml'}:4: job 'taken' would not be submitted: ")
    assert "use --replace" in said.err
    assert said.err.endswith("(1 of 2 jobs would be refused; none was submitted)\n")
    assert [each.name for each in client.jobs().jobs] == ["taken"]
    planned = omega("job", "plan", str(tmp_path / "jobs.yaml"), "-o", "json")
    assert [each["change"] for each in json.loads(planned.out)["jobs"]] == ["created", "refused"]
    assert omega("run", "--detach", "--replace", str(tmp_path / "jobs.yaml")).code == 0
    assert sorted({each.name for each in client.jobs().jobs}) == ["fine", "taken"]


def test_jobs_inside_that_are_stopped_too_are_not_warned_of(client: Client, omega: Omega, tmp_path: Path) -> None:
    """Whoever stops the set alone is told of those inside."""
    (tmp_path / "jobs.yaml").write_text(SET)
    assert omega("run", "--detach", str(tmp_path / "jobs.yaml")).code == 0
    assert omega("job", "stop", "box", "guest", "--detach").err == ""
    assert omega("run", "--detach", str(tmp_path / "jobs.yaml")).code == 0
    assert "1 job runs inside: guest" in omega("job", "stop", "box", "--detach").err


def test_what_runs_nothing_says_so(client: Client, omega: Omega, tmp_path: Path) -> None:
    """A template has runs, a held task waits for something, a stopped job has no update to go back from."""
    (tmp_path / "jobs.yaml").write_text(
        "name: often\nparameters: {}\ntask: {exec: {command: /bin/true}}\n---\n"
        "name: later\nafter: [never]\ntask: {exec: {command: /bin/true}}\n"
    )
    assert omega("run", "--detach", str(tmp_path / "jobs.yaml")).code == 0
    assert "runs are made of it by `omega job dispatch often`" in omega("logs", "often").err
    with pytest.raises(NotFoundError, match="it is held: waits for 'never', which is not there") as caught:
        list(client.logs("later/0"))
    assert caught.value.reason == REASON_NOT_STARTED
    assert omega("job", "stop", "later").code == 0
    said = omega("job", "revert", "later")
    assert (said.code, "it was stopped; `omega run` of its file runs it again" in said.err) == (5, True), said
