"""What the old simulator is told: its configuration, and the jobs, in its own words and units (seconds, CPUs, GB)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import Any, Final, TypeVar

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
MAX_MACHINES: Final = 1_000_000
MAX_SCHEDULERS: Final = 1_000
PREFILL_NAME: Final = "prefillScheduler"

Word = TypeVar("Word")


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
        is_tie_reversed: of frameworks with equal shares the last is offered first.
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
    is_tie_reversed: bool = False
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
    given = _Fields(fields, where)
    architecture = given.take_word("architecture", ARCHITECTURES)
    batch, service = (given.take_whole(f"n_{word}_schedulers", most=MAX_SCHEDULERS) for word in ("batch", "service"))
    allocator_s = given.take_amount_or_none("mesos_allocator_think")
    return Scenario(
        name=str(fields.get("name", where)),
        architecture=architecture,
        shape=CellShape(
            machines=given.take_whole("machines", most=MAX_MACHINES),
            cpus=given.take_amount("cpus_per_machine", is_positive=True),
            memory_gb=given.take_amount("mem_per_machine", is_positive=True),
        ),
        conflict=given.take_word("conflict_mode", {mode.value: mode for mode in ConflictMode}),
        atomicity=given.take_word("transaction_mode", {mode.value: mode for mode in TransactionMode}),
        schedulers=name_schedulers(architecture, batch=batch, service=service),
        think={
            kind: DecisionTime(job_s=given.take_amount(f"t_job_{word}"), task_s=given.take_amount(f"t_task_{word}"))
            for kind, word in ((Kind.BATCH, "batch"), (Kind.SERVICE, "service"))
        },
        seed=given.take_whole("seed", least=None) if "seed" in fields else 0,
        run_s=given.take_amount_or_none("run_time"),
        is_monitored=bool(fields.get("monitor_utilization", False)),
        mended=frozenset({Fault.OWN_CLAIMS_MOVE_NUMBERS} if fields.get("fixed_seqnum_incremental") else ()),
        allocator_s=ALLOCATOR_THINK_S if allocator_s is None else allocator_s,
        jobs=order_jobs(given.take_jobs("jobs")),
        prefill=tuple(given.take_jobs("prefill") if fields.get("prefill") is not None else ()),
    )


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a scenario, each checked as it is taken; a table's are text."""

    fields: Mapping[str, Any]
    where: str

    def take_word(self, name: str, known: Mapping[str, Word]) -> Word:
        """Return what one of the known words stands for."""
        value = self._take(name)
        if not isinstance(value, str) or value not in known:
            raise self._refuse(name, f"one of {', '.join(known)}")
        return known[value]

    def take_whole(self, name: str, *, least: int | None = 1, most: int | None = None) -> int:
        """Return a whole number."""
        value = self._take(name)
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            raise self._refuse(name, "a whole number") from None
        if isinstance(value, float | bool) and (isinstance(value, bool) or number != value):
            raise self._refuse(name, "a whole number")
        if (least is not None and number < least) or (most is not None and number > most):
            raise self._refuse(name, f"{least} to {most}")
        return number

    def take_amount(self, name: str, *, is_positive: bool = False) -> float:
        """Return a number that is finite and not negative, nor 0 if ``is_positive``."""
        value = self._take(name)
        try:
            amount = float(value)
        except (TypeError, ValueError, OverflowError):
            raise self._refuse(name, "a number") from None
        if isinstance(value, bool) or not isfinite(amount) or amount < 0 or (is_positive and not amount):
            raise self._refuse(name, "a finite number above 0" if is_positive else "a finite number, not negative")
        return amount

    def take_amount_or_none(self, name: str) -> float | None:
        """Return a number, or None when it is null or missing."""
        return None if self.fields.get(name) is None else self.take_amount(name)

    def take_jobs(self, name: str) -> list[SimulatedJob]:
        """Return a list of jobs."""
        rows = self._take(name)
        if not isinstance(rows, list | tuple):
            raise self._refuse(name, "a list of jobs")
        for place, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise UsageError(f"{self.where}: {name}[{place}] is no job, but {_shorten(row)}")
        return [parse_job(row, f"{self.where}: {name}[{place}]") for place, row in enumerate(rows)]

    def _take(self, name: str) -> Any:
        if name not in self.fields:
            raise UsageError(f"{self.where}: the field {name!r} is missing")
        return self.fields[name]

    def _refuse(self, name: str, expected: str) -> UsageError:
        return UsageError(f"{self.where}: {name} is {_shorten(self.fields[name])}, expected {expected}")


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
