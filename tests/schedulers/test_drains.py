"""Drains: evictions at a bounded rate that the judge grants, the same from every server, and what keeps them."""

from collections.abc import Sequence

import numpy as np
import pytest

from omegacell.controllers import drains
from omegacell.controllers.drain_progress import Block, Hold, Shortfall, find_progress, find_shortfall
from omegacell.controllers.drains import EVICTIONS_PER_STEP, find_drains
from omegacell.controllers.keeper import Keeper
from omegacell.core.budgets import find_available
from omegacell.core.cell import Cell
from omegacell.core.commands import Evict
from omegacell.core.drains import Eligibility, EvictCause, SetEligibility
from omegacell.core.jobs import Kind, Stopping, TaskState
from omegacell.core.machine_commands import Report, ReportKind
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import SECOND_US, TICK_PERIOD_US, Band, JobId, SessionId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import TestCell


class World:
    """A cell with schedulers, agents that obey at once, and a keeper: everything that takes part in a drain."""

    def __init__(self, *, machines: int = 3, cpu_milli: int = 4_000) -> None:
        self.test = TestCell(machines=machines, cpu_milli=cpu_milli)
        self.test.join(ServiceScheduler())
        self.most_unavailable: dict[JobId, int] = {}

    @property
    def cell(self) -> Cell:
        return self.test.operator.cell

    def service(self, name: str, *, count: int, max_unavailable: int = 1, **fields: object) -> JobId:
        """Run a service, all its tasks started."""
        fields = {"kind": Kind.SERVICE, "max_restarts": -1, "cpu_milli": 1_000} | fields
        job = self.test.submit(name, count=count, max_unavailable=max_unavailable, **fields)  # type: ignore[arg-type]
        self.test.go()
        self.start()
        return job

    def set(self, eligibility: Eligibility, *rows: int, deadline_us: int = -1) -> None:
        self.test.operator.must(SetEligibility(machines=rows, eligibility=eligibility, deadline_us=deadline_us))

    def start(self) -> None:
        """Let everything placed start."""
        tasks = self.cell.tasks
        self.report(np.flatnonzero((tasks.state == TaskState.PLACED) & (tasks.stopping == 0)), (ReportKind.STARTED,))

    def obey(self) -> None:
        """Let everything end that was told to."""
        self.report(np.flatnonzero(self.cell.tasks.stopping != Stopping.NO), (ReportKind.EXITED,))

    def report(self, rows: np.ndarray, kinds: Sequence[ReportKind]) -> None:
        tasks, jobs = self.cell.tasks, self.cell.jobs
        for kind in kinds if len(rows) else ():
            count, machines = len(rows), tasks.machine[rows].copy()
            self.test.operator.must(
                Report(
                    machines=machines,
                    epochs=self.cell.machines.epoch[machines],
                    jobs=jobs.id[tasks.job[rows]],
                    indices=(rows - jobs.offset[tasks.job[rows]]).astype(np.int32),
                    attempts=tasks.attempt[rows],
                    kinds=np.full(count, kind, np.uint8),
                    exit_codes=np.full(count, -1, np.int32),
                    signals=np.full(count, 15 if kind is ReportKind.EXITED else 0, np.uint8),
                    notes=np.zeros(count, np.uint8),
                    at_us=np.full(count, self.test.clock.wall_us(), np.int64),
                )
            )

    def step(self) -> list[Evict]:
        """Do what is due; everything proposed is granted, and no job is ever more disrupted than it allows."""
        self.test.operator.port.catch_up()
        proposed = find_drains(self.cell)
        for command in proposed:
            assert command.cause is EvictCause.DRAIN
            assert self.test.operator.do(command).status is Status.COMMITTED
        self.note()
        return proposed

    def note(self) -> None:
        for job in self.cell.jobs.ids():
            row = self.cell.jobs.row_of(job)
            assert row is not None
            count = int(np.count_nonzero(~find_available(self.cell, row)))
            self.most_unavailable[job] = max(self.most_unavailable.get(job, 0), count)

    def round(self) -> None:
        """Let a tick pass in which everybody does what he should."""
        self.test.operator.tick()
        self.step()
        self.obey()
        self.test.go()
        self.note()
        self.start()

    def left_on(self, row: int) -> int:
        return int(np.count_nonzero(self.cell.tasks.machine == row))


def evicted(commands: Sequence[Evict]) -> int:
    return sum(len(command.indices) for command in commands)


def test_a_service_leaves_one_by_one() -> None:
    """With a budget of one, never more than one task is missing, and at the end the machine is empty and stays so."""
    world = World()
    web = world.service("web", count=6)
    assert world.left_on(0) == 2
    world.set(Eligibility.DRAINING, 0)
    for _ in range(2):
        assert world.left_on(0) > 0
        world.round()
    world.round()
    assert (world.left_on(0), world.test.counts(web)[TaskState.RUNNING]) == (0, 6)
    assert world.most_unavailable[web] == 1
    assert world.step() == []
    [progress] = find_progress(world.cell, [0])
    assert (progress.task_count, progress.blocks, progress.is_forever) == (0, (), False)


def test_two_servers_do_not_evict_twice_what_one_may() -> None:
    """Both decide on one state: the second one's other eviction is refused by the judge, as a conflict."""
    world = World(machines=2)
    web = world.service("web", count=4)
    world.set(Eligibility.DRAINING, 0, 1)
    world.test.operator.port.catch_up()
    [first] = find_drains(world.cell)
    row = world.cell.jobs.row_of(web)
    assert row is not None
    other = Evict(
        job=web,
        indices=np.array([index for index in range(4) if index not in first.indices][:1], np.int32),
        attempts=np.array([1], np.int32),
        cause=EvictCause.DRAIN,
    )
    assert world.test.operator.do(first).status is Status.COMMITTED
    refused = world.test.operator.do(other)
    assert [Reason(each) for each in refused.refusals.reasons] == [Reason.JOB_DISRUPTED]
    assert find_drains(world.cell) == []


def test_the_rate_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step evicts so many, and no step goes on while so many have not ended."""
    monkeypatch.setattr(drains, "EVICTIONS_UNDER_WAY", 100)
    world = World(machines=2, cpu_milli=200_000)
    world.service("sums", count=300, max_unavailable=-1)
    world.set(Eligibility.DRAINING, 0, 1)
    assert [evicted(world.step()) for _ in range(3)] == [EVICTIONS_PER_STEP, 100 - EVICTIONS_PER_STEP, 0]
    world.obey()
    assert evicted(world.step()) == EVICTIONS_PER_STEP


def test_batch_work_leaves_at_once_and_what_was_not_started_too() -> None:
    """Without a limit, and for tasks that do not serve yet, there is nothing to wait for."""
    world = World(machines=2)
    sums = world.test.submit("sums", count=8, cpu_milli=1_000, scheduler="test")
    world.test.go()
    world.set(Eligibility.DRAINING, 0)
    assert evicted(world.step()) == world.left_on(0) == 4
    world.obey()
    assert world.test.counts(sums)[TaskState.PENDING] == 4


def test_a_passed_deadline_takes_what_is_left_and_comes_first() -> None:
    """Before it the budget holds; from then on everything leaves, though no task of the job is left."""
    world = World(machines=2)
    rock = world.service("rock", count=4, max_unavailable=0)
    world.set(Eligibility.DRAINING, 0)
    world.set(Eligibility.DRAINING, 1, deadline_us=world.cell.elapsed + 2 * TICK_PERIOD_US)
    assert world.step() == []
    assert [each.left_us for each in find_progress(world.cell, [0, 1])] == [-1, 2 * TICK_PERIOD_US]
    world.test.operator.tick()
    assert world.step() == []
    world.test.operator.tick()
    assert evicted(world.step()) == world.left_on(1) == 2
    assert world.test.counts(rock)[TaskState.RUNNING] == 4
    assert world.left_on(0) == 2


def test_a_task_that_serves_no_more_is_no_loss() -> None:
    """An unhealthy task leaves even with a budget of none, and leaves the budget of the others alone."""
    world = World(machines=2)
    web = world.service("web", count=4, max_unavailable=0)
    bad = int(np.flatnonzero(world.cell.tasks.machine == 0)[0])
    world.report(np.array([bad]), (ReportKind.UNHEALTHY,))
    world.set(Eligibility.DRAINING, 0)
    [command] = world.step()
    assert (command.job, command.indices.tolist()) == (web, [bad])


def test_a_replacement_must_be_healthy_before_the_next_one_leaves() -> None:
    """Where the job has a health check, a task that runs is not there yet."""
    world = World()
    world.service("web", count=3, is_health_checked=True)
    world.report(np.flatnonzero(world.cell.tasks.machine >= 0), (ReportKind.HEALTHY,))
    world.set(Eligibility.DRAINING, 0, 1)
    assert evicted(world.step()) == 1
    world.obey()
    world.test.go()
    world.start()
    assert world.step() == []
    tasks = world.cell.tasks
    world.report(np.flatnonzero((tasks.machine >= 0) & (tasks.health == 0)), (ReportKind.HEALTHY,))
    assert evicted(world.step()) == 1


def test_a_silent_machine_is_told_nothing() -> None:
    """What cannot be heard would only use the budget up; heard again, it goes on."""
    world = World(machines=2)
    world.service("web", count=2)
    session = int(world.cell.machines.contact_session[0])
    world.set(Eligibility.DRAINING, 0)
    world.test.operator.tick(lost_contact=[0])
    assert world.step() == []
    [progress] = find_progress(world.cell, [0])
    assert [(block.hold, block.task_count) for block in progress.blocks] == [(Hold.SILENT, 1)]
    world.test.operator.tick(gained=[0])
    assert int(world.cell.machines.contact_session[0]) == session
    assert evicted(world.step()) == 1


def test_an_uncordoned_machine_keeps_what_it_has() -> None:
    """A drain that was taken back evicts nothing any more; a cordoned machine never loses anything."""
    world = World(machines=2)
    world.service("web", count=4, max_unavailable=-1)
    world.set(Eligibility.DRAINING, 0)
    world.set(Eligibility.OPEN, 0)
    assert world.step() == []
    world.set(Eligibility.CORDONED, 0)
    assert world.step() == []


def test_the_keeper_drains_once_a_tick() -> None:
    """Its evictions are among what is proposed after a tick, and only then."""
    world = World(machines=2)
    world.service("web", count=2)
    world.set(Eligibility.DRAINING, 0)
    now_us = world.test.clock.monotonic_us()
    keeper = Keeper(period_us=TICK_PERIOD_US, now_us=now_us)
    [command] = keeper.step(world.cell, session=SessionId(1), now_us=now_us)
    assert isinstance(command, Evict)
    assert keeper.step(world.cell, session=SessionId(1), now_us=now_us) == []


# --- what keeps a drain


def blocks_of(world: World, row: int) -> tuple[Block, ...]:
    [progress] = find_progress(world.cell, [row])
    return progress.blocks


def test_a_budget_of_none_keeps_a_drain_for_ever() -> None:
    """Said with the job; a deadline ends it, and so does another budget."""
    world = World(machines=2)
    rock = world.service("rock", count=2, max_unavailable=0)
    world.set(Eligibility.DRAINING, 0)
    assert blocks_of(world, 0) == (Block(hold=Hold.BUDGET, job=rock, task_count=1, limit=0, is_forever=True),)
    assert find_progress(world.cell, [0])[0].is_forever
    world.set(Eligibility.DRAINING, 0, deadline_us=world.cell.elapsed + SECOND_US)
    assert not find_progress(world.cell, [0])[0].is_forever


def test_what_fits_nowhere_else_keeps_a_drain() -> None:
    """The evicted task is pending: the next one waits for it, but not for ever, since machines may come."""
    world = World(machines=2, cpu_milli=2_000)
    web = world.service("web", count=4)
    world.set(Eligibility.DRAINING, 0)
    world.round()
    world.round()
    assert world.test.counts(web)[TaskState.PENDING] == 1
    expected = Block(hold=Hold.BUDGET, job=web, task_count=1, limit=1, shortfall=Shortfall(pending=1))
    assert blocks_of(world, 0) == (expected,)
    world.test.add_machine("m2")
    world.test.operator.tick(gained=[2])
    world.round()
    world.round()
    assert world.left_on(0) == 0


def test_a_drain_that_keeps_itself_lasts_for_ever() -> None:
    """No open machine takes the evicted task, so the next never leaves; a deadline ends that, or an open machine."""
    world = World(machines=2)
    world.test.add_machine("other", drivers=("simulated",))
    world.set(Eligibility.CORDONED, 1)
    web = world.service("web", count=2)
    world.set(Eligibility.DRAINING, 0)
    world.round()
    expected = Block(
        hold=Hold.STRANDED, job=web, task_count=1, limit=1, shortfall=Shortfall(pending=1), is_forever=True
    )
    assert blocks_of(world, 0) == (expected,)
    world.set(Eligibility.DRAINING, 0, deadline_us=world.cell.elapsed + SECOND_US)
    assert [block.is_forever for block in blocks_of(world, 0)] == [False]
    world.set(Eligibility.DRAINING, 0)
    world.set(Eligibility.OPEN, 1)
    world.round()
    world.round()
    assert world.left_on(0) == 0


def test_a_task_too_large_for_every_other_machine_keeps_a_drain_for_ever() -> None:
    """What the other machines have in all counts, not what is free there."""
    world = World(machines=1, cpu_milli=8_000)
    world.test.add_machine("small", cpu_milli=1_000)
    world.service("web", count=2, cpu_milli=2_000)
    world.set(Eligibility.DRAINING, 0)
    world.round()
    assert [(block.hold, block.is_forever) for block in blocks_of(world, 0)] == [(Hold.STRANDED, True)]


def test_a_task_that_will_not_run_again_keeps_a_drain_for_ever() -> None:
    """A service that has lost as many tasks for good as it may miss can spare none."""
    world = World(machines=2)
    web = world.service("web", count=4, max_restarts=0)
    gone = int(np.flatnonzero(world.cell.tasks.machine == 1)[0])
    world.report(np.array([gone]), (ReportKind.EXITED,))
    world.set(Eligibility.DRAINING, 0)
    expected = Block(hold=Hold.BUDGET, job=web, task_count=2, limit=1, shortfall=Shortfall(ended=1), is_forever=True)
    assert blocks_of(world, 0) == (expected,)


def test_what_ends_and_what_waits_its_turn_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks of one machine are counted by job and by what they wait for; the sum is what is left."""
    monkeypatch.setattr(drains, "EVICTIONS_PER_STEP", 1)
    world = World(machines=2, cpu_milli=8_000)
    sums, rock = (
        world.service("sums", count=4, max_unavailable=-1),
        world.service("rock", count=2, max_unavailable=0),
    )
    world.set(Eligibility.DRAINING, 0)
    world.step()
    [progress] = find_progress(world.cell, [0])
    assert [(block.hold, block.job, block.task_count) for block in progress.blocks] == [
        (Hold.BUDGET, rock, 1),
        (Hold.TURN, sums, 1),
        (Hold.ENDING, sums, 1),
    ]
    assert (progress.task_count, progress.ending_count, progress.is_forever) == (3, 1, False)


def test_unavailable_tasks_are_counted_by_what_they_are_at() -> None:
    """Every unavailable task is counted once."""
    world = World(machines=2)
    web = world.service("web", count=6, max_unavailable=-1)
    rows = np.flatnonzero(world.cell.tasks.machine >= 0)
    world.report(rows[:1], (ReportKind.UNHEALTHY,))
    evict = Evict(job=web, indices=np.array([1], np.int32), attempts=np.array([1], np.int32))
    world.test.operator.must(evict)
    world.report(rows[2:3], (ReportKind.EXITED,))
    row = world.cell.jobs.row_of(web)
    assert row is not None
    assert find_shortfall(world.cell, row) == Shortfall(pending=1, ending=1, unhealthy=1)
    world.test.go()
    shortfall = find_shortfall(world.cell, row)
    assert (shortfall.pending + shortfall.starting, shortfall.total) == (1, 3)


def test_a_drain_of_everything_never_proposes_what_is_refused() -> None:
    """Many jobs of all kinds on several draining machines, over many rounds: each proposal is granted as it stands."""
    world = World(machines=6, cpu_milli=10_000)
    world.test.join(BatchScheduler(), queue="batch")
    jobs = [
        world.service(f"web-{number}", count=5 + number, max_unavailable=number % 3 - 1 or 2) for number in range(4)
    ]
    world.test.submit("sums", count=6, scheduler="batch", max_unavailable=2)
    world.test.go()
    world.start()
    for row in (0, 3, 1):
        world.set(Eligibility.DRAINING, row)
        for _ in range(12):
            world.round()
        assert world.left_on(row) == 0
    limits = [world.cell.jobs.spec_of(row).max_unavailable for row in range(len(jobs))]
    for job, limit in zip(jobs, limits, strict=True):
        assert limit == -1 or world.most_unavailable[job] <= limit


@pytest.mark.parametrize("limit", [0, 1])
def test_budgets_do_not_bind_preemption_and_count_what_it_took(limit: int) -> None:
    """A job gives way to a higher band whatever it allows; a drain then takes nothing more of it."""
    world = World(cpu_milli=1_000)
    web = world.service("web", count=3, max_unavailable=limit, band=Band.BATCH)
    high = world.test.submit("high", cpu_milli=1_000, band=Band.PRODUCTION, kind=Kind.SERVICE)
    world.test.go()
    assert world.test.waiting(high) == 1
    [gone] = np.flatnonzero(world.cell.tasks.stopping == Stopping.EVICT).tolist()
    assert world.cell.tasks.job[gone] == world.cell.jobs.row_of(web)
    others = [row for row in range(3) if row != world.cell.tasks.machine[gone]]
    world.set(Eligibility.DRAINING, *others)
    assert world.step() == []
    world.obey()
    world.start()
    assert world.step() == []
    assert [world.left_on(row) for row in others] == [1, 1]
