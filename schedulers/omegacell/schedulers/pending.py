"""Which tasks of a job may be placed now: those that wait and are not held back after a failure.

The delay between the attempts of a task grows with its restarts: the job's ``restart_delay_us``, doubled each time, to
five minutes at most, spread by an eighth so that a thousand tasks that failed together do not come back together. It is
a hint that only proposers keep; the judge counts restarts and knows no delay. All functions are pure.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.commands import Int32s
from omegacell.core.jobs import TaskState
from omegacell.core.units import SECOND_US

MAX_DELAY_US: Final = 300 * SECOND_US
"""No task waits longer than this between attempts."""

_DOUBLINGS: Final = 20
_SPREAD: Final = 1_024


def find_due(cell: Cell, job_row: int, *, elapsed: int, limit: int) -> tuple[Int32s, int | None]:
    """Return the pending tasks of a job that are due, and when the next of the others is.

    Args:
        cell: the cell.
        job_row: the job's row.
        elapsed: the cell's own time now, as well as the caller can tell.
        limit: how many tasks to return at most.

    Returns:
        Task indices, ascending, int32; and the elapsed at which the first task that is held back comes due, None when
        none is held back. Cost: O(tasks of the job).
    """
    first = int(cell.jobs.offset[job_row])
    extent = slice(first, first + int(cell.jobs.extent[job_row]))
    pending = np.flatnonzero(cell.tasks.state[extent] == TaskState.PENDING)
    restarts = cell.tasks.restarts[extent][pending]
    if not restarts.any():
        return pending[:limit].astype(np.int32), None
    base = cell.jobs.spec_of(job_row).restart_delay_us
    due = cell.tasks.ended_elapsed[extent][pending] + delays_of(pending, restarts, base=base)
    due[restarts == 0] = 0
    held = due > elapsed
    next_due = int(due[held].min()) if held.any() else None
    return pending[~held][:limit].astype(np.int32), next_due


def delays_of(indices: NDArray[np.integer], restarts: NDArray[np.integer], *, base: int) -> NDArray[np.int64]:
    """Return how long tasks are held back after they ended, microseconds, ``(tasks,)`` int64.

    >>> delays_of(np.array([0, 0, 0]), np.array([1, 2, 3]), base=1_000_000).tolist()
    [875000, 1750000, 3500000]
    """
    doublings = np.clip(restarts.astype(np.int64) - 1, 0, _DOUBLINGS)
    delays = np.minimum(min(base, MAX_DELAY_US) << doublings, MAX_DELAY_US)
    spread = (indices.astype(np.int64) * 2_654_435_761 >> 7) % _SPREAD
    jittered: NDArray[np.int64] = delays - delays // 8 + delays // 4 * spread // _SPREAD
    return jittered
