"""What the old simulator is told: its configuration, and the jobs, in its own words and units (seconds, CPUs, GB)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from omegacell.core.errors import UsageError
from omegacell.simulator.compat.faults import Fault
from omegacell.simulator.settings import Architecture, CellShape, DecisionTime
from omegacell.simulator.workloads import Kind, SimulatedJob, parse_job


class ConflictMode(Enum):
    """When a claim conflicts: it does not fit, or the machine's sequence number has moved."""

    FIT = "resource-fit"
    SEQUENCE = "sequence-numbers"


class TransactionMode(Enum):
    """What becomes of the claims beside one that conflicts."""

    INCREMENTAL = "incremental"
    ALL_OR_NOTHING = "all-or-nothing"


ARCHITECTURES: Final = {
    "monolithic_single": Architecture.MONOLITHIC_SINGLE,
    "monolithic_multi": Architecture.MONOLITHIC_MULTI,
    "mesos": Architecture.TWO_LEVEL,
    "omega": Architecture.SHARED_STATE,
}
ALLOCATOR_THINK_S: Final = 0.001
PREFILL_NAME: Final = "prefillScheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run.

    Attributes:
        name: what it is called.
        architecture: who schedules.
        shape: the machines.
        conflict: when claims conflict.
        atomicity: what becomes of the others.
        schedulers: the names of the schedulers of each kind of job; two kinds may share one.
        think: how long a decision takes, by kind.
        seed: of every scheduler's random numbers.
        run_s: when it ends; when nothing is left to do if None.
        is_monitored: utilisation is measured every second.
        mended: faults that it is without.
        allocator_s: how long the allocator of offers thinks.
        jobs: all of Batch, then all of Service.
        prefill: placed before time begins.
    """

    name: str
    architecture: Architecture
    shape: CellShape
    conflict: ConflictMode = ConflictMode.FIT
    atomicity: TransactionMode = TransactionMode.ALL_OR_NOTHING
    schedulers: Mapping[Kind, tuple[str, ...]]
    think: Mapping[Kind, DecisionTime]
    seed: int = 0
    run_s: float | None = None
    is_monitored: bool = False
    mended: frozenset[Fault] = frozenset()
    allocator_s: float = ALLOCATOR_THINK_S
    jobs: tuple[SimulatedJob, ...] = ()
    prefill: tuple[SimulatedJob, ...] = field(default=(), repr=False)


def name_schedulers(architecture: Architecture, *, batch: int, service: int) -> dict[Kind, tuple[str, ...]]:
    """Return the names of the schedulers of each kind of job.

    >>> name_schedulers(Architecture.SHARED_STATE, batch=2, service=1)[Kind.BATCH]
    ('Batch-1', 'Batch-2')
    """
    if architecture in (Architecture.MONOLITHIC_SINGLE, Architecture.MONOLITHIC_MULTI):
        return {Kind.BATCH: ("Monolithic",), Kind.SERVICE: ("Monolithic",)}
    return {
        Kind.BATCH: tuple(f"Batch-{number + 1}" for number in range(batch)),
        Kind.SERVICE: tuple(f"Service-{number + 1}" for number in range(service)),
    }


def order_jobs(jobs: list[SimulatedJob]) -> tuple[SimulatedJob, ...]:
    """Put jobs as the old simulator loads them: a workload after the other, each in the order of its file."""
    return tuple(job for kind in (Kind.BATCH, Kind.SERVICE) for job in jobs if job.kind is kind)


def parse_scenario(fields: Mapping[str, Any], where: str) -> Scenario:
    """Return the scenario that a golden file describes.

    Raises:
        UsageError: a field is missing or is not what it must be.
    """
    try:
        architecture = ARCHITECTURES[_take(fields, "architecture", str, where)]
        conflict, atomicity = ConflictMode(fields["conflict_mode"]), TransactionMode(fields["transaction_mode"])
        batch, service = int(fields["n_batch_schedulers"]), int(fields["n_service_schedulers"])
        run_s, allocator_s = fields.get("run_time"), fields.get("mesos_allocator_think")
        scenario = Scenario(
            name=str(fields.get("name", where)),
            architecture=architecture,
            shape=CellShape(
                machines=int(fields["machines"]),
                cpus=float(fields["cpus_per_machine"]),
                memory_gb=float(fields["mem_per_machine"]),
            ),
            conflict=conflict,
            atomicity=atomicity,
            schedulers=name_schedulers(architecture, batch=batch, service=service),
            think={
                kind: DecisionTime(job_s=float(fields[f"t_job_{word}"]), task_s=float(fields[f"t_task_{word}"]))
                for kind, word in ((Kind.BATCH, "batch"), (Kind.SERVICE, "service"))
            },
            seed=int(fields.get("seed", 0)),
            run_s=None if run_s is None else float(run_s),
            is_monitored=bool(fields.get("monitor_utilization", False)),
            mended=frozenset({Fault.OWN_CLAIMS_MOVE_NUMBERS} if fields.get("fixed_seqnum_incremental") else ()),
            allocator_s=ALLOCATOR_THINK_S if allocator_s is None else float(allocator_s),
            jobs=order_jobs([parse_job(job, f"{where}: jobs[{place}]") for place, job in enumerate(fields["jobs"])]),
            prefill=tuple(
                parse_job(job, f"{where}: prefill[{place}]") for place, job in enumerate(fields.get("prefill", ()))
            ),
        )
    except KeyError as error:
        raise UsageError(f"{where}: {error} is missing, or is no architecture of {', '.join(ARCHITECTURES)}") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from error
    if scenario.shape.machines < 1 or batch < 1 or service < 1:
        raise UsageError(f"{where}: a cell needs a machine, and a scheduler of each kind")
    return scenario


def _take(fields: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    value = fields[name]
    if not isinstance(value, kind):
        raise UsageError(f"{where}: {name} is {value!r}, expected a {kind.__name__}")
    return value
