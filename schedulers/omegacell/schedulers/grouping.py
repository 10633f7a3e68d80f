"""Which tasks of a waiting job are decided on together: what the loop hands to a scheduler, and a fork too.

Pure functions of a cell and of the time; what holds a task back after a failure is in `pending`.
"""

from dataclasses import dataclass

from omegacell.core.cell import Cell
from omegacell.core.columns import span_of
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
        limit: how many tasks at most, unless they are a gang.
        number: the group's place in a call of ``place``.
    """

    elapsed: int
    wall_us: int
    limit: int
    number: int = 0


def find_group(cell: Cell, entry: Entry, asked: Asked) -> tuple[TaskGroup | None, int | None]:
    """Return the tasks of a job that are due, None when there are none; and in how long the next comes due.

    A gang waits until all of its pending tasks are due.
    """
    row = cell.jobs.row_of(entry.job)
    assert row is not None, f"job {entry.job} waits for a scheduler and is not in the cell"
    spec = entry.spec
    limit = entry.count if spec.is_gang else asked.limit
    indices, held_us = find_due(cell, row, elapsed=asked.elapsed, wall_us=asked.wall_us, limit=limit)
    if held_us is not None and (spec.is_gang or not len(indices)):
        return None, held_us
    group = TaskGroup(
        number=asked.number,
        job=entry.job,
        spec=spec,
        indices=indices,
        attempts=cell.tasks.attempt[span_of(int(cell.jobs.offset[row]), indices)].copy(),
        tries=entry.conflicts + entry.misses,
    )
    return group, held_us
