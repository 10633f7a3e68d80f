"""Which tasks of a job may be placed now: those that wait and are not held back after a failure.

The delay between the attempts of a task grows with its restarts: the job's ``restart_delay_us``, doubled each time, to
five minutes at most, and up to an eighth more so that a thousand tasks that failed together do not come back together.
It is a hint that only proposers keep; the judge counts restarts and knows no delay. All functions are pure.

A delay runs from the wall stamp of the end, because the cell's own time moves only with its ticks. That stamp is of
another machine's clock, which may be wrong: the cell's own time bounds what it can do. At an end, elapsed is behind by
less than the longest step of a tick, so a task is due no earlier than elapsed allows and no later than that step after.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s, is_zero
from omegacell.core.jobs import TaskState
from omegacell.core.units import SECOND_US, TICK_PERIOD_US

MAX_DELAY_US: Final = 300 * SECOND_US
"""The longest delay, before it is spread."""

MAX_LAG_US: Final = 2 * TICK_PERIOD_US
"""How far the cell's own time may be behind when an attempt ends: what one tick adds at most."""

_PENDING: Final = int(TaskState.PENDING)
_DOUBLINGS: Final = 20
_SPREAD: Final = 1_024


def find_due(cell: Cell, job_row: int, *, elapsed: int, wall_us: int, limit: int) -> tuple[Int32s, int | None]:
    """Return the pending tasks of a job that are due, and how long the next of the others is held back.

    Args:
        cell: the cell.
        job_row: the job's row.
        elapsed: the cell's own time now, as well as the caller can tell.
        wall_us: the wall clock now.
        limit: how many tasks to return at most.

    Returns:
        Task indices, ascending, int32; and in how many microseconds the first task that is held back comes due, None
        when none is held back. Cost: O(tasks of the job).
    """
    first = int(cell.jobs.offset[job_row])
    length = int(cell.jobs.extent[job_row])
    extent = slice(first, first + length)
    states = cell.tasks.state[extent]
    is_fresh = is_zero(cell.tasks.restarts[extent])
    if is_fresh and is_zero(states):  # PENDING is 0: nothing of the job was placed yet
        return np.arange(min(length, limit), dtype=np.int32), None
    pending = np.flatnonzero(states == _PENDING)
    restarts = cell.tasks.restarts[extent][pending]
    if is_fresh or not restarts.any():
        return pending[:limit].astype(np.int32), None
    base = cell.jobs.spec_of(job_row).restart_delay_us
    delays = delays_of(pending, restarts, base=base)
    earliest_us = cell.tasks.ended_elapsed[extent][pending] + delays - elapsed
    by_stamp_us = cell.tasks.ended_at_us[extent][pending] + delays - wall_us
    left_us = np.clip(by_stamp_us, earliest_us, earliest_us + MAX_LAG_US)
    held = (left_us > 0) & (restarts > 0)
    next_us = int(left_us[held].min()) if held.any() else None
    return pending[~held][:limit].astype(np.int32), next_us


def delays_of(indices: NDArray[np.integer], restarts: NDArray[np.integer], *, base: int) -> NDArray[np.int64]:
    """Return how long tasks are held back after they ended, microseconds, ``(tasks,)`` int64.

    >>> delays_of(np.array([0, 0, 0]), np.array([1, 2, 3]), base=1_000_000).tolist()
    [1000000, 2000000, 4000000]
    """
    doublings = np.clip(restarts.astype(np.int64) - 1, 0, _DOUBLINGS)
    delays = np.minimum(min(base, MAX_DELAY_US) << doublings, MAX_DELAY_US)
    spread = (indices.astype(np.int64) * 2_654_435_761 >> 7) % _SPREAD
    jittered: NDArray[np.int64] = delays + delays // 8 * spread // _SPREAD
    return jittered
