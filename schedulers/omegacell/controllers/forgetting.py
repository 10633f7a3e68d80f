"""Jobs that ended long ago: proposes `ForgetJob`, so that they leave the cell."""

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.commands import ForgetJob
from omegacell.core.units import JobId

JOBS_PER_STEP = 256
"""Jobs that one step proposes to forget at most; the others follow."""


def find_forgettable(cell: Cell) -> list[ForgetJob]:
    """Return a command for each job that is due, the longest ended first. Pure; cost: O(jobs)."""
    if cell.genesis is None:
        return []
    jobs = cell.jobs
    is_due = (jobs.id > 0) & (jobs.ended_elapsed >= 0)
    is_due &= cell.elapsed - jobs.ended_elapsed >= cell.genesis.forget_after_us
    if jobs.has_updates:
        for row in np.flatnonzero(is_due).tolist():
            current = jobs.current_of(row)
            olds = jobs.predecessors_of(row)
            is_due[row] &= not jobs.updating[current] and not any(jobs.is_active(each) for each in olds)
    rows = np.flatnonzero(is_due)
    order = rows[np.argsort(jobs.ended_elapsed[rows], kind="stable")]
    return [ForgetJob(job=JobId(int(jobs.id[row]))) for row in order[:JOBS_PER_STEP].tolist()]
