"""The batch scheduler, the default: packs so that little is stranded, and keeps out of other schedulers' way.

Each task goes to the machine where it strands the least and fills the most, with noise and a charge for machines in the
lots of other instances (`leaning`), and a small one for each task of the same job that the machine has already. Packing
and conflicts pull apart: whoever always takes the best machine meets all others there. What each part does to both, and
why this is the default, is in ``docs/packing.md`` and ``docs/decisions/0020-the-default-policy.md``.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from omegacell.core.jobs import JobSpec
from omegacell.core.placement import NO_RULES
from omegacell.schedulers.choosing import choose
from omegacell.schedulers.costs import cost_of_stranding, find_most_saved
from omegacell.schedulers.filling import Candidates, Floats, Rows, deal, shares_on
from omegacell.schedulers.insides import choose_inside
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.leaning import CHARGE, NOISE, NOWHERE, Leaning, find_first, has_any
from omegacell.schedulers.pressing import place_pressing
from omegacell.schedulers.view import CellView

STEP: Final = 0.02
"""What a machine costs more for each task of the job that it has: small tasks spread a little."""


class BatchScheduler:
    """Packs tasks where they strand the least, at random among machines about as good, and in lots of its own.

    What finds no room lets less important tasks give way, if there are any. The weights are attributes of the class:
    ``omega bench packing --policy batch,noise=0.3`` measures others.
    """

    preempts: ClassVar[bool] = True
    noise: ClassVar[float] = NOISE
    charge: ClassVar[float] = CHARGE
    step: ClassVar[float] = STEP
    _leaning: Leaning | None = None

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Put tasks one after the other where the next one costs least; all of a gang, or none.

        Cost: O(machines), a few passes over a column.
        """
        [group] = pending
        placement = place_pressing(group, cell, self._choose(group, cell, ctx), ctx.rng)
        if len(placement) < group.least:
            if group.spec.is_gang:
                that = " that keep its rules" if group.spec.placement is not NO_RULES else ""
                ctx.explain(group, group.word_lack(len(placement), that=that))
            return NOTHING
        return placement

    def find_step(self, spec: JobSpec) -> float:
        """Return what a machine costs more for each task of a job that it has."""
        return self.step

    def _choose(self, group: TaskGroup, cell: CellView, ctx: Context) -> Rows:
        rules, is_crowded = group.spec.placement, cell.is_crowded(group)
        if group.spec.alloc and rules is NO_RULES and not is_crowded:
            return choose_inside(cell, group, ctx.rng)
        if self._leaning is None:  # and not in __init__, which a subclass may have one of its own of
            self._leaning = Leaning(noise=self.noise, charge=self.charge)
        keys, step = self._leaning.keys(group, cell, ctx), self.find_step(group.spec)
        placed = cell.machines_of(group)
        if len(placed):
            np.add.at(keys, placed, step)
        if rules.affinities or rules.spreads or rules.neighbours or is_crowded:
            return choose(cell, group, room=cell.room(group), first=keys) if has_any(keys) else NOWHERE
        keys -= cell.wishes(group)  # of taints that ask to place elsewhere
        return _fill(group, cell, keys, step=step)


def _fill(group: TaskGroup, cell: CellView, keys: Floats, *, step: float) -> Rows:
    """Put tasks one after the other where the next one costs least: only the first ``count`` machines can get any."""
    rows = find_first(keys, group.count)
    if group.count == 1:
        return rows
    left, ask = shares_on(rows, capacity=cell.capacity, free=cell.free(), amounts=group.spec.resources)
    costs = keys.take(rows)
    if len(rows) == group.count and costs[-1] - costs[0] < step - find_most_saved(ask):
        return rows  # a second task on any machine costs more than the first on the last of them
    machines = Candidates(
        left=left,
        ask=ask,
        room=cell.room(group, rows),
        ties=np.arange(len(rows), dtype=np.float64),
        handicap=costs - cost_of_stranding(left, ask),
        step=step,
    )
    return rows.take(deal(cost_of_stranding, machines, np.arange(len(rows)), group.count))
