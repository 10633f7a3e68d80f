"""Greedy filling on whole columns: each task of a job goes to the machine that is cheapest for it at that moment.

Tasks of one job are equal, so a machine's costs for its first, second, third task are known in advance, and so is what
a loop would do that puts one task after the other where it costs least: it takes a machine's costs in their order, and
one that is no higher than a cost before it on the same machine comes straight after that one. Sorting by the highest
cost up to each task gives the same answer (`fill` is held to the loop by a property), without a loop over tasks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]

Cost: TypeAlias = Callable[[Floats, Floats], Floats]
"""What one task costs on a machine, from ``left`` and ``ask``, both ``(..., resources)`` shares of the machine.

``left`` is free before the task is placed, ``ask`` is what it asks for. Returns ``(...)``; lower is better.
"""

BLOCK: Final = 1_024
"""Tasks filled in at once: bounds the table of costs, machines x tasks on each."""

WIDTH: Final = 32
DEPTH: Final = 16
"""Machines, and tasks on each, for which costs are tabled at first."""


def shares_of(amounts: NDArray[np.int64], capacity: NDArray[np.int64]) -> Floats:
    """Return amounts as shares of machines, ``(machines, resources)``; 0 of what a machine does not have.

    >>> shares_of(np.array([[250, 8]]), np.array([[1_000, 0]])).tolist()
    [[0.25, 0.0]]
    """
    shares: Floats = amounts / np.maximum(capacity, 1)
    shares[capacity <= 0] = 0.0
    return shares


def shares_on(
    rows: NDArray[np.integer] | None, *, capacity: NDArray[np.int64], free: NDArray[np.int64], amounts: Sequence[int]
) -> tuple[Floats, Floats]:
    """Return what machines have left and what one task asks for, as shares of each, of the resources that any has.

    Args:
        rows: which machines; all of them when None.
        capacity: of all machines, ``(machines, resources)``.
        free: of all machines, likewise.
        amounts: what the task asks for, of the first resources.

    Returns:
        Two columns ``(rows, resources that any machine has)``.

    >>> left, ask = shares_on(None, capacity=np.array([[1_000, 0]]), free=np.array([[250, 0]]), amounts=(500,))
    >>> left.tolist(), ask.tolist()
    ([[0.25]], [[0.5]])
    """
    there = [resource for resource in range(capacity.shape[1]) if capacity[:, resource].any()] or [0]
    wanted = np.zeros(capacity.shape[1], np.int64)
    wanted[: len(amounts)] = amounts
    own = capacity if rows is None else capacity.take(rows, axis=0)
    left = free if rows is None else free.take(rows, axis=0)
    if len(there) < capacity.shape[1]:
        own, left, wanted = own[:, there], left[:, there], wanted[there]
    return shares_of(left, own), shares_of(wanted, own)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Machines that a job may go to, as columns of equal length.

    Attributes:
        left: free shares of each, ``(machines, resources)``.
        ask: what one task asks for, as shares of each, likewise.
        room: how many tasks each takes, ``(machines,)`` int64.
        ties: a number for each, all different; the smallest first among equal costs.
        handicap: what each costs beside the policy's cost, the same for every task.
        step: what a task costs more for each of these tasks that its machine has before it.
    """

    left: Floats
    ask: Floats
    room: Rows
    ties: Floats
    handicap: Floats
    step: float = 0.0

    def __len__(self) -> int:
        return len(self.room)


def fill(cost: Cost, machines: Candidates, count: int) -> Rows:
    """Put up to ``count`` equal tasks one after the other on the machine where the next one costs least.

    Returns:
        A place in the columns for each task that found room, in the order in which they were put.
        Cost: O(machines + count x the most tasks that one machine takes), for each `BLOCK` tasks.

    >>> emptiest = lambda left, ask: -left.sum(axis=-1)
    >>> two = Candidates(
    ...     left=np.array([[0.5], [1.0]]), ask=np.full((2, 1), 0.25), room=np.array([2, 4]),
    ...     ties=np.arange(2.0), handicap=np.zeros(2),
    ... )
    >>> fill(emptiest, two, 4).tolist()
    [1, 1, 0, 1]
    """
    room = np.minimum(machines.room, count)
    count = min(count, int(room.sum()))
    machines = replace(machines, room=room)
    placed: list[Rows] = []
    while count:
        where = _fill_block(cost, machines, min(count, BLOCK))
        placed.append(where)
        count -= len(where)
        if count:
            taken = np.bincount(where, minlength=len(machines))
            left = machines.left - taken[:, None] * machines.ask
            handicap = machines.handicap + machines.step * taken
            machines = replace(machines, left=left, room=machines.room - taken, handicap=handicap)
    return np.concatenate(placed) if placed else np.empty(0, np.int64)


def _fill_block(cost: Cost, machines: Candidates, count: int) -> Rows:
    """Fill in so many tasks at once, on a table of costs that grows until it surely holds all that are taken."""
    costs = cost(machines.left, machines.ask) + machines.handicap
    best = find_cheapest(costs, machines, count)
    width, depth = (1, 1) if count == 1 else (WIDTH, DEPTH)
    while True:
        some = best[:width]
        limit = np.minimum(machines.room[some], count)
        levels = np.arange(min(depth, int(limit.max())))
        left, ask = machines.left[some, None, :], machines.ask[some, None, :]
        own = cost(left - levels[:, None] * ask, ask) + (machines.handicap[some, None] + machines.step * levels)
        highest = np.maximum.accumulate(own, axis=1)
        places, depths = np.nonzero(levels < limit[:, None])
        order = np.lexsort((depths, machines.ties[some][places], highest[places, depths]))[:count]
        places, depths = places[order], depths[order]
        # nothing is missed beyond the table's edges: not the next machine, and no task after the last of a column
        is_wide = width >= len(best) or (len(order) == count and highest[places[-1], depths[-1]] < costs[best[width]])
        is_deep = not ((depths == len(levels) - 1) & (limit[places] > len(levels))).any()
        if is_wide and is_deep:
            return some[places]
        width, depth = width * (1 if is_wide else 2), depth * (1 if is_deep else 2)


def find_cheapest(costs: Floats, machines: Candidates, count: int) -> Rows:
    """Return the places of the ``count`` cheapest machines that have room, the cheapest first.

    No other machine can get one of the next ``count`` tasks: each of these is better with its first.
    """
    candidates = np.flatnonzero(machines.room)
    if len(candidates) > count:
        own = costs[candidates]
        candidates = candidates[own <= np.partition(own, count - 1)[count - 1]]
    order = np.lexsort((machines.ties[candidates], costs[candidates]))[:count]
    return candidates[order]
