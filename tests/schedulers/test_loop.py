"""The optimistic loop: sync, decide, append, read the outcome, resync, retry; counted, limited, idle when it can be."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from omegacell.core.cell import Cell
from omegacell.core.commands import (
    ExpireSession,
    Place,
    Reincarnate,
    Renew,
    Transaction,
    Unplaced,
)
from omegacell.core.errors import InvariantError
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.machine_commands import Tick
from omegacell.core.units import (
    MAX_REFUSED_IN_A_ROW,
    SECOND_US,
    SUSPENSION_US,
    TICK_PERIOD_US,
    Atomicity,
    Detection,
    Revision,
)
from omegacell.schedulers.actions import Append, Done, Folded, Reloaded, Wait
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.loop import Limits
from omegacell.schedulers.memorycell import MemoryPort
from omegacell.schedulers.testing import Instance, TestCell
from omegacell.schedulers.view import CellView


class First:
    """Always takes the first machine that fits: two of these meet there."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        [group] = pending
        machines = np.flatnonzero(cell.fits(group))[:1]
        return Placement.of(group, machines[: group.count])


class Whole:
    """Sees eight groups at once and gives each task a machine of its own."""

    max_groups = 8
    seen: int = 0

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        type(self).seen = max(self.seen, len(pending))
        view, parts = cell.tentative(), []
        for group in pending:
            rows = np.flatnonzero(view.fits(group))[: group.count]
            assert view.try_claim(group, rows)
            parts.append(Placement.of(group, rows))
        return Placement.join(parts)


def written_by(test: TestCell, instance: Instance) -> list[Transaction]:
    """Return the scheduling transactions that an instance appended, in order."""
    session = instance.runner.loop._session
    return [each for entry in test.log.entries for each in entry if each.session == session and is_scheduling(each)]


def is_scheduling(transaction: Transaction) -> bool:
    """Whether a transaction holds decisions."""
    return isinstance(transaction.commands[0], Place | Unplaced)


def test_a_conflict_is_refused_counted_and_retried_at_once() -> None:
    """Two schedulers decide on the same state for the same room: one commits, the other loses, resyncs and finds other
    room, with nothing over-committed."""
    test = TestCell(machines=2, cpu_milli=1_000)
    mine, yours = test.submit("mine", cpu_milli=1_000), test.submit("yours", cpu_milli=1_000, scheduler="other")
    one, two = test.join(First()), test.join(First(), queue="other")
    for instance in (one, two):
        test.turn(instance)
    assert [type(each.action) for each in (one, two)] == [Append, Append]
    test.turn(one)
    assert (one.statistics.granted, one.statistics.conflicts) == (1, 0)
    test.turn(two)
    assert (two.statistics.granted, two.statistics.conflicts, two.statistics.disagreements) == (0, 1, 0)
    assert isinstance(two.action, Append)
    test.go()
    assert (test.placed(mine), test.placed(yours)) == (1, 1)
    assert test.operator.cell.authors.rows[2].conflicted == 1


def test_conflicts_back_off_and_a_hopeless_job_waits_long_and_says_so() -> None:
    """Every try loses to another author: delays grow, and after the limit the job is put off for a minute."""
    test = TestCell(machines=1, cpu_milli=1_000)
    job = test.submit("loser", cpu_milli=100)
    instance = test.join(Thief(test), limits=Limits(conflicts=6))
    started = []
    for _ in range(60):
        if isinstance(instance.action, Wait):
            if instance.action.timeout_us is None or instance.action.timeout_us > 2 * SECOND_US:
                break
            test.clock.advance(instance.action.timeout_us)
        elif isinstance(instance.action.transactions[0].commands[0], Place):  # type: ignore[union-attr]
            started.append(test.clock.monotonic_us())
        test.turn(instance)
    assert instance.statistics.conflicts == 6
    gaps = np.diff(started)
    assert gaps[0] == 0
    assert (gaps[1:] > 0).all()
    assert gaps[-1] > 4 * gaps[1]
    assert test.why(job) == "1 unplaced: 6 attempts in a row conflicted with other schedulers; it waits for a minute"
    assert instance.statistics.gave_up == 1
    assert isinstance(instance.action, Wait)
    assert instance.action.timeout_us == 60 * SECOND_US


class Thief:
    """Decides well, and has the machine changed behind its own back before it can append (COARSE notices)."""

    detection = Detection.COARSE

    def __init__(self, test: TestCell) -> None:
        self._test = test
        self._jobs = 0

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        [group] = pending
        self._jobs += 1
        self._test.operator.add_machine("m0", capacity=(1_000, 1 << 30, 1 << 30))
        return Placement.of(group, [0])


def test_several_jobs_are_decided_for_one_append_each_a_transaction() -> None:
    """With a backlog one entry carries many decisions, each on top of the claims before it, and all are granted."""
    test = TestCell(machines=10, cpu_milli=1_000)
    jobs = [test.submit(f"job-{number}", count=2, cpu_milli=500) for number in range(10)]
    instance = test.join(BatchScheduler())
    test.go()
    assert sum(test.placed(job) for job in jobs) == 20
    transactions = written_by(test, instance)
    assert [each.position for each in transactions] == list(range(10))
    assert {each.seen for each in transactions} == {transactions[0].seen}
    assert instance.statistics.appends == 2
    assert instance.statistics.conflicts == instance.statistics.disagreements == 0


def test_an_append_is_bounded() -> None:
    """By jobs, and by claims: a large job is placed in parts."""
    test = TestCell(machines=10, cpu_milli=100_000)
    for number in range(7):
        test.submit(f"job-{number}", count=2)
    large = test.submit("large", count=25)
    instance = test.join(BatchScheduler(), limits=Limits(jobs=3, claims=10))
    test.go()
    assert test.placed(large) == 25
    sizes = [
        [len(each.commands[0].indices) for each in entry if isinstance(each.commands[0], Place)]
        for entry in test.log.entries
    ]
    assert max(len(entry) for entry in sizes) == 3
    assert max(sum(entry) for entry in sizes) == 10
    assert instance.statistics.granted == 39


def test_time_bounds_an_append() -> None:
    """After the time to decide is over no further decision is begun."""
    test = TestCell(machines=10)

    class Slow(BatchScheduler):
        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            test.clock.advance(7_000)
            return super().place(pending, cell, ctx)

    for number in range(7):
        test.submit(f"job-{number}")
    instance = test.join(Slow())
    test.go()
    assert [len(entry) for entry in test.log.entries if is_scheduling(entry[0])] == [3, 3, 1]
    stamps = [(each.decided_from_us, each.decided_to_us) for each in written_by(test, instance)]
    assert [to - begin for begin, to in stamps] == [7_000] * 7
    assert instance.statistics.busy_us == 49_000


def test_a_gang_is_one_transaction_however_large() -> None:
    """More tasks than one append usually takes are still claimed together, alone in their append."""
    test = TestCell(machines=10, cpu_milli=100_000)
    test.submit("other")
    gang = test.submit("gang", count=50, is_gang=True)
    instance = test.join(BatchScheduler(), limits=Limits(claims=10))
    test.go()
    assert test.placed(gang) == 50
    [transaction] = [each for each in written_by(test, instance) if each.commands[0].job == gang]  # type: ignore[union-attr]
    assert transaction.atomicity is Atomicity.ALL_OR_NOTHING


def test_a_gang_that_fits_in_no_entry_says_so() -> None:
    """It is not asked for at all, and waits with the reason."""
    test = TestCell(machines=10, cpu_milli=100_000)
    gang = test.submit("gang", count=50, is_gang=True)
    test.join(BatchScheduler(), limits=Limits(gang_claims=49))
    test.go()
    assert test.why(gang) == "50 unplaced: a gang of 50 tasks; one transaction takes 49"


def test_no_room_is_said_once_and_then_nothing_happens() -> None:
    """The attempt is appended with its reasons by machines; afterwards the loop rests until the log grows."""
    test = TestCell(machines=3, cpu_milli=100)
    test.add_machine("strange", drivers=("other",))
    job = test.submit("big", count=2, cpu_milli=200)
    instance = test.join(BatchScheduler())
    test.go()
    assert test.why(job) == "2 unplaced: 3 machines RESOURCES, 1 machines DRIVER_MISSING"
    assert isinstance(instance.action, Wait)
    assert instance.action.timeout_us is None
    decisions = instance.statistics.decisions
    test.submit("elsewhere", scheduler="other")
    test.operator.tick()
    test.go()
    assert instance.statistics.decisions == decisions
    [said] = written_by(test, instance)
    assert isinstance(said.commands[0], Unplaced)


def test_a_job_is_tried_again_when_machines_change() -> None:
    """Room that appears is used; tasks beyond it stay, with the new numbers."""
    test = TestCell(machines=1, cpu_milli=100)
    job = test.submit("big", count=3, cpu_milli=200)
    test.join(BatchScheduler())
    test.go()
    test.add_machine("large", cpu_milli=400)
    test.go()
    assert test.counts(job)[: TaskState.RUNNING] == [1, 2]
    assert test.why(job) == "1 unplaced: 2 machines RESOURCES"


def test_a_reason_is_repeated_only_when_it_is_another() -> None:
    """The same reasons with other numbers within seconds are not appended again; another reason is, at once."""
    test = TestCell(machines=1, cpu_milli=100)
    job = test.submit("picky", cpu_milli=100)

    class Picky:
        note = ""

        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            ctx.explain(pending[0], self.note)
            return NOTHING

    picky = Picky()
    picky.note = "not on a Monday"
    instance = test.join(picky)
    test.go()
    assert test.why(job) == "1 unplaced: not on a Monday"
    for number in range(4):
        test.add_machine(f"m{number + 1}", cpu_milli=100)
        test.go()
    assert instance.statistics.decisions == 5
    assert len(written_by(test, instance)) == 1
    picky.note = "not on a Tuesday"
    test.add_machine("m5", cpu_milli=100)
    test.go()
    assert test.why(job) == "1 unplaced: not on a Tuesday"


def test_the_first_task_of_a_backlog_wakes_the_next() -> None:
    """When room for many parked jobs of one shape appears, all of them get it, though each wakes only when told."""
    test = TestCell(machines=0)
    jobs = [test.submit(f"job-{number}", count=2, cpu_milli=100) for number in range(30)]
    test.join(BatchScheduler())
    test.go()
    test.add_machine("large", cpu_milli=10_000)
    test.go()
    assert sum(test.placed(job) for job in jobs) == 60


def test_a_scheduler_with_max_groups_sees_several_jobs() -> None:
    """Claims name their groups; each job is a transaction of its own, and the time of the call is divided."""
    test = TestCell(machines=20, cpu_milli=100)
    jobs = [test.submit(f"job-{number}", count=2) for number in range(10)]
    instance = test.join(Whole())
    test.go()
    assert Whole.seen == 8
    assert sum(test.placed(job) for job in jobs) == 20
    assert instance.statistics.disagreements == 0
    assert len(written_by(test, instance)) == 10


def test_restarts_are_held_back_and_other_tasks_are_not() -> None:
    """A task that failed waits for its delay, doubled each time; the rest of its job goes on."""
    test = TestCell(machines=4, cpu_milli=1_000)
    job = test.submit("web", count=2, kind=Kind.SERVICE, max_restarts=-1, restart_delay_us=4 * SECOND_US)
    instance = test.join(BatchScheduler())
    test.go()
    waited = []
    for _ in range(3):
        test.end(job, exit_code=1)
        began = test.clock.monotonic_us()
        while test.placed(job) < 2:
            test.operator.tick(SECOND_US)
            test.go(for_us=0)
        waited.append(test.clock.monotonic_us() - began)
    assert 4 * SECOND_US * 7 // 8 <= waited[0] <= 4 * SECOND_US * 9 // 8 + SECOND_US
    assert 8 * SECOND_US * 7 // 8 <= waited[1] <= 8 * SECOND_US * 9 // 8 + SECOND_US
    assert 16 * SECOND_US * 7 // 8 <= waited[2] <= 16 * SECOND_US * 9 // 8 + SECOND_US
    test.end(job, exit_code=1)
    test.submit("web", count=3, kind=Kind.SERVICE, max_restarts=-1, restart_delay_us=4 * SECOND_US)
    test.go(for_us=0)
    assert test.placed(job) == 1
    assert instance.statistics.failures == 0


def test_fresh_tasks_do_not_wait_for_the_delay_of_others() -> None:
    """In a cell as young as this one, only the task that failed is held back."""
    test = TestCell(machines=4, cpu_milli=1_000)
    job = test.submit("web", kind=Kind.SERVICE, max_restarts=-1, restart_delay_us=60 * SECOND_US)
    test.join(BatchScheduler())
    test.go()
    test.end(job, exit_code=1)
    test.submit("web", count=3, kind=Kind.SERVICE, max_restarts=-1, restart_delay_us=60 * SECOND_US)
    test.go(for_us=0)
    assert test.placed(job) == 2


def test_a_gang_restarts_together() -> None:
    """Its tasks come due at different times, and are placed when the last is."""
    test = TestCell(machines=4, cpu_milli=1_000)
    job = test.submit("gang", count=4, is_gang=True, max_restarts=-1, restart_delay_us=40 * SECOND_US)
    test.join(BatchScheduler())
    test.go()
    test.end(job, exit_code=1)
    seen = set()
    for _ in range(60):
        test.operator.tick(SECOND_US)
        test.go(for_us=0)
        seen.add(test.placed(job))
    assert seen == {0, 4}


def test_a_gang_that_does_not_fit_into_this_append_goes_into_the_next() -> None:
    """The bound on claims holds for gangs too, unless one alone is larger."""
    test = TestCell(machines=10, cpu_milli=100_000)
    jobs = [test.submit("small", count=5), test.submit("gang", count=8, is_gang=True)]
    test.join(BatchScheduler(), limits=Limits(claims=10))
    test.go()
    assert [test.placed(job) for job in jobs] == [5, 8]
    sizes = [
        [len(each.commands[0].indices) for each in entry if isinstance(each.commands[0], Place)]
        for entry in test.log.entries
    ]
    assert [size for size in sizes if size] == [[5], [8]]


def test_room_that_one_job_leaves_goes_to_the_next_of_its_shape() -> None:
    """A scheduler with a policy of its own does not want the job that was woken first; the other gets the room."""

    class Picky(BatchScheduler):
        preempts = False

        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            return NOTHING if pending[0].spec.owner == "unloved" else super().place(pending, cell, ctx)

    test = TestCell(machines=0)
    unloved = test.submit("first", owner="unloved", priority=9)
    other = test.submit("second")
    instance = test.join(Picky())
    test.go()
    test.add_machine("m", cpu_milli=100)
    test.go()
    assert (test.placed(unloved), test.placed(other)) == (0, 1)
    assert instance.statistics.decisions == 4


def test_a_job_parked_behind_claims_that_were_refused_looks_again() -> None:
    """A gang took all room in this append, so the next job found none; the gang lost, and what it would have taken on
    machines that did not change is found free again."""
    test = TestCell(machines=2, cpu_milli=1_000)
    instance = test.join(BatchScheduler(), queue="late")
    test.go()
    gang = test.submit("gang", count=2, cpu_milli=1_000, is_gang=True, scheduler="late", priority=9)
    single = test.submit("single", cpu_milli=1_000, scheduler="late")
    test.turn(instance)
    assert isinstance(instance.action, Append)
    thief = test.submit("thief", cpu_milli=1_000, scheduler="thief", priority=9)
    test.join(First(), queue="thief")
    for _ in range(2):
        test.turn(test.instances[1])
    assert test.placed(thief) == 1
    test.go()
    assert (test.placed(gang), test.placed(single)) == (0, 1)
    assert instance.statistics.conflicts == 1


# --- sessions ---


def session_of(instance: Instance) -> int | None:
    """Return the session that a loop believes in."""
    return instance.runner.loop._session


def test_the_session_opens_before_anything_else_and_closes_at_the_end() -> None:
    """An instance is visible to the others as soon as it lives, and gone when it halts."""
    test = TestCell()
    instance = test.join(BatchScheduler(), name="batch-7")
    test.go()
    [session] = [each for each in test.operator.cell.sessions.values() if each.scheduler == "test"]
    assert test.operator.cell.authors.rows[session.author].name == "batch-7"
    instance.runner.halt()
    test.turn(instance)
    assert isinstance(instance.action, Append)
    test.turn(instance)
    assert isinstance(instance.action, Done)
    test.operator.port.catch_up()
    assert not [each for each in test.operator.cell.sessions.values() if each.scheduler == "test"]


def test_a_silent_session_is_renewed_in_time() -> None:
    """Ticks wake the loop; it renews once a third of the time to live has gone, and never expires."""
    test = TestCell()
    instance = test.join(BatchScheduler())
    test.go()
    session = session_of(instance)
    for _ in range(100):
        test.operator.tick()
        test.go(for_us=0)
    renewals = [each for entry in test.log.entries for each in entry if isinstance(each.commands[0], Renew)]
    assert session_of(instance) == session
    assert 8 <= len(renewals) <= 12
    cell = test.operator.cell
    assert cell.sessions[renewals[0].session].deadline > cell.elapsed


def test_a_session_that_expired_is_opened_anew_and_work_goes_on() -> None:
    """A loop that slept too long finds its session gone, and neither loses nor doubles anything."""
    test = TestCell()
    instance = test.join(BatchScheduler())
    test.go()
    session = session_of(instance)
    assert session is not None
    for _ in range(31):
        test.operator.tick()
    test.operator.must(ExpireSession(session=session))  # type: ignore[arg-type]
    job = test.submit("late")
    test.go()
    assert session_of(instance) != session
    assert (instance.statistics.sessions, test.placed(job)) == (2, 1)


def test_a_session_that_expires_under_an_append_is_opened_anew() -> None:
    """The append comes back SESSION_UNKNOWN; the job is decided again under the new session."""
    test = TestCell()
    instance = test.join(BatchScheduler())
    test.go()
    session = session_of(instance)
    assert session is not None
    for _ in range(31):
        test.operator.tick()
    job = test.submit("caught")
    test.turn(instance)
    assert isinstance(instance.action, Append)
    test.operator.must(ExpireSession(session=session))  # type: ignore[arg-type]
    test.go()
    assert (instance.statistics.sessions, instance.statistics.refused, test.placed(job)) == (2, 1, 1)


def test_a_new_incarnation_ends_every_session_and_the_loop_goes_on() -> None:
    """After a restore the loop opens a session again."""
    test = TestCell()
    instance = test.join(BatchScheduler())
    test.go()
    test.operator.must(Reincarnate(incarnation="f" * 32))
    job = test.submit("after")
    test.go()
    assert (instance.statistics.sessions, test.placed(job)) == (2, 1)


def test_a_cell_that_takes_no_session_of_this_name_ends_the_process() -> None:
    """Opening is tried a few times, and then the error names the instance instead of filling the log."""
    test = TestCell()
    instance = test.join(BatchScheduler(), name="no\nname")
    with pytest.raises(InvariantError, match=r"refused 10 sessions of 'no\\nname' in a row"):
        test.go()
    assert instance.statistics.sessions == 10


def test_a_transaction_that_the_cell_cannot_read_costs_a_session_and_not_the_loop() -> None:
    """Should this loop write what breaks the format, the job waits and the others go on in a new session."""
    test = TestCell(machines=4)
    instance = test.join(BatchScheduler())
    test.go()
    jobs = [test.submit(f"job-{number}") for number in range(3)]
    test.turn(instance)
    assert isinstance(instance.action, Append)
    first, *others = instance.action.transactions
    instance.action = Append(transactions=(replace(first, commands=()), *others))
    test.go(for_us=0)
    assert [test.placed(job) for job in jobs] == [0, 1, 1]
    test.go()
    assert [test.placed(job) for job in jobs] == [1, 1, 1]
    assert instance.statistics.sessions == 2


def test_a_suspended_author_pauses() -> None:
    """An author that was refused too often proposes nothing until the suspension is over."""
    test = TestCell()
    instance = test.join(BatchScheduler())
    test.go()
    author = next(each for each in test.operator.cell.authors.rows if each.name == "test-0")
    assert MAX_REFUSED_IN_A_ROW > 1
    for cell in (test.operator.cell, instance.port.cell):
        row = cell.authors.row_of("test-0")
        assert row is not None
        cell.authors.rows[row].suspended_until = cell.elapsed + SUSPENSION_US
    assert author.suspended_until
    job = test.submit("patient")
    test.go(for_us=SUSPENSION_US - 1)
    assert (instance.statistics.refused, instance.statistics.decisions) == (1, 1)
    for _ in range(6):
        test.operator.tick()
    test.go()
    assert test.placed(job) == 1


class Picky(BatchScheduler):
    """The batch scheduler, which fails on one job."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Place every job but ``bad``."""
        if pending[0].spec.name == "bad":
            raise ValueError("not this one")
        return super().place(pending, cell, ctx)


def test_a_suspended_author_does_not_spin_on_a_job_that_is_due() -> None:
    """A job whose delay ends while the author is suspended waits for the end of the suspension, in one wait."""
    test = TestCell()
    instance = test.join(Picky())
    test.submit("bad")
    test.go(for_us=0)
    for cell in (test.operator.cell, instance.port.cell):
        row = cell.authors.row_of("test-0")
        assert row is not None
        cell.authors.rows[row].suspended_until = cell.elapsed + SUSPENSION_US
    test.submit("patient")
    test.go(for_us=SUSPENSION_US - 1)
    assert instance.statistics.refused == 1
    assert instance.action == Wait(timeout_us=SUSPENSION_US)


# --- jumps ---


def test_after_a_jump_the_loop_goes_on_from_the_new_copy() -> None:
    """The shell replaced the copy of the cell (a checkpoint): waiting jobs are read anew, outcomes still count."""
    test = TestCell()
    instance = test.join(BatchScheduler())
    test.go()
    job, other = test.submit("one"), test.submit("two")
    test.turn(instance)
    action = instance.action
    assert isinstance(action, Append)
    fresh = MemoryPort(test.log)
    fresh.catch_up()
    outcomes = tuple(fresh.append(action.transactions))
    fresh.cell.drain_delta()
    after = instance.runner.loop.step(Reloaded(cell=fresh.cell, outcomes=outcomes))
    assert isinstance(after, Wait)
    assert instance.statistics.granted == 2
    assert (test.placed(job), test.placed(other)) == (1, 1)
    assert instance.runner.loop.backlog_count == 0


def test_an_outcome_that_nobody_remembers_is_read_off_the_cell() -> None:
    """The job was placed after all: nothing is left to do. Had it not been, it would be decided again."""
    test = TestCell()
    instance = test.join(BatchScheduler())
    test.go()
    job = test.submit("one")
    test.turn(instance)
    assert isinstance(instance.action, Append)
    instance.port.append(instance.action.transactions)
    after = instance.runner.loop.step(Folded(delta=instance.port.catch_up(), outcomes=(None,)))
    assert isinstance(after, Wait)
    assert (instance.statistics.unknown, test.placed(job)) == (1, 1)


@pytest.mark.parametrize("detection", list(Detection))
def test_the_class_says_how_its_claims_are_judged(detection: Detection) -> None:
    """The transactions carry the detection and the atomicity of the scheduler's class."""

    class Mine(BatchScheduler):
        atomicity = Atomicity.ALL_OR_NOTHING

    Mine.detection = detection  # type: ignore[attr-defined]
    test = TestCell()
    test.submit("one")
    instance = test.join(Mine())
    test.go()
    [transaction] = written_by(test, instance)
    assert (transaction.detection, transaction.atomicity) == (detection, Atomicity.ALL_OR_NOTHING)
    assert transaction.seen > Revision(0)


@pytest.mark.parametrize("is_gang", [False, True])
def test_a_job_waits_for_a_silent_machine_and_goes_there_once_it_is_heard(is_gang: bool) -> None:
    """Nothing is placed on a machine known to be silent; ticks that change no contact ask nobody; the tick that hears
    the machine again wakes the job."""
    test = TestCell(machines=2, cpu_milli=1_000)
    test.operator.tick(lost_contact=[0])
    job = test.submit("pair", count=2, cpu_milli=1_000, is_gang=is_gang)
    test.run(BatchScheduler())
    assert test.placed(job) == (0 if is_gang else 1)
    assert "1 machines MACHINE_NOT_UP" in test.why(job)
    decisions = test.instances[0].statistics.decisions
    for _ in range(5):
        test.operator.tick()
        test.go()
    assert test.instances[0].statistics.decisions == decisions
    test.operator.tick(gained=[0])
    test.go()
    assert test.placed(job) == 2


@pytest.mark.parametrize("skew_us", [0, -3_600 * SECOND_US, 3_600 * SECOND_US], ids=["right", "behind", "ahead"])
def test_a_delay_runs_from_the_end_by_the_clock_and_not_from_the_last_tick(skew_us: int) -> None:
    """With a delay of 2 s a task that failed just before a tick is tried again 2 s after its end; a machine whose clock
    is wrong by an hour shifts that by what one tick may add, no further."""
    test = TestCell(machines=1, cpu_milli=1_000)
    job = test.submit("web", kind=Kind.SERVICE, max_restarts=-1, restart_delay_us=2 * SECOND_US)
    test.run(BatchScheduler())
    test.clock.advance(1_990_000)
    test.end(job, exit_code=1, skew_us=skew_us)
    waited_us = 0
    while not test.placed(job):
        assert waited_us < 10 * SECOND_US
        test.clock.advance(10_000)
        waited_us += 10_000
        if waited_us % TICK_PERIOD_US == 10_000:
            test.operator.must(tick_after(test.operator.cell))
        test.go(for_us=0)
    if skew_us:
        assert waited_us <= 2 * SECOND_US + 2 * TICK_PERIOD_US
    else:
        assert 2 * SECOND_US <= waited_us <= 2 * SECOND_US + 10_000


class Hang(BaseException):
    """Stands for a process that is killed in the middle of a decision: nothing of it is appended."""


class HangsOn(BatchScheduler):
    """Never comes back from a job of one name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        if pending[0].spec.name == self._name:
            raise Hang
        return super().place(pending, cell, ctx)


def turn_often(test: TestCell, instance: Instance) -> None:
    """Let one instance run and no other, for longer than it needs to decide on a few jobs."""
    for _ in range(50):
        test.turn(instance)


def test_a_job_that_hangs_its_plugin_starves_no_other() -> None:
    """The instance is killed and begins again under its name; job by job the others are placed, though the bad one is
    the oldest and has the highest priority."""
    test = TestCell(machines=4)
    bad = test.submit("bad", priority=9)
    good = [test.submit(f"good-{number}") for number in range(5)]
    for _ in range(20):
        instance = test.join(HangsOn("bad"), name="mine")
        with pytest.raises(Hang):
            turn_often(test, instance)
    assert [test.placed(job) for job in good] == [1] * 5
    assert test.placed(bad) == 0


def tick_after(cell: Cell) -> Tick:
    """Return the tick that is due a period after the last."""
    nothing = np.empty(0, np.int32)
    return Tick(after=cell.tick, dt_us=TICK_PERIOD_US, gained=nothing, gained_epochs=nothing, lost_contact=nothing)
