"""Judging and writing the commands about updates; what they count is in `rollouts`, what an update is in `updates`."""

from dataclasses import replace
from functools import partial

import numpy as np

from omegacell.core.apply_jobs import (
    MAX_TASK_ROWS,
    begin_again,
    create_job,
    find_cycle_refusal,
    is_forgotten_since,
    judge_submit,
    note_asked,
    reshape,
    stop_tasks,
)
from omegacell.core.apply_limits import Swap, find_quota_refusal
from omegacell.core.cell import Cell
from omegacell.core.commands import SubmitJob
from omegacell.core.conflicts import Base, Judged
from omegacell.core.holds import find_unmet, is_dependency_changed
from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState, is_same_job
from omegacell.core.lives import Rows, Stamp, touch_job
from omegacell.core.outcomes import Change, Reason
from omegacell.core.rollouts import find_losses, find_room, find_target, is_over, is_to_revert
from omegacell.core.units import JobId
from omegacell.core.updates import FinishUpdate, RevertCause, RevertUpdate, StopTasks, Updating
from omegacell.core.verdicts import Verdict, refuse, refuse_all_rows, refuse_rows


def judge_update(cell: Cell, command: SubmitJob, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `SubmitJob` that may update: make a successor of a service that runs, else what any submit does.

    Where nothing of that name goes on any more, it begins anew as with ``replace``. Another owner, and whatever is no
    service, is refused as without ``update``.
    """
    jobs, spec = cell.jobs, command.spec
    rows = jobs.rows_of_name(spec.name)
    old = jobs.spec_of(rows[0]) if rows else spec
    if not rows or is_same_job(old, spec) or old.owner != spec.owner or not (is_updatable(old) and is_updatable(spec)):
        return judge_submit(cell, command, stamp=stamp, seen=seen)
    if jobs.stopping[rows[0]] or not jobs.is_active(rows[0]):
        return judge_submit(cell, replace(command, replace=True, update=False), stamp=stamp, seen=seen)
    if cell.tasks.count + spec.count > MAX_TASK_ROWS:
        return refuse(Reason.LIMIT)
    excess = find_quota_refusal(cell, spec, Swap(now=rows, then=rows), stamp=stamp, seen=seen)
    excess = excess or find_cycle_refusal(cell, spec, stamp=stamp, seen=seen)
    write = partial(_write_update, cell, command, rows=rows, stamp=stamp)
    return excess or Verdict(value=jobs.next_id, detail=Change.UPDATED, write=write)


def is_updatable(spec: JobSpec) -> bool:
    """Tell whether a job of this spec can be updated: services, but for those inside allocs and templates."""
    return spec.kind is Kind.SERVICE and not spec.alloc and not spec.template_kind


def judge_stop_tasks(cell: Cell, command: StopTasks, *, base: Base, stamp: Stamp) -> Verdict:
    """Judge a `StopTasks`, task by task, in order.

    What is not available may always be stopped. An available task may be when nothing but it holds the new one, and
    the indices that are unavailable stay within what the new job's policy allows; one that is surplus does not count.
    """
    jobs = cell.jobs
    asked = len(command.indices)
    row = jobs.row_of(command.job)
    if row is None:
        is_conflict = is_forgotten_since(cell, command.job, base.seen)
        judged = refuse_all_rows(asked, Reason.UNKNOWN_JOB, is_conflict=is_conflict)
        return Verdict(asked=asked, granted=0, refusals=refuse_rows(judged))
    current = jobs.current_of(row)
    is_changed = _is_changed(cell, [row, current, *jobs.predecessors_of(current)], floor=base.floor, seen=base.seen)
    if current == row or not jobs.updating[current]:
        judged = refuse_all_rows(asked, Reason.NOT_UPDATING, is_conflict=is_changed)
        return Verdict(asked=asked, granted=0, refusals=refuse_rows(judged))
    is_known = command.indices < jobs.extent[row]
    indices = np.where(is_known, command.indices, 0)
    reasons = np.where(is_known, np.uint8(Reason.NONE), np.uint8(Reason.UNKNOWN_TASK))
    conflicts = np.full(asked, is_changed, np.uint8)
    spec = jobs.spec_of(current)
    if find_unmet(cell, spec):
        is_on = cell.tasks.machine[indices + jobs.offset[row]] >= 0
        reasons[is_known & is_on] = Reason.STILL_HELD
        conflicts[reasons == Reason.STILL_HELD] = is_changed or is_dependency_changed(cell, spec, base)
    taken: dict[int, None] = {}
    room = find_room(cell, current)
    for place in np.flatnonzero((reasons == Reason.NONE) & find_losses(cell, row, indices)).tolist():
        index = int(indices[place])
        if index not in taken and len(taken) >= room:
            reasons[place] = Reason.JOB_DISRUPTED
        else:
            taken[index] = None
    tasks = np.unique(indices[reasons == Reason.NONE] + jobs.offset[row])
    is_going_on = (cell.tasks.state[tasks] < TaskState.SUCCEEDED) & (cell.tasks.stopping[tasks] != Stopping.STOP)
    fresh = tasks[is_going_on]
    write = partial(_write_stop_tasks, cell, fresh, row=row, stamp=stamp) if len(fresh) else None
    judged = Judged(reasons=reasons, is_conflict=conflicts)
    granted = int(np.count_nonzero(reasons == Reason.NONE))
    return Verdict(asked=asked, granted=granted, refusals=refuse_rows(judged), write=write)


def judge_revert(cell: Cell, command: RevertUpdate, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `RevertUpdate`: the job must be what its name means and have a predecessor that can come back."""
    jobs = cell.jobs
    row = jobs.row_of(command.job)
    if row is None:
        return refuse(Reason.UNKNOWN_JOB, is_conflict=is_forgotten_since(cell, command.job, seen))
    target = find_target(cell, row)
    group = [row, *jobs.predecessors_of(row)]
    if jobs.current_of(row) != row or jobs.stopping[row] or target is None:
        return refuse(Reason.NOT_UPDATING, is_conflict=_is_changed(cell, group, floor=stamp.floor, seen=seen))
    if command.cause is RevertCause.STUCK and not is_to_revert(cell, row):
        return refuse(Reason.NOT_DUE)
    others = [each for each in group if each != target]
    spec = jobs.spec_of(target)
    excess = find_quota_refusal(cell, spec, Swap(now=group, then=others), stamp=stamp, seen=seen)
    excess = excess or find_cycle_refusal(cell, spec, stamp=stamp, seen=seen)
    write = partial(_write_revert, cell, target, others, stamp=stamp)
    return excess or Verdict(value=int(jobs.id[target]), write=write)


def judge_finish(cell: Cell, command: FinishUpdate, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `FinishUpdate`."""
    jobs = cell.jobs
    row = jobs.row_of(command.job)
    if row is None:
        return refuse(Reason.UNKNOWN_JOB, is_conflict=is_forgotten_since(cell, command.job, seen))
    group = [row, *jobs.predecessors_of(row)]
    if not jobs.updating[row]:
        return refuse(Reason.NOT_UPDATING, is_conflict=_is_changed(cell, [row], floor=stamp.floor, seen=seen))
    if not is_over(cell, row):
        return refuse(Reason.UPDATE_GOES_ON, is_conflict=_is_changed(cell, group, floor=stamp.floor, seen=seen))
    return Verdict(write=partial(_write_finish, cell, row, stamp=stamp))


def _is_changed(cell: Cell, rows: list[int], *, floor: int, seen: int) -> bool:
    return any(cell.jobs.effective_changed_at(row, floor=floor) > seen for row in rows)


def _write_update(cell: Cell, command: SubmitJob, *, rows: list[int], stamp: Stamp) -> None:
    asked = note_asked(cell, rows)
    at_us = command.submitted_at_us
    new = create_job(cell, command.spec, is_held=True, submitted_at_us=at_us, stamp=stamp)
    _succeed(cell, new, rows, updating=Updating.FORWARD)
    for row in rows:
        stop_tasks(cell, _find_tasks(cell, row, TaskState.HELD), stamp=stamp)
    reshape(cell, [*rows, new], asked=asked, stamp=stamp)


def _write_stop_tasks(cell: Cell, tasks: Rows, *, row: int, stamp: Stamp) -> None:
    asked, current = note_asked(cell, [row]), cell.jobs.current_of(row)
    cell.jobs.progressed_elapsed[current] = cell.elapsed
    stop_tasks(cell, tasks, stamp=stamp)
    if not cell.jobs.counts[row, TaskState.PENDING]:
        cell.jobs.why[row] = None
    reshape(cell, [row, current], asked={**asked, **note_asked(cell, [current])}, stamp=stamp)


def _write_revert(cell: Cell, target: int, others: list[int], *, stamp: Stamp) -> None:
    asked = note_asked(cell, [target, *others])
    _succeed(cell, target, others, updating=Updating.BACK)
    for row in others:
        waiting = [_find_tasks(cell, row, state) for state in (TaskState.PENDING, TaskState.HELD)]
        stop_tasks(cell, np.concatenate(waiting), stamp=stamp)
        cell.jobs.why[row] = None
    first, wanted = int(cell.jobs.offset[target]), int(cell.jobs.count_wanted[target])
    stopped = _find_tasks(cell, target, TaskState.STOPPED)
    begin_again(cell, stopped[stopped < first + wanted], TaskState.HELD)
    reshape(cell, [target, *others], asked=asked, stamp=stamp)


def _write_finish(cell: Cell, row: int, *, stamp: Stamp) -> None:
    cell.jobs.updating[row] = Updating.NO
    touch_job(cell, row, stamp=stamp)


def _succeed(cell: Cell, current: int, olds: list[int], *, updating: Updating) -> None:
    """Let a job be what its name means, and the successor of others. Mutates."""
    jobs = cell.jobs
    jobs.set_successor(current, 0)
    jobs.make_current(current)
    for row in olds:
        jobs.set_successor(row, JobId(int(jobs.id[current])))
        jobs.updating[row] = Updating.NO
    jobs.updating[current] = updating
    jobs.progressed_elapsed[current] = cell.elapsed


def _find_tasks(cell: Cell, row: int, state: TaskState) -> Rows:
    """Return the rows of a job's tasks in a state, ascending."""
    first, end = int(cell.jobs.offset[row]), int(cell.jobs.offset[row] + cell.jobs.extent[row])
    return first + np.flatnonzero(cell.tasks.state[first:end] == state)
