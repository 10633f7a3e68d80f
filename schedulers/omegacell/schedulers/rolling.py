"""Takes an update to its end on a fork, step by step as a cell would, or as far as there is room for its tasks."""

from collections.abc import Callable

import numpy as np

from omegacell.core.hold_commands import ReleaseTasks
from omegacell.core.jobs import Stopping, TaskState
from omegacell.core.units import JobId
from omegacell.core.updates import StopTasks
from omegacell.schedulers.forking import Fork


def roll(fork: Fork, job: JobId, place: Callable[[], None]) -> None:
    """Stop, end, release, place and start until nothing moves. Mutates the fork.

    What is asked for is all that is left; the judge grants as much as the policy allows. Steps that find no room end
    it: the indices that they took stay unavailable, and hold the others back.

    Args:
        fork: The fork, on which the update was submitted.
        job: The new job.
        place: Lets its scheduler place what is pending.
    """
    has_moved = True
    while has_moved:
        released = _release(fork, job)
        if released:
            place()
            fork.start_tasks(job)
        has_moved = _stop(fork, job) or released


def _release(fork: Fork, job: JobId) -> bool:
    jobs, row = fork.cell.jobs, fork.cell.jobs.row_of(job)
    assert row is not None, f"job {job} is not on the fork"
    first = int(jobs.offset[row])
    held = np.flatnonzero(fork.cell.tasks.state[first : first + int(jobs.extent[row])] == TaskState.HELD)
    return bool(len(held) and fork.do(ReleaseTasks(job=job, indices=held.astype(np.int32))).granted)


def _stop(fork: Fork, job: JobId) -> bool:
    cell, has_stopped = fork.cell, False
    row = cell.jobs.row_of(job)
    assert row is not None, f"job {job} is not on the fork"
    for old in cell.jobs.predecessors_of(row):
        first, extent = int(cell.jobs.offset[old]), int(cell.jobs.extent[old])
        states, stopping = cell.tasks.state[first : first + extent], cell.tasks.stopping[first : first + extent]
        going_on = np.flatnonzero((states < TaskState.SUCCEEDED) & (stopping != Stopping.STOP))
        if len(going_on):
            step = StopTasks(job=JobId(int(cell.jobs.id[old])), indices=going_on.astype(np.int32))
            has_stopped |= bool(fork.do(step).granted)
        held = cell.tasks.machine[first : first + extent] >= 0
        fork.end_tasks(first + np.flatnonzero(held & (cell.tasks.stopping[first : first + extent] == Stopping.STOP)))
    return has_stopped
