"""Whose decisions a plan shows: the scheduler that a job names, where this process may run it.

A plug-in runs in a process of its own, because it may hang or crash; its code is never loaded into the API server. The
built-in scheduler of the job's kind stands in for it, and answers name who decided.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from omegacell.core.jobs import JobSpec, Kind
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Scheduler
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.system import SystemScheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """A scheduler that this process may run: its name, and how it is made."""

    name: str
    make: Callable[[], Scheduler]


BUILT_IN: Final = {
    "batch": Planner(name="batch", make=BatchScheduler),
    "service": Planner(name="service", make=ServiceScheduler),
    "system": Planner(name="system", make=SystemScheduler),
}
_STAND_INS: Final = {
    Kind.BATCH: "batch",
    Kind.SERVICE: "service",
    Kind.SYSTEM: "system",
    Kind.ALLOC: "service",
}


def find_planner(spec: JobSpec) -> Planner:
    """Return who decides on a job in a plan.

    >>> from omegacell.schedulers.testing import make_spec
    >>> find_planner(make_spec("a", scheduler="service")).name, find_planner(make_spec("a", scheduler="mine")).name
    ('service', 'batch')
    """
    known = BUILT_IN.get(spec.scheduler)
    return known if known is not None else BUILT_IN[_STAND_INS[spec.kind]]
