"""Draining machines: proposes to evict what runs there, at a bounded rate, within the budget of each job.

All that a drain needs is in the cell, so whichever server runs goes on with it, the next one after a `kill -9`, too.
What is proposed is what the judge grants: the budgets are counted by the same functions. Machines whose deadline has
passed come first, then those with the nearest one. A machine that is silent is told nothing: it would only use up the
budget of its jobs.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.budgets import find_available, find_headroom, is_overdue
from omegacell.core.cell import Cell
from omegacell.core.columns import find_ranks
from omegacell.core.commands import Evict
from omegacell.core.drains import NO_DEADLINE, Eligibility, EvictCause
from omegacell.core.jobs import Stopping
from omegacell.core.units import JobId

EVICTIONS_PER_STEP: Final = 64
"""Tasks that one step evicts at most; a step is a tick."""

EVICTIONS_UNDER_WAY: Final = 256
"""Tasks of draining machines that were evicted and have not ended yet, in the whole cell: beyond them a step waits."""

_NEVER: Final = np.iinfo(np.int64).max

Rows = NDArray[np.int64]


def find_drains(cell: Cell) -> list[Evict]:
    """Return the evictions that are due now, a command for each job, overdue machines first.

    Pure; cost: O(machines) when none drains, else O(tasks).
    """
    rows = find_drained(cell)
    if not len(rows):
        return []
    room = EVICTIONS_UNDER_WAY - int(np.count_nonzero(cell.tasks.stopping[rows] == Stopping.EVICT))
    staying = find_staying(cell, rows)
    chosen = staying[find_allowed(cell, staying)][: max(0, min(room, EVICTIONS_PER_STEP))]
    jobs = cell.tasks.job[chosen]
    return [_evict(cell, job, chosen[jobs == job]) for job in dict.fromkeys(jobs.tolist())]


def find_drained(cell: Cell) -> Rows:
    """Return the task rows of what is placed or runs on draining machines, ascending."""
    is_draining = cell.machines.eligibility == Eligibility.DRAINING
    if not is_draining.any():
        return np.empty(0, np.int64)
    active = np.flatnonzero(cell.tasks.machine >= 0)
    rows: Rows = active[is_draining[cell.tasks.machine[active]]]
    return rows


def find_staying(cell: Cell, rows: Rows) -> Rows:
    """Return those of some tasks that nobody told to end and whose machine is heard, in the order of eviction.

    What runs inside an alloc is not among them: it goes when the alloc does.
    """
    is_staying = (cell.tasks.stopping[rows] == Stopping.NO) & ~find_unheard(cell, cell.tasks.machine[rows])
    staying = rows[is_staying & ~find_inside(cell, rows)]
    machine_rows = cell.tasks.machine[staying]
    deadlines = cell.machines.drain_deadline[machine_rows]
    urgency = np.where(deadlines == NO_DEADLINE, _NEVER, deadlines)
    ordered: Rows = staying[np.lexsort((staying, machine_rows, urgency))]
    return ordered


def find_inside(cell: Cell, rows: Rows) -> NDArray[np.bool_]:
    """Return which of some tasks run inside an alloc: ``(rows,)`` bool."""
    of = cell.tasks.allocs.of
    if not of:
        return np.zeros(len(rows), np.bool_)
    return np.array([row in of for row in rows.tolist()], np.bool_)


def find_unheard(cell: Cell, machine_rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which machines nobody has heard for a tick or more: ``(rows,)`` bool."""
    machines = cell.machines
    unheard: NDArray[np.bool_] = machines.contact_session[machine_rows] == 0
    unheard &= machines.silent_ticks[machine_rows] > 0
    return unheard


def find_allowed(cell: Cell, rows: Rows) -> NDArray[np.bool_]:
    """Return which of several evictions for drains the judge would grant, asked for in this order: ``(rows,)`` bool.

    Tasks of overdue machines must come first. Cost: O(rows), and O(its tasks) for each job among them.
    """
    jobs = cell.tasks.job[rows]
    overdue = is_overdue(cell, cell.tasks.machine[rows])
    is_loss, headroom = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.int64)
    by_job = np.argsort(jobs, kind="stable")
    for own in np.split(by_job, np.flatnonzero(np.diff(jobs[by_job])) + 1) if len(rows) else ():
        job = int(jobs[own[0]])
        available = find_available(cell, job)
        indices = rows[own] - cell.jobs.offset[job]
        is_wanted = indices < len(available)
        is_loss[own] = is_wanted & available[np.where(is_wanted, indices, 0)]
        headroom[own] = find_headroom(cell, job)
    allowed = overdue | ~is_loss
    losses = np.flatnonzero(is_loss)
    allowed[losses] |= find_ranks(jobs[losses]) < headroom[losses]
    return allowed


def _evict(cell: Cell, job_row: int, rows: Rows) -> Evict:
    return Evict(
        job=JobId(int(cell.jobs.id[job_row])),
        indices=(rows - cell.jobs.offset[job_row]).astype(np.int32),
        attempts=cell.tasks.attempt[rows],
        cause=EvictCause.DRAIN,
    )
