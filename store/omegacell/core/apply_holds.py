"""Judging and writing the commands about held tasks; what holds them is in `holds`."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from omegacell.core.apply_jobs import is_forgotten_since
from omegacell.core.cell import Cell
from omegacell.core.conflicts import Base, Judged
from omegacell.core.hold_commands import HoldTasks, ReleaseTasks
from omegacell.core.holds import find_awaited, find_mismatches, is_dependency_changed
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.lives import Rows, Stamp, move_tasks, touch_job
from omegacell.core.outcomes import Reason
from omegacell.core.quotas import find_share
from omegacell.core.rollouts import find_followed
from omegacell.core.verdicts import Verdict, refuse_all_rows, refuse_rows


def judge_release(cell: Cell, command: ReleaseTasks, *, base: Base, stamp: Stamp) -> Verdict:
    """Judge a `ReleaseTasks`, task by task: each must be held, and nothing may hold it any more."""
    row = cell.jobs.row_of(command.job)
    if row is None:
        return _refuse_unknown(cell, command, base)
    reasons, conflicts = _judge_states(cell, command, row, TaskState.HELD, base=base)
    asked = np.flatnonzero(reasons == Reason.NONE)
    if len(asked) and (cell.jobs.template[row] or find_awaited(cell, row)):
        reasons[asked] = Reason.STILL_HELD
        conflicts[asked] |= is_dependency_changed(cell, cell.jobs.spec_of(row), base)
    elif cell.jobs.kind[row] == Kind.SYSTEM:
        indices = command.indices[asked]
        reasons[asked[find_mismatches(cell, cell.jobs.spec_of(row), indices) != Reason.NONE]] = Reason.STILL_HELD
        conflicts[asked] |= _is_machine_changed(cell, indices, base)
    if cell.jobs.has_updates:
        left = np.flatnonzero(reasons == Reason.NONE)
        followed = left[find_followed(cell, row, command.indices[left])]
        olds = cell.jobs.predecessors_of(row)
        reasons[followed] = Reason.STILL_HELD
        conflicts[followed] |= any(cell.jobs.effective_changed_at(old, floor=base.floor) > base.seen for old in olds)
    return _conclude(cell, command, row, Judged(reasons=reasons, is_conflict=conflicts), stamp=stamp)


def judge_hold(cell: Cell, command: HoldTasks, *, base: Base, stamp: Stamp) -> Verdict:
    """Judge a `HoldTasks`, task by task: each must be pending, and something must hold it."""
    row = cell.jobs.row_of(command.job)
    if row is None:
        return _refuse_unknown(cell, command, base)
    reasons, conflicts = _judge_states(cell, command, row, TaskState.PENDING, base=base)
    asked = np.flatnonzero(reasons == Reason.NONE)
    indices = command.indices[asked]
    reasons[asked[find_mismatches(cell, cell.jobs.spec_of(row), indices) == Reason.NONE]] = Reason.NOTHING_HOLDS
    if cell.jobs.kind[row] == Kind.SYSTEM:
        conflicts[asked] |= _is_machine_changed(cell, indices, base)
    return _conclude(cell, command, row, Judged(reasons=reasons, is_conflict=conflicts), stamp=stamp)


def _refuse_unknown(cell: Cell, command: ReleaseTasks | HoldTasks, base: Base) -> Verdict:
    asked = len(command.indices)
    is_conflict = is_forgotten_since(cell, command.job, base.seen)
    judged = refuse_all_rows(asked, Reason.UNKNOWN_JOB, is_conflict=is_conflict)
    return Verdict(asked=asked, granted=0, refusals=refuse_rows(judged))


def _judge_states(
    cell: Cell, command: ReleaseTasks | HoldTasks, row: int, state: TaskState, *, base: Base
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Refuse the tasks that are in another state; return reasons, NONE for the others, and whether the job changed."""
    jobs = cell.jobs
    is_known = command.indices < jobs.extent[row]
    tasks = np.where(is_known, command.indices, 0) + jobs.offset[row]
    other = Reason.TASK_NOT_HELD if state is TaskState.HELD else Reason.TASK_NOT_PENDING
    reasons = np.where(cell.tasks.state[tasks] == state, np.uint8(Reason.NONE), np.uint8(other))
    reasons[~is_known] = Reason.UNKNOWN_TASK
    is_changed = jobs.effective_changed_at(row, floor=base.floor) > base.seen
    return reasons, np.full(len(reasons), is_changed, np.uint8)


def _conclude(cell: Cell, command: ReleaseTasks | HoldTasks, row: int, judged: Judged, *, stamp: Stamp) -> Verdict:
    """Make a verdict of what was judged, with what writes the tasks that were granted, each once."""
    assert judged.reasons is not None, "every task was judged"
    granted = command.indices[judged.reasons == Reason.NONE]
    fresh = np.unique(granted).astype(np.int64)
    write = partial(_write, cell, command, fresh, job_row=row, stamp=stamp) if len(fresh) else None
    return Verdict(asked=len(command.indices), granted=len(granted), refusals=refuse_rows(judged), write=write)


def _is_machine_changed(cell: Cell, indices: NDArray[np.integer], base: Base) -> NDArray[np.bool_]:
    """Return whether the machines of a system job's tasks changed after the base; those that are not there did not."""
    changed = np.zeros(len(indices), np.bool_)
    is_machine = indices < cell.machines.count
    rows = indices[is_machine].astype(np.int64)
    changed[is_machine] = cell.machines.effective_changed_at(rows, floor=base.floor) > base.seen
    return changed


def _write(cell: Cell, command: ReleaseTasks | HoldTasks, indices: Rows, *, job_row: int, stamp: Stamp) -> None:
    jobs = cell.jobs
    before = find_share(jobs, job_row) if cell.quotas.rows else []
    is_release = isinstance(command, ReleaseTasks)
    move_tasks(cell, indices + int(jobs.offset[job_row]), TaskState.PENDING if is_release else TaskState.HELD)
    if not jobs.counts[job_row, TaskState.PENDING]:
        jobs.why[job_row] = None
    if is_release:
        jobs.progressed_elapsed[job_row] = cell.elapsed
    if is_release and jobs.kind[job_row] == Kind.SYSTEM:
        cell.touched.machines.append(indices)  # a job that found no room elsewhere has a reason to look at them
    touch_job(cell, job_row, stamp=stamp)
    if cell.quotas.rows:
        spec = jobs.spec_of(job_row)
        more = [now - was for now, was in zip(find_share(jobs, job_row), before, strict=True)]
        cell.quotas.charge((spec.owner, int(spec.band)), more, revision=stamp.revision, floor=stamp.floor)
