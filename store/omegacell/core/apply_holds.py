"""Judging and writing the commands about held tasks; what holds them is in `holds`."""

from functools import partial

import numpy as np

from omegacell.core.apply_jobs import is_forgotten_since
from omegacell.core.cell import Cell
from omegacell.core.conflicts import Base, Judged
from omegacell.core.hold_commands import ReleaseTasks
from omegacell.core.holds import find_unmet, is_dependency_changed
from omegacell.core.jobs import TaskState
from omegacell.core.lives import Rows, Stamp, move_tasks, touch_job
from omegacell.core.outcomes import Reason
from omegacell.core.rollouts import find_followed
from omegacell.core.verdicts import Verdict, refuse_all_rows, refuse_rows


def judge_release(cell: Cell, command: ReleaseTasks, *, base: Base, stamp: Stamp) -> Verdict:
    """Judge a `ReleaseTasks`, task by task: each must be held, and nothing may hold it any more."""
    jobs, arena = cell.jobs, cell.tasks
    asked = len(command.indices)
    row = jobs.row_of(command.job)
    if row is None:
        is_conflict = is_forgotten_since(cell, command.job, base.seen)
        judged = refuse_all_rows(asked, Reason.UNKNOWN_JOB, is_conflict=is_conflict)
        return Verdict(asked=asked, granted=0, refusals=refuse_rows(judged))
    spec = jobs.spec_of(row)
    is_known = command.indices < jobs.extent[row]
    tasks = np.where(is_known, command.indices, 0) + jobs.offset[row]
    reasons = np.where(arena.state[tasks] == TaskState.HELD, np.uint8(Reason.NONE), np.uint8(Reason.TASK_NOT_HELD))
    reasons[~is_known] = Reason.UNKNOWN_TASK
    is_changed = jobs.effective_changed_at(row, floor=base.floor) > base.seen
    conflicts = np.full(asked, is_changed, np.uint8)
    if (reasons == Reason.NONE).any() and find_unmet(cell, spec):
        conflicts[reasons == Reason.NONE] = is_changed or is_dependency_changed(cell, spec, base)
        reasons[reasons == Reason.NONE] = Reason.STILL_HELD
    if jobs.has_updates:
        followed = (reasons == Reason.NONE) & find_followed(cell, row, np.where(is_known, command.indices, 0))
        olds = [jobs.effective_changed_at(each, floor=base.floor) for each in jobs.predecessors_of(row)]
        conflicts[followed] = is_changed or any(at > base.seen for at in olds)
        reasons[followed] = Reason.STILL_HELD
    granted = tasks[reasons == Reason.NONE]
    fresh = np.unique(granted)
    write = partial(_write_release, cell, fresh, job_row=row, stamp=stamp) if len(fresh) else None
    judged = Judged(reasons=reasons, is_conflict=conflicts)
    return Verdict(asked=asked, granted=len(granted), refusals=refuse_rows(judged), write=write)


def _write_release(cell: Cell, tasks: Rows, *, job_row: int, stamp: Stamp) -> None:
    move_tasks(cell, tasks, TaskState.PENDING)
    cell.jobs.progressed_elapsed[job_row] = cell.elapsed
    touch_job(cell, job_row, stamp=stamp)
