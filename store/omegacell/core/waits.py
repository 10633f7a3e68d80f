"""Claims that wait: attempts that were placed into room which others still hold, until the last of those has ended.

A claim with victims is charged at once, so that what its victims give back is promised to nobody else; ``free`` of its
machine is negative meanwhile. Its attempt *waits* for every attempt that was ending on the machine when it was granted.
No machine is told of an attempt that waits: the last end makes it one like any other. So one that is stopped while it
waits ends at once, and what runs on a machine never exceeds what the machine has.

All functions but the first two mutate the cell; `lives` calls them where attempts begin and end.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s, Int64s, Span, rows_of
from omegacell.core.jobs import TaskState
from omegacell.core.preemption import AttemptKey

Rows = NDArray[np.int64]


def key_of(cell: Cell, task: int) -> AttemptKey:
    """Return the key of a task's last attempt."""
    job_row = int(cell.tasks.job[task])
    return int(cell.jobs.id[job_row]), task - int(cell.jobs.offset[job_row]), int(cell.tasks.attempt[task])


def key_columns(cell: Cell, tasks: Rows) -> tuple[Int64s, Int32s, Int32s]:
    """Return the keys of the last attempts of several tasks as columns: job ids, indices, attempts."""
    jobs, rows = cell.jobs, cell.tasks.job[tasks]
    return jobs.id[rows].astype(np.int64), (tasks - jobs.offset[rows]).astype(np.int32), cell.tasks.attempt[tasks]


def keys_of(cell: Cell, tasks: Rows) -> list[AttemptKey]:
    """Return the keys of the last attempts of several tasks."""
    return list(zip(*[column.tolist() for column in key_columns(cell, tasks)], strict=True))


def find_waiting(cell: Cell, tasks: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which of some tasks wait for room that others still hold: ``(tasks,)`` bool."""
    waits = cell.tasks.waits
    if not waits:
        return np.zeros(len(tasks), np.bool_)
    return np.array([task in waits for task in tasks.tolist()], np.bool_)


def note_ends(cell: Cell, ended: Span) -> None:
    """Let attempts begin that waited for ended ones only; the ended ones wait for nothing any more."""
    arena = cell.tasks
    gone: dict[AttemptKey, None] = {}
    for task in rows_of(ended).tolist():
        arena.waits.pop(task, None)
        gone[key_of(cell, task)] = None
    changed = []
    for task in sorted(arena.waits):
        keys = arena.waits[task]
        left = tuple([key for key in keys if key not in gone])
        if len(left) == len(keys):
            continue
        if left:
            arena.waits[task] = left
        else:
            del arena.waits[task]
        changed.append(task)
        cell.touched.jobs[int(cell.jobs.id[arena.job[task]])] = None
    if changed:
        cell.touched.tasks.append(np.array(changed, np.int64))


def forget_displaced(cell: Cell, tasks: Span, states: NDArray[np.uint8] | None = None) -> None:
    """Forget displacements of attempts that ended otherwise than EVICTED; all of these when no states are given."""
    preempted = cell.tasks.preempted
    rows = rows_of(tasks).tolist()
    for place, task in enumerate(rows):
        if task in preempted and (states is None or states[place] != TaskState.EVICTED.value):
            del preempted[task]


def forget_earlier(cell: Cell, started: Rows) -> None:
    """Forget displacements of tasks of which a later attempt runs now: what led to them counts no longer."""
    arena = cell.tasks
    for task in started.tolist():
        known = arena.preempted.get(task)
        if known is not None and known.attempt != int(arena.attempt[task]):
            del arena.preempted[task]
