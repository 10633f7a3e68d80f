"""The commands about held tasks. Members of the union in `commands`; what holds a task is in `holds`."""

from dataclasses import dataclass

from omegacell.core.columns import Int32s
from omegacell.core.units import JobId


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReleaseTasks:
    """Claim that nothing holds tasks of a job any more: they become pending.

    Attributes:
        job: whose tasks.
        indices: task indices, ``(tasks,)`` int32.
    """

    job: JobId
    indices: Int32s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HoldTasks:
    """Claim that something holds pending tasks of a job (again): they leave the schedulers' sight.

    Attributes:
        job: whose tasks.
        indices: task indices, ``(tasks,)`` int32.
    """

    job: JobId
    indices: Int32s


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowSystemJob:
    """Claim that machines joined since a system job was counted: it gets a task for each."""

    job: JobId
