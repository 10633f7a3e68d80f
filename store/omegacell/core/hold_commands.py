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
