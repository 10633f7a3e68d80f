"""The service scheduler: a job over as many machines as it can, and among machines where its tasks strand the least.

A service lives long and should survive the loss of a machine, so its tasks lie on as many as they can. Which of them is
decided as for batch jobs (`leaning`). The least loaded, as it was before, is worst fit: it leaves a little room
everywhere and none for a large task (Borg, section 3.2, left E-PVM for this). ``least-loaded`` still does so.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from omegacell.core.placement import NO_RULES
from omegacell.schedulers.choosing import choose
from omegacell.schedulers.insides import choose_inside
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.leaning import NOWHERE, Leaning, find_first, has_any
from omegacell.schedulers.pressing import place_pressing
from omegacell.schedulers.scoring import Rows, level_out
from omegacell.schedulers.view import CellView

HELD: Final = 10.0
"""What each task of the job that a machine has counts in the order: more than all else together."""


class ServiceScheduler:
    """Spreads a job over all machines, first to where it strands the least; of a gang enough, or none.

    What finds no room lets less important tasks give way, if there are any.
    """

    preempts: ClassVar[bool] = True
    _leaning: Leaning | None = None

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Put tasks where the job has fewest, and among those where they strand the least. Cost: O(machines)."""
        [group] = pending
        placement = place_pressing(group, cell, self._choose(group, cell, ctx), ctx.rng)
        if len(placement) < group.least:
            if group.spec.is_gang:
                that = " that keep its rules" if group.spec.placement is not NO_RULES else ""
                ctx.explain(group, group.word_lack(len(placement), that=that))
            return NOTHING
        return placement

    def _choose(self, group: TaskGroup, cell: CellView, ctx: Context) -> Rows:
        rules, is_crowded = group.spec.placement, cell.is_crowded(group)
        if group.spec.alloc and rules is NO_RULES and not is_crowded:
            return choose_inside(cell, group, ctx.rng)
        if self._leaning is None:  # and not in __init__, which a subclass may have one of its own of
            self._leaning = Leaning()
        keys = self._leaning.keys(group, cell, ctx)
        placed = cell.machines_of(group)
        held = np.bincount(placed, minlength=cell.machine_count)
        if len(placed):
            keys += HELD * held
        if rules.affinities or rules.spreads or rules.neighbours or is_crowded:
            return choose(cell, group, room=cell.room(group), first=keys) if has_any(keys) else NOWHERE
        keys -= cell.wishes(group)  # of taints that ask to place elsewhere
        rows = find_first(keys, group.count)  # no other can get a task: each before it takes at least one
        return level_out(rows, cell.room(group, rows), group.count, held=held.take(rows))
