"""Tasks whose health checks failed as often as their spec allows: proposes to evict them, so that they are replaced.

An eviction names the attempt, so that a newer one is never hit, and costs the task none of its restarts. How fast a
task that never gets healthy can go round is bounded by its own health check (grace, interval, failures in a row).
"""

from typing import Final

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.commands import Evict
from omegacell.core.drains import EvictCause
from omegacell.core.jobs import Stopping, TaskState
from omegacell.core.units import JobId

JOBS_PER_STEP: Final = 64
"""Jobs of which one step evicts tasks at most; the others follow."""

TASKS_PER_JOB: Final = 1_000

_UNHEALTHY: Final = 2


def find_unhealthy(cell: Cell) -> list[Evict]:
    """Return a command for each job that has unhealthy tasks. Pure; cost: O(tasks)."""
    tasks = cell.tasks
    is_unhealthy = (tasks.health == _UNHEALTHY) & (tasks.state == TaskState.RUNNING) & (tasks.stopping == Stopping.NO)
    rows = np.flatnonzero(is_unhealthy)
    jobs = tasks.job[rows]
    commands = []
    for job in np.unique(jobs)[:JOBS_PER_STEP].tolist():
        own = rows[jobs == job][:TASKS_PER_JOB]
        commands.append(
            Evict(
                job=JobId(int(cell.jobs.id[job])),
                indices=(own - cell.jobs.offset[job]).astype(np.int32),
                attempts=tasks.attempt[own],
                cause=EvictCause.UNHEALTHY,
            )
        )
    return commands
