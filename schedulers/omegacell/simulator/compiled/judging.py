"""Applying an entry: `core.apply` for the transactions of a scheduler and of the lab itself, over the judge's kernels.

In a simulation the only refusals are those of `kernels.judge_claims`, JOB_STOPPING and SUSPENDED: every session stays
open, every machine is up, and nobody but its owner places a job.
"""

import numpy as np

from omegacell.core.kernels import (
    Charge,
    Claims,
    Moment,
    Terms,
    Whole,
    give_back,
    grant_claim,
    judge_claims,
    part,
    refuse_all,
)
from omegacell.core.outcomes import Reason
from omegacell.core.units import MAX_REFUSED_IN_A_ROW, SUSPENSION_US, Atomicity, Band
from omegacell.simulator.compiled.waiting import note_job
from omegacell.simulator.compiled.world import Records, World
from omegacell.simulator.labcell import SESSION_TTL_US, TICK_US

_JOB_STOPPING, _MACHINE_CHANGED = int(Reason.JOB_STOPPING), int(Reason.MACHINE_CHANGED)
_RESOURCES, _GANG_PARTNER = int(Reason.RESOURCES), int(Reason.GANG_PARTNER)
_INCREMENTAL, _ALL_OR_NOTHING = int(Atomicity.INCREMENTAL), int(Atomicity.ALL_OR_NOTHING)
_BAND = int(Band.BATCH)
_PENDING, _PLACED, _SUCCEEDED, _STOPPED = 0, 1, 4, 6
_STOP = 1
_SERVICE = 1
_CARRY = 1 << 60


@part
def begin_revision(world: World) -> Whole:
    """Count a transaction."""
    cell = world.cell[0]
    cell.revision += 1
    return cell.revision


@part
def apply_alone(world: World, number: Whole) -> None:
    """Apply an `OpenSession` or a `Renew`."""
    begin_revision(world)
    _keep_session(world, number, world.instances[number].clock_us)


@part
def apply_decisions(world: World, number: Whole) -> None:
    """Apply the transactions in flight as one entry, in their order."""
    floor = world.cell[0].revision
    for place in range(world.instances[number].decisions):
        _apply_decision(world, number, world.decisions[number, place], floor)


@part
def submit(world: World, row: Whole) -> None:
    """Apply a `SubmitJob` at the agenda's time."""
    job, cell = world.jobs[row], world.cell[0]
    revision = begin_revision(world)
    job.pending = job.count
    job.created_at = revision
    job.submitted_us = cell.now_us
    job.submit_place = cell.log_count
    cell.jobs += 1
    _touch_job(world, row, Moment(revision, revision - 1))
    _keep_lab_session(world)


@part
def stop(world: World, row: Whole) -> None:
    """Apply a `StopJob`: what waits of the job is given up, what runs of it is asked to end."""
    job = world.jobs[row]
    revision = begin_revision(world)
    job.stopping = 1
    for task in range(job.offset, job.offset + job.count):
        record = world.tasks[task]
        if record.state == _PENDING:
            record.state = _STOPPED
        elif record.state == _PLACED:
            record.stopping = _STOP
    job.stopped += job.pending
    job.pending = 0
    job.has_why = 0
    job.done_place = world.cell[0].log_count
    _touch_job(world, row, Moment(revision, revision - 1))


@part
def tick(world: World) -> None:
    """Apply a `Tick`."""
    begin_revision(world)
    world.cell[0].elapsed += TICK_US
    world.cell[0].tick += 1


@part
def end_tasks(world: World, row: Whole, head: Whole) -> Whole:
    """Apply the `Report` that tasks which began together have ended well; return how many."""
    cell, job = world.cell[0], world.jobs[row]
    revision = begin_revision(world)
    moment = Moment(revision, revision - 1)
    charge = Charge(world.amounts[row], _BAND, 0)
    ended = 0
    task = head
    while task >= 0:
        record = world.tasks[task]
        machine = np.int64(record.machine)
        give_back(world, machine, charge, moment)
        _move_up(world, machine)
        record.ended_elapsed = cell.elapsed
        if job.kind == _SERVICE and record.stopping == _STOP:
            record.state = _STOPPED
            job.stopped += 1
        else:
            record.state = _SUCCEEDED
            job.succeeded += 1
        record.stopping = 0
        task = np.int64(record.next)
        ended += 1
    job.placed -= ended
    _touch_job(world, row, moment)
    _keep_lab_session(world)
    return ended


@part
def note_cpu(world: World, change: Whole) -> None:
    """Add up allocated CPU over time, in two words, then let it change."""
    cell = world.cell[0]
    cell.cpu_time_low += cell.cpu_held * (cell.now_us - cell.cpu_since_us)
    if cell.cpu_time_low >= _CARRY:
        cell.cpu_time_high += cell.cpu_time_low // _CARRY
        cell.cpu_time_low %= _CARRY
    cell.cpu_since_us = cell.now_us
    cell.cpu_held += change


@part
def _apply_decision(world: World, number: Whole, decision: Records, floor: Whole) -> None:
    """Judge a decision, write what is granted, and enter it in the books."""
    instance, cell = world.instances[number], world.cell[0]
    moment = Moment(begin_revision(world), floor)
    decision.granted = 0
    decision.refused = 0
    decision.any_conflict = 0
    decision.head = -1
    decision.suspended = 1 if cell.elapsed < instance.suspended_until else 0
    if not decision.suspended:
        _judge(world, number, decision, moment)
        if decision.granted:
            _write(world, number, decision, moment)
        if decision.says and (decision.granted or not decision.refused):
            _write_unplaced(world, decision)
    _keep_books(world, number, decision)


@part
def _judge(world: World, number: Whole, decision: Records, moment: Moment) -> None:
    """Judge the claims of a decision, and count what is refused in its author's reasons."""
    claims, job = _claims_of(world, number, decision), world.jobs[decision.job]
    if decision.claims == 0:
        return
    seen = world.instances[number].seen
    if job.stopping:
        changed = job.changed_before if job.changed_at > moment.floor else job.changed_at
        refuse_all(claims, _JOB_STOPPING, 1 if changed > seen else 0)
    else:
        atomicity = _ALL_OR_NOTHING if job.is_gang else _INCREMENTAL
        terms = Terms(seen, moment.floor, world.cell[0].detection, atomicity)
        decision.granted = judge_claims(world, claims, world.amounts[decision.job], terms, world.counts)
    decision.refused = decision.claims - decision.granted
    if decision.refused:
        _count_refusals(world.instances[number], decision, claims)


@part
def _count_refusals(instance: Records, decision: Records, claims: Claims) -> None:
    conflicted = 0
    for place in range(len(claims.machines)):
        conflicted += claims.is_conflict[place]
        reason = claims.reasons[place]
        instance.stopping_refused += 1 if reason == _JOB_STOPPING else 0
        instance.changed_refused += 1 if reason == _MACHINE_CHANGED else 0
        instance.room_refused += 1 if reason == _RESOURCES else 0
        instance.partner_refused += 1 if reason == _GANG_PARTNER else 0
    decision.any_conflict = 1 if conflicted else 0
    instance.claims_conflicted += conflicted
    instance.claims_disagreed += decision.refused - conflicted
    instance.conflicted += 1 if conflicted else 0
    instance.disagreed += 1 if conflicted < decision.refused else 0


@part
def _claims_of(world: World, number: Whole, decision: Records) -> Claims:
    first, end = decision.first, decision.first + decision.claims
    return Claims(
        world.claim_machines[number, first:end], world.reasons[number, first:end], world.is_conflict[number, first:end]
    )


@part
def _write(world: World, number: Whole, decision: Records, moment: Moment) -> None:
    """Let the attempts begin that were granted, chained for the end that they have in common."""
    row = decision.job
    job = world.jobs[row]
    charge = Charge(world.amounts[row], _BAND, world.instances[number].author)
    for place in range(decision.first, decision.first + decision.claims):
        if world.reasons[number, place]:
            continue
        machine, task = world.claim_machines[number, place], world.claim_tasks[number, place]
        grant_claim(world, machine, charge, moment)
        _move_up(world, machine)
        record = world.tasks[task]
        record.state = _PLACED
        record.machine = machine
        record.placed_at_us = decision.to_us
        record.next = decision.head
        decision.head = task
    job.pending -= decision.granted
    job.placed += decision.granted
    if job.pending == 0:
        job.has_why = 0
        job.done_place = world.cell[0].log_count
    _touch_job(world, row, moment)


@part
def _write_unplaced(world: World, decision: Records) -> None:
    job = world.jobs[decision.job]
    if job.pending == 0:
        return
    job.has_why = 1
    job.why_count = decision.left
    job.why_cpu = decision.lack_cpu
    job.why_memory = decision.lack_memory
    job.why_note_count = decision.note_count
    job.why_note_room = decision.note_room
    note_job(world, decision.job)


@part
def _keep_books(world: World, number: Whole, decision: Records) -> None:
    """Enter a judged decision in its author's counters (`apply_sessions.keep_books`)."""
    instance, cell, job = world.instances[number], world.cell[0], world.jobs[decision.job]
    _keep_session(world, number, decision.to_us)
    if decision.suspended or (decision.refused and not decision.granted):
        instance.refused_in_a_row += 1
        if instance.refused_in_a_row >= MAX_REFUSED_IN_A_ROW:
            instance.refused_in_a_row = 0
            instance.suspended_until = cell.elapsed + SUSPENSION_US
    else:
        instance.refused_in_a_row = 0
    instance.decided += 1
    instance.busy_us += decision.to_us - decision.from_us
    instance.no_fit += decision.says
    instance.placements += decision.granted
    if decision.claims and not decision.refused and not decision.suspended:
        instance.committed += 1
    if job.first_decided_at_us == 0:
        job.first_decided_at_us = max(1, decision.from_us)
        instance.waited_us += max(0, decision.from_us - job.submitted_us)
        instance.waited += 1


@part
def _keep_session(world: World, number: Whole, to_us: Whole) -> None:
    instance, cell = world.instances[number], world.cell[0]
    cell.last_stamp_us = max(cell.last_stamp_us, to_us)
    instance.deadline = cell.elapsed + SESSION_TTL_US
    instance.last_at_us = max(instance.last_at_us, to_us)


@part
def _keep_lab_session(world: World) -> None:
    cell = world.cell[0]
    cell.last_stamp_us = max(cell.last_stamp_us, cell.now_us)
    cell.lab_stamp_us = max(cell.lab_stamp_us, cell.now_us)


@part
def _touch_job(world: World, row: Whole, moment: Moment) -> None:
    """Mark a job as changed, and note whether its last task came to rest (`lives.touch_job`)."""
    job = world.jobs[row]
    if job.changed_at <= moment.floor:
        job.changed_before = job.changed_at
    job.changed_at = moment.revision
    if job.pending or job.placed:
        job.ended_elapsed = -1
    elif job.ended_elapsed < 0:
        job.ended_elapsed = world.cell[0].elapsed
    note_job(world, row)


@part
def _move_up(world: World, machine: Whole) -> None:
    """Put a machine at the front of those that changed."""
    cell, newer, older = world.cell[0], world.newer, world.older
    if cell.newest == machine:
        return
    younger, elder = newer[machine], older[machine]
    older[younger] = elder
    if elder >= 0:
        newer[elder] = younger
    newer[cell.newest] = machine
    older[machine] = cell.newest
    newer[machine] = -1
    cell.newest = machine
