"""Greedy filling on whole columns: each task of a job goes to the machine that is cheapest for it at that moment.

Tasks of one job are equal, so a machine's costs for its first, second, third task are known in advance, and so is what
a loop would do that puts one task after the other where it costs least: it takes a machine's costs in their order, and
one that is no higher than a cost before it on the same machine comes straight after that one. Sorting by the highest
cost up to each task gives the same answer (`fill` is held to the loop by a property), without a loop over tasks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]

Cost: TypeAlias = Callable[[Floats, Floats], Floats]
"""What one task costs on a machine, from ``left`` and ``ask``, both ``(..., resources)`` shares of the machine.

``left`` is free before the task is placed, ``ask`` is what it asks for. Returns ``(...)``; lower is better.
"""

DEPTH_FACTOR: Final = 3
"""How many times as many tasks on a machine are tabled when all that were have been placed."""


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
    there = _find_offered(capacity)
    wanted = np.zeros(capacity.shape[1], np.int64)
    wanted[: len(amounts)] = amounts
    own = capacity if rows is None else capacity.take(rows, axis=0)
    left = free if rows is None else free.take(rows, axis=0)
    if len(there) < capacity.shape[1]:
        own, left, wanted = own[:, there], left[:, there], wanted[there]
    return shares_of(left, own), shares_of(wanted, own)


def _find_offered(capacity: NDArray[np.int64]) -> list[int]:
    """Return the resources that any machine has; the first one if none has any."""
    first = capacity[0].tolist() if len(capacity) else []  # what the first has need not be looked for
    return [resource for resource, amount in enumerate(first) if amount or capacity[:, resource].any()] or [0]


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
        Cost: O(machines + count log(count)), once more each time the most tasks on one machine double.

    >>> emptiest = lambda left, ask: -left.sum(axis=-1)
    >>> two = Candidates(
    ...     left=np.array([[0.5], [1.0]]), ask=np.full((2, 1), 0.25), room=np.array([2, 4]),
    ...     ties=np.arange(2.0), handicap=np.zeros(2),
    ... )
    >>> fill(emptiest, two, 4).tolist()
    [1, 1, 0, 1]
    """
    costs = cost(machines.left, machines.ask) + machines.handicap
    return deal(cost, machines, find_cheapest(costs, machines, count), count)


def deal(cost: Cost, machines: Candidates, best: Rows, count: int) -> Rows:
    """Do what `fill` does on machines of which the places of the ``count`` cheapest are known, the cheapest first.

    Each of them has room for a task.
    """
    if count <= 1 or not len(best):
        return best
    limits, ties = np.minimum(machines.room.take(best), count), machines.ties.take(best)
    left, ask = machines.left.take(best, axis=0), machines.ask.take(best, axis=0)
    costs = cost(left, ask) + machines.handicap.take(best)
    chosen = _Entries(np.arange(len(best)), np.zeros(len(best), np.int64), costs)
    # the first tasks of so many machines come before whatever costs more than the last of them
    limit = chosen.costs[-1] if len(best) == count else np.inf
    growing, highest = np.flatnonzero(limits > 1), chosen.costs[limits > 1]
    low, high = 1, 2
    while len(growing):  # each machine here has all its tasks so far among the chosen: there are at most count / low
        table = _table(cost, machines, best.take(growing), np.arange(low, min(high, int(limits.take(growing).max()))))
        table[:, 0] = np.maximum(table[:, 0], highest)
        np.maximum.accumulate(table, axis=1, out=table)
        is_possible = (np.arange(low, low + table.shape[1]) < limits.take(growing)[:, None]) & (table <= limit)
        places, depths = np.nonzero(is_possible)
        if not len(places):
            break
        added = _Entries(growing.take(places), depths + low, table[places, depths])
        chosen = chosen.plus(added).cheapest(count, ties=ties)
        # what comes after a task that was not chosen will not be chosen either
        at_edge = np.sort(chosen.places[chosen.depths == high - 1])
        at_edge = at_edge[limits.take(at_edge) > high]
        highest = table[np.searchsorted(growing, at_edge), -1]
        growing = at_edge
        low, high = high, DEPTH_FACTOR * high
    return best.take(chosen.in_order(ties=ties).places)


def _table(cost: Cost, machines: Candidates, rows: Rows, levels: Rows) -> Floats:
    """Return what a task costs on machines that have so many of these tasks before it: ``(rows, levels)``."""
    ask = machines.ask.take(rows, axis=0)[:, None, :]
    left = machines.left.take(rows, axis=0)[:, None, :] - levels[:, None] * ask
    costs: Floats = cost(left, ask) + (machines.handicap.take(rows)[:, None] + machines.step * levels)
    return costs


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    """Tasks on machines, as columns: the place of the machine, the tasks before it there, the highest cost so far."""

    places: Rows
    depths: Rows
    costs: Floats

    def plus(self, others: Self) -> Self:
        return type(self)(
            np.concatenate([self.places, others.places]),
            np.concatenate([self.depths, others.depths]),
            np.concatenate([self.costs, others.costs]),
        )

    def cheapest(self, count: int, *, ties: Floats) -> Self:
        """Return the ``count`` cheapest, in any order."""
        if len(self.costs) <= count:
            return self
        near = self._take(np.flatnonzero(self.costs <= np.partition(self.costs, count - 1)[count - 1]))
        return near if len(near.costs) == count else near._take(near._order(ties)[:count])

    def in_order(self, *, ties: Floats) -> Self:
        """Return all, the cheapest first; those of one machine one after the other."""
        return self._take(self._order(ties))

    def _order(self, ties: Floats) -> Rows:
        order: Rows = np.lexsort((self.depths, ties.take(self.places), self.costs))
        return order

    def _take(self, which: Rows) -> Self:
        return type(self)(self.places.take(which), self.depths.take(which), self.costs.take(which))


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
