"""Held tasks are released as soon as nothing holds them: woken by what was folded, robust to races, cheap."""

import random
from dataclasses import replace

import numpy as np
import pytest

from omegacell.controllers import releases
from omegacell.controllers.releases import Releases
from omegacell.core.cell import Cell
from omegacell.core.commands import ForgetJob, SubmitJob
from omegacell.core.deltas import Delta
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.hold_commands import ReleaseTasks
from omegacell.core.holds import find_unmet
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.machine_commands import Report, ReportKind
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.memorycell import MemoryPort
from omegacell.schedulers.testing import TestCell


class World:
    """A cell with a scheduler and two servers that release held tasks, each on what it has folded itself."""

    def __init__(self, *, machines: int = 4) -> None:
        self.test = TestCell(machines=machines, cpu_milli=64_000)
        self.test.join(BatchScheduler())
        self.port = MemoryPort(self.test.log)
        self.releases, self.other = Releases(), Releases()

    @property
    def cell(self) -> Cell:
        """The servers' copy of the cell."""
        return self.port.cell

    def submit(self, name: str, *after: str | Dependency, **fields: object) -> JobId:
        waits = [Dependency(job=each) if isinstance(each, str) else each for each in after]
        return self.test.submit(name, after=tuple(waits), **fields)  # type: ignore[arg-type]

    def fold(self) -> Delta:
        """Fold what is new, for both."""
        delta = self.port.catch_up()
        for each in (self.releases, self.other):
            each.note(self.cell, delta)
        return delta

    def step(self) -> list[ReleaseTasks]:
        """Fold and release; everything proposed is granted, and the other server's copy of it is refused."""
        self.fold()
        cell = self.cell
        proposed, again = self.releases.step(cell), self.other.step(cell)
        assert [each.job for each in again] == [each.job for each in proposed]
        for command in proposed:
            assert self.test.operator.do(command).status is Status.COMMITTED
        for command in again:
            refused = self.test.operator.do(command)
            assert {Reason(each) for each in refused.refusals.reasons} == {Reason.TASK_NOT_HELD}
        return proposed

    def step_counted(self, released: dict[JobId, int]) -> bool:
        """Do a step and count what it released; say whether there was anything."""
        proposed = self.step()
        for command in proposed:
            released[command.job] = released.get(command.job, 0) + len(command.indices)
        return bool(proposed)

    def held(self, job: JobId) -> int:
        return self.test.counts(job)[TaskState.HELD]


def _start(world: World, row: int) -> None:
    """Let the placed task in an arena row start."""
    cell = world.cell
    job = int(cell.tasks.job[row])
    machine = cell.tasks.machine[row : row + 1].copy()
    world.test.operator.must(
        Report(
            machines=machine,
            epochs=cell.machines.epoch[machine],
            jobs=cell.jobs.id[job : job + 1].copy(),
            indices=np.array([row - cell.jobs.offset[job]], np.int32),
            attempts=cell.tasks.attempt[row : row + 1].copy(),
            kinds=np.array([ReportKind.STARTED], np.uint8),
            exit_codes=np.array([-1], np.int32),
            signals=np.zeros(1, np.uint8),
            notes=np.zeros(1, np.uint8),
            at_us=np.array([world.test.clock.wall_us()], np.int64),
        )
    )


def _replace(world: World, name: str) -> JobId:
    """Submit the job of a name again, in its place."""
    cell = world.test.operator.cell
    job = cell.jobs.by_name(name)
    row = None if job is None else cell.jobs.row_of(job)
    assert row is not None
    spec = cell.jobs.spec_of(row)
    spec = replace(spec, priority=spec.priority + 1)
    command = SubmitJob(spec=spec, submitted_at_us=world.test.clock.wall_us(), replace=True)
    return JobId(world.test.operator.must(command).value)


def test_a_job_goes_on_when_the_last_one_it_waits_for_has_succeeded() -> None:
    """Not before, and with all its tasks; what then ends releases the next one."""
    world = World()
    first, second = world.submit("first"), world.submit("second", count=3)
    third = world.submit("third", "first", "second", count=5)
    last = world.submit("last", "third")
    assert world.step() == []
    world.test.go()
    world.test.end(first)
    assert world.step() == []
    world.test.end(second)
    [command] = world.step()
    assert (command.job, command.indices.tolist()) == (third, [0, 1, 2, 3, 4])
    assert (world.held(third), world.held(last)) == (0, 1)
    world.test.go()
    world.test.end(third)
    assert [each.job for each in world.step()] == [last]
    assert world.step() == []


def test_a_failed_predecessor_releases_nobody_but_who_waits_for_its_end() -> None:
    """Put in its place, another job of the name releases the others."""
    world = World()
    first = world.submit("first", count=2)
    careful = world.submit("careful", "first")
    any_end = world.submit("any-end", Dependency(job="first", condition=Condition.ENDED))
    world.test.go()
    world.test.end(first, exit_code=1)
    assert [each.job for each in world.step()] == [any_end]
    assert world.held(careful) == 1
    again = _replace(world, "first")
    world.test.go()
    world.test.end(again)
    assert [each.job for each in world.step()] == [careful]


def test_a_service_that_is_available_releases_who_waits_for_that() -> None:
    """Only once all its tasks run."""
    world = World()
    service = world.submit("db", count=3, kind=Kind.SERVICE, max_restarts=-1)
    job = world.submit("load", Dependency(job="db", condition=Condition.AVAILABLE))
    world.test.go()
    assert world.step() == []
    tasks = world.test.operator.cell.tasks
    for row in np.flatnonzero(tasks.state == TaskState.PLACED).tolist():
        assert world.held(job) == 1
        assert world.step() == []
        _start(world, row)
    assert [each.job for each in world.step()] == [job]
    assert service != job


def test_a_name_that_comes_later_is_waited_for() -> None:
    """A job may wait for one that is not in the cell; forgetting one releases nobody."""
    world = World()
    job = world.submit("late", "early")
    assert world.step() == []
    early = world.submit("early")
    world.test.go()
    world.test.end(early)
    world.test.operator.tick()
    assert [each.job for each in world.step()] == [job]


def test_stopped_and_forgotten_jobs_are_dropped() -> None:
    """Nothing is kept of a job that waits no more, and a name that leaves the cell is no release."""
    world = World()
    first, second = world.submit("first"), world.submit("second", "first")
    third = world.submit("third", "first")
    world.test.stop(second)
    world.test.stop(first)
    assert world.step() == []
    genesis = world.test.operator.cell.genesis
    assert genesis is not None
    while world.test.operator.cell.elapsed < genesis.forget_after_us:
        world.test.operator.tick()
    for job in (first, second):
        world.test.operator.must(ForgetJob(job=job))
    assert world.step() == []
    assert world.held(third) == 1
    assert list(world.releases._names) == [third]
    assert world.releases._waiting == {"first": {third: None}}


def test_a_fold_costs_what_it_touches() -> None:
    """Of many jobs that wait, only those are looked at whose predecessor changed."""
    world = World()
    world.submit("a")
    world.submit("b")
    waiting = {name: [world.submit(f"{name}-{number}", name) for number in range(20)] for name in ("a", "b")}
    world.test.go()
    world.step()
    world.test.end(JobId(1))
    delta = world.fold()
    assert JobId(1) in delta.jobs
    assert list(world.releases._due) == waiting["a"]


def test_a_release_that_lost_a_race_is_made_again() -> None:
    """Between look and judgement the predecessor was put in the place of another: refused, and no error.
    When that has succeeded too, the job goes on."""
    world = World()
    first = world.submit("first")
    job = world.submit("second", "first")
    world.test.go()
    world.test.end(first)
    world.fold()
    [command] = world.releases.step(world.cell)
    world.other.step(world.cell)
    replaced = _replace(world, "first")
    outcome = world.test.operator.do(command)
    assert [Reason(each) for each in outcome.refusals.reasons] == [Reason.STILL_HELD]
    world.releases.look_again([command.job])
    assert world.step() == []
    world.test.go()
    world.test.end(replaced)
    assert [each.job for each in world.step()] == [job]


def test_many_tasks_and_many_jobs_go_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is followed by the next, because it touched the job, or because the job was not looked at yet."""
    monkeypatch.setattr(releases, "TASKS_PER_JOB", 4)
    monkeypatch.setattr(releases, "JOBS_PER_STEP", 3)
    world = World()
    first = world.submit("first")
    large = world.submit("large", "first", count=10)
    others = [world.submit(f"other-{number}", "first") for number in range(4)]
    world.test.go()
    world.test.end(first)
    released: dict[JobId, int] = {}
    steps = 0
    while world.step_counted(released):
        steps += 1
    assert released == {large: 10, **dict.fromkeys(others, 1)}
    assert steps >= 3


def test_another_server_goes_on_where_one_was_killed() -> None:
    """All that it needs is in the cell: `load` finds what is due and who waits."""
    world = World()
    first, second = world.submit("first"), world.submit("second", "first")
    third = world.submit("third", "second")
    world.test.go()
    world.test.end(first)
    world.test.operator.port.catch_up()
    fresh = Releases()
    fresh.load(world.test.operator.cell)
    assert [each.job for each in fresh.step(world.test.operator.cell)] == [second]
    assert fresh.is_due is False
    assert list(fresh._names) == [second, third]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_nobody_is_forgotten(seed: int) -> None:
    """Random graphs of jobs that end well or badly, are stopped and put in place of others: after each step the jobs
    that are held are exactly those that something holds."""
    rng = random.Random(seed)
    world = World()
    names = [f"job-{number}" for number in range(12)]
    for name in names:
        waits = sorted(rng.sample(names, rng.randint(0, 2)))
        others = [Dependency(job=each, condition=rng.choice(list(Condition))) for each in waits if each < name]
        world.submit(name, *others, count=rng.randint(1, 3))
    for _ in range(40):
        job = JobId(rng.randint(1, world.test.operator.cell.jobs.next_id - 1))
        match rng.randint(0, 5):
            case 0:
                world.test.stop(job)
            case 1:
                _replace(world, rng.choice(names))
            case _:
                world.test.go()
                world.test.end(job, exit_code=rng.choice((0, 0, 1)))
        while world.step():
            pass
        cell = world.test.operator.cell
        for each in cell.jobs.ids():
            row = cell.jobs.row_of(each)
            assert row is not None
            if cell.jobs.counts[row, TaskState.HELD]:
                assert find_unmet(cell, cell.jobs.spec_of(row))
