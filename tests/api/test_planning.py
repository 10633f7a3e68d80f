"""Plans and explanations over real gRPC and a real store: nothing is appended, and the log's own facts are told."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from omegacell.api.client import Client
from omegacell.api.errors import ExitCode, NotFoundError, exit_code_of
from omegacell.api.figures import HistoryQuery
from omegacell.api.planning.records import FieldChange, PlanAction
from omegacell.api.records import Change, Submission
from omegacell.api.server.planners import BUILT_IN, Planner
from omegacell.core.commands import Evict
from omegacell.core.errors import UsageError
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.machine_commands import Inventory, RegisterMachine, Report, ReportKind
from omegacell.core.units import JobId, Role
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Context, Placement, TaskGroup
from omegacell.schedulers.view import CellView
from tests.api.serving import LIMIT_S, Served, job, serving, store_url
from tests.api.test_statistics import NO_CLAIMS, Author, make_conflict, place

GIB = 1 << 30


def sized(name: str, *, count: int = 1, cpu_milli: int = 500, memory_bytes: int = 0, **fields: object) -> Submission:
    """Return a submission of tasks of a size."""
    submission = job(name, count=count)
    values = {"resources": (cpu_milli, memory_bytes, 0)} | fields
    return replace(submission, spec=replace(submission.spec, **values))  # type: ignore[arg-type]


def add_machines(served: Served, count: int = 2, *, cpu_milli: int = 1_000) -> Author:
    """Let machines join, each with a GiB of memory; return who said so, and may say more."""
    author = Author(served.store, "api-9", Role.API)
    for row in range(count):
        author.do(RegisterMachine(name=f"m{row}", boot_id="b", capacity=(cpu_milli, GIB, 0), drivers=("exec",)))
        author.do(Inventory(machine=row, epoch=1, jobs=np.empty(0, np.int64), indices=NO_CLAIMS, attempts=NO_CLAIMS))
    return author


def scheduler_on(served: Served, name: str = "batch-0") -> Author:
    """Begin a session of the scheduler ``batch``."""
    return Author(served.store, name, Role.SCHEDULER, "batch")


def appended(client: Client) -> list[int]:
    """Return the revisions of all that is in the log but for ticks and renewals."""
    return [row.revision for row in client.history(HistoryQuery(limit=1_000)).rows]


def test_a_plan_appends_nothing(served: Served, client: Client) -> None:
    """A plan says what a submit would do, as of a revision, and the log is as long as before."""
    add_machines(served)
    client.submit(sized("there"))
    before, log = client.status().at.revision, appended(client)
    plan = client.plan([sized("new", count=5), sized("there", count=2)])
    assert before <= plan.at.revision <= client.status().at.revision
    assert appended(client) == log
    new, there = plan.jobs
    assert (new.name, new.change, new.planned_by) == ("new", Change.CREATED, "batch")
    assert {action: count for action, count in new.counts.items() if count} == {
        PlanAction.ADDED: 4 - sum(task.action is PlanAction.ADDED for task in there.tasks),
        PlanAction.PENDING: 1 + sum(task.action is PlanAction.ADDED for task in there.tasks),
    }
    assert there.change is Change.SCALED
    assert there.fields == (FieldChange(field="count", before="1", after="2"),)
    assert plan.is_change
    assert {task.after for task in new.tasks if task.action is PlanAction.ADDED} <= {"m0", "m1"}
    assert [each.name for each in client.jobs().jobs] == ["there"]


def test_a_plan_of_the_same_changes_nothing(served: Served, client: Client) -> None:
    """The same job again is no change: nobody is asked to place anything, and what waits is told."""
    add_machines(served)
    client.submit(sized("there", count=3))
    plan = client.plan([sized("there", count=3)])
    [there] = plan.jobs
    assert (there.change, there.fields, there.planned_by) == (Change.UNCHANGED, (), "")
    assert not plan.is_change
    assert there.counts[PlanAction.PENDING] == 3
    assert there.pending is not None
    assert there.pending.summary.startswith("no instance of scheduler 'batch' runs")


def test_a_task_that_is_held_back_is_no_lack_of_room(served: Served, client: Client) -> None:
    """Of a job that is scaled the failed task waits for its delay; the plan says so, and places the new one."""
    machines, author = add_machines(served), scheduler_on(served)
    client.submit(sized("tries", max_restarts=5, restart_delay_us=60_000_000))
    author.replica.catch_up()
    author.do(place(1, [0], [0]))
    machines.replica.catch_up()
    end(machines, 1, machine=0)
    [planned] = client.plan([sized("tries", count=2, max_restarts=5, restart_delay_us=60_000_000)]).jobs
    assert (planned.change, planned.counts[PlanAction.ADDED], planned.counts[PlanAction.PENDING]) == (
        Change.SCALED,
        1,
        1,
    )
    assert planned.pending is not None
    assert planned.pending.summary.startswith("held back after a failure for another ")
    found = client.explain("tries", 0)
    assert found.summary.startswith("held back after a failure for another ")
    assert [each.state for each in found.attempts] == [TaskState.FAILED]


def test_a_plan_of_another_spec(served: Served, client: Client) -> None:
    """What would be refused says why; with replace it says in which fields it differs, those of the task too."""
    client.submit(sized("there", memory_bytes=GIB))
    other = sized("there", memory_bytes=GIB // 2)
    other = replace(other, payload=other.payload.replace(b"true", b"false"))
    [refused] = client.plan([other]).jobs
    assert (refused.change, refused.reason, refused.is_change) == (Change.NONE, "JOB_EXISTS", False)
    assert "--replace" in refused.message
    [replaced] = client.plan([replace(other, replace=True)]).jobs
    assert (replaced.change, replaced.is_refused) == (Change.REPLACED, False)
    assert [(each.field, each.before, each.after) for each in replaced.fields] == [
        ("resources.memory", "1 GiB", "512 MiB"),
        ("task.exec.command", '["/bin/true"]', '["/bin/false"]'),
    ]
    assert refused.fields == replaced.fields


def test_a_plugin_is_stood_in_for(served: Served, client: Client) -> None:
    """A job of a scheduler that the server does not run is planned by the one of its kind, and says so."""
    add_machines(served)
    [planned] = client.plan([sized("new", scheduler="mine")]).jobs
    assert (planned.scheduler, planned.planned_by, planned.counts[PlanAction.ADDED]) == ("mine", "batch", 1)


# jobs, words of the error
WRONG: list[tuple[list[Submission], str]] = [
    ([], "without a job"),
    ([sized("a"), sized("a")], "'a' stands twice"),
    ([sized("a", count=600_000), sized("b", count=600_000)], "at most 1000000"),
    ([sized("Wrong/Name")], "Wrong/Name"),
]


@pytest.mark.parametrize(("jobs", "words"), WRONG)
def test_what_cannot_be_planned(client: Client, jobs: list[Submission], words: str) -> None:
    """A plan that is none is refused with the name or the number that is wrong."""
    with pytest.raises(UsageError, match=words):
        client.plan(jobs)


class Held:
    """A scheduler that waits in the middle of a plan until it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Wait, then place as the batch scheduler does."""
        self.asked.set()
        assert self.go_on.wait(LIMIT_S)
        return BatchScheduler().place(pending, cell, ctx)


def test_others_are_answered_while_a_plan_is_made(
    served: Served, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a plan takes, the server goes on answering, and the plan is of the revision at which it began."""
    add_machines(served)
    held = Held()
    monkeypatch.setitem(BUILT_IN, "batch", Planner(name="batch", make=lambda: held))
    plans = []
    with served.client() as other:
        asking = threading.Thread(target=lambda: plans.append(other.plan([sized("new")])))
        asking.start()
        assert held.asked.wait(LIMIT_S)
        submitted = client.submit(sized("meanwhile"))
        held.go_on.set()
        asking.join(LIMIT_S)
    [plan] = plans
    assert plan.at.revision < submitted.revision
    assert plan.jobs[0].counts[PlanAction.ADDED] == 1


def test_why_a_task_waits(served: Served, client: Client) -> None:
    """What stands in the way, the machines by reason, the nearest and what it lacks, and the smallest change."""
    add_machines(served)
    author = scheduler_on(served)
    client.submit(sized("there", memory_bytes=GIB // 4))
    author.replica.catch_up()
    author.do(place(1, [0], [0]))
    client.submit(sized("waits", count=2, memory_bytes=2 * GIB))
    found = client.explain("waits")
    assert (found.job, found.index, found.state, found.pending_count) == ("waits", None, TaskState.PENDING, 2)
    assert found.summary == (
        "2 of 2 machines have too little memory_bytes free: no machine has 2 GiB memory at all, the largest has 1 GiB"
    )
    assert [(lack.reason, lack.dimension, lack.machine_count) for lack in found.lacks] == [
        ("RESOURCES", "memory_bytes", 2)
    ]
    assert [(miss.machine, miss.message) for miss in found.misses] == [
        ("m1", "1 GiB of 2 GiB memory free"),
        ("m0", "768 MiB of 2 GiB memory free"),
    ]
    [change] = found.changes
    assert (change.message, change.fit_count) == ("1 GiB memory instead of 2 GiB", 1)
    assert change.fields == (FieldChange(field="resources.memory", before="2 GiB", after="1 GiB"),)
    assert (found.planned_on, found.evicted, found.fitting_count) == ("", (), 0)


def test_what_is_promised_fits_when_it_is_submitted(served: Served, client: Client) -> None:
    """A job that is submitted as the explanation says has room."""
    add_machines(served)
    scheduler_on(served)
    waits = sized("waits", memory_bytes=3 * GIB)
    client.submit(waits)
    [field] = client.explain("waits").changes[0].fields
    assert (field.field, field.after) == ("resources.memory", "1 GiB")
    client.submit(replace(waits, spec=replace(waits.spec, resources=(500, GIB, 0)), replace=True))
    found = client.explain("waits", 0)
    assert (found.fitting_count, found.planned_on in ("m0", "m1"), found.changes) == (2, True, ())
    assert found.summary == "2 machines have room: it waits for scheduler 'batch'"


def test_a_scheduler_that_nobody_runs_comes_first(served: Served, client: Client) -> None:
    """Whatever the machines have, a job whose scheduler does not run waits for it."""
    add_machines(served)
    client.submit(sized("waits"))
    found = client.explain("waits")
    assert found.summary.startswith("no instance of scheduler 'batch' runs")
    assert found.fitting_count == 2


def test_why_a_task_is_where_it_is(served: Served, client: Client) -> None:
    """Who placed it at which revision, what it had seen, and which machines had room then and have it now."""
    machines = add_machines(served, 3)
    author = scheduler_on(served)
    client.submit(sized("there", count=2))
    author.replica.catch_up()
    seen = int(author.replica.revision)
    outcome = author.do(place(1, [0, 1], [2, 1]))
    machines.do(RegisterMachine(name="m3", boot_id="b", capacity=(1_000, GIB, 0), drivers=("exec",)))
    found = client.explain("there", 1)
    assert found.state is TaskState.PLACED
    [attempt] = found.attempts
    assert (attempt.attempt, attempt.machine, attempt.author) == (1, "m1", "batch-0")
    assert (attempt.revision, attempt.seen) == (outcome.revision, seen)
    assert found.then is not None
    assert found.now is not None
    assert (found.then.revision, found.then.machine_count, found.then.fitting_count) == (seen, 3, 3)
    assert (found.then.lighter_count, found.then.others) == (0, ("m0", "m2"))
    assert (found.now.machine_count, found.now.fitting_count, found.now.lighter_count) == (4, 3, 0)
    assert found.summary == (
        f"batch-0 placed it on m1 at revision {outcome.revision}, having seen {seen}:"
        " 3 of 3 machines had room, the least loaded"
    )
    whole = client.explain("there")
    assert (whole.state, whole.machines, whole.summary) == (
        TaskState.PLACED,
        {"m1": 1, "m2": 1},
        "2 tasks on 2 machines",
    )


def end(author: Author, attempt: int, *, machine: int, index: int = 0) -> None:
    """Report that a task of job 1 failed."""
    author.do(
        Report(
            machines=np.array([machine], np.int32),
            epochs=np.array([1], np.int32),
            jobs=np.array([1], np.int64),
            indices=np.array([index], np.int32),
            attempts=np.array([attempt], np.int32),
            kinds=np.array([ReportKind.EXITED], np.uint8),
            exit_codes=np.array([1], np.int32),
            signals=np.zeros(1, np.uint8),
            notes=np.zeros(1, np.uint8),
            at_us=np.array([1_700_000_000_000_000], np.int64),
        )
    )


def test_every_attempt_has_its_origin(served: Served, client: Client) -> None:
    """Each attempt of a task is told with the transaction that began it, the newest first."""
    machines, author = add_machines(served), scheduler_on(served)
    client.submit(sized("tries", max_restarts=5, restart_delay_us=0))
    revisions = []
    for attempt, machine in ((1, 0), (2, 1), (3, 0)):
        author.replica.catch_up()
        revisions.append(author.do(place(1, [0], [machine])).revision)
        if attempt < 3:
            machines.replica.catch_up()
            end(machines, attempt, machine=machine)
    found = client.explain("tries")
    assert [(each.attempt, each.machine, each.revision, each.author) for each in found.attempts] == [
        (3, "m0", revisions[2], "batch-0"),
        (2, "m1", revisions[1], "batch-0"),
        (1, "m0", revisions[0], "batch-0"),
    ]
    assert [each.state for each in found.attempts] == [TaskState.PLACED, TaskState.FAILED, TaskState.FAILED]


def test_what_a_task_lost_and_to_whom(served: Served, client: Client) -> None:
    """Each refused claim is told with who had taken the room, at which revision, and for which job."""
    make_conflict(served.store)
    found = client.explain("second", 0)
    [lost] = found.conflicts
    assert (lost.conflict.author, lost.conflict.machine, lost.conflict.reason) == ("batch-1", "alpha", "resources")
    assert (lost.conflict.taken_by, lost.taken_by_job, lost.taken_count) == ("batch-0", "first", 1)
    assert lost.conflict.seen < lost.conflict.taken_at < lost.conflict.revision
    assert client.explain("second", 1).conflicts == ()
    assert client.explain("first").conflicts == ()


def test_a_server_that_began_later_reads_the_log(tmp_path: Path) -> None:
    """Origins and conflicts from before a server began are read from the log, and it is said how far back that goes."""
    with serving(store_url(tmp_path)) as served:
        make_conflict(served.store)
    with serving(store_url(tmp_path)) as served, served.client() as client:
        [lost] = client.explain("second", 0).conflicts
        assert (lost.conflict.taken_by, lost.taken_by_job) == ("batch-0", "first")
        found = client.explain("first", 0)
        assert (found.attempts[0].author, found.oldest_revision) == ("batch-0", 1)
        assert found.then is not None


def test_a_job_at_rest(client: Client) -> None:
    """A job that has ended is told as how it ended, and nothing more is asked."""
    client.submit(job("ended", count=2))
    client.stop("ended")
    found = client.explain("ended")
    assert (found.state, found.summary, found.changes) == (
        TaskState.STOPPED,
        "its tasks are at rest: 2 tasks stopped (its job was stopped)",
        (),
    )
    assert client.explain("ended", 0).summary == "stopped before it was ever placed: its job was stopped"


def test_how_a_task_failed_is_told(served: Served, client: Client) -> None:
    """Its exit code and where its output is; of the job as a whole that of the first task that failed."""
    machines, author = add_machines(served), scheduler_on(served)
    client.submit(sized("fails", count=2, max_restarts=0))
    author.replica.catch_up()
    author.do(place(1, [0, 1], [0, 1]))
    machines.replica.catch_up()
    end(machines, 1, machine=0)
    found = client.explain("fails", 0)
    assert found.summary == "failed on m0: exit code 1"
    assert [each.end for each in found.attempts] == ["exit code 1"]
    machines.replica.catch_up()
    end(machines, 1, machine=1, index=1)
    assert client.explain("fails").summary == "its tasks are at rest: 2 tasks failed; fails/0 failed on m0: exit code 1"


def test_an_eviction_names_its_cause(served: Served, client: Client) -> None:
    """A drain or an operator, in the status of the job and in the explanation of the task."""
    machines, author = add_machines(served), scheduler_on(served)
    client.submit(sized("moves"))
    author.replica.catch_up()
    author.do(place(1, [0], [0]))
    machines.replica.catch_up()
    machines.do(Evict(job=JobId(1), indices=np.zeros(1, np.int32), attempts=np.ones(1, np.int32)))
    end(machines, 1, machine=0)
    detail = client.job("moves")
    assert [past.message for past in detail.tasks[0].past] == ["evicted by an operator"]
    [attempt] = client.explain("moves", 0).attempts
    assert (attempt.state, attempt.end) == (TaskState.EVICTED, "evicted by an operator, exit code 1")


def test_what_is_not_there_names_what_is_similar(client: Client) -> None:
    """An unknown job is not found, with the names that are near; so is an index that a job never had."""
    client.submit(job("web", count=3))
    with pytest.raises(NotFoundError, match="did you mean web") as raised:
        client.explain("wbe")
    assert exit_code_of(raised.value) is ExitCode.NOT_FOUND
    with pytest.raises(NotFoundError, match="`omega job list` shows"):
        client.explain("something-else")
    with pytest.raises(NotFoundError, match="job web has 3 tasks, web/0 to web/2"):
        client.explain("web", 3)


def test_a_spec_differs_in_every_field_by_name() -> None:
    """Every field of a spec shows as a difference, under the name that job files have for it where there is one."""
    from omegacell.api.planning.fielddiff import find_differences
    from omegacell.core.jobs import WHOLE_JOB, Kind, OnPartition, Port
    from omegacell.core.units import Band

    before = job("a").spec
    after = JobSpec(
        name="b",
        owner="other",
        kind=Kind.SERVICE,
        scheduler="mine",
        band=Band.PRODUCTION,
        priority=7,
        count=9,
        resources=(1, 2, 3),
        driver="simulated",
        ports=(Port(name="http", number=80), Port(name="any")),
        gang=WHOLE_JOB,
        max_restarts=-1,
        restart_delay_us=2_000_000,
        grace_us=1_500_000,
        on_partition=OnPartition.CONTINUE,
        payload=b"x" * 32,
    )
    fields = {each.field: (each.before, each.after) for each in find_differences(before, after)}
    assert list(fields) == [
        *("name", "owner", "kind", "scheduler", "priority.band", "priority.number", "count"),
        *("resources.cpu", "resources.memory", "resources.disk", "driver", "gang"),
        *("restarts.max", "restarts.delay", "grace", "on_partition", "ports.http", "ports.any"),
    ]
    assert (fields["ports.any"], fields["grace"], fields["gang"]) == (("", "any"), ("5s", "1500ms"), ("false", "true"))
