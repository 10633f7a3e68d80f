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
from omegacell.schedulers.filling import Candidates, Floats, Rows, fill, shares_of
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.sampling import sample_rows
from omegacell.schedulers.view import CellView

FILL_WEIGHT: Final = 0.1
"""What filling a machine counts in `Hybrid` against what it strands; anything from 0 to 0.1 packs as well."""

PVM_BASE: Final = 100.0
"""The base of E-PVM's cost: the price of a full dimension over that of an empty one."""

SAMPLE: Final = 100
"""Machines that `SampledHybrid` looks at beyond twice the number of tasks."""


NOISE: Final = 0.2
"""Noise in `NoisyHybrid`: more costs more machines than one in two hundred, less leaves more conflicts."""


def cost_of_nothing(left: Floats, ask: Floats) -> Floats:
    """Return 0 for every machine: whichever comes first is as good as any."""
    return np.zeros(np.broadcast_shapes(left.shape, ask.shape)[:-1])


def cost_of_room_left(left: Floats, ask: Floats) -> Floats:
    """Return what stays free, summed over resources: the fuller a machine gets, the better (best fit).

    >>> cost_of_room_left(np.array([[0.5, 0.75], [1.0, 1.0]]), np.array([[0.25, 0.25]])).tolist()
    [0.75, 1.5]
    """
    return _total(left - ask)


def cost_of_load(left: Floats, ask: Floats) -> Floats:
    """Return what is not free then: the emptier a machine stays, the better (worst fit)."""
    return -_total(left - ask)


def cost_of_angle(left: Floats, ask: Floats) -> Floats:
    """Return the negative dot product of what is left and what is asked for (Tetris, section 3.2).

    A machine is good that has much left of what the task needs much of.
    """
    return -_total(left * ask)


def cost_of_opportunity(left: Floats, ask: Floats) -> Floats:
    """Return how much the price of a machine's load rises, exponential in each resource (E-PVM, section 4).

    The price of a resource that is used to a share ``u`` is ``PVM_BASE ** u``; so what is nearly used up is dear.
    """
    before: Floats = PVM_BASE ** (1.0 - left)
    return _total(before * (PVM_BASE**ask - 1.0))


def cost_of_stranding(left: Floats, ask: Floats) -> Floats:
    """Return what is stranded then, and a little of what stays free (Borg, section 3.2: the hybrid that packs better).

    Once the scarcest resource of a machine is used up, what is left of the others is stranded. So what is left of each
    beyond the scarcest counts: a machine is good that is evenly used then, and best of all one that is quite full.

    >>> cost_of_stranding(np.array([[0.5, 0.75], [0.5, 0.5]]), np.array([[0.25, 0.5], [0.25, 0.5]])).round(2).tolist()
    [0.05, 0.28]
    """
    after = left - ask
    return _beyond_scarcest(after) + FILL_WEIGHT * _total(after)


def _beyond_scarcest(left: Floats) -> Floats:
    scarcest: Floats = left[..., 0]
    for resource in range(1, left.shape[-1]):
        scarcest = np.minimum(scarcest, left[..., resource])
    beyond: Floats = _total(left) - left.shape[-1] * scarcest
    return beyond


def _total(shares: Floats) -> Floats:
    """Add up resources; one after the other, which is several times as fast as a sum over a short axis."""
    total: Floats = shares[..., 0].copy()
    for resource in range(1, shares.shape[-1]):
        total += shares[..., resource]
    return total


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
    capacity = cell.capacity
    there = [resource for resource in range(capacity.shape[1]) if capacity[:, resource].any()]
    amounts = np.zeros(capacity.shape[1], np.int64)
    amounts[: len(group.spec.resources)] = group.spec.resources
    own = capacity[rows][:, there]
    return shares_of(cell.free()[rows][:, there], own), shares_of(amounts[there], own)


def _has_wishes(cell: CellView, group: TaskGroup) -> bool:
    """Tell whether a job says where its tasks had better be, or machines ask for others."""
    rules = group.spec.placement
    has_weights = any(each.weight for each in rules.neighbours)
    return bool(rules.affinities or rules.spreads or has_weights) or not cell.is_welcome(group).all()
