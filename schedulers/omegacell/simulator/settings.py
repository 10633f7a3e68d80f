"""What a simulation is told: the cell's shape, the architecture, and how long deciding takes."""

from dataclasses import dataclass
from enum import Enum


class Architecture(Enum):
    """Who schedules, and who sees what (Omega, section 3).

    ``MONOLITHIC_SINGLE``: one scheduler, one decision time for all. ``MONOLITHIC_MULTI``: one scheduler, a path of its
    own for each kind of job. ``TWO_LEVEL``: frameworks that are offered resources, which are locked meanwhile.
    ``SHARED_STATE``: schedulers that all see everything, and commit optimistically.
    """

    MONOLITHIC_SINGLE = "monolithic_single"
    MONOLITHIC_MULTI = "monolithic_multi"
    TWO_LEVEL = "two_level"
    SHARED_STATE = "shared_state"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionTime:
    """How long a decision takes: ``t_job + t_task * tasks`` (Omega, section 4); the defaults are the paper's."""

    job_s: float = 0.1
    task_s: float = 0.005

    def of(self, task_count: int) -> float:
        """Return the seconds for a job of which so many tasks are unscheduled."""
        return self.job_s + self.task_s * task_count


@dataclass(frozen=True, slots=True, kw_only=True)
class CellShape:
    """Equal machines."""

    machines: int
    cpus: float = 4.0
    memory_gb: float = 16.0
