"""Scores of machines and ways to hand out tasks over them, on whole columns.

Scores order machines and decide nothing about what fits: `room` says how many tasks each takes. Floats are fine here,
because a scheduler's answer is only a wish. All functions are pure.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.schedulers.interface import TaskGroup
from omegacell.schedulers.view import CellView

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def load_after(cell: CellView, group: TaskGroup) -> Floats:
    """Return how full each machine would be with one more task: the fullest dimension, 0 to 1, ``(machines,)``.

    Dimensions that a machine does not have at all, and the task does not ask for, do not count.
    """
    capacity, free = cell.capacity, cell.free()
    load = np.zeros(cell.machine_count)
    for dimension, amount in enumerate(group.spec.charged):
        has = np.maximum(capacity[:, dimension], 1)
        used = capacity[:, dimension] - free[:, dimension] + amount
        np.maximum(load, np.where(capacity[:, dimension] > 0, used / has, 0.0), out=load)
    return load


def waves(order: Rows, room: NDArray[np.int64], count: int) -> Rows:
    """Hand out up to ``count`` tasks over machines in order, one on each, then another on each, as room allows.

    Args:
        order: machine rows, best first, distinct.
        room: how many tasks each of them takes, in the same order.
        count: how many tasks there are.

    Returns:
        A machine row for each task that found room; shorter than ``count`` when there was too little.

    >>> waves(np.array([4, 2, 9]), np.array([1, 3, 0]), 3).tolist()
    [4, 2, 2]
    """
    takes = (room > 0).nonzero()[0]
    if len(takes) >= count:
        return order.take(takes[:count])
    return level_out(order, room, count, held=np.zeros(len(order), np.int64))


def level_out(order: Rows, room: NDArray[np.int64], count: int, *, held: NDArray[np.int64]) -> Rows:
    """Hand out tasks so that the job's tasks lie as evenly as room allows; in order among machines that hold as many.

    Args:
        order: machine rows, best first, distinct.
        room: how many more tasks each takes.
        count: how many tasks there are.
        held: how many tasks of the job each holds already.

    Returns:
        A machine row for each task that found room. Cost: O(machines log(count) + count).

    >>> level_out(np.array([4, 2, 9]), np.array([5, 5, 5]), 3, held=np.array([1, 0, 3])).tolist()
    [2, 4, 2]
    """
    room = np.minimum(room, count)
    total = int(room.sum())
    shares = room if total <= count else _shares(room, count, held)
    picked = np.repeat(np.arange(len(order)), shares)
    if not len(picked):
        return order[:0]
    starts = np.cumsum(shares) - shares
    levels = np.arange(len(picked)) - np.repeat(starts, shares) + held[picked]
    return order[picked[np.lexsort((picked, levels))]]


def _shares(room: NDArray[np.int64], count: int, held: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fill machines like water: the highest level that ``count`` tasks reach, the rest to the first in order."""
    low, high = 0, int(held.max(initial=0)) + count + 1
    while high - low > 1:
        level = (low + high) // 2
        if int(np.minimum(room, np.maximum(level - held, 0)).sum()) <= count:
            low = level
        else:
            high = level
    shares = np.minimum(room, np.maximum(low - held, 0))
    left = count - int(shares.sum())
    if left:
        next_ones = np.flatnonzero((shares < room) & (held + shares == low))[:left]
        shares[next_ones] += 1
    return shares
