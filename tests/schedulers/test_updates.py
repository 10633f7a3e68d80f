"""Updates of a running service, in virtual time: real schedulers, agents that obey, servers that come and go."""

from dataclasses import replace

import numpy as np
import pytest

from omegacell.controllers.forgetting import find_forgettable
from omegacell.controllers.updates import Updater
from omegacell.core import invariants
from omegacell.core.budgets import find_served
from omegacell.core.commands import StopJob, SubmitJob
from omegacell.core.jobs import Gang, JobSpec, Kind, Stopping, TaskState
from omegacell.core.machine_commands import ReportKind
from omegacell.core.outcomes import Change, Reason
from omegacell.core.rollouts import find_overdue_us
from omegacell.core.units import SECOND_US, JobId
from omegacell.core.updates import OnFailure, RevertUpdate, StopTasks, UpdatePolicy, Updating
from omegacell.schedulers.forking import Fork
from omegacell.schedulers.planning import Action, make_plan
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import make_spec
from tests.schedulers.test_drains import World

POLICY = UpdatePolicy(max_parallel=1, min_healthy_us=0, deadline_us=60 * SECOND_US)
NO_END_US = 10**15


def spec_of(*, count: int = 4, policy: UpdatePolicy = POLICY, grace_us: int = 1, **fields: object) -> JobSpec:
    """Return a service; another grace makes it another job."""
    fields = {"kind": Kind.SERVICE, "max_restarts": -1, "cpu_milli": 1_000} | fields
    return make_spec("web", count=count, grace_us=grace_us, update=policy, **fields)  # type: ignore[arg-type]


class Service(World):
    """A service, servers that update it, and new tasks that start unless they are broken."""

    def __init__(self, spec: JobSpec, *, servers: int = 2, **fields: int) -> None:
        super().__init__(**fields)
        self.updaters = [Updater() for _ in range(servers)]
        self.broken: set[JobId] = set()
        self.most = 0
        self.first = self.submit(spec)
        self.test.go()
        self.start()

    def submit(self, spec: JobSpec, *, change: Change | None = None) -> JobId:
        outcome = self.test.operator.must(SubmitJob(spec=spec, submitted_at_us=0, update=True))
        assert change is None or outcome.detail == change
        return JobId(outcome.value)

    def current(self) -> int:
        job = self.cell.jobs.by_name("web")
        assert job is not None
        row = self.cell.jobs.row_of(job)
        assert row is not None
        return row

    def note_missing(self) -> None:
        """Look at what is there after any change: the bound, and that no index is alive twice."""
        row = self.current()
        served = find_served(self.cell, row)
        self.most = max(self.most, len(served) - int(np.count_nonzero(served)))
        invariants.check(self.cell)

    def turn(self) -> None:
        """Let a tick pass: all servers see the same cell and propose, then machines and schedulers act."""
        self.test.operator.tick()
        proposed = [command for updater in self.updaters for command in updater.step(self.cell)]
        for command in proposed:
            self.test.operator.do(command)
            self.note_missing()
        self.obey()
        self.test.go()
        tasks = self.cell.tasks
        rows = np.flatnonzero((tasks.state == TaskState.PLACED) & (tasks.stopping == 0))
        for task in rows.tolist():
            is_broken = int(self.cell.jobs.id[tasks.job[task]]) in self.broken
            self.report(np.array([task]), (ReportKind.EXITED if is_broken else ReportKind.STARTED,))
        self.note_missing()

    def until_done(self, *, limit: int = 60) -> int:
        for turns in range(limit):
            if not self.cell.jobs.updating[self.current()]:
                return turns
            self.turn()
        raise AssertionError("the update came to no end")

    def running(self, job: JobId) -> list[int]:
        return self.test.counts(job)[TaskState.RUNNING : TaskState.RUNNING + 1]


@pytest.mark.parametrize(("max_parallel", "count"), [(1, 4), (2, 5), (9, 4)])
def test_no_more_than_max_parallel_are_ever_missing(max_parallel: int, count: int) -> None:
    """Every index goes over, several servers at it, and the bound is kept after every single step."""
    policy = replace(POLICY, max_parallel=max_parallel)
    world = Service(spec_of(count=count, policy=policy))
    world.most = 0
    new = world.submit(spec_of(count=count, policy=policy, grace_us=2), change=Change.UPDATED)
    world.until_done()
    assert world.running(new) == [count]
    assert world.test.placed(world.first) == 0
    assert 1 <= world.most <= min(max_parallel, count)


@pytest.mark.parametrize(("before", "after"), [(2, 5), (5, 2)])
def test_another_count_goes_with_the_update(before: int, after: int) -> None:
    """Added indices begin at once, surplus ones end at once, and the others follow one by one."""
    world = Service(spec_of(count=before))
    new = world.submit(spec_of(count=after, grace_us=2))
    world.turn()
    assert world.running(world.first)[0] + world.running(new)[0] <= max(before, after)
    world.until_done()
    assert world.running(new) == [after]


def test_scaling_in_the_middle_keeps_pairs_apart() -> None:
    """What is scaled up while old tasks stop waits for them; the end is the count asked for last."""
    world = Service(spec_of(count=4))
    new = world.submit(spec_of(count=4, grace_us=2))
    world.turn()
    assert world.submit(spec_of(count=1, grace_us=2), change=Change.SCALED) == new
    world.turn()
    assert world.submit(spec_of(count=6, grace_us=2), change=Change.SCALED) == new
    world.until_done()
    assert world.running(new) == [6]


def test_an_update_on_top_takes_over() -> None:
    """A third version takes the place of both others."""
    world = Service(spec_of())
    second = world.submit(spec_of(grace_us=2))
    for _ in range(4):
        world.turn()
    third = world.submit(spec_of(grace_us=3))
    world.until_done()
    assert [world.test.placed(job) for job in (world.first, second, third)] == [0, 0, 4]
    assert world.most <= 4


def test_a_new_task_must_have_been_available_for_long_enough() -> None:
    """With a longer min_healthy the same update takes longer, by every index."""
    turns = []
    for min_healthy_us in (0, 10 * SECOND_US):
        policy = replace(POLICY, min_healthy_us=min_healthy_us)
        world = Service(spec_of(policy=policy))
        world.submit(spec_of(policy=policy, grace_us=2))
        turns.append(world.until_done())
    assert turns[1] >= turns[0] + 4 * 4


def test_a_broken_version_is_stuck_and_waits() -> None:
    """Its damage is bounded, the old job stays, and when it gets well it goes on."""
    world = Service(spec_of())
    world.most = 0
    new = world.submit(spec_of(grace_us=2))
    world.broken = {new}
    for _ in range(40):
        world.turn()
    assert find_overdue_us(world.cell, world.current()) >= 0
    assert (world.most, world.running(world.first)) == (1, [3])
    assert not [each for each in find_forgettable(world.cell) if each.job == world.first]
    world.broken = set()
    world.until_done(limit=400)
    assert world.running(new) == [4]


def test_a_broken_version_is_reverted_where_the_policy_says_so() -> None:
    """After the deadline the old job is what the name means again, whole, and what was not touched ran on."""
    policy = replace(POLICY, deadline_us=20 * SECOND_US, on_failure=OnFailure.REVERT)
    world = Service(spec_of(policy=policy))
    attempts = world.cell.tasks.attempt.tolist()
    new = world.submit(spec_of(policy=policy, grace_us=2))
    world.broken = {new}
    for _ in range(15):
        world.turn()
    assert int(world.cell.jobs.id[world.current()]) == world.first
    world.until_done()
    assert (world.running(world.first), world.test.placed(new)) == ([4], 0)
    again = world.cell.tasks.attempt[:4].tolist()
    assert sorted(now - before for now, before in zip(again, attempts[:4], strict=True)) == [0, 0, 0, 1]
    assert world.most <= 4


def test_a_revert_is_not_reverted_by_itself() -> None:
    """A way back that is stuck too stays where it is: nothing goes to and fro."""
    policy = replace(POLICY, deadline_us=20 * SECOND_US, on_failure=OnFailure.REVERT)
    world = Service(spec_of(policy=policy))
    new = world.submit(spec_of(policy=policy, grace_us=2))
    world.broken = {world.first, new}
    for _ in range(60):
        world.turn()
    row = world.current()
    assert (int(world.cell.jobs.id[row]), world.cell.jobs.updating[row]) == (world.first, Updating.BACK)


def test_an_update_that_is_over_can_be_reverted_by_hand_until_the_old_job_left() -> None:
    """All tasks go back one by one; without an older job there is nowhere to go."""
    world = Service(spec_of())
    operator = world.test.operator
    assert operator.do(RevertUpdate(job=world.first)).reason is Reason.NOT_UPDATING
    new = world.submit(spec_of(grace_us=2))
    world.until_done()
    world.most = 0
    assert operator.must(RevertUpdate(job=new)).value == world.first
    world.until_done()
    assert (world.running(world.first), world.most) == ([4], 1)


def test_a_server_that_began_anew_goes_on() -> None:
    """All that an update needs is in the cell: other servers finish it."""
    world = Service(spec_of())
    new = world.submit(spec_of(grace_us=2))
    for _ in range(30):
        world.turn()
        world.updaters = [Updater()]
    world.until_done()
    assert world.running(new) == [4]


def groups_on(world: Service, job: JobId, size: int) -> list[int]:
    """Return how many tasks of each group of a job hold a machine and were not told to end."""
    row = world.cell.jobs.row_of(job)
    assert row is not None
    first, count = int(world.cell.jobs.offset[row]), int(world.cell.jobs.extent[row])
    tasks = world.cell.tasks
    is_on = (tasks.machine[first : first + count] >= 0) & (tasks.stopping[first : first + count] == Stopping.NO)
    return [int(np.count_nonzero(is_on[start : start + size])) for start in range(0, count, size)]


# size of a group, tasks, max_parallel, the most that may be missing
GANGS = [(2, 4, 1, 2), (2, 6, 3, 3), (3, 7, 1, 3), (3, 7, 5, 5), (4, 4, 1, 4)]


@pytest.mark.parametrize(("size", "count", "max_parallel", "most"), GANGS)
def test_groups_of_a_gang_go_over_whole(size: int, count: int, max_parallel: int, most: int) -> None:
    """Of old and new tasks alike a group is there whole or not at all after every turn; at least one may be missing."""
    fields = {"count": count, "policy": replace(POLICY, max_parallel=max_parallel), "gang": Gang(size=size)}
    world = Service(spec_of(**fields))  # type: ignore[arg-type]
    world.most = 0
    new = world.submit(spec_of(grace_us=2, **fields), change=Change.UPDATED)  # type: ignore[arg-type]
    whole = [min(size, count - start) for start in range(0, count, size)]
    for _ in range(60):
        world.turn()
        for job in (world.first, new):
            assert all(on in (0, full) for on, full in zip(groups_on(world, job, size), whole, strict=True))
        if not world.cell.jobs.updating[world.current()]:
            break
    assert (world.running(new), world.test.placed(world.first)) == ([count], 0)
    assert 1 <= world.most <= most


@pytest.mark.parametrize("lost", range(6))
@pytest.mark.parametrize("max_parallel", [1, 3])
def test_a_group_that_misses_a_task_goes_over_first(lost: int, max_parallel: int) -> None:
    """Whichever task failed as the update began, its group is the next that there is room for, and nothing is stuck."""
    fields = {"count": 6, "policy": replace(POLICY, max_parallel=max_parallel), "gang": Gang(size=2)}
    world = Service(spec_of(**fields))  # type: ignore[arg-type]
    world.report(np.array([lost]), (ReportKind.EXITED,))
    world.most = 0
    new = world.submit(spec_of(grace_us=2, **fields))  # type: ignore[arg-type]
    world.turn()
    assert groups_on(world, world.first, 2)[lost // 2] == 0
    world.until_done(limit=30)
    assert world.running(new) == [6]
    assert world.most <= max(max_parallel, 2)


def test_a_group_that_there_is_no_room_for_keeps_what_it_has() -> None:
    """With a task missing of each group none may go: the old tasks are placed again, and then they go one by one."""
    fields = {"count": 4, "gang": Gang(size=2, least=1)}
    world = Service(spec_of(**fields))  # type: ignore[arg-type]
    world.report(np.array([1, 3]), (ReportKind.EXITED,))
    new = world.submit(spec_of(grace_us=2, **fields))  # type: ignore[arg-type]
    assert [command for updater in world.updaters for command in updater.step(world.cell)] == []
    world.turn()
    assert world.running(world.first) == [4]
    world.most = 0
    world.until_done()
    assert (world.running(new), world.most) == ([4], 2)


def test_another_size_of_groups_goes_by_the_new_one() -> None:
    """From no gang to groups of three: the old tasks of a new group go together."""
    world = Service(spec_of(count=6))
    world.most = 0
    new = world.submit(spec_of(count=6, grace_us=2, gang=Gang(size=3)))
    world.turn()
    assert groups_on(world, world.first, 3) == [0, 3]
    world.until_done()
    assert (world.running(new), world.most) == ([6], 3)


def test_the_judge_takes_no_more_than_a_group() -> None:
    """Whatever is proposed: with groups of two and max_parallel 1 the third available task stays."""
    world = Service(spec_of(gang=Gang(size=2)))
    world.submit(spec_of(grace_us=2, gang=Gang(size=2)))
    outcome = world.test.operator.do(StopTasks(job=world.first, indices=np.arange(4, dtype=np.int32)))
    assert outcome.refusals.positions.tolist() == [2, 3]
    assert set(outcome.refusals.reasons.tolist()) == {Reason.JOB_DISRUPTED}
    assert groups_on(world, world.first, 2) == [0, 2]


def test_stopping_the_name_stops_both() -> None:
    """In the middle of an update nothing of the name stays."""
    world = Service(spec_of())
    new = world.submit(spec_of(grace_us=2))
    world.turn()
    world.turn()
    world.test.operator.must(StopJob(job=new))
    world.turn()
    assert [world.test.placed(job) for job in (world.first, new)] == [0, 0]


def test_a_plan_shows_where_the_tasks_come_to_be() -> None:
    """The end state of all steps, step by step on a fork; the cell itself is as it was."""
    world = Service(spec_of())
    [job] = plan(world, spec_of(grace_us=2))
    assert job.change is Change.UPDATED
    assert job.tasks.counts[Action.RESTARTED] + job.tasks.counts[Action.MOVED] == 4
    assert not job.tasks.waits.any()


def test_a_plan_shows_where_an_update_would_stop() -> None:
    """Where the new tasks find no room, one is taken, and the others stay."""
    world = Service(spec_of())
    [job] = plan(world, spec_of(cpu_milli=9_000))
    counts = job.tasks.counts
    assert (counts[Action.STOPPED], counts[Action.PENDING], counts[Action.KEPT]) == (1, 1, 3)


def test_a_plan_shows_what_is_adjusted_in_place() -> None:
    """A policy touches no task."""
    world = Service(spec_of())
    [job] = plan(world, spec_of(policy=replace(POLICY, max_parallel=3)))
    assert (job.change, job.tasks.counts[Action.KEPT]) == (Change.ADJUSTED, 4)


def plan(world: Service, spec: JobSpec):  # type: ignore[no-untyped-def] # noqa: ANN201 - what `make_plan` gives
    return make_plan(
        Fork(world.cell.clone(), clock=world.test.clock),
        [SubmitJob(spec=spec, submitted_at_us=0, update=True)],
        scheduler_of=lambda _: ServiceScheduler(),
        clock=world.test.clock,
        until_us=NO_END_US,
    ).jobs
