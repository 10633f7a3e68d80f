"""The scoring policies that the literature compares, each a whole scheduler, for packing experiments and live cells.

Run one as ``omega scheduler run omegacell.schedulers.policies:BestFit``; ``omega bench packing`` compares them
(``docs/packing.md``). A policy is one pure function of what a machine has left and what a task asks for, both as shares
of the machine. Lower costs are better; equal ones are taken in random order. What fits is never decided here:
`CellView.room` knows constraints, taints, devices and ports, and `choosing` keeps rules about where other tasks are.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from omegacell.schedulers.choosing import choose
from omegacell.schedulers.costs import (
    cost_of_angle,
    cost_of_load,
    cost_of_nothing,
    cost_of_opportunity,
    cost_of_room_left,
    cost_of_stranding,
)
from omegacell.schedulers.filling import Candidates, Floats, Rows, fill, shares_on
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.sampling import sample_rows
from omegacell.schedulers.view import CellView

SAMPLE: Final = 100
"""Machines that `SampledHybrid` looks at beyond twice the number of tasks."""


NOISE: Final = 0.2
"""Noise in `NoisyHybrid`: more costs more machines than one in two hundred, less leaves more conflicts."""


class RandomFirstFit:
    """Fills one random machine after the other."""

    cost = staticmethod(cost_of_nothing)
    sample: ClassVar[int | None] = None
    """Machines looked at beyond twice the number of tasks, at random; all machines when None."""
    noise: ClassVar[float] = 0.0
    """Up to so much is added to what a machine costs, at random for each decision."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Put tasks one after the other where the next one costs least. Cost: O(machines), or O(tasks) of a sample."""
        [group] = pending
        machines = self._choose(group, cell, ctx)
        if len(machines) < group.least:
            if group.spec.is_gang:
                ctx.explain(group, group.word_lack(len(machines)))
            return NOTHING
        return Placement.of(group, machines)

    def _choose(self, group: TaskGroup, cell: CellView, ctx: Context) -> Rows:
        if cell.is_crowded(group) or _has_wishes(cell, group):
            every = np.arange(cell.machine_count)
            ties = ctx.rng.random(len(every))
            first = np.empty(len(every))
            first[np.lexsort((ties, self.cost(*_shares_on(cell, group, every)) + self.noise * ties))] = every
            return choose(cell, group, room=cell.room(group), first=first)
        if self.sample is not None and 2 * group.count + self.sample < cell.machine_count:
            rows = sample_rows(cell.machine_count, 2 * group.count + self.sample, ctx.rng)
            machines = self._fill(group, cell, ctx, rows=rows, room=cell.room(group, rows))
            if len(machines) == group.count:
                return machines
        room = cell.room(group)
        rows = np.flatnonzero(room)
        return self._fill(group, cell, ctx, rows=rows, room=room[rows])

    def _fill(self, group: TaskGroup, cell: CellView, ctx: Context, *, rows: Rows, room: Rows) -> Rows:
        left, ask = _shares_on(cell, group, rows)
        ties = ctx.rng.random(len(rows))
        machines = Candidates(left=left, ask=ask, room=room, ties=ties, handicap=self.noise * ties)
        return rows[fill(self.cost, machines, group.count)]


class WorstFit(RandomFirstFit):
    """Puts each task on the machine that stays the emptiest."""

    cost = staticmethod(cost_of_load)


class BestFit(RandomFirstFit):
    """Puts each task on the machine that gets the fullest."""

    cost = staticmethod(cost_of_room_left)


class DotProduct(RandomFirstFit):
    """Puts each task on the machine with the most left of what the task needs most."""

    cost = staticmethod(cost_of_angle)


class EnhancedPvm(RandomFirstFit):
    """Puts each task on the machine whose load gets dearer by the least; in effect it spreads."""

    cost = staticmethod(cost_of_opportunity)


class Hybrid(RandomFirstFit):
    """Puts each task on the machine where it strands the least and fills the most."""

    cost = staticmethod(cost_of_stranding)


class SampledHybrid(Hybrid):
    """The hybrid over a random sample of machines, all of them only when the sample has too little room."""

    sample = SAMPLE


class NoisyHybrid(Hybrid):
    """The hybrid with noise in its costs, so that two schedulers seldom agree on the one best machine."""

    noise = NOISE


def _shares_on(cell: CellView, group: TaskGroup, rows: Rows) -> tuple[Floats, Floats]:
    """Return what machines have left and what one task asks for, as shares of each, of resources that any has."""
    return shares_on(rows, capacity=cell.capacity, free=cell.free(), amounts=group.spec.resources)


def _has_wishes(cell: CellView, group: TaskGroup) -> bool:
    """Tell whether a job says where its tasks had better be, or machines ask for others."""
    rules = group.spec.placement
    has_weights = any(each.weight for each in rules.neighbours)
    return bool(rules.affinities or rules.spreads or has_weights) or not cell.is_welcome(group).all()
