"""The turns of instances and the events of the agenda: `loop.Loop`, `instances.Instance` and `Simulation`.

`start`, `begin` and `proceed` are what is called from outside. They return when everything has happened, or when a
column that grows is full: whoever called then makes more room and calls again.
"""

import numpy as np

from omegacell.core.kernels import Whole, part
from omegacell.simulator.compiled.agenda import drop_first, enter
from omegacell.simulator.compiled.deciding import decide
from omegacell.simulator.compiled.judging import (
    apply_alone,
    apply_decisions,
    end_tasks,
    note_cpu,
    stop,
    submit,
    tick,
)
from omegacell.simulator.compiled.settling import settle
from omegacell.simulator.compiled.waiting import find_next_due, take_in_jobs, wake_fitting
from omegacell.simulator.compiled.world import Act, Flight, Records, Stop, World
from omegacell.simulator.instances import MAX_STEPS
from omegacell.simulator.labcell import SESSION_TTL_US, TICK_US
from omegacell.simulator.metrics import DAY_US

NEVER = -1
SPARE_EVENTS = 256
SPARE_LOG = 1_024

_ARRIVE, _TICK, _END = np.int64(Act.ARRIVE), np.int64(Act.TICK), np.int64(Act.END)
_PERFORM, _TURN, _RING = np.int64(Act.PERFORM), np.int64(Act.TURN), np.int64(Act.RING)
_ZERO = np.int64(0)
_NOTHING, _ALONE, _DECISIONS = int(Flight.NOTHING), int(Flight.ALONE), int(Flight.DECISIONS)
_DONE, _AGENDA_FULL, _LOG_FULL, _SPINS = int(Stop.DONE), int(Stop.AGENDA_FULL), int(Stop.LOG_FULL), int(Stop.SPINS)
_PREFILL = 2
_RENEW_US = SESSION_TTL_US * 2 // 3


@part
def start(world: World, number: Whole) -> Whole:
    """Take turns at once until there is nothing to do (`Instance.start`)."""
    instance = world.instances[number]
    for _ in range(MAX_STEPS):
        if is_full(world) != _DONE:
            return is_full(world)
        if _step(world, number):
            _commit(world, number)
        elif instance.wait_us != 0:
            instance.is_resting = 1
            return _DONE
    return _SPINS


@part
def begin(world: World) -> None:
    """Enter the first arrival and the first tick."""
    _await_arrival(world)
    enter(world, np.int64(TICK_US), _TICK, _ZERO, _ZERO)


@part
def proceed(world: World) -> Whole:
    """Let everything happen until the end of the run, or until a column is full."""
    cell, events = world.cell[0], world.events
    while cell.events and events[0].time <= cell.end_us:
        full = is_full(world)
        if full != _DONE:
            return full
        event = events[0]
        act, subject, more = event.act, event.subject, event.more
        cell.now_us = event.time
        cell.executed += 1
        drop_first(world)
        is_fine = True
        if act == _ARRIVE:
            is_fine = _arrive(world, subject)
        elif act == _END:
            is_fine = _end(world, subject, more)
        elif act == _PERFORM:
            _commit(world, subject)
            is_fine = _turn(world, subject)
        elif act == _TURN:
            is_fine = _turn(world, subject)
        elif act == _RING:
            if more == world.instances[subject].timer:
                is_fine = _wake(world, subject)
        else:
            tick(world)
            note_cpu(world, _ZERO)
            enter(world, cell.now_us + TICK_US, _TICK, _ZERO, _ZERO)
        if not is_fine:
            return _SPINS
    cell.now_us = cell.end_us
    note_cpu(world, _ZERO)
    return _DONE


@part
def is_full(world: World) -> Whole:
    """Say which column has no room left for what one event may add; an entry adds 64 events at most."""
    cell = world.cell[0]
    if cell.events + SPARE_EVENTS + 2 * cell.instances > len(world.events):
        return _AGENDA_FULL
    if cell.log_count - cell.log_first + SPARE_LOG > len(world.log):
        return _LOG_FULL
    return _DONE


@part
def _await_arrival(world: World) -> None:
    cell = world.cell[0]
    if cell.arrived < len(world.jobs):
        enter(world, max(cell.now_us, world.jobs[cell.arrived].arrives_us), _ARRIVE, cell.arrived, _ZERO)
        cell.arrived += 1


@part
def _arrive(world: World, row: Whole) -> bool:
    """Submit a job and wake the instance in whose share it is."""
    _await_arrival(world)
    submit(world, row)
    return _wake(world, world.jobs[row].owner)


@part
def _end(world: World, row: Whole, head: Whole) -> bool:
    """Let tasks end, and wake whoever waits for room."""
    ended = end_tasks(world, row, head)
    note_cpu(world, -world.amounts[row, 0] * ended)
    is_fine = True
    for number in range(world.cell[0].queues_end):
        if world.instances[number].parked:
            is_fine = _wake(world, number) and is_fine
    return is_fine


@part
def _wake(world: World, number: Whole) -> bool:
    return _turn(world, number) if world.instances[number].is_resting else True


@part
def _turn(world: World, number: Whole) -> bool:
    """Take a turn now (`Instance.turn`); false when it spins."""
    instance, cell = world.instances[number], world.cell[0]
    instance.is_resting = 0
    instance.timer += 1
    _give_up_hopeless(world)
    if _step(world, number):
        instance.idle_turns = 0
        enter(world, instance.clock_us, _PERFORM, number, _ZERO)
    elif instance.wait_us == 0 or instance.clock_us > cell.now_us:
        instance.idle_turns = 0 if instance.clock_us > cell.now_us else instance.idle_turns + 1
        enter(world, instance.clock_us, _TURN, number, _ZERO)
    else:
        instance.is_resting = 1
        if instance.wait_us != NEVER:
            enter(world, cell.now_us + instance.wait_us, _RING, number, instance.timer)
    return instance.idle_turns <= MAX_STEPS


@part
def _give_up_hopeless(world: World) -> None:
    """Give up jobs that were tried too often."""
    cell = world.cell[0]
    for place in range(cell.hopeless):
        row = world.hopeless[place]
        if world.jobs[row].pending:
            stop(world, row)
            world.jobs[row].is_abandoned = 1
    cell.hopeless = 0


@part
def _step(world: World, number: Whole) -> bool:
    """Take a step of the loop: true when there is something to append, else ``wait_us`` says for how long to rest."""
    instance, cell = world.instances[number], world.cell[0]
    instance.clock_us = cell.now_us
    take_in_jobs(world, number)
    if instance.parked or instance.deciding:
        instance.is_noted = 1
        instance.noted_from = instance.seen_machines
    instance.seen_machines = cell.revision
    _settle_all(world, number)
    if not instance.is_open:
        instance.is_open = 1
        instance.flight = _ALONE
        return True
    now_us = instance.clock_us
    has_more = wake_fitting(world, number, now_us)
    said = 0 if now_us < instance.paused_until_us else decide(world, number, now_us)
    instance.decisions = said
    instance.seen = cell.revision
    if said:
        instance.flight = _DECISIONS
        return True
    if cell.elapsed >= instance.deadline - _RENEW_US:
        instance.flight = _ALONE
        return True
    instance.wait_us = 0 if has_more else _rest_us(world, number, now_us)
    return False


@part
def _settle_all(world: World, number: Whole) -> None:
    """Read what became of the transactions in flight."""
    instance, cell = world.instances[number], world.cell[0]
    flight = instance.flight
    instance.flight = _NOTHING
    if flight != _DECISIONS:
        return
    for place in range(instance.decisions):
        decision = world.decisions[number, place]
        if decision.suspended:
            instance.paused_until_us = instance.clock_us + max(1, instance.suspended_until - cell.elapsed)
        settle(world, number, decision)


@part
def _rest_us(world: World, number: Whole, now_us: Whole) -> Whole:
    """Return how long there is nothing to do unless the cell changes, -1 for ever (`Loop._rest_us`)."""
    instance = world.instances[number]
    until_us = find_next_due(world, number)
    if instance.ready:
        until_us = instance.paused_until_us if until_us == NEVER else min(until_us, instance.paused_until_us)
    if until_us == NEVER:
        return NEVER
    return max(0, max(until_us, instance.paused_until_us) - now_us)


@part
def _commit(world: World, number: Whole) -> None:
    """Let the judge decide, count, and let what was granted run (`Instance._commit`)."""
    instance = world.instances[number]
    if instance.flight == _ALONE:
        apply_alone(world, number)
        return
    apply_decisions(world, number)
    for place in range(instance.decisions):
        decision = world.decisions[number, place]
        if decision.claims:
            _note_transaction(world, number, decision)
        if decision.granted:
            _note_granted(world, decision)


@part
def _note_transaction(world: World, number: Whole, decision: Records) -> None:
    """Count a transaction that was judged (`Tally.note_transaction`)."""
    instance = world.instances[number]
    if number >= world.days.shape[0]:
        return
    instance.claims += decision.claims
    instance.granted += decision.granted
    day = world.days[number, world.cell[0].now_us // DAY_US]
    day.is_known = 1
    day.successes += 1 if decision.granted == decision.claims else 0
    day.conflicts += decision.any_conflict


@part
def _note_granted(world: World, decision: Records) -> None:
    """Let tasks run, and end together (`Simulation.note_granted`)."""
    row, cell = decision.job, world.cell[0]
    job = world.jobs[row]
    enter(world, cell.now_us + job.duration_us, _END, row, decision.head)
    if job.kind == _PREFILL:
        return
    cell.tasks_placed += decision.granted
    note_cpu(world, world.amounts[row, 0] * decision.granted)
    if job.pending == 0:
        job.scheduled_us = cell.now_us
