"""How a running service is updated: the policy that a job has for it, and the commands of an update under way.

Theory of operation. An update is a *pair* of jobs of one name. A submit that updates creates a new job, all its tasks
HELD, and makes it the *successor* of the one that ran. The old job keeps its own spec, and is charged, evicted and
reported as ever; the name means the new one. Then, index by index, the old task is stopped and, once it is at rest, the
new one released: no index ever runs twice. Who proposes the steps is `omegacell.controllers.updates`; what is granted
is judged in `apply_updates`, by what `rollouts` counts. A revert swaps the roles.

The commands are members of the union in `commands`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from omegacell.core.columns import Int32s
from omegacell.core.units import SECOND_US, JobId


class OnFailure(IntEnum):
    """What becomes of an update that is stuck."""

    PAUSE = 0
    """It stays as it is, and goes on when what it waits for happens after all."""
    REVERT = 1
    """It is reverted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePolicy:
    """How a service is updated.

    Attributes:
        max_parallel: indices that may be unavailable when an update takes one more available task away, at least 1.
        min_healthy_us: how long a new task must have been available before it counts for more, a hint to proposers.
        deadline_us: after so long without a step, of the cell's own time, the update is stuck.
        on_failure: what becomes of it then.
    """

    max_parallel: int = 1
    min_healthy_us: int = 10 * SECOND_US
    deadline_us: int = 300 * SECOND_US
    on_failure: OnFailure = OnFailure.PAUSE


DEFAULT_POLICY: Final = UpdatePolicy()
"""The policy of a job that has none."""


class Updating(IntEnum):
    """Whether a job is taking the place of others, in the column of that name."""

    NO = 0
    FORWARD = 1
    BACK = 2
    """It takes it back: it was replaced, and the update reverted."""


class RevertCause(IntEnum):
    """Why an update is reverted."""

    ASKED = 0
    STUCK = 1
    """Its policy says so, and its deadline has passed: both are judged."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StopTasks:
    """Stop tasks of a job that has a successor, as far as enough of the pair stay available.

    Attributes:
        job: whose tasks.
        indices: task indices, ``(tasks,)`` int32.
    """

    job: JobId
    indices: Int32s


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertUpdate:
    """Make an older job of the name the one that it means again, and this one its predecessor."""

    job: JobId
    cause: RevertCause = RevertCause.ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishUpdate:
    """Claim that an update is over: the old tasks are at rest, and the new ones available."""

    job: JobId
