"""What changed in a cell since it was last asked: the names of things, not their values.

`apply` notes what it touches; whoever follows a cell (a backlog, a watcher, an agent's link) drains the notes after
folding and looks the values up. A delta decides nothing and is no part of a cell's state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from omegacell.core.units import JobId


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Delta:
    """What was touched between two drains.

    Attributes:
        jobs: jobs of which anything changed, in order of first touch; forgotten ones too.
        reshaped: those of them that were submitted, scaled, stopped or forgotten: read them anew.
        tasks: task rows whose state changed, ascending, int64; rows of reshaped jobs may have moved since.
        machines: machine rows that changed, ascending, int64.
        is_sessions_changed: a session was opened, closed or expired.
        is_ticked: a tick was accepted.
        uncapped: schedulers whose cap may take more than before.
    """

    jobs: tuple[JobId, ...]
    reshaped: frozenset[JobId]
    tasks: NDArray[np.int64]
    machines: NDArray[np.int64]
    is_sessions_changed: bool
    is_ticked: bool
    uncapped: frozenset[str] = frozenset()


def _unite(parts: list[NDArray[np.integer]]) -> NDArray[np.int64]:
    if not parts:
        return np.empty(0, np.int64)
    return np.unique(np.concatenate(parts).astype(np.int64))


@dataclass(slots=True)
class Touched:
    """The notes that `apply` takes; emptied by `drain`."""

    jobs: dict[int, None] = field(default_factory=dict)
    reshaped: dict[int, None] = field(default_factory=dict)
    tasks: list[NDArray[np.integer]] = field(default_factory=list)
    machines: list[NDArray[np.integer]] = field(default_factory=list)
    sessions: bool = False
    ticked: bool = False
    uncapped: dict[str, None] = field(default_factory=dict)

    def drain(self) -> Delta:
        """Return what was noted and forget it. Cost: O(touched)."""
        delta = Delta(
            jobs=tuple(JobId(job) for job in self.jobs),
            reshaped=frozenset(JobId(job) for job in self.reshaped),
            tasks=_unite(self.tasks),
            machines=_unite(self.machines),
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
        jobs=tuple(dict.fromkeys(job for delta in deltas for job in delta.jobs)),
        reshaped=frozenset[JobId]().union(*(delta.reshaped for delta in deltas)),
        tasks=_unite([delta.tasks for delta in deltas]),
        machines=_unite([delta.machines for delta in deltas]),
        is_sessions_changed=any(delta.is_sessions_changed for delta in deltas),
        is_ticked=any(delta.is_ticked for delta in deltas),
        uncapped=frozenset[str]().union(*(delta.uncapped for delta in deltas)),
    )
