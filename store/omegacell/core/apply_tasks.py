"""Judging and writing the commands about tasks: place, evict, unplaced, and what machines report.

Claims are judged by `conflicts`, reports here; both are columns and are judged in order, each row on its own.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from omegacell.core.apply_gangs import find_order, judge_claims, judge_groups, reorder, restore_order
from omegacell.core.apply_jobs import is_forgotten_since
from omegacell.core.budgets import Disruptions
from omegacell.core.cell import Cell
from omegacell.core.columns import find_ranks, is_distinct, span_of
from omegacell.core.commands import Evict, Place, Unplaced
from omegacell.core.conflicts import ALL_GRANTED, Base, Claims, Judged
from omegacell.core.drains import EvictCause
from omegacell.core.gangs import groups_of
from omegacell.core.jobs import Kind, Stopping, TaskState
from omegacell.core.lives import (
    Ends,
    Rows,
    Stamp,
    ask_to_end,
    begin_attempts,
    end_attempts,
    start_attempts,
    touch_job,
    touch_jobs,
)
from omegacell.core.machine_commands import ExitNote, Report, ReportKind
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.runs import find_ending, write_ending
from omegacell.core.verdicts import Verdict, refuse, refuse_all_rows, refuse_rows
from omegacell.core.waits import find_waiting


class Taken(NamedTuple):
    """What the commands of a transaction were granted so far: what they claimed, and what they took away."""

    overlay: Overlay
    disruptions: Disruptions


def judge_place(cell: Cell, command: Place, *, overlay: Overlay, base: Base, stamp: Stamp) -> Verdict:
    """Judge the claims of a `Place`; what is granted is tentatively taken on the overlay."""
    asked = len(command.indices)
    job_row = cell.jobs.row_of(command.job)
    if job_row is None:
        is_conflict = is_forgotten_since(cell, command.job, base.seen)
        judged = refuse_all_rows(asked, Reason.UNKNOWN_JOB, is_conflict=is_conflict)
        return Verdict(asked=asked, granted=0, refusals=refuse_rows(judged))
    offset = int(cell.jobs.offset[job_row])
    gang = cell.jobs.spec_of(job_row).gang
    order = None if gang is None else find_order(gang, command.indices)
    place = command if order is None else reorder(command, order)
    tasks = span_of(offset, place.indices)
    judge = judge_claims if gang is None else judge_groups
    judged = judge(cell, overlay, Claims(place, job_row, tasks), base=base)
    refusals = refuse_rows(judged if order is None else restore_order(judged, order))
    indices, machines = place.indices, place.machines.astype(np.int64)
    if judged.reasons is not None:
        is_granted = judged.reasons == Reason.NONE.value
        indices, machines = indices[is_granted], machines[is_granted]
        if not len(indices):
            return Verdict(asked=asked, granted=0, refusals=refusals)
        tasks = span_of(offset, indices)
    write = partial(begin_attempts, cell, tasks, job_row=job_row, machines=machines, stamp=stamp)
    return Verdict(asked=asked, granted=len(indices), refusals=refusals, write=write)


def take_granted(cell: Cell, overlay: Overlay, command: Place, *, verdict: Verdict) -> None:
    """Take what a judged `Place` was granted on the overlay, for the commands after it. Mutates the overlay."""
    job_row = cell.jobs.row_of(command.job)
    if job_row is None:
        return
    is_granted = np.ones(len(command.indices), np.bool_)
    is_granted[verdict.refusals.positions] = False
    overlay.take(cell.jobs.spec_of(job_row), command.machines[is_granted])
    overlay.claim_tasks(command.indices[is_granted] + cell.jobs.offset[job_row])
    if cell.caps.rows:
        overlay.caps.take(job_row, verdict.granted)
    gang = cell.jobs.spec_of(job_row).gang
    if gang is not None:
        overlay.gangs.take(job_row, groups_of(gang, command.indices[is_granted]))


def judge_evict(cell: Cell, command: Evict, *, taken: Taken, base: Base, stamp: Stamp) -> Verdict:
    """Judge an `Evict`: each task must still be in the attempt that was meant, and a drain keeps within budgets.

    What is granted is noted in ``taken``, for the commands after it.
    """
    jobs, arena = cell.jobs, cell.tasks
    asked = len(command.indices)
    row = jobs.row_of(command.job)
    if row is None:
        is_conflict = is_forgotten_since(cell, command.job, base.seen)
        judged = refuse_all_rows(asked, Reason.UNKNOWN_JOB, is_conflict=is_conflict)
        return Verdict(asked=asked, granted=0, refusals=refuse_rows(judged))
    is_known = command.indices < jobs.extent[row]
    tasks = np.where(is_known, command.indices, 0) + jobs.offset[row]
    is_current = (arena.attempt[tasks] == command.attempts) & _is_active(cell, tasks)
    reasons = np.where(is_current, np.uint8(Reason.NONE), np.uint8(Reason.STALE_ATTEMPT))
    reasons[~is_known] = Reason.UNKNOWN_TASK
    is_changed = jobs.effective_changed_at(row, floor=base.floor) > base.seen
    conflicts = np.full(asked, is_changed, np.uint8)
    if command.cause is EvictCause.DRAIN:
        active = np.flatnonzero(reasons == Reason.NONE)
        reasons[active] = taken.disruptions.find_reasons(row, tasks[active])
        if jobs.has_updates:  # the jobs of an update have one budget
            group = (jobs.current_of(row), *jobs.predecessors_of(jobs.current_of(row)))
            is_near = any(jobs.effective_changed_at(each, floor=base.floor) > base.seen for each in group)
            conflicts[reasons == Reason.JOB_DISRUPTED] = is_changed or is_near
        elsewhere = np.flatnonzero(reasons == Reason.NOT_DRAINING)
        machines_changed = cell.machines.effective_changed_at(arena.machine[tasks[elsewhere]], floor=base.floor)
        conflicts[elsewhere] = machines_changed > base.seen
    judged = Judged(reasons=reasons, is_conflict=conflicts)
    granted = tasks[reasons == Reason.NONE]
    taken.disruptions.note(row, granted)
    if jobs.kind[row] == Kind.ALLOC.value and len(granted):
        taken.overlay.close_allocs(granted)
    fresh = np.unique(granted[arena.stopping[granted] == Stopping.NO])
    write = partial(_write_evict, cell, fresh, job_row=row, stamp=stamp) if len(fresh) else None
    return Verdict(asked=asked, granted=len(granted), refusals=refuse_rows(judged), write=write)


def _write_evict(cell: Cell, tasks: Rows, *, job_row: int, stamp: Stamp) -> None:
    # one that waited for room may have given way to an earlier claim of the transaction: it ended at once then
    ask_to_end(cell, tasks[cell.tasks.machine[tasks] >= 0], Stopping.EVICT, stamp=stamp)
    touch_job(cell, job_row, stamp=stamp)


def judge_unplaced(cell: Cell, command: Unplaced, *, base: Base) -> Verdict:
    """Judge an `Unplaced`: refused only when the cell does not hold the job."""
    row = cell.jobs.row_of(command.job)
    if row is None:
        return refuse(Reason.UNKNOWN_JOB, is_conflict=is_forgotten_since(cell, command.job, base.seen))
    return Verdict(granted=0, asked=0, write=partial(_write_unplaced, cell, command, row))


def _write_unplaced(cell: Cell, command: Unplaced, row: int) -> None:
    if cell.jobs.counts[row, TaskState.PENDING]:
        cell.jobs.why[row] = command
        cell.touched.jobs[command.job] = None


def judge_report(cell: Cell, command: Report, *, base: Base, stamp: Stamp) -> Verdict:
    """Judge what machines report, row by row; a row about a newer attempt or an older registration is stale."""
    asked = len(command.jobs)
    ending = find_ending(cell, command)
    if ending is not None:
        return Verdict(asked=asked, granted=asked, write=partial(write_ending, cell, command, ending, stamp=stamp))
    tasks, judged = _judge_report_rows(cell, command, base=base)
    granted = np.arange(asked, dtype=np.int64)
    if judged.reasons is not None:
        granted = np.flatnonzero(judged.reasons == Reason.NONE.value)
    if not len(granted):
        return Verdict(asked=asked, granted=0, refusals=refuse_rows(judged))
    write = partial(_write_report, cell, command, tasks, granted, stamp=stamp)
    return Verdict(asked=asked, granted=len(granted), refusals=refuse_rows(judged), write=write)


def _judge_report_rows(cell: Cell, command: Report, *, base: Base) -> tuple[Rows, Judged]:
    machines, jobs, arena = cell.machines, cell.jobs, cell.tasks
    asked = len(command.jobs)
    reasons = np.zeros(asked, np.uint8)
    job_rows = _find_job_rows(cell, command.jobs)
    is_machine = command.machines < machines.count
    is_job = job_rows >= 0
    if not jobs.count or not machines.count:
        reasons[:] = Reason.UNKNOWN_MACHINE.value
        reasons[~is_job] = Reason.UNKNOWN_JOB.value
        is_forgotten = [is_forgotten_since(cell, job, base.seen) for job in command.jobs.tolist()]
        is_conflict = (reasons == Reason.UNKNOWN_JOB.value) & np.array(is_forgotten, np.bool_)
        return np.zeros(asked, np.int64), Judged(reasons=reasons, is_conflict=is_conflict.astype(np.uint8))
    rows = np.where(is_machine, command.machines, 0)
    safe_jobs = np.where(is_job, job_rows, 0)
    is_task = is_job & (command.indices < jobs.extent[safe_jobs])
    tasks = np.where(is_task, jobs.offset[safe_jobs] + command.indices, 0)
    is_current = (
        (arena.attempt[tasks] == command.attempts)
        & (arena.machine[tasks] == command.machines)
        & _is_active(cell, tasks)
    )
    if arena.waits:
        is_current &= ~find_waiting(cell, tasks)
    reasons[~is_current] = Reason.STALE_ATTEMPT.value
    reasons[~is_task] = Reason.UNKNOWN_TASK.value
    reasons[machines.epoch[rows] != command.epochs] = Reason.STALE_EPOCH.value
    reasons[~is_machine] = Reason.UNKNOWN_MACHINE.value
    reasons[~is_job] = Reason.UNKNOWN_JOB.value
    _refuse_after_exit(cell, reasons, tasks, command)
    if not reasons.any():
        return tasks, ALL_GRANTED
    is_conflict = np.zeros(asked, np.uint8)
    changed = machines.effective_changed_at(rows, floor=base.floor)
    is_conflict[(reasons == Reason.STALE_EPOCH.value) & (changed > base.seen)] = 1
    for place in np.flatnonzero(
        (reasons == Reason.STALE_ATTEMPT.value) | (reasons == Reason.UNKNOWN_TASK.value)
    ).tolist():
        row = int(job_rows[place])
        is_conflict[place] = jobs.effective_changed_at(row, floor=base.floor) > base.seen
    for place in np.flatnonzero(reasons == Reason.UNKNOWN_JOB.value).tolist():
        is_conflict[place] = is_forgotten_since(cell, int(command.jobs[place]), base.seen)
    return tasks, Judged(reasons=reasons, is_conflict=is_conflict)


def _refuse_after_exit(cell: Cell, reasons: NDArray[np.uint8], tasks: Rows, command: Report) -> None:
    """Refuse rows that follow the exit of their own attempt in the same report, or of the alloc that it runs in."""
    inside = cell.tasks.allocs.inside
    if not inside and is_distinct(tasks):
        return
    ended: dict[int, None] = {}
    for place in np.flatnonzero(reasons == Reason.NONE.value).tolist():
        task = int(tasks[place])
        if task in ended:
            reasons[place] = Reason.STALE_ATTEMPT.value
        elif command.kinds[place] == ReportKind.EXITED.value:
            ended[task] = None
            ended.update(inside.get(task, {}))


def _find_job_rows(cell: Cell, ids: NDArray[np.int64]) -> Rows:
    """Return the row of each job, -1 where the cell does not hold it. Cost: O(rows)."""
    row_of = cell.jobs.row_of
    if len(ids) and bool((ids == ids[0]).all()):
        row = row_of(int(ids[0]))
        return np.full(len(ids), -1 if row is None else row, np.int64)
    rows = [row_of(job) for job in ids.tolist()]
    return np.array([-1 if row is None else row for row in rows], np.int64)


def _write_report(cell: Cell, command: Report, tasks: Rows, granted: Rows, *, stamp: Stamp) -> None:
    """Write granted rows in order; a task that stands several times is written once per round.

    Where an alloc ends that has tasks inside, each row is a round: what becomes of these depends on what came before.
    """
    inside = cell.tasks.allocs.inside
    exited = granted[command.kinds[granted] == ReportKind.EXITED.value] if inside else granted[:0]
    if any(task in inside for task in tasks[exited].tolist()):
        for place in range(len(granted)):
            _write_round(cell, command, tasks, granted[place : place + 1], stamp=stamp)
        return
    if is_distinct(tasks[granted]):
        _write_round(cell, command, tasks, granted, stamp=stamp)
        return
    ranks = find_ranks(tasks[granted])
    for rank in range(int(ranks.max()) + 1):
        _write_round(cell, command, tasks, granted[ranks == rank], stamp=stamp)


def _write_round(cell: Cell, command: Report, tasks: Rows, places: Rows, *, stamp: Stamp) -> None:
    arena = cell.tasks
    kinds = command.kinds[places]
    started = places[kinds == ReportKind.STARTED.value]
    started = started[arena.state[tasks[started]] == TaskState.PLACED.value]
    if len(started):
        start_attempts(cell, tasks[started], at_us=command.at_us[started], stamp=stamp)
    for kind, health in ((ReportKind.HEALTHY, 1), (ReportKind.UNHEALTHY, 2)):
        told = tasks[places[kinds == kind]]
        told = told[(arena.state[told] == TaskState.RUNNING.value) & (arena.health[told] != health)]
        if len(told):
            arena.health[told] = health
            cell.touched.tasks.append(told)
            touch_jobs(cell, np.unique(arena.job[told]), stamp=stamp)
    exited = places[kinds == ReportKind.EXITED.value]
    if len(exited):
        end_attempts(cell, tasks[exited], _find_ends(cell, command, tasks, exited), stamp=stamp)


def _find_ends(cell: Cell, command: Report, tasks: Rows, exited: Rows) -> Ends:
    """Say in which state each exit leaves its attempt: what was asked of it, else what it did itself."""
    arena = cell.tasks
    codes, signals, notes = command.exit_codes[exited], command.signals[exited], command.notes[exited]
    ended = tasks[exited]
    is_clean = (codes == 0) & (signals == 0) & (notes == ExitNote.NONE.value)
    is_batch = cell.jobs.kind[arena.job[ended]] == Kind.BATCH.value
    stopping = arena.stopping[ended]
    states = np.where(is_clean, np.uint8(TaskState.SUCCEEDED.value), np.uint8(TaskState.FAILED.value))
    states[notes == ExitNote.FENCED.value] = TaskState.LOST.value
    is_asked = ~(is_clean & is_batch)
    states[is_asked & (stopping == Stopping.STOP.value)] = TaskState.STOPPED.value
    states[is_asked & (stopping == Stopping.EVICT.value)] = TaskState.EVICTED.value
    return Ends(states=states, exit_codes=codes, signals=signals, notes=notes, at_us=command.at_us[exited])


def _is_active(cell: Cell, tasks: Rows) -> NDArray[np.bool_]:
    state = cell.tasks.state[tasks]
    is_active: NDArray[np.bool_] = (state == TaskState.PLACED.value) | (state == TaskState.RUNNING.value)
    return is_active
