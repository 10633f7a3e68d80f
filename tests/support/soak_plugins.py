"""Schedulers for a soak: those that ship are too well-behaved to show what a cell must bear."""

from collections.abc import Sequence

import numpy as np

from omegacell.core.errors import PluginError
from omegacell.core.units import Atomicity, Detection
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.policies import NoisyHybrid
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.view import CellView


class Greedy:
    """First fit over all machines in order: whoever runs it wants the same machine as the others."""

    max_groups = 4
    atomicity = Atomicity.ALL_OR_NOTHING

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Fill the first machines, group after group, each on top of what the groups before it took."""
        tentative = cell.tentative()
        return Placement.join([self._place_one(group, tentative) for group in pending])

    def _place_one(self, group: TaskGroup, cell: CellView) -> Placement:
        """Take the first machine that still has room for a task, until it has not; a group whole or not at all."""
        rows: list[int] = []
        view = cell.tentative()
        for row in np.flatnonzero(view.room(group)).tolist():
            while len(rows) < group.count and view.try_claim(group, np.array([row])):
                rows.append(row)
        if len(rows) < group.least or not cell.try_claim(group, np.array(rows, np.int64)):
            return NOTHING
        return Placement.of(group, rows)


class Reckless:
    """Random machines, whether or not there is room on them; it raises now and then, and breaks the contract."""

    detection = Detection.COARSE

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Claim anything."""
        [group] = pending
        chance = ctx.rng.random()
        if chance < 0.02:
            raise PluginError("planned failure of a plug-in")
        if chance < 0.04 or not cell.machine_count:
            return NOTHING
        count = int(ctx.rng.integers(1, group.count + 1))
        beyond = chance < 0.06
        return Placement.of(group, ctx.rng.integers(0, cell.machine_count + beyond, size=count))


class CoarseService(ServiceScheduler):
    """The service scheduler, refused whenever a machine changed at all."""

    detection = Detection.COARSE


class CoarseGang(NoisyHybrid):
    """A policy that is refused whenever a machine changed, with all of its claims at once."""

    detection = Detection.COARSE
    atomicity = Atomicity.ALL_OR_NOTHING
