"""Choosing machines for a job whose tasks run inside allocs: one in each alloc before a second in any.

Allocs that are about to run count: a task is kept for each, and no second one put beside another in its place.

A scheduler claims machines; which alloc there a task gets is granted by the judge, who gives it the one with the fewest
tasks of the same job. So what is left to choose is how many tasks go to which machine, and how full a machine is
besides does not matter: its allocs were paid for already.
"""

import numpy as np

from omegacell.schedulers.interface import TaskGroup
from omegacell.schedulers.scoring import Rows, level_out
from omegacell.schedulers.view import CellView


def choose_inside(cell: CellView, group: TaskGroup, rng: np.random.Generator) -> Rows:
    """Return a machine row for each task that found room in an alloc; a row stands several times where it has several.

    Machines of equal standing come in random order, so that two schedulers seldom want the same. Cost: O(machines).
    """
    room = cell.room(group)
    order = rng.permutation(np.flatnonzero(room))
    fresh = np.minimum(cell.fresh_allocs(group), room)
    nothing = np.zeros(len(order), np.int64)
    first = level_out(order, fresh[order], group.count, held=nothing)
    left = room - np.bincount(first, minlength=cell.machine_count)
    held = np.bincount(cell.machines_of(group), minlength=cell.machine_count) + room - left
    seconds = max(0, group.count - len(first) - cell.starting_allocs(group))
    rest = level_out(order, left[order], seconds, held=held[order])
    return np.concatenate([first, rest])
