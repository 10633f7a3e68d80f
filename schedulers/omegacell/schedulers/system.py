"""The system scheduler: puts each task of a system job on the machine that it belongs to, or nowhere.

There is nothing to choose: task i of a system job is for machine row i. What its machine has no room for waits until
that machine changes; whose machine does not match is held, and is not shown here at all.
"""

from collections.abc import Sequence

import numpy as np

from omegacell.core.jobs import Kind
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.view import CellView


class SystemScheduler:
    """Places every task of a system job on its own machine, all that fit in one decision."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Claim for each pending task its machine, where it fits. Cost: O(tasks).

        >>> from omegacell.core.jobs import Kind
        >>> from omegacell.schedulers.testing import TestCell
        >>> test = TestCell(machines=3, cpu_milli=1_000)
        >>> job = test.submit("watch", kind=Kind.SYSTEM, cpu_milli=400)
        >>> test.run(SystemScheduler())
        >>> test.placed(job)
        3
        """
        [group] = pending
        if group.spec.kind is not Kind.SYSTEM:
            ctx.explain(group, f"the scheduler {type(self).__name__} places system jobs only; name another in the job")
            return NOTHING
        indices = group.indices[group.indices < cell.machine_count]
        indices = indices[cell.room(group, indices.astype(np.int64)) > 0]
        groups = np.full(len(indices), group.number, np.int32)
        return Placement(groups=groups, indices=indices, machines=indices)
