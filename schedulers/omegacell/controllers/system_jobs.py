"""System jobs and the machines of the cell: proposes what brings the tasks of each in line with its machine.

A job that has fewer tasks than there are machines grows. A held task whose machine matches is released, a pending one
whose machine does not match (any more) is held; what runs is left alone. All of it follows from the cell, as the judge
finds it (`holds`), so whichever server runs goes on with it. A job is looked at again only when it changed, or the
machines did, or it waits for other jobs; one look is a few operations on columns.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.holds import find_awaited, find_mismatches
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.outcomes import Reason
from omegacell.core.units import JobId

TASKS_PER_COMMAND: Final = 50_000
"""Tasks that one command names at most: some 200 kB of an entry. The others follow with the next step."""

Proposed = GrowSystemJob | HoldTasks | ReleaseTasks


class SystemJobs:
    """Knows at which state of the cell each system job had all that it is due."""

    def __init__(self) -> None:
        """Begin with nothing known: every system job is looked at."""
        self._settled: dict[JobId, tuple[int, int]] = {}

    def step(self, cell: Cell) -> list[Proposed]:
        """Return what is due now, at most three commands a job.

        Cost: O(jobs), and for each system job that is not as it was O(its tasks).
        """
        jobs = cell.jobs
        rows = np.flatnonzero((jobs.kind == Kind.SYSTEM) & (jobs.id > 0) & (jobs.stopping == 0))
        before, self._settled = self._settled, {}
        proposed: list[Proposed] = []
        for row in rows.tolist():
            job = JobId(int(jobs.id[row]))
            if not jobs.is_active(row):
                continue
            state = (cell.topology_at, int(jobs.changed_at[row]))
            due = [] if before.get(job) == state else find_due(cell, row)
            if not due and not find_awaited(cell, row):
                self._settled[job] = state
            proposed += due
        return proposed


def find_due(cell: Cell, row: int) -> list[Proposed]:
    """Return what one system job is due; what grew is looked at by the next step. Pure; cost: O(its tasks)."""
    jobs = cell.jobs
    job, spec = JobId(int(jobs.id[row])), jobs.spec_of(row)
    due: list[Proposed] = []
    if spec.count < cell.machines.count:
        due.append(GrowSystemJob(job=job))
    first = int(jobs.offset[row])
    states = cell.tasks.state[first : first + int(jobs.extent[row])]
    pending, held = np.flatnonzero(states == TaskState.PENDING), np.flatnonzero(states == TaskState.HELD)
    strays = pending[find_mismatches(cell, spec, pending) != Reason.NONE]
    if len(strays):
        due.append(HoldTasks(job=job, indices=_some(strays)))
    if len(held) and not find_awaited(cell, row):
        matching = held[find_mismatches(cell, spec, held) == Reason.NONE]
        if len(matching):
            due.append(ReleaseTasks(job=job, indices=_some(matching)))
    return due


def _some(indices: NDArray[np.integer]) -> NDArray[np.int32]:
    return indices[:TASKS_PER_COMMAND].astype(np.int32)
