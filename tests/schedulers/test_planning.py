"""What submitting jobs would do: worked out by hand on small cells, and compared with what happens when it is done."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.core.commands import Evict, SubmitJob
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.outcomes import Change, Reason
from omegacell.core.snapshots import digest
from omegacell.core.units import Band, JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.forking import Fork
from omegacell.schedulers.interface import NOTHING, Context, Placement, Scheduler, TaskGroup
from omegacell.schedulers.planning import Action, Holdings, JobPlan, Plan, find_evicted, make_plan
from omegacell.schedulers.scoring import waves
from omegacell.schedulers.testing import TestCell, make_spec
from omegacell.schedulers.view import CellView

NO_END_US = 10**15


def plan_on(test: TestCell, *submits: tuple[JobSpec, bool], until_us: int = NO_END_US) -> Plan:
    """Plan specs, each with whether it replaces, and check that the cell is as it was."""
    test.operator.port.catch_up()
    cell = test.operator.cell
    before = digest(cell)
    plan = make_plan(
        Fork(cell.clone(), clock=test.clock),
        [SubmitJob(spec=spec, submitted_at_us=0, replace=replaces) for spec, replaces in submits],
        scheduler_of=scheduler_of,
        clock=test.clock,
        until_us=until_us,
    )
    assert digest(cell) == before
    return plan


class InOrder:
    """Puts tasks on machines in the order of their rows, one on each before a second on any."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Place what has room; a gang whole or not at all."""
        [group] = pending
        machines = waves(np.arange(cell.machine_count), cell.room(group), group.count)
        if group.spec.is_gang and len(machines) < group.count:
            ctx.explain(group, f"room for {len(machines)}")
            return NOTHING
        return Placement.of(group, machines)


def scheduler_of(_: JobSpec) -> Scheduler:
    """Return a scheduler of which it is known where it puts tasks."""
    return InOrder()


def told(job: JobPlan) -> list[tuple[str, int, int, int, int]]:
    """Return what is done with each task: what, index, machines before and after, whether it waits."""
    tasks = job.tasks
    columns = (tasks.indices, tasks.before, tasks.after, tasks.waits)
    rest = zip(*(column.tolist() for column in columns), strict=True)
    return [(Action(int(action)).name, *row) for action, row in zip(tasks.actions, rest, strict=True)]


def running(*, count: int = 2, cpu_milli: int = 1_000, machines: int = 2, **fields: Any) -> TestCell:
    """Return machines of 1 CPU on which a job ``a`` was placed."""
    test = TestCell(machines=machines, cpu_milli=1_000)
    test.submit("a", count=count, cpu_milli=cpu_milli, **fields)
    test.run(InOrder())
    return test


# a job submitted over ``a``, which has 2 tasks of half a CPU on machines 0 and 1; replacing it; the change; the tasks
CASES: list[tuple[str, dict[str, Any], bool, Change, list[tuple[str, int, int, int, int]]]] = [
    ("the same", {"count": 2}, False, Change.UNCHANGED, [("KEPT", 0, 0, 0, 0), ("KEPT", 1, 1, 1, 0)]),
    ("smaller", {"count": 1}, False, Change.SCALED, [("KEPT", 0, 0, 0, 0), ("STOPPED", 1, 1, -1, 0)]),
    (
        "larger than there is room",
        {"count": 5},
        False,
        Change.SCALED,
        [
            ("KEPT", 0, 0, 0, 0),
            ("KEPT", 1, 1, 1, 0),
            ("ADDED", 2, -1, 0, 0),
            ("ADDED", 3, -1, 1, 0),
            ("PENDING", 4, -1, -1, 0),
        ],
    ),
    ("another spec", {"count": 2, "cpu_milli": 900}, False, Change.NONE, [("KEPT", 0, 0, 0, 0), ("KEPT", 1, 1, 1, 0)]),
    (
        "replaced beside the old tasks",
        {"count": 2, "cpu_milli": 400},
        True,
        Change.REPLACED,
        [("RESTARTED", 0, 0, 0, 0), ("RESTARTED", 1, 1, 1, 0)],
    ),
    (
        "replaced once the old tasks have ended",
        {"count": 3, "cpu_milli": 900},
        True,
        Change.REPLACED,
        [
            ("RESTARTED", 0, 0, 0, 1),
            ("RESTARTED", 1, 1, 1, 1),
            ("PENDING", 2, -1, -1, 0),
        ],
    ),
    (
        "replaced by what fits nowhere",
        {"count": 1, "cpu_milli": 2_000},
        True,
        Change.REPLACED,
        [("STOPPED", 0, 0, -1, 0), ("PENDING", 0, -1, -1, 0), ("STOPPED", 1, 1, -1, 0)],
    ),
]


@pytest.mark.parametrize(
    ("fields", "replaces", "change", "expected"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_what_becomes_of_tasks(
    fields: dict[str, Any], replaces: bool, change: Change, expected: list[tuple[str, int, int, int, int]]
) -> None:
    """Each task of the job, before and after, is told with what is done with it."""
    test = running(cpu_milli=500)
    [job] = plan_on(test, (make_spec("a", **({"cpu_milli": 500} | fields)), replaces)).jobs
    assert (job.change, told(job)) == (change, expected)
    assert job.is_refused is (change is Change.NONE)
    assert job.before is not None


def test_a_task_that_lands_elsewhere_has_moved() -> None:
    """A replaced task whose machine is taken begins on another one; on its own one it is restarted."""
    test = running(count=1, cpu_milli=600, machines=2)
    [job] = plan_on(test, (make_spec("a", cpu_milli=700), True)).jobs
    assert told(job) == [("MOVED", 0, 0, 1, 0)]


def test_a_new_job_is_added() -> None:
    """A job that is not there yet is created, with every task that has room; the rest says why it would wait."""
    test = TestCell(machines=2, cpu_milli=1_000)
    [job] = plan_on(test, (make_spec("new", count=3, cpu_milli=1_000), False)).jobs
    assert (job.change, job.before, job.tasks.counts[Action.ADDED]) == (Change.CREATED, None, 2)
    assert job.unplaced is not None
    assert [(Reason(lack.reason), lack.machine_count) for lack in job.unplaced.lacks] == [(Reason.RESOURCES, 2)]


def test_a_gang_is_planned_whole_or_not_at_all() -> None:
    """A gang with too little room is not placed, and says how much there is."""
    test = TestCell(machines=2, cpu_milli=1_000)
    [job] = plan_on(test, (make_spec("g", count=3, cpu_milli=1_000, is_gang=True), False)).jobs
    assert job.tasks.counts[Action.PENDING] == 3
    assert job.unplaced is not None
    assert job.unplaced.note == "room for 2"


def test_jobs_of_one_plan_are_placed_by_priority() -> None:
    """Of several jobs the important one gets the room, whatever their order; each finds what the others left."""
    test = TestCell(machines=1, cpu_milli=1_000)
    low, high = make_spec("low", cpu_milli=1_000), make_spec("high", cpu_milli=1_000, band=Band.PRODUCTION)
    first, second = plan_on(test, (low, False), (high, False)).jobs
    assert (first.spec.name, first.tasks.counts[Action.PENDING]) == ("low", 1)
    assert (second.spec.name, second.tasks.counts[Action.ADDED]) == ("high", 1)


def test_room_of_a_job_that_is_made_smaller_is_used_once_it_is_free() -> None:
    """What one job of a plan gives up another one gets, and is marked as waiting for it."""
    test = running(count=2, machines=2)
    smaller, new = plan_on(
        test, (make_spec("a", count=1, cpu_milli=1_000), False), (make_spec("b", cpu_milli=900), False)
    ).jobs
    assert smaller.tasks.counts[Action.STOPPED] == 1
    assert [(action, waits) for action, _, _, _, waits in told(new)] == [("ADDED", 1)]


def test_time_that_is_over_is_said() -> None:
    """A plan whose time is over says which job was not decided on to the end."""
    test = TestCell(machines=1, cpu_milli=100_000)
    [job] = plan_on(test, (make_spec("many", count=10_000, cpu_milli=1), False), until_us=0).jobs
    assert job.is_cut_off
    assert (job.tasks.counts[Action.ADDED], job.tasks.counts[Action.PENDING]) == (4_096, 5_904)


def test_tasks_of_others_that_give_way_are_told() -> None:
    """A task of a job that is not planned, and that ends up evicted, is named with the machine it was on."""
    test = running(count=2, machines=2)
    cell = test.operator.cell
    before = Holdings.of(cell)
    fork = Fork(cell.clone(), clock=test.clock)
    fork.do(Evict(job=JobId(1), indices=np.array([1], np.int32), attempts=np.array([1], np.int32)))
    [evicted] = find_evicted(fork.cell, before, planned=frozenset({"b"}))
    assert (evicted.job, evicted.index, evicted.machine) == (1, 1, int(cell.tasks.machine[1]))
    assert find_evicted(fork.cell, before, planned=frozenset({"a"})) == ()


@st.composite
def worlds(draw: st.DrawFn) -> tuple[TestCell, JobSpec]:
    """Draw a cell with a job ``a`` on it, and what is submitted under that name next."""
    test = TestCell(machines=draw(st.integers(1, 4)), cpu_milli=2_000)
    for number in range(draw(st.integers(0, 2))):
        test.submit(f"other-{number}", count=2, cpu_milli=300)
    shape: dict[str, Any] = {"cpu_milli": 100 * draw(st.integers(1, 12)), "is_gang": draw(st.booleans())}
    test.submit("a", count=draw(st.integers(1, 10)), **shape)
    test.run(BatchScheduler())
    return test, make_spec("a", count=draw(st.integers(1, 12)), **shape)


@settings(max_examples=40)
@given(worlds())
def test_what_is_planned_is_what_happens(world: tuple[TestCell, JobSpec]) -> None:
    """Once it is really submitted and schedulers ran, as many tasks are placed, kept and waiting as was planned."""
    test, spec = world
    [planned] = plan_on(test, (spec, False)).jobs
    assert planned.change in (Change.SCALED, Change.UNCHANGED)
    job = JobId(test.operator.must(SubmitJob(spec=spec, submitted_at_us=0)).value)
    test.go()
    counts = planned.tasks.counts
    assert test.placed(job) - stopping_count(test, job) == counts[Action.KEPT] + counts[Action.ADDED]
    assert test.counts(job)[TaskState.PENDING] == counts[Action.PENDING]


def stopping_count(test: TestCell, job: JobId) -> int:
    """Return how many tasks of a job hold a machine and have been asked to end."""
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    first = int(cell.jobs.offset[row])
    extent = slice(first, first + int(cell.jobs.extent[row]))
    return int(np.count_nonzero((cell.tasks.machine[extent] >= 0) & (cell.tasks.stopping[extent] != 0)))


def test_one_seed_gives_one_plan() -> None:
    """The same question of the same cell is answered alike."""
    test = running(count=3, cpu_milli=100, machines=8)
    plans = [plan_on(test, (make_spec("b", count=20, cpu_milli=100), False)) for _ in range(2)]
    assert told(plans[0].jobs[0]) == told(plans[1].jobs[0])
