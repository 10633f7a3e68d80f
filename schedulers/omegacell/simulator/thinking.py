"""Deciding takes time: a scheduler that moves its instance's clock, and sees only what it is offered.

The loop is told the time by a clock, and a decision that takes ``t_job + t_task * tasks`` moves that clock on while it
is made. So the loop's own limits and stamps (decisions in one append, busy time, back-off) hold in virtual time as
they do in real time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omegacell.core.jobs import Kind as CoreKind
from omegacell.core.units import Detection
from omegacell.schedulers.interface import Context, Placement, Scheduler, TaskGroup
from omegacell.schedulers.view import CellView
from omegacell.simulator.metrics import SECOND, Tally
from omegacell.simulator.settings import DecisionTime


class VirtualClock:
    """An instance's time in microseconds: the agenda's, and beyond it while the instance is deciding."""

    __slots__ = ("now_us",)

    def __init__(self) -> None:
        """Begin at zero."""
        self.now_us = 0

    def wall_us(self) -> int:
        """Return virtual microseconds since the simulation began; the loop takes them for a wall stamp."""
        return self.now_us

    def monotonic_us(self) -> int:
        """Return virtual microseconds since the simulation began."""
        return self.now_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """How jobs of one kind are decided on: by which plug-in, and how long it takes."""

    plugin: Scheduler
    decision: DecisionTime


class Thinking:
    """Schedulers, one for each kind of job, whose decisions take time; to the loop, a `Scheduler`.

    Attributes:
        clock: the instance's clock, which decisions move.
        detection: how the judge is to treat its claims.
        preempts: whether its claims may name victims.
        withheld: what this instance must not use, ``(machines, resources)`` int64; nothing when None.
    """

    max_groups = 1

    def __init__(
        self, paths: Mapping[CoreKind, Path], tally: Tally, *, on_attempt: Callable[[TaskGroup, int], None]
    ) -> None:
        """Decide by ``paths``, count in ``tally``, and say of each attempt whose it is and when it began."""
        self.clock = VirtualClock()
        self.detection = Detection.FINE
        self.preempts = False
        self.withheld: NDArray[np.int64] | None = None
        self._paths = paths
        self._tally = tally
        self._on_attempt = on_attempt

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Let the time of this decision pass, and decide as the plug-in of the job's kind does."""
        [group] = pending
        path = self._paths[group.spec.kind]
        began_us = self.clock.now_us
        self.clock.now_us += round(path.decision.of(group.count) * SECOND)
        self._on_attempt(group, began_us)
        self._tally.attempts += 1
        self._tally.note_busy(began_us, self.clock.now_us)
        placement = path.plugin.place(pending, cell if self.withheld is None else cell.without(self.withheld), ctx)
        self._tally.no_room += not len(placement)
        return placement
