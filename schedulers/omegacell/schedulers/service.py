"""The service scheduler: careful, looks at every machine, and spreads a job over as many of them as it can.

A service lives long and should survive the loss of a machine, so its tasks go one to a machine before any machine gets
a second, to the least loaded machines first. Loads that are nearly equal are taken in random order, because two
schedulers that agree on the one best machine conflict on it.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from omegacell.core.placement import NO_RULES
from omegacell.schedulers.choosing import choose
from omegacell.schedulers.insides import choose_inside
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.pressing import place_pressing
from omegacell.schedulers.scoring import Floats, level_out, load_after
from omegacell.schedulers.view import CellView

LOAD_STEPS = 32
"""Loads are compared in steps of this fraction of a machine."""


class ServiceScheduler:
    """Spreads over all machines by the job's own tasks there, then by load; of a gang enough are placed, or none.

    What finds no room lets less important tasks give way, if there are any.
    """

    preempts: ClassVar[bool] = True

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Put tasks where the job has fewest, and among those on the least loaded machines. Cost: O(machines)."""
        [group] = pending
        room = cell.room(group)
        candidates = np.flatnonzero(room)
        is_plain = not cell.is_crowded(group)  # else room says what a machine takes alone, not after the others
        fitting = int(np.minimum(room, group.count).sum())
        if group.spec.is_gang and is_plain and fitting < group.least and not cell.outranks(group):
            ctx.explain(group, group.word_lack(int(room.sum())))
            return NOTHING
        held = np.bincount(cell.machines_of(group), minlength=cell.machine_count)[candidates]
        if group.spec.alloc and is_plain and group.spec.placement is NO_RULES:
            return Placement.of(group, choose_inside(cell, group, ctx.rng))
        if group.spec.placement is not NO_RULES or not is_plain:
            loads = np.floor(load_after(cell, group) * LOAD_STEPS) + ctx.rng.random(cell.machine_count)
            loads[candidates] += held * (LOAD_STEPS + 2)
            return self._answer(group, cell, choose(cell, group, room=room, first=loads), ctx)
        first = self._first(load_after(cell, group)[candidates], held, group.count, ctx.rng)
        order = candidates[first]
        return self._answer(group, cell, level_out(order, room[order], group.count, held=held[first]), ctx)

    def _answer(self, group: TaskGroup, cell: CellView, machines: NDArray[np.int64], ctx: Context) -> Placement:
        """Claim the machines that were chosen, or press for others; too little of a gang is not placed."""
        placement = place_pressing(group, cell, machines, ctx.rng)
        if group.spec.is_gang and len(placement) < group.least:
            that = " that keep its rules" if group.spec.placement is not NO_RULES else ""
            ctx.explain(group, group.word_lack(len(placement), that=that))
            return NOTHING
        return placement

    def _first(self, loads: Floats, held: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the ``count`` places that come first by tasks held, then by load, in this order.

        No other can get a task: each before it takes at least one. Cost: O(places), without sorting them all.
        """
        keys = held * (LOAD_STEPS + 2) + np.floor(loads * LOAD_STEPS) + rng.random(len(loads))
        if len(keys) <= count:
            return np.argsort(keys, kind="stable")
        first = np.argpartition(keys, count - 1)[:count]
        return first[np.argsort(keys[first], kind="stable")]
