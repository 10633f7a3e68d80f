"""Deadlines of jobs: proposes to stop those whose deadline has passed and that are not at rest."""

from typing import Final

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.commands import StopJob
from omegacell.core.jobs import StopCause, TaskState
from omegacell.core.units import JobId

JOBS_PER_STEP: Final = 256
"""Jobs that one step proposes to stop at most; the others follow."""


def find_late(cell: Cell) -> list[StopJob]:
    """Return a command for each job that is due, the longest overdue first. Pure; cost: O(jobs)."""
    jobs = cell.jobs
    is_due = (jobs.id > 0) & (jobs.deadline >= 0) & (jobs.deadline <= cell.elapsed) & (jobs.stopping == 0)
    is_due &= jobs.counts[:, : TaskState.SUCCEEDED].any(axis=1)
    rows = np.flatnonzero(is_due)
    order = rows[np.argsort(jobs.deadline[rows], kind="stable")]
    return [StopJob(job=JobId(int(jobs.id[row])), cause=StopCause.DEADLINE) for row in order[:JOBS_PER_STEP].tolist()]
