"""What a simulation is told: the cell's shape, the architecture, and how long deciding takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from omegacell.core.errors import UsageError
from omegacell.core.units import Atomicity, Detection
from omegacell.schedulers.firstfit import FirstFitScheduler
from omegacell.schedulers.interface import Scheduler
from omegacell.schedulers.leastloaded import LeastLoadedScheduler
from omegacell.simulator.workloads import Kind


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTerms:
    """How resources are offered in two-level scheduling.

    Attributes:
        interval_s: freed resources are gathered so long before the next offer.
        decide_s: how long the allocator takes for an offer.
        min_cpus, min_memory_gb: an offer has at least so much of either.
    """

    interval_s: float = 1.0
    decide_s: float = 0.001
    min_cpus: float = 0.0
    min_memory_gb: float = 0.0


def _paper_times() -> dict[Kind, DecisionTime]:
    return {Kind.BATCH: DecisionTime(), Kind.SERVICE: DecisionTime()}


def _own_schedulers() -> dict[Kind, Callable[[], Scheduler]]:
    return {Kind.BATCH: FirstFitScheduler, Kind.SERVICE: LeastLoadedScheduler}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One simulation of the product.

    Attributes:
        architecture: who schedules.
        shape: the machines.
        decision: how long a decision takes by kind of job; with MONOLITHIC_SINGLE all jobs take the service's.
        schedulers: how many instances each kind of job has, with TWO_LEVEL and SHARED_STATE.
        plugins: what places the jobs of each kind.
        detection: how claims are judged with SHARED_STATE; with the others there is nothing to lose against.
        atomicity: with ALL_OR_NOTHING every job is a gang: placed whole, or not at all.
        offers: terms of two-level scheduling.
        seed: all random numbers follow from it.
        run_s: how long, seconds.
    """

    architecture: Architecture
    shape: CellShape
    decision: Mapping[Kind, DecisionTime] = field(default_factory=_paper_times)
    schedulers: Mapping[Kind, int] = field(default_factory=lambda: {Kind.BATCH: 1, Kind.SERVICE: 1})
    plugins: Mapping[Kind, Callable[[], Scheduler]] = field(default_factory=_own_schedulers)
    detection: Detection = Detection.FINE
    atomicity: Atomicity = Atomicity.INCREMENTAL
    offers: OfferTerms = field(default_factory=OfferTerms)
    seed: int = 0
    run_s: float = 86_400.0

    def check(self) -> None:
        """Raise when a simulation cannot be made of this.

        Raises:
            UsageError: there is no machine, no scheduler, or no time.
        """
        if self.shape.machines < 1:
            raise UsageError(f"a cell of {self.shape.machines} machines; one at least is needed")
        if any(self.schedulers[kind] < 1 for kind in (Kind.BATCH, Kind.SERVICE)):
            raise UsageError("each kind of job needs a scheduler at least")
        if self.run_s <= 0 or self.offers.interval_s <= 0:
            raise UsageError("a run, and the interval of offers, must last longer than 0 s")
