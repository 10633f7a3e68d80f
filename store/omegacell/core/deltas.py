"""What changed in a cell since it was last asked: the names of things, not their values.

`apply` notes what it touches; whoever follows a cell (a backlog, a watcher, an agent's link) drains the notes after
folding and looks the values up. A delta decides nothing and is no part of a cell's state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import Span, unite
from omegacell.core.units import JobId


@dataclass(slots=True, kw_only=True, eq=False)
class Delta:
    """What was touched between two drains.

    Rows are noted as they were touched, and put in order when somebody reads them: most followers never do.

    Attributes:
        jobs: jobs of which anything changed, in order of first touch; forgotten ones too.
        reshaped: those of them that were submitted, scaled, stopped or forgotten: read them anew.
        task_parts, machine_parts: what `tasks` and `machines` are made of, in any order.
        is_sessions_changed: a session was opened, closed or expired.
        is_ticked: a tick was accepted.
        uncapped: schedulers whose cap may take more than before.
    """

    jobs: tuple[JobId, ...] = ()
    reshaped: frozenset[JobId] = frozenset()
    task_parts: Sequence[Span] = ()
    machine_parts: Sequence[Span] = ()
    is_sessions_changed: bool = False
    is_ticked: bool = False
    uncapped: frozenset[str] = frozenset()

    @property
    def tasks(self) -> NDArray[np.int64]:
        """Task rows whose state changed, ascending, int64; rows of reshaped jobs may have moved since."""
        return unite(self.task_parts)

    @property
    def machines(self) -> NDArray[np.int64]:
        """Machine rows that changed, ascending, int64."""
        return unite(self.machine_parts)


@dataclass(slots=True)
class Touched:
    """The notes that `apply` takes; emptied by `drain`."""

    jobs: dict[int, None] = field(default_factory=dict)
    reshaped: dict[int, None] = field(default_factory=dict)
    tasks: list[Span] = field(default_factory=list)
    machines: list[Span] = field(default_factory=list)
    sessions: bool = False
    ticked: bool = False
    uncapped: dict[str, None] = field(default_factory=dict)

    def drain(self) -> Delta:
        """Return what was noted and forget it. Cost: O(touched)."""
        delta = Delta(
            jobs=tuple(map(JobId, self.jobs)),
            reshaped=frozenset(map(JobId, self.reshaped)),
            task_parts=self.tasks,
            machine_parts=self.machines,
            is_sessions_changed=self.sessions,
            is_ticked=self.ticked,
            uncapped=frozenset(self.uncapped),
        )
        self.jobs, self.reshaped, self.uncapped = {}, {}, {}
        self.tasks, self.machines = [], []
        self.sessions = self.ticked = False
        return delta


def join(deltas: Sequence[Delta]) -> Delta:
    """Return what was touched in any of several deltas, in their order.

    >>> nothing = Touched().drain()
    >>> join([nothing, nothing]).jobs
    ()
    """
    if len(deltas) == 1:
        return deltas[0]
    return Delta(
        jobs=tuple(dict.fromkeys([job for delta in deltas for job in delta.jobs])),
        reshaped=frozenset([job for delta in deltas for job in delta.reshaped]),
        task_parts=[part for delta in deltas for part in delta.task_parts],
        machine_parts=[part for delta in deltas for part in delta.machine_parts],
        is_sessions_changed=True in [delta.is_sessions_changed for delta in deltas],
        is_ticked=True in [delta.is_ticked for delta in deltas],
        uncapped=frozenset([name for delta in deltas for name in delta.uncapped]),
    )
