"""Gangs: tasks of a job that are placed together or not at all, judged when claims commit.

Theory of operation. The wanted tasks of a job with a `Gang` stand in groups of consecutive indices; which are its
groups, and of how many tasks, follows from the spec and the count alone. A group is *short* by as many tasks as it has
too few that are placed, running or at rest: the others wait, for a machine or held. After a `Place`, no group that was
granted a claim is short. So nothing is ever held for a group that waits, and a task of a group that is not short is
placed like any other: the one that was evicted, or failed and is tried again.

The claims of a `Place` are judged group by group, in ascending order of the groups, within a group in the order of the
claims. A group that would be short is refused whole, and those after it are judged as if it had not been asked for:
refusing one thing never lets another stand that would not have been granted without it. `GangUse` says how short a
group is after some tentative claims; schedulers ask it before, the judge after.

Rules: pure; integer; linear in the claims and, once for each group that a transaction names, in that group's tasks.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import Int64s
from omegacell.core.jobs import Gang, TaskState


class GangUse:
    """How short the groups of a cell's gangs are after some tentative claims. Valid until the cell changes."""

    def __init__(self, cell: Cell) -> None:
        """Begin with no tentative claims. Cost: O(1)."""
        self._cell = cell
        self._short: dict[tuple[int, int], int] = {}

    def find_short(self, job_row: int, group: int) -> int:
        """Return how many tasks of a group must still be placed together; 0 or less when any may be placed alone.

        Cost: O(tasks of the group) the first time, O(1) for a job that is one group.
        """
        known = self._short.get((job_row, group))
        if known is None:
            known = self._short[job_row, group] = _find_short(self._cell, job_row, group)
        return known

    def take(self, job_row: int, groups: NDArray[np.integer]) -> None:
        """Count in a tentative claim of a task of each of these groups, which may stand several times. Mutates."""
        for group in groups.tolist():
            self._short[job_row, group] = self.find_short(job_row, group) - 1

    def fork(self) -> "GangUse":
        """Return an independent one with the same tentative claims."""
        other = GangUse(self._cell)
        other._short = dict(self._short)
        return other


def _find_short(cell: Cell, job_row: int, group: int) -> int:
    jobs = cell.jobs
    gang = jobs.spec_of(job_row).gang
    assert gang is not None, "only a gang has groups"
    wanted = int(jobs.count_wanted[job_row])
    length = gang.length_of(group, wanted)
    if not gang.size:
        waiting = int(jobs.counts[job_row, TaskState.PENDING] + jobs.counts[job_row, TaskState.HELD])
    else:
        first = int(jobs.offset[job_row]) + group * gang.size
        states = cell.tasks.state[first : first + length]
        waiting = int(np.count_nonzero((states == TaskState.PENDING.value) | (states == TaskState.HELD.value)))
    return gang.least_of(length) - (length - waiting)


def find_shorts(cell: Cell, job_row: int, gang: Gang) -> tuple[Int64s, Int64s]:
    """Return for every group of a job how many tasks are pending, and by how many it is short: two int64 columns.

    ``gang`` is the job's, or what it might be.

    Cost: O(tasks of the job).
    """
    jobs = cell.jobs
    wanted, first = int(jobs.count_wanted[job_row]), int(jobs.offset[job_row])
    states = cell.tasks.state[first : first + wanted]
    starts = np.arange(0, wanted, gang.size or wanted, dtype=np.int64)
    pending = np.add.reduceat(states == TaskState.PENDING.value, starts, dtype=np.int64)
    waiting = pending + np.add.reduceat(states == TaskState.HELD.value, starts, dtype=np.int64)
    lengths = np.minimum(gang.size or wanted, wanted - starts)
    least = np.minimum(gang.least or wanted, lengths)
    return pending, least - (lengths - waiting)


def groups_of(gang: Gang, indices: NDArray[np.integer]) -> Int64s:
    """Return the group of each task of a gang, int64."""
    wide = indices.astype(np.int64)
    return wide // gang.size if gang.size else np.zeros_like(wide)
