"""A scheduler under a cap: it is shown what the cap takes, its jobs wait for the rest, and nothing spins."""

import random
from collections.abc import Sequence

import numpy as np
import pytest

from omegacell.core.apply import apply
from omegacell.core.caps import CapUse
from omegacell.core.cell import Cell
from omegacell.core.commands import Command, Place, Transaction
from omegacell.core.drains import Eligibility
from omegacell.core.jobs import Kind
from omegacell.core.limit_commands import SetCaps
from omegacell.core.outcomes import Outcome, Reason, Status
from omegacell.core.overlays import Overlay
from omegacell.core.units import MAX_TASKS_PER_JOB, UNLIMITED, Atomicity, Band, JobId, SessionId
from omegacell.schedulers.actions import Append
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Context, Placement, TaskGroup
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import Instance, TestCell
from omegacell.schedulers.view import CellView
from tests.support.histories import write_history
from tests.support.oracle_duel import fold_entries


class First:
    """Always takes the first machines that fit, one for each task."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        [group] = pending
        return Placement.of(group, np.flatnonzero(cell.fits(group))[: group.count])


class Many(First):
    """Sees eight groups at once."""

    max_groups = 8

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        view, parts = cell.tentative(), []
        for group in pending:
            rows = np.flatnonzero(view.fits(group))[: group.count]
            assert view.try_claim(group, rows)
            parts.append(Placement.of(group, rows))
        return Placement.join(parts)


def limit(
    test: TestCell,
    *,
    cpu: int = UNLIMITED,
    memory: int = UNLIMITED,
    jobs: int = UNLIMITED,
    scheduler: str = TestCell.SCHEDULER,
) -> None:
    """Set a cap."""
    test.operator.must(SetCaps(scheduler=scheduler, amounts=(cpu, memory, jobs)))


def refused(test: TestCell, author: int = 1) -> dict[str, int]:
    """Give an author's refused claims by reason."""
    test.operator.port.catch_up()
    reasons = test.operator.cell.authors.rows[author].reasons
    return {Reason(place).name: count for place, count in enumerate(reasons) if count}


def is_resting(instance: Instance) -> bool:
    """Say whether an instance waits for news and for no time of its own."""
    return not isinstance(instance.action, Append) and instance.due_us is None


@pytest.mark.parametrize("make", [BatchScheduler, ServiceScheduler, Many], ids=lambda make: make.__name__)
def test_a_cap_is_filled_and_never_run_into(make: type[BatchScheduler | ServiceScheduler | Many]) -> None:
    """Whatever the scheduler, its jobs get exactly what the cap takes; nothing was refused, and then it rests."""
    test = TestCell(machines=8, cpu_milli=1_000)
    limit(test, cpu=1_250)
    jobs = [test.submit(f"job-{number}", count=4, cpu_milli=200) for number in range(3)]
    instance = test.join(make())
    test.go()
    assert [test.placed(job) for job in jobs] == [4, 2, 0]
    assert refused(test) == {}
    assert test.why(jobs[1]) == "2 unplaced: 8 machines CAP_EXCEEDED"
    assert test.why(jobs[2]) == "4 unplaced: 8 machines CAP_EXCEEDED"
    assert is_resting(instance)
    decisions = instance.statistics.decisions
    test.add_machine("another")
    test.go()
    assert instance.statistics.decisions == decisions


def test_what_is_given_back_goes_to_the_next_at_once() -> None:
    """An attempt that ends lets a held job go on, the most important first, no more are tried than can be placed."""
    test = TestCell(machines=8, cpu_milli=1_000)
    limit(test, cpu=400)
    first = test.submit("first", count=2, cpu_milli=200)
    instance = test.join(First())
    test.go()
    low = [test.submit(f"low-{number}", cpu_milli=200) for number in range(50)]
    high = test.submit("high", cpu_milli=200, band=Band.PRODUCTION)
    test.go()
    assert (test.placed(first), test.placed(high), sum(map(test.placed, low))) == (2, 0, 0)
    decisions = instance.statistics.decisions
    test.end(first)
    test.go()
    assert (test.placed(high), [test.placed(job) for job in low[:2]]) == (1, [1, 0])
    assert refused(test) == {}
    assert instance.statistics.decisions <= decisions + 4


def test_instances_that_race_for_the_rest_of_a_cap_conflict_and_resync() -> None:
    """Two instances see room for one job each, and there is room for one: the other is refused, and holds its job."""
    test = TestCell(machines=4, cpu_milli=1_000)
    limit(test, cpu=300)
    one, two = test.join(First(), name="one"), test.join(First(), name="two")
    test.go()
    jobs = [test.submit(f"job-{number}", cpu_milli=200) for number in range(8)]
    for _ in range(2):
        test.turn(one)
        test.turn(two)
    test.go()
    assert sum(map(test.placed, jobs)) == 1
    losers = [refused(test, author) for author in (1, 2)]
    assert losers in ([{}, {"CAP_EXCEEDED": 1}], [{"CAP_EXCEEDED": 1}, {}])
    assert one.statistics.disagreements == two.statistics.disagreements == 0
    assert one.statistics.conflicts + two.statistics.conflicts == 1
    assert is_resting(one)
    assert is_resting(two)


def test_a_gang_waits_until_the_cap_takes_all_of_it() -> None:
    """A gang above the cap is not tried; smaller jobs after it are, and once the cap is raised it is placed whole."""
    test = TestCell(machines=8, cpu_milli=1_000)
    limit(test, cpu=700)
    gang = test.submit("gang", count=4, cpu_milli=200, is_gang=True)
    small = test.submit("small", count=2, cpu_milli=200)
    test.join(First())
    test.go()
    assert (test.placed(gang), test.placed(small)) == (0, 2)
    assert test.why(gang) == "4 unplaced: 8 machines CAP_EXCEEDED"
    limit(test, cpu=1_199)
    test.go()
    assert test.placed(gang) == 0
    limit(test, cpu=1_200)
    test.go()
    assert test.placed(gang) == 4
    assert refused(test) == {}


def test_jobs_are_counted_and_a_removed_cap_wakes_all() -> None:
    """With room for one job, the second waits until the first has no task left, or the cap is gone."""
    test = TestCell(machines=8, cpu_milli=1_000)
    limit(test, jobs=1)
    jobs = [test.submit(f"job-{number}", count=2) for number in range(4)]
    test.join(First())
    test.go()
    assert [test.placed(job) for job in jobs] == [2, 0, 0, 0]
    test.end(jobs[0])
    test.go()
    assert [test.placed(job) for job in jobs] == [0, 2, 0, 0]
    limit(test)
    test.go()
    assert [test.placed(job) for job in jobs] == [0, 2, 2, 2]


def test_another_schedulers_cap_is_nothing_to_this_one() -> None:
    """A cap binds the jobs that name its scheduler."""
    test = TestCell(machines=2, cpu_milli=1_000)
    limit(test, cpu=0, scheduler="other")
    mine, others = test.submit("mine"), test.submit("others", scheduler="other")
    test.join(First())
    test.join(First(), queue="other")
    test.go()
    assert (test.placed(mine), test.placed(others)) == (1, 0)


def test_a_claim_that_was_lost_gives_the_cap_back_to_the_job_behind_it() -> None:
    """Of two jobs decided on for one append, the first took the rest of the cap and then lost its machine: the second,
    which was held, is tried though nothing of the cap was ever given back."""
    test = TestCell(machines=1, cpu_milli=1_000)
    limit(test, cpu=900)
    big, small = test.submit("big", cpu_milli=900), test.submit("small", cpu_milli=300)
    rival = test.submit("rival", cpu_milli=500, scheduler="other")
    one, two = test.join(First()), test.join(First(), queue="other")
    test.turn(one)
    test.turn(two)
    test.turn(two)  # the rival's claim comes first
    test.go()
    assert (test.placed(big), test.placed(small), test.placed(rival)) == (0, 1, 1)


def test_a_held_job_that_is_stopped_or_scaled_is_read_anew() -> None:
    """A held job that ends leaves its place to the next; one that is scaled up is tried again, and held again."""
    test = TestCell(machines=4, cpu_milli=1_000)
    limit(test, cpu=200)
    first = test.submit("first", count=2, cpu_milli=100)
    test.join(First())
    test.go()
    held, next_ = test.submit("held", cpu_milli=100), test.submit("next", cpu_milli=100)
    test.go()
    test.stop(held)
    test.end(first)
    test.go()
    assert (test.placed(held), test.placed(next_)) == (0, 1)


def cells_of(seed: int) -> list[Cell]:
    """Give the cells of a history after some of its entries."""
    cell = Cell()
    cells = []
    for at, entry in enumerate(write_history(seed)):
        fold_entries(cell, [entry])
        if at % 7 == 6:
            cells.append(cell.clone())
    return cells


def test_what_the_view_says_of_a_cap_is_what_the_judge_grants() -> None:
    """On cells of random histories, as many claims as `CapUse` has room for are granted, and each one more is not."""
    limited = granted = 0
    for seed in range(1_500):
        rng = random.Random(seed)
        for cell in cells_of(seed):
            for job in cell.jobs.ids():
                found = try_cap(cell, job, rng)
                limited += found[0]
                granted += found[1]
    assert limited > 100
    assert granted > 100


def ask(cell: Cell, session: SessionId, command: Command, *, is_gang: bool = False) -> Outcome:
    """Apply one command of a session that saw everything."""
    return apply(
        cell,
        Transaction(
            session=session,
            seq=cell.sessions[session].last_seq + 1,
            seen=cell.revision,
            atomicity=Atomicity.ALL_OR_NOTHING if is_gang else Atomicity.INCREMENTAL,
            commands=(command,),
        ),
    )


def try_cap(cell: Cell, job: JobId, rng: random.Random) -> tuple[bool, int]:
    """Claim every pending task of a job, on machines large enough; say whether the cap refused any, and the granted."""
    row = cell.jobs.row_of(job)
    sessions = list(cell.sessions)
    assert row is not None
    offset, wanted = int(cell.jobs.offset[row]), int(cell.jobs.count_wanted[row])
    pending = np.flatnonzero(cell.tasks.state[offset : offset + wanted] == 0)
    # what is granted of a gang is not a question of the cap alone; a system job's tasks fit on no other machines
    is_other = cell.jobs.spec_of(row).is_gang or cell.jobs.kind[row] == Kind.SYSTEM
    if not len(pending) or not sessions or cell.jobs.stopping[row] or not cell.machines.count or is_other:
        return False, 0
    after = cell.clone()
    after.machines.free[:] = 1 << 40
    after.machines.state[:] = 1
    after.machines.drivers[:] = -1
    after.machines.eligibility[:] = Eligibility.OPEN
    spec = after.jobs.spec_of(row)
    if Overlay(after).room(spec, np.zeros(1, np.int64)).item() < len(pending):  # a machine does not take them all
        return False, 0
    amounts = tuple(rng.choice((UNLIMITED, rng.randint(0, 12))) for _ in range(3))
    command = SetCaps(scheduler=spec.scheduler, amounts=amounts)
    session = rng.choice(sessions)
    assert ask(after, session, command).status is Status.COMMITTED
    room = CapUse(after.caps, after.jobs).room(row)
    dimension, shortage = CapUse(after.caps, after.jobs).find_lack(row, len(pending))
    assert (dimension >= 0) == (room < len(pending))
    place = Place(job=job, indices=pending.astype(np.int32), machines=np.zeros(len(pending), np.int32))
    is_gang = rng.random() < 0.3
    outcome = ask(after, session, place, is_gang=is_gang)
    if outcome.reason is Reason.SUSPENDED:
        return False, 0
    fitting = min(room, len(pending))
    if fitting == len(pending):
        assert (outcome.status, outcome.granted) == (Status.COMMITTED, len(pending))
        return False, outcome.granted
    assert room < MAX_TASKS_PER_JOB
    assert shortage > 0
    assert outcome.granted == (0 if is_gang else fitting)
    refusals = outcome.refusals
    assert refusals.reasons.tolist()[-1] == Reason.CAP_EXCEEDED
    assert not refusals.is_conflict.any()
    assert (refusals.reasons == Reason.CAP_EXCEEDED).sum() == len(pending) - fitting
    return True, outcome.granted
