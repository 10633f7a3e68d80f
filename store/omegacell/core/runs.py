"""The usual report: consecutive tasks of one batch job, on the attempts that the cell knows, have all ended well.

Nearly every report is one, because the tasks of a batch job are placed together and take as long as each other. Its
columns are compared with the cell's as bytes and written as slices, in a quarter of the time that judging and writing
row by row takes. What is not known at a glance to be granted whole is none of these: `find_ending` is silent about it,
and the general way (`apply_tasks.judge_report`, `lives.end_attempts`) says the same of those that it does find.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import are_equal, is_run, is_zero, rows_of, span_of
from omegacell.core.jobs import Kind, Stopping, TaskState
from omegacell.core.lives import Stamp, charge_all, give_back, return_grants, touch_job
from omegacell.core.machine_commands import Report, ReportKind
from omegacell.core.waits import forget_displaced, note_ends

# plain integers: numpy asks an enum member for attributes that it does not have, at every use
_PLACED: Final = int(TaskState.PLACED)
_RUNNING: Final = int(TaskState.RUNNING)
_SUCCEEDED: Final = int(TaskState.SUCCEEDED)
_BATCH: Final = int(Kind.BATCH)
_NOT_STOPPING: Final = int(Stopping.NO)
_EXITED: Final = bytes([ReportKind.EXITED])


class Ending(NamedTuple):
    """Tasks that ended well: a job's row, its task rows, their machines (int64), how many of them were running."""

    job_row: int
    tasks: slice
    machines: NDArray[np.int64]
    running: int


def find_ending(cell: Cell, command: Report) -> Ending | None:
    """Return what a well-formed report of the usual kind ends; None when it is not plain that all is granted. Pure."""
    count = len(command.jobs)
    job = int(command.jobs[0])
    row = cell.jobs.row_of(job)
    if row is None or cell.jobs.kind[row] != _BATCH or not is_run(command.indices):
        return None
    is_usual = (
        command.kinds.tobytes() == _EXITED * count
        and is_zero(command.exit_codes)
        and is_zero(command.signals)
        and is_zero(command.notes)
        and int(command.indices[count - 1]) < int(cell.jobs.extent[row])
        and command.jobs.tobytes() == command.jobs[:1].tobytes() * count
    )
    if not is_usual:
        return None
    tasks = span_of(int(cell.jobs.offset[row]), command.indices)
    assert isinstance(tasks, slice), "a run of indices is a slice of rows"
    arena = cell.tasks
    states = arena.state[tasks].tobytes()
    running = states.count(_RUNNING)
    # a task that is active is on a machine that the cell holds
    is_current = (
        running + states.count(_PLACED) == count
        and are_equal(arena.attempt[tasks], command.attempts)
        and are_equal(arena.machine[tasks], command.machines)
    )
    if not is_current or (arena.waits and any(row in arena.waits for row in rows_of(tasks).tolist())):
        return None
    machines = command.machines.astype(np.int64)
    if not are_equal(cell.machines.epoch[machines], command.epochs):
        return None
    return Ending(row, tasks, machines, running)


def write_ending(cell: Cell, command: Report, ending: Ending, *, stamp: Stamp) -> None:
    """End the attempts: what `lives.end_attempts` does for tasks of any job that may go anywhere. Mutates.

    A task of a batch job that ended well stays SUCCEEDED, whatever was asked of it, and is not restarted.
    """
    arena, jobs = cell.tasks, cell.jobs
    row, at, machines, running = ending
    charge_all(cell, machines, band=int(jobs.band[row]), amounts=-jobs.shape[row])
    return_grants(cell, at, machines)
    arena.machine[at] = -1
    arena.exit_code[at] = 0
    arena.signal[at] = 0
    arena.note[at] = 0
    arena.ended_at_us[at] = command.at_us
    arena.ended_elapsed[at] = cell.elapsed
    arena.state[at] = _SUCCEEDED
    arena.stopping[at] = _NOT_STOPPING
    counts = jobs.counts[row]
    counts[_RUNNING] -= running
    counts[_PLACED] -= len(machines) - running
    counts[_SUCCEEDED] += len(machines)
    cell.machines.touch(machines, revision=stamp.revision, floor=stamp.floor)
    touch_job(cell, row, stamp=stamp)
    if cell.caps.rows or cell.quotas.rows:
        give_back(cell, row, len(machines), stamp=stamp)
    if arena.preempted:
        forget_displaced(cell, at)
    if arena.waits:
        note_ends(cell, at)
    cell.touched.tasks.append(at)
    cell.touched.machines.append(machines)
