"""Deadlines of jobs: who is due is stopped, held and pending and running tasks alike, and nobody else."""

from omegacell.controllers import deadlines
from omegacell.controllers.deadlines import find_late
from omegacell.controllers.keeper import Keeper
from omegacell.core.commands import StopJob
from omegacell.core.dependencies import Dependency
from omegacell.core.jobs import StopCause, TaskState
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import TICK_PERIOD_US, JobId, SessionId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.testing import TestCell


def late(test: TestCell) -> list[JobId]:
    """Return the jobs that are to be stopped now."""
    test.operator.port.catch_up()
    found = find_late(test.operator.cell)
    assert all(each.cause is StopCause.DEADLINE for each in found)
    return [each.job for each in found]


def test_who_is_due_is_stopped_and_nobody_else() -> None:
    """The longest overdue first; not who has ended, is stopping, or has no deadline; the judge agrees with each."""
    test = TestCell(machines=1)
    test.join(BatchScheduler())
    fields = {"deadline_us": TICK_PERIOD_US}
    running, done = test.submit("running", count=2, **fields), test.submit("done", **fields)
    held = test.submit("held", after=(Dependency(job="running"),), **fields)
    soon = test.submit("soon", deadline_us=TICK_PERIOD_US - 1)
    stopped, never = test.submit("stopped", cpu_milli=99_000, **fields), test.submit("never")
    test.submit("far", deadline_us=10 * TICK_PERIOD_US)
    test.go()
    test.end(done)
    test.stop(stopped)
    assert late(test) == []
    test.operator.tick()
    assert late(test) == [soon, running, held]
    for job in late(test):
        assert test.operator.do(StopJob(job=job, cause=StopCause.DEADLINE)).status is Status.COMMITTED
    assert late(test) == []
    assert (test.counts(held)[TaskState.STOPPED], test.counts(running)[TaskState.STOPPED]) == (1, 0)
    test.end(running, exit_code=1)
    assert test.counts(running)[TaskState.STOPPED] == 2
    assert test.placed(never) == 1
    again = test.operator.do(StopJob(job=never, cause=StopCause.DEADLINE))
    assert (again.status, again.reason) == (Status.REFUSED, Reason.NOT_DUE)


def test_the_keeper_stops_late_jobs_in_parts() -> None:
    """Once a tick, so many at a time; the others follow."""
    test = TestCell(machines=1)
    jobs = [test.submit(f"job-{number}", deadline_us=1) for number in range(deadlines.JOBS_PER_STEP + 3)]
    test.operator.tick()
    now_us = test.clock.monotonic_us()
    keeper = Keeper(period_us=TICK_PERIOD_US, now_us=now_us)
    commands = keeper.step(test.operator.cell, session=SessionId(1), now_us=now_us)
    assert [each.job for each in commands if isinstance(each, StopJob)] == jobs[: deadlines.JOBS_PER_STEP]
    assert keeper.step(test.operator.cell, session=SessionId(1), now_us=now_us) == []
    for command in commands:
        test.operator.must(command)
    assert late(test) == jobs[deadlines.JOBS_PER_STEP :]
