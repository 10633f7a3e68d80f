"""What the outcome of a decision means for its job: `schedulers.settling` and `schedulers.backoff` over records."""

import numpy as np

from omegacell.core.kernels import Whole, part
from omegacell.simulator.compiled.draws import draw_below
from omegacell.simulator.compiled.waiting import delay, make_ready, note_machine, park, wake_next_at
from omegacell.simulator.compiled.world import Records, Result, World

_PLACED = int(Result.PLACED)
_CONFLICT_US, _MISS_US, _LIMIT_US = np.int64(2_000), np.int64(10_000), np.int64(1_000_000)


@part
def settle(world: World, number: Whole, decision: Records) -> None:
    """Settle a decision that was appended and judged."""
    if decision.granted < decision.claims:
        _note_unclaimed(world, number, decision)
    row = decision.job
    if decision.suspended:
        make_ready(world, number, row)
    elif decision.refused:
        _settle_conflict(world, number, row)
    elif decision.result == _PLACED:
        world.jobs[row].conflicts = 0
        world.jobs[row].misses = 0
        make_ready(world, number, row)
    else:
        settle_short(world, number, decision)


@part
def settle_short(world: World, number: Whole, decision: Records) -> None:
    """Park a job of which some or all tasks found no room."""
    row = decision.job
    job = world.jobs[row]
    job.conflicts = 0
    job.misses = 1 if decision.claims else job.misses + 1
    delay_us = _draw_delay(world, number, _MISS_US, job.misses)
    now_us = world.instances[number].clock_us
    park(world, number, row, now_us + delay_us)
    if decision.has_left_room:
        wake_next_at(world, number, row, now_us)


@part
def _note_unclaimed(world: World, number: Whole, decision: Records) -> None:
    """Let jobs that were parked because of this decision's claims look again."""
    instance = world.instances[number]
    if instance.parked == 0 and instance.deciding == 0:
        return
    for place in range(decision.first, decision.first + decision.claims):
        note_machine(world, number, world.claim_machines[number, place])


@part
def _settle_conflict(world: World, number: Whole, row: Whole) -> None:
    job = world.jobs[row]
    job.conflicts += 1
    delay_us = _draw_delay(world, number, _CONFLICT_US, job.conflicts)
    now_us = world.instances[number].clock_us
    if delay_us:
        delay(world, number, row, now_us + delay_us, now_us)
    else:
        make_ready(world, number, row)


@part
def _draw_delay(world: World, number: Whole, first_us: Whole, attempts: Whole) -> Whole:
    """Return the delay after so many attempts in a row (`Backoff.delay_us`): none after the first."""
    if attempts <= 1:
        return 0
    whole = min(_LIMIT_US, first_us << min(attempts - 2, 40))
    return whole // 2 + draw_below(world.draws[2 * number + 1], whole - whole // 2 + 1)
