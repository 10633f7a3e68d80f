"""What an update under way comes to: which steps may be taken, when it is over, stuck, or can be reverted.

Read off the cell alone. The judge and whoever proposes the steps ask here, so both count alike. An *index* is covered
when an old job wants it: only of those can an update take something away. Rows named ``current`` are of the job that
its name means; its predecessors are the jobs that it takes the place of.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.core.budgets import find_available, find_served
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, Stopping, TaskState
from omegacell.core.updates import DEFAULT_POLICY, OnFailure, UpdatePolicy, Updating


def policy_of(spec: JobSpec) -> UpdatePolicy:
    """Return how a job is updated."""
    return DEFAULT_POLICY if spec.update is None else spec.update


def find_limit(spec: JobSpec) -> int:
    """Return how many indices an update may keep unavailable: of a gang at least one whole group."""
    parallel = policy_of(spec).max_parallel
    return parallel if spec.gang is None else max(parallel, spec.gang.length_of(0, spec.count))


def find_room(cell: Cell, current: int) -> int:
    """Return how many available old tasks may be stopped now; negative when too many indices are unavailable already.

    A gang moves as a whole. Cost: O(tasks of the pair).
    """
    jobs = cell.jobs
    olds = jobs.predecessors_of(current)
    spec = jobs.spec_of(current)
    limit = find_limit(spec)
    covered = max((int(jobs.count_wanted[row]) for row in olds), default=0)
    served = find_served(cell, current)[:covered]
    return limit - (len(served) - int(np.count_nonzero(served)))


def find_losses(cell: Cell, old: int, indices: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which old tasks are available and have an index that the new job wants too: ``(indices,)`` bool."""
    available = find_available(cell, old)
    is_wanted = indices < min(len(available), int(cell.jobs.count_wanted[cell.jobs.current_of(old)]))
    losses: NDArray[np.bool_] = is_wanted & available[np.where(is_wanted, indices, 0)]
    return losses


def find_followed(cell: Cell, current: int, indices: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which indices have an old task that is not at rest, so that theirs must wait: ``(indices,)`` bool."""
    jobs, followed = cell.jobs, np.zeros(len(indices), np.bool_)
    for row in jobs.predecessors_of(current):
        is_known = indices < jobs.extent[row]
        states = cell.tasks.state[np.where(is_known, indices, 0) + jobs.offset[row]]
        followed |= is_known & (states < TaskState.SUCCEEDED)
    return followed


def is_over(cell: Cell, current: int) -> bool:
    """Tell whether an update is over: all old tasks are at rest, and all new ones available."""
    jobs = cell.jobs
    return not any(jobs.is_active(row) for row in jobs.predecessors_of(current)) and bool(
        find_available(cell, current).all()
    )


def find_overdue_us(cell: Cell, current: int) -> int:
    """Return for how long an update is stuck; negative while its deadline has not passed."""
    jobs = cell.jobs
    due = int(jobs.progressed_elapsed[current]) + policy_of(jobs.spec_of(current)).deadline_us
    return cell.elapsed - due


def is_to_revert(cell: Cell, current: int) -> bool:
    """Tell whether an update is stuck and its policy says to revert it; what a revert brought back is left alone."""
    is_forward = cell.jobs.updating[current] == Updating.FORWARD
    is_asked = policy_of(cell.jobs.spec_of(current)).on_failure is OnFailure.REVERT
    return bool(is_forward and is_asked and find_overdue_us(cell, current) >= 0)


def find_target(cell: Cell, current: int) -> int | None:
    """Return the row of the job that a revert brings back, None when there is none any more.

    The oldest of which tasks go on: it is the last that was whole. When none does, the newest. Never one that was told
    to stop.
    """
    jobs, tasks = cell.jobs, cell.tasks
    olds = [row for row in jobs.predecessors_of(current) if not jobs.stopping[row]]
    for row in olds:
        extent = slice(int(jobs.offset[row]), int(jobs.offset[row] + jobs.extent[row]))
        if ((tasks.machine[extent] >= 0) & (tasks.stopping[extent] == Stopping.NO)).any():
            return row
    return olds[len(olds) - 1] if olds else None
