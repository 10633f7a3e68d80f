"""`after:` from the job file to the words about it, over real gRPC: order, circles, what waits, and what that does."""

import itertools
import random
from dataclasses import replace

import pytest

from omegacell.api.client import Client
from omegacell.api.errors import RefusedError
from omegacell.api.figures import HistoryQuery
from omegacell.api.planning.records import PlanAction
from omegacell.api.records import Job, JobState, Submission
from omegacell.api.spec import JobFileError, parse_jobs
from omegacell.api.spec_after import find_circle, sort_jobs
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.jobs import Kind, TaskState
from tests.api.serving import job


def after(name: str, *names: str, condition: Condition = Condition.SUCCEEDED, **fields: object) -> Submission:
    """Return a submission that runs after others."""
    found = job(name)
    waits = tuple(Dependency(job=each, condition=condition) for each in sorted(names))
    return replace(found, spec=replace(found.spec, after=waits, **fields))  # type: ignore[arg-type]


def write(*jobs: str) -> bytes:
    """Return a file of jobs, of which each text is what stands between the name and the task."""
    return "\n---\n".join(f"name: {each}\ntask: {{exec: {{command: /bin/true}}}}" for each in jobs).encode()


# --- the job file


def test_names_and_conditions_are_read() -> None:
    """A name alone means success; the core has them in the order of names."""
    text = "a\nafter: [z, {job: db, is: available}, {job: c, is: ended}, {job: y}]"
    [submission] = parse_jobs("jobs", write(text))
    assert submission.spec.after == (
        Dependency(job="c", condition=Condition.ENDED),
        Dependency(job="db", condition=Condition.AVAILABLE),
        Dependency(job="y"),
        Dependency(job="z"),
    )


def test_jobs_come_after_those_that_they_wait_for() -> None:
    """Whatever their order in the file; those that wait for nothing in it stay where they are."""
    jobs = write("publish\nafter: [double, square]", "free", "square\nafter: [extract]", "double\nafter: [extract]")
    found = parse_jobs("jobs", jobs + b"\n---\n" + write("extract\nafter: [elsewhere]"))
    assert [each.spec.name for each in found] == ["extract", "double", "square", "publish", "free"]


TAKE_OUT = "; take one of these out of `after`"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nafter: [b, b]", "2:12: after.1: expected each job once, found 'b'"),
        ("a\nafter: b", "2:8: after: expected a list, found 'b'"),
        (
            "a\nafter: [{job: b, is: done}]",
            "2:22: after.0.is: expected 'succeeded', 'ended' or 'available', found 'done'",
        ),
        ("a\nafter: [{jop: b}]", "2:10: after.0.jop: unknown field; did you mean 'job'?"),
        ("a\nafter: [{is: ended}]", "2:9: after.0.job: missing; this field is required"),
        ("a\nafter: [A]", "2:9: after.0: expected 1 to 63 lower-case letters"),
        (
            "a\nafter: [a]",
            "2:9: after.0: these jobs would wait for each other: a -> a; take one of these out of `after`",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, expected: str) -> None:
    """File, line, column, field, what is expected and what is there."""
    with pytest.raises(JobFileError) as caught:
        parse_jobs("jobs", write(text))
    assert any(line.startswith(f"jobs:{expected}") for line in str(caught.value).split("\n")), str(caught.value)


def test_a_circle_is_printed_as_the_circle() -> None:
    """At the place where its first job names the next; what only leads to it is no part of it."""
    jobs = write(
        "start\nafter: [b]", "b\nafter:\n  - elsewhere\n  - c", "c\nafter: [{job: d, is: ended}]", "d\nafter: [b]"
    )
    with pytest.raises(JobFileError) as caught:
        parse_jobs("jobs", jobs)
    assert str(caught.value) == f"jobs:8:5: after.1: these jobs would wait for each other: b -> c -> d -> b{TAKE_OUT}"


@pytest.mark.parametrize("seed", range(30))
def test_order_and_circle_of_random_graphs(seed: int) -> None:
    """Either a circle is found, and is one, or every job comes after all that it waits for."""
    rng = random.Random(seed)
    names = [f"job-{number}" for number in range(rng.randint(1, 12))]
    waits = {name: rng.sample(names, rng.randint(0, min(2, len(names)))) for name in names}
    if seed % 2:
        waits = {name: [each for each in found if each > name] for name, found in waits.items()}
    circle = find_circle(waits)
    if circle:
        assert circle[0] == circle[len(circle) - 1]
        assert all(later in waits[name] for name, later in itertools.pairwise(circle))
        return
    order = [each.spec.name for each in sort_jobs([after(name, *waits[name]) for name in names])]
    assert sorted(order) == sorted(names)
    assert all(order.index(each) < order.index(name) for name, found in waits.items() for each in found)


def test_a_long_chain_is_no_burden() -> None:
    """Neither order nor circle is found by recursion."""
    chain = [after(f"job-{number}", f"job-{number + 1}") for number in range(20_000)]
    assert sort_jobs(chain)[0].spec.name == "job-19999"
    waits = {each.spec.name: [each.spec.after[0].job] for each in chain}
    assert find_circle(waits) == ()
    assert len(find_circle({**waits, "job-20000": ["job-0"]})) == 20_002


# --- the cell


def held(client: Client, name: str) -> str:
    """Return what is said of a held job, the same in a list as of itself."""
    found = client.job(name).job
    assert (found.state, found.counts[TaskState.HELD]) == (JobState.HELD, 1)
    assert found.held is not None
    assert [each.held for each in client.jobs().jobs if each.job_id == found.job_id] == [found.held]
    return found.held.summary


def released(client: Client, name: str) -> Job:
    """Wait until a job waits for a machine only."""
    return client.wait_job(name, until=lambda job: job.state is not JobState.HELD, timeout_s=20)


def test_a_job_goes_on_at_once_after_what_it_waits_for(client: Client) -> None:
    """The server releases it as soon as it has folded that, without waiting for a tick."""
    client.submit(job("first", count=3))
    client.submit(after("second", "first", condition=Condition.ENDED))
    assert held(client, "second") == "waits for 'first': 0 of 3 tasks ended"
    client.stop("first")
    assert released(client, "second").held is None
    [row] = client.history(HistoryQuery(kind="release")).rows
    assert (row.author, row.jobs, row.summary, row.status) == ("api-0", ("second",), "1 held task", "committed")
    [row] = client.history(HistoryQuery(kind="submit", job="second")).rows
    assert row.summary == "1 task, after first"


def test_what_is_waited_for_is_said_with_how_far_it_has_come(client: Client) -> None:
    """A job that is not there, one that is held itself, one that was stopped; what is stuck stands first."""
    answer = client.submit(after("a", "z"))
    assert answer.warnings == ("there is no job 'z': it waits until a job of that name is submitted",)
    client.submit(after("b", "a"))
    client.submit(job("stopped"))
    client.stop("stopped")
    client.submit(after("c", "a", "stopped"))
    assert held(client, "a") == "waits for 'z', which is not there: it waits until a job of that name is submitted"
    assert held(client, "b") == "waits for 'a': 0 of 1 tasks succeeded, held itself"
    stuck = "'stopped', which was stopped: submit it again with --replace, or stop this job"
    assert held(client, "c") == f"waits for {stuck}; and for 'a': 0 of 1 tasks succeeded, held itself"
    found = client.job("c").job.held
    assert found is not None
    assert [(each.job, each.is_stuck, each.done_count, each.wanted_count) for each in found.waits] == [
        ("stopped", True, 0, 1),
        ("a", False, 0, 1),
    ]
    assert found.is_stuck


def test_a_broken_wait_is_a_job_submitted_again(client: Client) -> None:
    """Whoever does not want to wait any more puts the job without `after` in the place of the one that waits."""
    client.submit(after("second", "never"))
    with pytest.raises(RefusedError):
        client.submit(job("second"))
    client.submit(job("second", replaces=True))
    assert client.job("second").job.state is JobState.PENDING


def test_a_missing_job_is_warned_of_with_similar_names(client: Client) -> None:
    """So is a service that is waited for to end; who is released already is warned of nothing."""
    service = job("db")
    client.submit(replace(service, spec=replace(service.spec, kind=Kind.SERVICE, max_restarts=-1)))
    client.submit(job("extract"))
    [answer] = client.submit_many([after("a", "extrat", "db")])
    assert answer.warnings == (
        "'db' is a service, which ends only when it is stopped; `is: available` waits until it runs",
        "there is no job 'extrat': it waits until a job of that name is submitted; similar: extract",
    )
    assert client.submit(after("b", "db", condition=Condition.AVAILABLE)).warnings == ()


def test_a_circle_with_jobs_of_the_cell_is_refused_as_the_circle(client: Client) -> None:
    """In words, alone, in a batch and in a plan; with the reason's name for programs."""
    client.submit(after("b", "c"))
    client.submit(after("c", "a"))
    words = "it would wait for itself: a -> b -> c -> a; take one of these out of `after`"
    with pytest.raises(RefusedError) as caught:
        client.submit(after("a", "b"))
    assert (str(caught.value), caught.value.reason) == (f"job 'a' was not submitted: {words}", "DEPENDENCY_CYCLE")
    [answer] = client.submit_many([after("a", "b")])
    assert (answer.message, answer.reason) == (f"job 'a' was not submitted: {words}", "DEPENDENCY_CYCLE")
    [planned] = client.plan([after("a", "b")]).jobs
    assert (planned.message, planned.reason) == (f"job 'a' would not be submitted: {words}", "DEPENDENCY_CYCLE")


def test_a_plan_says_what_would_be_held(client: Client) -> None:
    """Tasks that would wait for other jobs are no tasks without a place; what differs is shown by field."""
    [first, second] = client.plan([job("first"), after("second", "first")]).jobs
    assert (first.counts[PlanAction.PENDING], first.held) == (1, None)
    assert (second.counts[PlanAction.PENDING], second.counts[PlanAction.HELD], second.pending) == (0, 1, None)
    assert second.held is not None
    assert second.held.summary == "waits for 'first': 0 of 1 tasks succeeded"
    assert client.jobs().jobs == ()
    client.submit(after("second", "first"))
    [again] = client.plan([after("second", "third", condition=Condition.ENDED)]).jobs
    assert [(each.field, each.before, each.after) for each in again.fields] == [
        ("after.first", "succeeded", ""),
        ("after.third", "", "ended"),
    ]


def test_an_explanation_says_what_is_waited_for(client: Client) -> None:
    """Of the job and of its task: machines have nothing to do with it."""
    client.submit(after("second", "first"))
    for index in (None, 0):
        found = client.explain("second", index)
        assert (found.state, found.lacks, found.changes) == (TaskState.HELD, (), ())
        assert found.summary == "waits for 'first', which is not there: it waits until a job of that name is submitted"
        assert found.held == client.job("second").job.held
