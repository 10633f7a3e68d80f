"""How much of a job may be taken away at once: what ``max_unavailable`` means, counted from the cell alone.

A wanted task is *available* when it runs, has not been told to end, and is not known to be unhealthy; where its job
has a health check, when it is known to be healthy. In a batch job a task at rest is no loss, and counts as available;
in a system job a held one, whose machine does not match.
An eviction that takes no available task away is always within the budget: it makes nothing worse, and may be what lets
a broken task begin anew elsewhere. The judge and whoever proposes evictions ask here, so both count alike.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.drains import NO_DEADLINE, Eligibility
from omegacell.core.jobs import NO_LIMIT, Kind, Stopping, TaskState
from omegacell.core.outcomes import Reason

_HEALTHY, _UNHEALTHY = 1, 2


def find_available(cell: Cell, job_row: int) -> NDArray[np.bool_]:
    """Return which of a job's wanted tasks are available, by index: ``(wanted,)`` bool. Cost: O(its tasks)."""
    jobs, tasks = cell.jobs, cell.tasks
    spec = jobs.spec_of(job_row)
    first = int(jobs.offset[job_row])
    rows = slice(first, first + int(jobs.count_wanted[job_row]))
    state, health = tasks.state[rows], tasks.health[rows]
    available: NDArray[np.bool_] = (state == TaskState.RUNNING) & (tasks.stopping[rows] == Stopping.NO)
    available &= (health == _HEALTHY) if spec.is_health_checked else (health != _UNHEALTHY)
    if spec.kind is Kind.BATCH:
        available |= state >= TaskState.SUCCEEDED
    elif spec.kind is Kind.SYSTEM:
        available |= state == TaskState.HELD
    return available


def find_served(cell: Cell, current_row: int) -> NDArray[np.bool_]:
    """Return of which indices of a job a task is available, its own or one that it takes the place of in an update.

    ``(wanted,)`` bool. Cost: O(their tasks).
    """
    served = find_available(cell, current_row)
    for row in cell.jobs.predecessors_of(current_row):
        old = find_available(cell, row)[: len(served)]
        served[: len(old)] |= old
    return served


def find_headroom(cell: Cell, job_row: int) -> int:
    """Return how many available tasks of a job may be taken away now; negative when too few are there already.

    The jobs of an update have one budget, that of the new one. `NO_LIMIT` jobs have room for all their tasks. Cost:
    O(their tasks).
    """
    current = cell.jobs.current_of(job_row)
    limit = cell.jobs.spec_of(current).max_unavailable
    if limit == NO_LIMIT:
        return int(cell.jobs.count_wanted[job_row])
    served = find_served(cell, current)
    return limit - (len(served) - int(np.count_nonzero(served)))


def is_overdue(cell: Cell, machine_rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return on which machines the deadline of the drain has passed: ``(rows,)`` bool."""
    deadlines = cell.machines.drain_deadline[machine_rows]
    overdue: NDArray[np.bool_] = (deadlines != NO_DEADLINE) & (deadlines <= cell.elapsed)
    return overdue


@dataclass(slots=True, eq=False)
class _Budget:
    """What is left of the budget of one job, or of the jobs of an update, while a transaction is judged.

    ``parts`` are the first task row of each job and which of its tasks are available and wanted of all.
    """

    parts: list[tuple[int, NDArray[np.bool_]]]
    headroom: int
    evicted: dict[int, None] = field(default_factory=dict)

    def is_loss(self, task: int) -> bool:
        """Tell whether evicting a task takes an available one away."""
        return any(0 <= task - first < len(available) and available[task - first] for first, available in self.parts)

    def take(self, task: int) -> None:
        """Count a granted eviction in, once. Mutates."""
        if task not in self.evicted:
            self.evicted[task] = None
            self.headroom -= self.is_loss(task)


class Disruptions:
    """What the evictions of one transaction take away, in order; the cell itself is never written."""

    def __init__(self, cell: Cell) -> None:
        """Begin with nothing taken away. Cost: O(1)."""
        self._cell = cell
        self._noted: dict[int, list[NDArray[np.int64]]] = {}
        self._budgets: dict[int, _Budget] = {}

    def note(self, job_row: int, tasks: NDArray[np.int64]) -> None:
        """Note granted evictions of a job's tasks, whatever their cause. Mutates; cost: O(1)."""
        self._noted.setdefault(self._cell.jobs.current_of(job_row), []).append(tasks)

    def find_reasons(self, job_row: int, tasks: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Judge evictions for a drain of active tasks of one job, in order: values of `Reason`, NONE where granted.

        Pure but for what it keeps for later calls. Cost: O(tasks), and once a job O(the job's tasks).
        """
        machine_rows = self._cell.tasks.machine[tasks]
        is_draining = self._cell.machines.eligibility[machine_rows] == Eligibility.DRAINING
        reasons = np.where(is_draining, np.uint8(Reason.NONE), np.uint8(Reason.NOT_DRAINING))
        current = self._cell.jobs.current_of(job_row)
        if self._cell.jobs.spec_of(current).max_unavailable == NO_LIMIT:
            return reasons
        budget = self._open(current)
        overdue = is_overdue(self._cell, machine_rows)
        for place in np.flatnonzero(is_draining).tolist():
            task = int(tasks[place])
            is_covered = task in budget.evicted or not budget.is_loss(task)
            if is_covered or budget.headroom > 0 or overdue[place]:
                budget.take(task)
            else:
                reasons[place] = Reason.JOB_DISRUPTED
        return reasons

    def _open(self, job_row: int) -> _Budget:
        """Return a job's budget after all that was noted. Mutates."""
        budget = self._budgets.get(job_row)
        if budget is None:
            jobs = self._cell.jobs
            wanted = int(jobs.count_wanted[job_row])
            rows = (job_row, *jobs.predecessors_of(job_row))
            parts = [(int(jobs.offset[row]), find_available(self._cell, row)[:wanted]) for row in rows]
            budget = _Budget(parts, find_headroom(self._cell, job_row))
            self._budgets[job_row] = budget
        for tasks in self._noted.pop(job_row, ()):
            for task in tasks.tolist():
                budget.take(task)
        return budget
