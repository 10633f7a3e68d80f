"""By how much each fault of the old simulator moves its metrics, and where the product comes out on the same workload.

Each fault is mended alone, in a configuration in which it can show, on one workload with one seed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isclose
from typing import Final

from omegacell.core.units import Atomicity, Detection
from omegacell.schedulers.firstfit import FirstFitScheduler
from omegacell.simulator.compat.faults import Fault
from omegacell.simulator.compat.loaded import ROUNDING, measure
from omegacell.simulator.compat.running import Run
from omegacell.simulator.compat.scenario import (
    ConflictMode,
    Scenario,
    TransactionMode,
    name_schedulers,
    order_jobs,
)
from omegacell.simulator.metrics import Metrics, SchedulerMetrics
from omegacell.simulator.settings import Architecture, CellShape, DecisionTime, Setup
from omegacell.simulator.simulation import Simulation
from omegacell.simulator.workloads import Kind, Workload

SHOWN: Final = 3
"""Metrics shown for a fault: those that move most."""

_METRICS: Final = tuple(
    f"{metric}_{word}"
    for metric in (
        "busyness",
        "busyness_wasted",
        "conflict_fraction",
        "fail_claims",
        "mean_wait",
        "abandoned",
        "jobs_fully_scheduled",
    )
    for word in ("batch", "service")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A configuration of either simulator; 4 batch schedulers where schedulers share state.

    Attributes:
        architecture, conflict, atomicity: as in `Scenario`.
        job_service_s: decision time of a service job; everything else as in the paper.
    """

    architecture: Architecture
    conflict: ConflictMode = ConflictMode.FIT
    atomicity: TransactionMode = TransactionMode.INCREMENTAL
    job_service_s: float = 1.0

    @property
    def label(self) -> str:
        """The configuration in a few words."""
        modes = [self.conflict.value, self.atomicity.value] if self.architecture is Architecture.SHARED_STATE else []
        return ", ".join([self.architecture.value, *modes, f"t_job_service {self.job_service_s:g}"])

    @property
    def decision(self) -> dict[Kind, DecisionTime]:
        """How long decisions take."""
        return {Kind.BATCH: DecisionTime(), Kind.SERVICE: DecisionTime(job_s=self.job_service_s)}

    @property
    def batch_count(self) -> int:
        """How many schedulers batch jobs have."""
        return 4 if self.architecture is Architecture.SHARED_STATE else 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Load:
    """What both simulators are given."""

    shape: CellShape
    jobs: Workload
    prefill: Workload
    run_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One metric in two runs."""

    metric: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What mending one fault does; ``moves`` is empty when nothing moves on this workload."""

    fault: Fault
    configuration: Configuration
    moves: tuple[Move, ...]


_SHARED: Final = Architecture.SHARED_STATE
FIT: Final = Configuration(architecture=_SHARED)
FIT_WHOLE: Final = replace(FIT, atomicity=TransactionMode.ALL_OR_NOTHING)
SEQUENCE: Final = replace(FIT, conflict=ConflictMode.SEQUENCE)
SEQUENCE_WHOLE: Final = replace(FIT_WHOLE, conflict=ConflictMode.SEQUENCE)
MONOLITHIC: Final = Configuration(architecture=Architecture.MONOLITHIC_MULTI)
OFFERS: Final = Configuration(architecture=Architecture.TWO_LEVEL, job_service_s=10.0)

CASES: Final[Mapping[Fault, Configuration]] = {
    Fault.ROLLBACK_KEEPS_NUMBERS: SEQUENCE_WHOLE,
    Fault.ENDS_KEEP_NUMBERS: SEQUENCE_WHOLE,
    Fault.OWN_CLAIMS_MOVE_NUMBERS: SEQUENCE,
    Fault.STOPS_AT_FIRST: SEQUENCE_WHOLE,
    Fault.HALF_A_GANG: FIT_WHOLE,
    Fault.PARTIAL_IS_WASTED: FIT,
    Fault.NO_ROOM_IS_FREE: OFFERS,
    Fault.GIVES_UP_EARLY: SEQUENCE_WHOLE,
    Fault.MEMORY_AS_CPUS: OFFERS,
    Fault.LEAST_OFFER: OFFERS,
    Fault.OFFERS_OVERLAP: OFFERS,
    Fault.TIES_BY_HEAP: OFFERS,
}
"""Where each fault can show. What `OFFERS_OVERLAP` mends is all that a framework does at once."""

COMPARED: Final = (MONOLITHIC, FIT, FIT_WHOLE, SEQUENCE, SEQUENCE_WHOLE, replace(OFFERS, job_service_s=1.0), OFFERS)


def find_effects(load: Load) -> Iterator[Effect]:
    """Mend each fault alone and say what moved most."""
    unmended: dict[Configuration, dict[str, float]] = {}
    for fault, configuration in CASES.items():
        if configuration not in unmended:
            unmended[configuration] = run_old(configuration, load)
        before, after = unmended[configuration], run_old(configuration, load, mended=frozenset({fault}))
        moves = [Move(metric=metric, before=before[metric], after=after[metric]) for metric in _METRICS]
        moved = [move for move in moves if not isclose(move.before, move.after, rel_tol=ROUNDING)]
        moved.sort(key=_relative, reverse=True)
        yield Effect(fault=fault, configuration=configuration, moves=tuple(moved[:SHOWN]))


def compare_product(load: Load) -> Iterator[tuple[Configuration, tuple[Move, ...]]]:
    """Run both simulators on each of `COMPARED`; the product with its batch scheduler for all jobs."""
    for configuration in COMPARED:
        old, new = run_old(configuration, load), run_product(configuration, load)
        moves = tuple(Move(metric=metric, before=old[metric], after=value) for metric, value in new.items())
        yield configuration, moves


def run_old(configuration: Configuration, load: Load, *, mended: frozenset[Fault] = frozenset()) -> dict[str, float]:
    """Return the old simulator's metrics."""
    scenario = Scenario(
        name=configuration.label,
        architecture=configuration.architecture,
        shape=load.shape,
        conflict=configuration.conflict,
        atomicity=configuration.atomicity,
        schedulers=name_schedulers(configuration.architecture, batch=configuration.batch_count, service=1),
        think=configuration.decision,
        run_s=load.run_s,
        is_monitored=True,
        mended=mended,
        jobs=order_jobs(list(load.jobs)),
        prefill=tuple(load.prefill),
    )
    run = Run(scenario, is_recorded=False)
    run.run()
    return measure(run)


def run_product(configuration: Configuration, load: Load) -> dict[str, float]:
    """Return the product's metrics by the old simulator's names, as far as both have them."""
    is_fine = configuration.conflict is ConflictMode.FIT
    is_incremental = configuration.atomicity is TransactionMode.INCREMENTAL
    setup = Setup(
        architecture=configuration.architecture,
        shape=load.shape,
        decision=configuration.decision,
        schedulers={Kind.BATCH: configuration.batch_count, Kind.SERVICE: 1},
        plugins={Kind.BATCH: FirstFitScheduler, Kind.SERVICE: FirstFitScheduler},
        detection=Detection.FINE if is_fine else Detection.COARSE,
        atomicity=Atomicity.INCREMENTAL if is_incremental else Atomicity.ALL_OR_NOTHING,
        run_s=load.run_s,
    )
    return _name_as_old(Simulation(setup, load.jobs, load.prefill).run())


def _name_as_old(metrics: Metrics) -> dict[str, float]:
    named: dict[str, float] = {}
    for workload in metrics.workloads:
        word = workload.kind.value.lower()
        own = [each for each in metrics.schedulers if each.name.startswith((word, "monolithic"))]
        named[f"busyness_{word}"] = sum(each.busyness for each in own) / len(own)
        named[f"conflict_fraction_{word}"] = _conflict_fraction(own)
        named[f"mean_wait_{word}"] = workload.mean_wait_s or 0.0
        named[f"abandoned_{word}"] = float(workload.abandoned)
        named[f"jobs_fully_scheduled_{word}"] = float(workload.scheduled)
    named["tasks_scheduled"] = float(metrics.tasks_placed)
    named["avg_cpu_util"] = metrics.mean_utilisation
    return named


def _conflict_fraction(own: list[SchedulerMetrics]) -> float:
    return sum(each.conflict_fraction or 0.0 for each in own) / len(own)


def _relative(move: Move) -> float:
    return abs(move.after - move.before) / max(abs(move.before), abs(move.after))
