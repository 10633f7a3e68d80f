"""What the commands say of jobs that wait for others, over an API server without schedulers: nothing ever runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from omegacell.api.cli.actions.running import find_in_vain
from omegacell.api.client import Client
from omegacell.api.records import Job, JobState
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.jobs import Kind
from omegacell.core.units import JobId
from tests.api.serving import EXAMPLE, job
from tests.cli.conftest import Omega, Said, ask

DAG = "name: last\nafter: [first]\ntask: {exec: {command: /bin/true}}\n---\n" + (
    "name: first\ntask: {exec: {command: /bin/true}}\n"
)


def test_run_says_what_a_held_job_waits_for(client: Client, omega: Omega, tmp_path: Path) -> None:
    """Jobs are submitted in the order of what they wait for; while one is held, what it waits for is said once."""
    (tmp_path / "jobs.yaml").write_text(DAG)
    said = omega("run", str(tmp_path / "jobs.yaml"), "--timeout", "3")
    assert (said.code, said.out) == (1, "")
    lines = said.err.splitlines()
    assert lines[:2] == ["first: created (id 1)", "last: created (id 2)"]
    assert "last: held (1 held)" in lines
    assert lines.count("last: 1 held: waits for 'first': 0 of 1 tasks succeeded") == 1
    assert lines[len(lines) - 1].startswith("omega: the time is over; first: 1 pending: ")


def test_tables_and_documents_show_it(client: Client, omega: Omega, tmp_path: Path) -> None:
    """The list has a column for it when any job is held; status names each job that is waited for."""
    (tmp_path / "jobs.yaml").write_text(DAG)
    client.submit(job("free"))
    assert "HELD" not in omega("job", "list").out
    assert omega("run", "--detach", str(tmp_path / "jobs.yaml")).code == 0
    words = "waits for 'first': 0 of 1 tasks succeeded"
    header, row, *_ = omega("job", "list").out.splitlines()
    assert (header.split()[-1], row.split()[1:4], row.endswith(words)) == ("HELD", ["last", "batch", "held"], True)
    status = omega("job", "status", "last").out
    assert f"1 held: {words}" in status
    assert "after      first succeeded" in status
    found = ask(omega, "job", "status", "last")["job"]
    assert (found["state"], found["counts"]["held"], found["held"]["summary"]) == ("held", 1, words)
    assert found["spec"]["after"] == [{"job": "first", "condition": "succeeded"}]
    assert found["held"]["waits"][0] == {
        "job": "first",
        "job_id": 2,
        "condition": "succeeded",
        "done_count": 0,
        "wanted_count": 1,
        "is_stuck": False,
        "summary": "'first': 0 of 1 tasks succeeded",
    }
    assert words in omega("explain", "last").out
    assert ask(omega, "explain", "last/0")["held"]["summary"] == words


def test_a_plan_shows_what_would_be_held(client: Client, omega: Omega, tmp_path: Path) -> None:
    """Nothing is submitted, and the exit code is that of any change."""
    (tmp_path / "jobs.yaml").write_text(DAG)
    said = omega("job", "plan", str(tmp_path / "jobs.yaml"))
    assert said.code == 1
    assert "last: would be created; tasks: 1 held" in said.out
    assert "1 would be held: waits for 'first': 0 of 1 tasks succeeded" in said.out


def test_a_circle_is_one_line(client: Client, omega: Omega, tmp_path: Path) -> None:
    """In one file with its place, over several files without, with jobs of the cell as the cell refuses it."""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("name: a\nafter: [b]\ntask: {exec: {command: /bin/true}}\n")
    two.write_text("name: b\nafter: [a]\ntask: {exec: {command: /bin/true}}\n")
    said = omega("run", str(one), str(two))
    assert said == Said(
        2, "", "omega: jobs of these files would wait for each other: a -> b -> a; take one of these out of `after`\n"
    )
    assert omega("run", "--detach", str(one)).code == 0
    expected = (
        "omega: job 'b' was not submitted: it would wait for itself: b -> a -> b; take one of these out of `after`\n"
    )
    assert omega("run", str(two)) == Said(5, "", expected)


def test_limits_in_time_are_shown(client: Client, omega: Omega, tmp_path: Path) -> None:
    """In tables, in documents, and field by field in a plan."""
    path = tmp_path / "job.yaml"
    path.write_text("name: a\ntime_limit: 10m\ndeadline: 2h\ntask: {exec: {command: /bin/true}}\n")
    assert omega("run", "--detach", str(path)).code == 0
    shown = omega("job", "status", "a").out
    assert "time limit  10m" in shown
    assert "deadline    2h" in shown
    found = ask(omega, "job", "status", "a")["job"]
    assert (found["spec"]["max_run_us"], found["spec"]["deadline_us"]) == (600_000_000, 7_200_000_000)
    assert (found["deadline_left_us"] > 7_000_000_000, found["is_stopped_late"]) == (True, False)
    path.write_text("name: a\ndeadline: 1h\ntask: {exec: {command: /bin/true}}\n")
    said = omega("job", "plan", "--replace", str(path), "-o", "json")
    planned = json.loads(said.out)["jobs"][0]["fields"]
    assert planned == [
        {"field": "time_limit", "before": "600s", "after": "none"},
        {"field": "deadline", "before": "7200s", "after": "3600s"},
    ]


def make(name: str, state: JobState, *after: Dependency, kind: Kind = Kind.BATCH) -> Job:
    """Return a job in a state."""
    spec = replace(EXAMPLE.spec, name=name, after=after, kind=kind)
    zero = {"healthy_count": 0, "changed_at": 0, "submitted_at_us": 0, "first_decided_at_us": 0, "stopping_count": 0}
    return Job(job_id=JobId(1), spec=spec, state=state, counts={}, is_current=True, **zero)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("condition", "kind", "state", "is_in_vain"),
    [
        (Condition.SUCCEEDED, Kind.BATCH, JobState.FAILED, True),
        (Condition.SUCCEEDED, Kind.BATCH, JobState.STOPPED, True),
        (Condition.SUCCEEDED, Kind.BATCH, JobState.SUCCEEDED, False),
        (Condition.SUCCEEDED, Kind.BATCH, JobState.RUNNING, False),
        (Condition.SUCCEEDED, Kind.BATCH, JobState.STOPPING, False),
        (Condition.ENDED, Kind.BATCH, JobState.FAILED, False),
        (Condition.AVAILABLE, Kind.BATCH, JobState.FAILED, False),
        (Condition.AVAILABLE, Kind.BATCH, JobState.STOPPED, True),
        (Condition.AVAILABLE, Kind.SERVICE, JobState.SUCCEEDED, True),
        (Condition.AVAILABLE, Kind.SERVICE, JobState.RUNNING, False),
    ],
)
def test_a_run_knows_what_waits_in_vain(condition: Condition, kind: Kind, state: JobState, is_in_vain: bool) -> None:
    """Behind a job that ended without what is waited for, and behind one that waits so itself, however far."""
    jobs = [
        make("first", state, kind=kind),
        make("third", JobState.HELD, Dependency(job="second", condition=Condition.ENDED)),
        make("second", JobState.HELD, Dependency(job="elsewhere"), Dependency(job="first", condition=condition)),
        make("other", JobState.HELD, Dependency(job="elsewhere")),
    ]
    found = [each.name for each in find_in_vain({each.name: each for each in jobs})]
    assert found == (["third", "second"] if is_in_vain else [])
