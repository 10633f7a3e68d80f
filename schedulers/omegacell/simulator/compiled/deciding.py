"""Deciding on waiting jobs for one append: `Loop._decide`, `deciding.Decider` and `thinking.Thinking` over records.

Claims of one append count for the decisions after them: they are taken from the columns while it is decided and put
back in the end, so that nothing is copied and the judge finds the cell as it was.
"""

import numpy as np

from omegacell.core.kernels import Whole, part
from omegacell.simulator.compiled.placing import place_batch, place_service, sum_room
from omegacell.simulator.compiled.settling import settle_short
from omegacell.simulator.compiled.waiting import make_ready, take
from omegacell.simulator.compiled.world import Records, Result, World
from omegacell.simulator.metrics import DAY_US, SECOND

MAX_JOBS = 64
MAX_CLAIMS = 4_096
DECIDE_US = 20_000
SAY_AGAIN_US = 5_000_000
MAX_ATTEMPTS = 1_000

_BATCH, _SERVICE, _PREFILL = 0, 1, 2
_PLACED, _SHORT = int(Result.PLACED), int(Result.SHORT)
_MOST = np.int64(1_000_000)


@part
def decide(world: World, number: Whole, now_us: Whole) -> Whole:
    """Decide on the next jobs, as many as fit in one append; return how many decisions are to be appended."""
    instance = world.instances[number]
    said = claims = 0
    for _ in range(MAX_JOBS):
        row = take(world, number, now_us)
        if row < 0:
            break
        job = world.jobs[row]
        count = job.pending if job.is_gang else min(job.pending, MAX_CLAIMS - claims)
        if count > MAX_CLAIMS - claims and said > 0:
            make_ready(world, number, row)
            break
        decision = world.decisions[number, said]
        decision.job = row
        decision.first = claims
        _decide_on(world, number, decision, count)
        if decision.claims or decision.says:
            said += 1
            claims += decision.claims
        else:
            settle_short(world, number, decision)
        if claims >= MAX_CLAIMS or instance.clock_us >= now_us + DECIDE_US:
            break
    _give_back_tentative(world, number, said)
    return said


@part
def _decide_on(world: World, number: Whole, decision: Records, count: Whole) -> None:
    """Let the time of a decision pass, ask the scheduler, and say what came of it."""
    instance, row = world.instances[number], decision.job
    job = world.jobs[row]
    decision.from_us = instance.clock_us
    instance.clock_us += _time_of(instance, job.kind, count)
    decision.to_us = instance.clock_us
    _note_attempt(world, instance, row, decision.from_us)
    instance.attempts += 1
    _note_busy(world, number, decision.from_us, decision.to_us)
    first = decision.first
    rows = world.claim_machines[number, first : first + count]
    decision.note_count = -1
    decision.note_room = -1
    placed = 0
    if job.kind == _SERVICE:
        room = sum_room(world, row, count) if job.is_gang else count
        if room >= count:
            placed = place_service(world, number, row, count, rows)
        else:
            decision.note_count = count
            decision.note_room = sum_room(world, row, _MOST)
    else:
        placed = place_batch(world, number, row, count, rows)
        if job.is_gang and placed < count:
            decision.note_count = count
            decision.note_room = placed
            placed = 0
    instance.no_room += 1 if placed == 0 else 0
    decision.claims = placed
    _name_tasks(world, number, decision)
    _conclude(world, number, decision, count)


@part
def _time_of(instance: Records, kind: Whole, count: Whole) -> Whole:
    """Return how long a decision takes (`DecisionTime.of`)."""
    seconds = instance.job_s_0 + instance.task_s_0 * count
    if kind == _SERVICE:
        seconds = instance.job_s_1 + instance.task_s_1 * count
    return int(np.rint(seconds * SECOND))


@part
def _note_attempt(world: World, instance: Records, row: Whole, began_us: Whole) -> None:
    job, cell = world.jobs[row], world.cell[0]
    if job.kind == _PREFILL:
        return
    job.attempts += 1
    if job.first_us < 0:
        job.first_us = began_us
    if job.attempts >= MAX_ATTEMPTS:
        world.hopeless[cell.hopeless] = row
        cell.hopeless += 1


@part
def _note_busy(world: World, number: Whole, from_us: Whole, to_us: Whole) -> None:
    """Count time spent deciding, to the days in which it was spent (`Tally.note_busy`)."""
    if number >= world.days.shape[0]:
        return
    to_us = min(to_us, world.cell[0].end_us)
    while from_us < to_us:
        number_of_day = from_us // DAY_US
        until_us = min(to_us, (number_of_day + 1) * DAY_US)
        day = world.days[number, number_of_day]
        day.is_known = 1
        day.busy_us += until_us - from_us
        from_us = until_us


@part
def _name_tasks(world: World, number: Whole, decision: Records) -> None:
    """Claim the first pending tasks, as many as there are machines chosen."""
    job, tasks = world.jobs[decision.job], world.tasks
    place, task = decision.first, job.offset
    end = decision.first + decision.claims
    while place < end:
        if tasks[task].state == 0:
            world.claim_tasks[number, place] = task
            place += 1
        task += 1


@part
def _conclude(world: World, number: Whole, decision: Records, count: Whole) -> None:
    """Turn what was chosen into a result, and into what is said of the rest (`Decider._conclude`)."""
    row = decision.job
    job = world.jobs[row]
    placed = decision.claims
    if placed:
        _take_tentatively(world, number, decision)
    decision.says = 0
    decision.has_left_room = 0
    decision.result = _PLACED
    if placed == count:
        return
    decision.result = _SHORT
    decision.left = count - placed
    _count_lacks(world, decision)
    is_news = _is_news(job, decision, world.instances[number].clock_us)
    decision.says = 1 if is_news or placed else 0
    left = decision.left
    room = sum_room(world, row, left)
    decision.has_left_room = 1 if room >= (left if job.is_gang else 1) else 0


@part
def _take_tentatively(world: World, number: Whole, decision: Records) -> None:
    free, amounts = world.free, world.amounts[decision.job]
    for place in range(decision.first, decision.first + decision.claims):
        machine = world.claim_machines[number, place]
        for dimension in range(amounts.shape[0]):
            free[machine, dimension] -= amounts[dimension]


@part
def _give_back_tentative(world: World, number: Whole, said: Whole) -> None:
    """Put back what the decisions of this append have taken."""
    free = world.free
    for place in range(said):
        decision = world.decisions[number, place]
        amounts = world.amounts[decision.job]
        for claim in range(decision.first, decision.first + decision.claims):
            machine = world.claim_machines[number, claim]
            for dimension in range(amounts.shape[0]):
                free[machine, dimension] += amounts[dimension]


@part
def _count_lacks(world: World, decision: Records) -> None:
    """Count the machines that take no more of the job's tasks, by the first dimension that is short."""
    free, amounts = world.free, world.amounts[decision.job]
    cpu = memory = 0
    for machine in range(world.cell[0].machines):
        if free[machine, 0] < amounts[0] and amounts[0] > 0:
            cpu += 1
        elif free[machine, 1] < amounts[1] and amounts[1] > 0:
            memory += 1
    decision.lack_cpu = cpu
    decision.lack_memory = memory


@part
def _is_news(job: Records, decision: Records, now_us: Whole) -> bool:
    """Whether a reason is to be appended: another one at once, the same with other numbers now and then."""
    has_lacks = decision.lack_cpu > 0 or decision.lack_memory > 0
    is_same_note = job.why_note_count == decision.note_count and job.why_note_room == decision.note_room
    is_same_kind = (
        job.has_why != 0
        and (job.why_cpu > 0) == (decision.lack_cpu > 0)
        and (job.why_memory > 0) == (decision.lack_memory > 0)
        and (has_lacks or is_same_note)
    )
    is_same = (
        job.why_count == decision.left
        and job.why_cpu == decision.lack_cpu
        and job.why_memory == decision.lack_memory
        and is_same_note
    )
    if is_same_kind and (is_same or now_us - job.said_at_us < SAY_AGAIN_US):
        return False
    job.said_at_us = now_us
    return True
