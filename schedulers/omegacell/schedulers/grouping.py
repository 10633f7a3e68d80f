"""Which tasks of a waiting job are decided on together: what the loop hands to a scheduler, and a fork too.

A job that is no gang is one `TaskGroup` of all its tasks that are due. Of a gang each of its groups is one (see the
core's `gangs`), and waits until enough of its tasks are due: nothing is held for it meanwhile. Pure functions of a cell
and of the time; what holds a task back after a failure is in `pending`.
"""

from dataclasses import dataclass

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s, span_of
from omegacell.core.gangs import find_shorts, groups_of
from omegacell.core.jobs import WHOLE_JOB, JobSpec, TaskState
from omegacell.core.quick import quick
from omegacell.schedulers.entries import Entry
from omegacell.schedulers.interface import TaskGroup
from omegacell.schedulers.pending import find_due


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """When it is, and how much is asked for.

    Attributes:
        elapsed: the cell's own time, as well as the caller can tell.
        wall_us: the wall clock.
        limit: how many tasks at most; of a group of a gang as many more as must be placed together.
        number: the first group's place in a call of ``place``.
    """

    elapsed: int
    wall_us: int
    limit: int
    number: int = 0


def find_least(cell: Cell, job_row: int, spec: JobSpec) -> int:
    """Return how many tasks of a job with pending ones must find room at once for any of them to be placed.

    0 when none can be: its partners in a gang are held. Cost: O(1), or O(tasks) of a job that is several gangs.
    """
    if spec.gang is None:
        return 1
    if spec.gang == WHOLE_JOB:
        counts = cell.jobs.counts[job_row]
        return 0 if counts[TaskState.HELD] else max(1, int(counts[TaskState.PENDING]))
    pending, short = find_shorts(cell, job_row, spec.gang)
    needed = short[(pending > 0) & (pending >= short)]
    return max(1, int(needed.min())) if len(needed) else 0


def find_groups(cell: Cell, entry: Entry, asked: Asked) -> tuple[list[TaskGroup], int | None]:
    """Return the groups of a job's tasks that are due, none when there are none; and in how long the next comes due."""
    row = cell.jobs.row_of(entry.job)
    assert row is not None, f"job {entry.job} waits for a scheduler and is not in the cell"
    limit = entry.count if entry.spec.is_gang else asked.limit
    indices, held_us = find_due(cell, row, elapsed=asked.elapsed, wall_us=asked.wall_us, limit=limit)
    if entry.spec.gang is not None:
        return _find_gangs(cell, entry, row, indices, asked), held_us
    return [_make_group(cell, entry, indices, number=asked.number)] if len(indices) else [], held_us


def _find_gangs(cell: Cell, entry: Entry, row: int, due: Int32s, asked: Asked) -> list[TaskGroup]:
    """Return the groups of a gang of which enough tasks are due, as many of them as the limit lets in.

    When it lets in none, the one is returned that needs the fewest places.
    """
    gang = entry.spec.gang
    assert gang is not None, "only a gang has groups"
    _, short = find_shorts(cell, row, gang)
    numbers = groups_of(gang, due)
    cuts = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    groups: list[TaskGroup] = []
    left, fewest, fewest_least = asked.limit, due[:0], 0
    for indices in np.split(due, cuts) if len(due) else []:
        least = max(1, int(short[int(groups_of(gang, indices[:1])[0])]))
        if least > len(indices):
            continue  # the others of it are held back
        if least > left:
            if not len(fewest) or least < fewest_least:
                fewest, fewest_least = indices[:least], least
            continue
        taken = indices[:left]
        groups.append(_make_group(cell, entry, taken, number=asked.number + len(groups), least=least))
        left -= len(taken)
    if not groups and len(fewest):
        groups.append(_make_group(cell, entry, fewest, number=asked.number, least=fewest_least))
    return groups


def _make_group(cell: Cell, entry: Entry, indices: Int32s, *, number: int, least: int = 1) -> TaskGroup:
    row = cell.jobs.row_of(entry.job)
    assert row is not None, f"job {entry.job} has tasks that are due and is not in the cell"
    return TaskGroup(
        number=number,
        job=entry.job,
        spec=entry.spec,
        indices=indices,
        attempts=cell.tasks.attempt[span_of(int(cell.jobs.offset[row]), indices)].copy(),
        tries=entry.conflicts + entry.misses,
        least=least,
    )
