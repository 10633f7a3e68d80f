"""The API over real gRPC and a real store: jobs, watches, refusals, tokens, metrics."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from omegacell.api.client import Client
from omegacell.api.errors import (
    ExitCode,
    NotFoundError,
    RefusedError,
    StaleWatchError,
    UnauthenticatedError,
    UnreachableError,
    exit_code_of,
)
from omegacell.api.figures import HistoryQuery
from omegacell.api.records import At, Change, JobState, Submission
from omegacell.api.server.app import ServerSettings
from omegacell.core.errors import UsageError
from omegacell.core.jobs import TaskState
from omegacell.store.engines import open_store
from omegacell.store.replica import Replica
from tests.api.serving import EXAMPLE, SIMULATED, TOKEN, Served, job, serving, store_url


def test_a_submitted_job_is_there(client: Client) -> None:
    """A submit returns once the job is in the log, and every read after it shows the job."""
    submitted = client.submit(job("sums", count=3))
    assert submitted.change is Change.CREATED
    detail = client.job("sums")
    assert detail.job.job_id == submitted.job_id
    assert detail.at.revision >= submitted.revision
    assert detail.job.counts[TaskState.PENDING] == 3
    assert [task.index for task in detail.tasks] == [0, 1, 2]
    assert [each.name for each in client.jobs().jobs] == ["sums"]
    assert client.payload("sums") == EXAMPLE.payload


# submitted after job("a", count=2), expected change
AGAIN = [
    (job("a", count=2), Change.UNCHANGED),
    (job("a", count=5), Change.SCALED),
    (job("a", count=2, replaces=True), Change.UNCHANGED),
    (replace(job("a", count=2, replaces=True), payload=job("a").payload.replace(b"true", b"false")), Change.REPLACED),
]


@pytest.mark.parametrize(("again", "expected"), AGAIN)
def test_the_same_name_again(client: Client, again: Submission, expected: Change) -> None:
    """The same spec changes nothing, another count scales, another payload with replace begins anew."""
    client.submit(job("a", count=2))
    assert client.submit(again).change is expected


def test_another_spec_of_a_name_is_refused(client: Client) -> None:
    """Without replace another payload is refused: what is in the way, what to do, and the exit code of a refusal."""
    client.submit(job("a"))
    other = replace(job("a"), payload=EXAMPLE.payload.replace(b"true", b"false"))
    with pytest.raises(RefusedError, match="--replace") as raised:
        client.submit(other)
    assert raised.value.reason == "JOB_EXISTS"
    assert exit_code_of(raised.value) is ExitCode.REFUSED
    assert client.payload("a") == EXAMPLE.payload


def test_many_jobs_over_one_stream(client: Client) -> None:
    """A stream of jobs is answered in order; one that is refused does not hold up the others."""
    names = [f"job-{number}" for number in range(700)]
    client.submit(replace(job(names[300]), payload=EXAMPLE.payload.replace(b"true", b"false")))
    results = list(client.submit_many([job(name) for name in names], batch=64))
    assert [result.name for result in results] == names
    assert [result.name for result in results if result.is_refused] == [names[300]]
    assert results[300].reason == "JOB_EXISTS"
    assert len(client.jobs().jobs) == 700


def test_a_wrong_job_in_a_stream_is_named(client: Client) -> None:
    """A spec that no job file gives is refused by itself; the other jobs of its message are submitted."""
    wrong = replace(EXAMPLE, spec=replace(EXAMPLE.spec, name="Wrong/Name"))
    good, bad = client.submit_many([job("good"), wrong])
    assert good.change is Change.CREATED
    assert bad.is_refused
    assert "Wrong/Name" in bad.message


def test_an_error_of_the_callers_own_comes_back_to_it(client: Client) -> None:
    """What the iterable of a batched submit raises is raised to who consumes the results."""

    def broken() -> Iterator[Submission]:
        yield job("a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(client.submit_many(broken(), batch=1))


def test_a_payload_that_no_agent_reads_is_refused(client: Client) -> None:
    """The server checks what tasks run before it is in the log; the message names the field."""
    with pytest.raises(UsageError, match=r"exec\.command"):
        client.submit(replace(EXAMPLE, payload=b'{"version":1,"exec":{"command":[]}}'))
    assert client.jobs().jobs == ()


def test_stopping_a_job(client: Client) -> None:
    """A job without placed tasks ends when it is stopped; one that is not there is not found."""
    client.submit(job("a", count=2))
    client.stop("a")
    ended = client.wait_job("a", until=lambda each: each.state.is_ended, timeout_s=10)
    assert ended.state is JobState.STOPPED
    assert ended.counts[TaskState.STOPPED] == 2
    with pytest.raises(NotFoundError, match="'b'") as raised:
        client.stop("b")
    assert exit_code_of(raised.value) is ExitCode.NOT_FOUND


def test_a_replaced_job_is_reached_by_its_id(client: Client) -> None:
    """The name means the new job; the old one is there under its id, with or without the mark."""
    old = client.submit(job("a", count=2)).job_id
    new = client.submit(replace(job("a", replaces=True), payload=job("a").payload.replace(b"true", b"false"))).job_id
    assert [client.job(name).job.job_id for name in ("a", f"#{old}", str(old), f"#{new}")] == [new, old, old, new]
    assert client.wait_job(f"#{old}", until=lambda each: each.state.is_ended, timeout_s=10).job_id == old
    assert client.stop(f"#{new}") == new
    for name in ("#99", "#", "#-1", "9" * 40):
        with pytest.raises(NotFoundError):
            client.job(name)


def test_a_name_of_digits_comes_before_an_id(client: Client) -> None:
    """A job may be named like the id of another; the mark tells them apart."""
    first = client.submit(job("a")).job_id
    named = client.submit(job(str(first))).job_id
    assert (client.job(str(first)).job.job_id, client.job(f"#{first}").job.job_id) == (named, first)


def test_a_pending_job_says_why(client: Client) -> None:
    """Without a scheduler of its name a job's pending tasks say so, and what to do."""
    client.submit(job("a", count=2))
    pending = client.job("a").pending
    assert pending is not None
    assert (pending.task_count, pending.lacks) == (2, ())
    assert "no instance of scheduler 'batch' runs" in pending.summary


def test_a_watch_begins_with_everything_and_goes_on(client: Client) -> None:
    """A watch gives the jobs as they are, then the newest state of those that change."""
    client.submit(job("a"))
    watch = client.watch()
    first = next(watch)
    assert [(each.name, each.state) for each in first.jobs] == [("a", JobState.PENDING)]
    client.submit(job("b"))
    assert [each.name for each in next(watch).jobs] == ["b"]
    client.stop("a")
    assert [(each.name, each.state) for each in next(watch).jobs] == [("a", JobState.STOPPED)]
    watch.close()


def test_a_watch_resumes_after_a_revision(client: Client) -> None:
    """After a revision a watch gives what changed since, and nothing else; names restrict it."""
    client.submit(job("a"))
    at = client.jobs().at
    client.submit(job("b"))
    client.submit(job("c"))
    assert {each.name for each in next(client.watch(after=at)).jobs} == {"b", "c"}
    assert {each.name for each in next(client.watch(("c",), after=at)).jobs} == {"c"}


# what the watcher saw, given the list's place
STALE: list[Callable[[At], At]] = [
    lambda at: At(revision=0, incarnation=at.incarnation),
    lambda at: At(revision=at.revision, incarnation="0" * 32),
]


@pytest.mark.parametrize("forget", STALE, ids=["older than the server", "another incarnation"])
def test_a_watch_that_cannot_resume_says_so(client: Client, forget: Callable[[At], At]) -> None:
    """From before the server began, or of another incarnation, a watcher is told to list again."""
    with pytest.raises(StaleWatchError, match="list again"):
        next(client.watch(after=forget(client.jobs().at)))


def test_an_empty_cell_can_be_watched(client: Client) -> None:
    """A watch of a cell without jobs begins with an empty step, so that a watcher knows where it stands."""
    watch = client.watch()
    assert next(watch).jobs == ()
    client.submit(job("a"))
    assert [each.name for each in next(watch).jobs] == ["a"]
    watch.close()


def test_lists_are_filtered(client: Client) -> None:
    """Jobs are listed by prefix, and without those that ended."""
    list(client.submit_many([job(name) for name in ("web-a", "web-b", "sums")]))
    client.stop("web-a")
    assert [each.name for each in client.jobs(name_prefix="web-").jobs] == ["web-a", "web-b"]
    assert [each.name for each in client.jobs(active_only=True).jobs] == ["web-b", "sums"]


def test_history_shows_transactions_with_outcomes(client: Client) -> None:
    """History gives transactions newest first, with author, kind, jobs and outcome, and can be filtered and paged."""
    client.submit(job("a", count=2))
    client.submit(job("b"))
    client.stop("a")
    page = client.history()
    assert [(row.kind, row.jobs, row.status) for row in page.rows[:3]] == [
        ("stop", ("a",), "committed"),
        ("submit", ("b",), "committed"),
        ("submit", ("a",), "committed"),
    ]
    assert page.rows[0].author == "api-0"
    assert page.oldest_revision == 1
    assert [row.kind for row in client.history(HistoryQuery(job="a")).rows] == ["stop", "submit"]
    older = client.history(HistoryQuery(before=page.rows[0].revision, limit=1, kind="submit")).rows
    assert [row.jobs for row in older] == [("b",)]


def test_history_reaches_back_over_a_restart(tmp_path: Path) -> None:
    """A new server tells of transactions from before it began, as the log keeps them; jobs and payloads are there."""
    with serving(store_url(tmp_path)) as served, served.client() as client:
        client.submit(job("a", count=2))
        at = client.jobs().at
    with serving(store_url(tmp_path)) as served, served.client() as client:
        assert [row.jobs for row in client.history(HistoryQuery(kind="submit")).rows] == [("a",)]
        assert client.payload("a") == EXAMPLE.payload
        assert client.submit(job("a", count=2)).change is Change.UNCHANGED
        assert client.status().at.incarnation == at.incarnation


def test_a_server_that_is_stopped_gives_its_session_back(tmp_path: Path) -> None:
    """No session is left of it, nor a machine that it had contact with; that is the last thing it appended."""
    url = store_url(tmp_path)
    with serving(url) as served, served.client() as client:
        client.submit(job("a"))
        session = served.running.host.session.number
        assert session in served.running.host.cell.sessions
    with open_store(url) as store:
        cell = Replica(store).cell
        assert not cell.sessions
        assert cell.authors.row_of("api-0") is not None
        head = cell.revision
    with serving(url) as served, served.client() as client:
        [row] = client.history(HistoryQuery(author="api-0", kind="close")).rows
        assert (row.revision, row.status) == (head, "committed")


def test_status_counts_what_there_is(client: Client) -> None:
    """The status counts jobs and tasks, names the cell and says that it can be written to."""
    client.submit(job("a", count=3))
    status = client.status()
    assert (status.name, status.job_count, status.active_job_count) == ("cell", 1, 1)
    assert status.task_counts[TaskState.PENDING] == 3
    assert status.can_write
    assert status.store.engine == "sqlite"
    assert len(status.chain) == 16


CALLS: list[Callable[[Client], object]] = [
    lambda client: client.status(),
    lambda client: client.submit(EXAMPLE),
    lambda client: list(client.submit_many([EXAMPLE])),
    lambda client: client.jobs(),
    lambda client: next(client.watch()),
    lambda client: list(client.logs("a/0")),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("token", ["", "another token", TOKEN + "x", TOKEN[:-1]])
def test_every_call_needs_the_token(served: Served, token: str, call: Callable[[Client], object]) -> None:
    """Calls of every shape are refused without the right token, with the exit code of a cell that is out of reach."""
    with served.client(token) as client, pytest.raises(UnauthenticatedError, match="token") as raised:
        call(client)
    assert exit_code_of(raised.value) is ExitCode.UNREACHABLE
    with served.client() as client:
        assert client.jobs().jobs == ()


def test_no_server_is_one_clear_sentence() -> None:
    """A cell that is not up is named by its address, with what to do."""
    with (
        Client("127.0.0.1:9", TOKEN, timeout_s=5) as client,
        pytest.raises(UnreachableError, match=r"no API server answers at 127\.0\.0\.1:9.*omega up"),
    ):
        client.status()


def test_an_address_in_use_is_named(served: Served, tmp_path: Path) -> None:
    """A second server on the same address ends with a sentence that names the address."""
    settings = ServerSettings(token=TOKEN, address=served.running.address)
    with pytest.raises(BaseExceptionGroup) as raised, serving(store_url(tmp_path / "other"), settings):
        pass
    assert raised.group_contains(UsageError, match=served.running.address)


def test_the_standard_health_service_answers(served: Served) -> None:
    """A standard probe that carries the token is told that the services serve; one without it is refused."""
    with grpc.insecure_channel(served.running.address) as channel:
        probe = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="omegacell.api.v1.Cell")
        answer = probe.Check(request, metadata=(("authorization", f"Bearer {TOKEN}"),), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as raised:
            probe.Check(request, timeout=10)
        assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_metrics_are_served_to_who_has_the_token(tmp_path: Path) -> None:
    """Prometheus scrapes with the token; without it there is nothing."""
    settings = ServerSettings(token=TOKEN, metrics_address="127.0.0.1:0")
    with serving(store_url(tmp_path), settings) as served, served.client() as client:
        client.submit(job("a", count=4))
        url = f"http://{served.running.metrics_address}/metrics"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        assert 'omega_tasks{state="pending"} 4.0' in lines
        with pytest.raises(urllib.error.HTTPError, match="401") as raised:
            urllib.request.urlopen(url, timeout=10)
        raised.value.close()


def test_tasks_come_in_pages(client: Client) -> None:
    """A job's tasks are given from an index on, as many as asked for."""
    client.submit(job("a", count=50))
    assert [task.index for task in client.job("a", first_index=45, limit=10).tasks] == [45, 46, 47, 48, 49]
    assert client.job("a", first_index=90).tasks == ()


def test_logs_of_what_never_ran_are_not_found(client: Client) -> None:
    """Output of a job, task or attempt that is not there, or was never placed, is not found; each is named."""
    client.submit(job("a"))
    for task, words in (("b/0", "job 'b'"), ("a/7", "task a/7"), ("a/0", "has not been placed")):
        with pytest.raises(NotFoundError, match=words):
            list(client.logs(task))
    with pytest.raises(UsageError, match="JOB/INDEX"):
        list(client.logs("a"))


def test_a_simulated_task_has_no_logs(client: Client) -> None:
    """That is said at once, placed or not, and as something that is not found, not as a machine out of reach."""
    client.submit(job("a", like=SIMULATED))
    with pytest.raises(NotFoundError, match=r"output of a/0.*a simulated task writes none") as raised:
        list(client.logs("a/0", follow=True))
    assert raised.value.exit_code == ExitCode.NOT_FOUND
