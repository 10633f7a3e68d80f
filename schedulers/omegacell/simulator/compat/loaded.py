"""A results file: a row for each configuration, run on one workload and compared metric by metric.

A row gives the configuration and the metrics of the old simulator. Its random numbers are those of the row's seed, so
the metrics come out the same. One that does not must lie within the spread over seeds, where that is known: then it is
no further off than two runs of the old simulator are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isclose, isfinite, nan
from pathlib import Path
from typing import Final, TypeAlias

from omegacell.core.errors import UsageError
from omegacell.simulator.compat.cellstate import JobRun
from omegacell.simulator.compat.golden import NONE_SCHEDULED
from omegacell.simulator.compat.running import Run
from omegacell.simulator.compat.scenario import ConflictMode, Scenario, TransactionMode, order_jobs, parse_scenario
from omegacell.simulator.compat.schedulers import Scheduler
from omegacell.simulator.figures import find_mean, find_percentile
from omegacell.simulator.settings import Architecture
from omegacell.simulator.workloads import Kind, Workload, read_jobs, read_rows

MENDED: Final = "(fixed)"
NOT_APPLICABLE: Final = "n/a"
RUN_S: Final = 7_200.0
ROUNDING: Final = 1e-9
"""Relative; two sums of the same numbers in another order differ by less."""

Family: TypeAlias = tuple[Architecture, ConflictMode, TransactionMode]
_OPTIMISTIC: Final = Architecture.SHARED_STATE
_FIT_INCREMENTAL: Final = (_OPTIMISTIC, ConflictMode.FIT, TransactionMode.INCREMENTAL)
_SEQUENCE_WHOLE: Final = (_OPTIMISTIC, ConflictMode.SEQUENCE, TransactionMode.ALL_OR_NOTHING)

SPREADS: Final[Mapping[tuple[Family, str], float]] = {
    (_FIT_INCREMENTAL, "conflict_fraction_batch"): 0.0011,
    (_FIT_INCREMENTAL, "conflict_fraction_service"): 0.026,
    (_FIT_INCREMENTAL, "busyness_batch"): 0.0002,
    (_SEQUENCE_WHOLE, "conflict_fraction_batch"): 0.010,
    (_SEQUENCE_WHOLE, "conflict_fraction_service"): 1.1,
    **{
        ((architecture, ConflictMode.FIT, TransactionMode.ALL_OR_NOTHING), metric): 0.0001
        for architecture in (Architecture.MONOLITHIC_SINGLE, Architecture.MONOLITHIC_MULTI)
        for metric in ("busyness_batch", "busyness_service")
    },
}
"""The old simulator's own spread over nine seeds, where it was measured."""

NEEDED: Final = (
    "architecture", "conflict_mode", "transaction_mode", "n_batch_schedulers", "t_job_service", "t_task", "t_job_batch",
    "t_task_batch", "cell_size", "cpus_per_machine", "mem_per_machine", "seed",
)  # fmt: skip
"""The columns that give a row's configuration; ``n_service_schedulers`` may, and is 1 otherwise."""

METRICS: Final = (
    "simulated_seconds", "jobs", "tasks", "avg_cpu_util", "tasks_scheduled",
    *(
        f"{metric}_{word}"
        for metric in (
            "busyness", "busyness_wasted", "conflict_fraction", "succ_txn", "fail_claims", "fail_txn", "no_resources",
            "abandoned", "mean_wait", "p90_wait", "jobs_fully_scheduled",
        )
        for word in ("batch", "service")
    ),
)  # fmt: skip
"""The columns that are compared; any other is named, and not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A metric that is not the same.

    Attributes:
        metric: its name in the results file.
        expected: what the file has.
        found: what it is here.
        spread: by how much the old simulator itself differs between seeds; None where that is not known.
    """

    metric: str
    expected: float
    found: float
    spread: float | None

    @property
    def is_within(self) -> bool:
        """Whether it is no larger than the spread."""
        return self.spread is not None and abs(self.expected - self.found) <= self.spread


@dataclass(frozen=True, slots=True, kw_only=True)
class RowComparison:
    """How a row compares: all metrics that were, those that differ, and the columns that nothing here reports."""

    label: str
    metrics: int
    deviations: tuple[Deviation, ...]
    ignored: tuple[str, ...] = ()

    @property
    def is_held(self) -> bool:
        """Whether every metric is equal or within the spread."""
        return all(deviation.is_within for deviation in self.deviations)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedInput:
    """A workload with its prefill, and the rows to compare with."""

    jobs: Workload
    prefill: Workload
    rows: tuple[dict[str, str], ...]
    run_s: float = RUN_S


def read_input(workload: Path, prefill: Path, results: Path) -> LoadedInput:
    """Read the three files, and check every row before the first is run.

    Raises:
        UsageError: one cannot be read or is not what it must be.
    """
    rows = tuple(read_rows(results))
    given = LoadedInput(jobs=Workload.of([]), prefill=Workload.of([]), rows=rows)
    for place, row in enumerate(rows, start=2):
        _check_row(row, given, f"{results}, line {place}")
    return replace(given, jobs=read_jobs(workload), prefill=read_jobs(prefill))


def compare_row(given: LoadedInput, place: int) -> RowComparison:
    """Run one row's configuration and compare every metric that it has.

    Raises:
        UsageError: the row is no configuration.
    """
    row = given.rows[place]
    where = f"row {place + 1}"
    scenario = _scenario_of(row, given, where)
    try:
        run = Run(scenario, is_recorded=False)
        run.run()
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    found = measure(run)
    family = (scenario.architecture, scenario.conflict, scenario.atomicity)
    shared = {metric: float(row[metric]) for metric in found if metric in row}
    deviations = tuple(
        Deviation(metric=metric, expected=value, found=found[metric], spread=SPREADS.get((family, metric)))
        for metric, value in shared.items()
        if not isclose(value, found[metric], rel_tol=ROUNDING, abs_tol=ROUNDING)
    )
    ignored = tuple(name for name in row if name not in {*NEEDED, "n_service_schedulers", *METRICS})
    return RowComparison(label=label_of(row), metrics=len(shared), deviations=deviations, ignored=ignored)


def label_of(row: Mapping[str, str]) -> str:
    """Return a row's configuration in a few words."""
    modes = [row[name] for name in ("conflict_mode", "transaction_mode") if row[name] != NOT_APPLICABLE]
    counts = f"{row['n_batch_schedulers']} batch, t_job_service {row['t_job_service']}, seed {row['seed']}"
    return ", ".join([row["architecture"], *modes, counts])


def _check_row(row: Mapping[str, str], given: LoadedInput, where: str) -> None:
    missing = sorted(set(NEEDED) - row.keys())
    if missing:
        raise UsageError(f"{where}: the columns {', '.join(missing)} are missing")
    _scenario_of(row, given, where)
    metrics = [name for name in METRICS if name in row]
    if not metrics:
        raise UsageError(f"{where}: no metric to compare; there are {', '.join(METRICS)}")
    for name in metrics:
        try:
            value = float(row[name])
        except ValueError:
            value = nan
        if not isfinite(value):
            raise UsageError(f"{where}: {name} is {row[name]!r}, expected a finite number")


def _scenario_of(row: Mapping[str, str], given: LoadedInput, where: str) -> Scenario:
    conflict = row["conflict_mode"].removesuffix(MENDED)
    atomicity = row["transaction_mode"]
    fields = {
        "architecture": row["architecture"],
        "machines": row["cell_size"],
        "cpus_per_machine": row["cpus_per_machine"],
        "mem_per_machine": row["mem_per_machine"],
        "conflict_mode": ConflictMode.FIT.value if conflict == NOT_APPLICABLE else conflict,
        "transaction_mode": TransactionMode.ALL_OR_NOTHING.value if atomicity == NOT_APPLICABLE else atomicity,
        "n_batch_schedulers": row["n_batch_schedulers"],
        "n_service_schedulers": row.get("n_service_schedulers", 1),
        "t_job_batch": row["t_job_batch"],
        "t_task_batch": row["t_task_batch"],
        "t_job_service": row["t_job_service"],
        "t_task_service": row["t_task"],
        "seed": row["seed"],
        "run_time": given.run_s,
        "monitor_utilization": True,
        "fixed_seqnum_incremental": row["conflict_mode"].endswith(MENDED),
        "jobs": (),
    }
    scenario = parse_scenario(fields, where)
    return replace(scenario, jobs=order_jobs(list(given.jobs)), prefill=tuple(given.prefill))


def measure(run: Run) -> dict[str, float]:
    """Return the metrics of a finished run by the names of the results file."""
    shape = run.scenario.shape
    metrics = {
        "simulated_seconds": run.agenda.now,
        "jobs": float(len(run.jobs)),
        "tasks": float(sum(job.spec.task_count for job in run.jobs)),
        "avg_cpu_util": run.mean_cpus / (shape.machines * shape.cpus),
        "tasks_scheduled": float(sum(job.spec.task_count - job.unscheduled for job in run.jobs)),
    }
    for kind, word in ((Kind.BATCH, "batch"), (Kind.SERVICE, "service")):
        jobs = [job for job in run.jobs if job.spec.kind is kind]
        own = [run.schedulers[run.names.index(name)] for name in run.scenario.schedulers[kind]]
        part = {**_measure_schedulers(own, run.agenda.now), **_measure_jobs(jobs)}
        metrics |= {f"{name}_{word}": value for name, value in part.items()}
    return metrics


def _measure_schedulers(own: list[Scheduler], end_s: float) -> dict[str, float]:
    """Return what schedulers of one kind did: fractions are means over them, counts are sums.

    Where a scheduler had no successful transaction its conflict fraction is 0, however many failed.
    """
    counters = [scheduler.counters for scheduler in own]
    return {
        "busyness": sum((each.useful_s + each.wasted_s) / end_s for each in counters) / len(own),
        "busyness_wasted": sum(each.wasted_s / end_s for each in counters) / len(own),
        "conflict_fraction": sum(each.failures / each.successes for each in counters if each.successes) / len(own),
        "succ_txn": float(sum(each.successes for each in counters)),
        "fail_claims": float(sum(each.task_failures for each in counters)),
        "fail_txn": float(sum(each.failures for each in counters)),
        "no_resources": float(sum(each.no_room for each in counters)),
        "abandoned": float(sum(each.abandoned for each in counters)),
    }


def _measure_jobs(jobs: list[JobRun]) -> dict[str, float]:
    waits = [job.wait_first_s for job in jobs if job.attempts]
    mean, p90 = find_mean(waits), find_percentile(waits, 0.9)
    return {
        "mean_wait": NONE_SCHEDULED if mean is None else mean,
        "p90_wait": NONE_SCHEDULED if p90 is None else p90,
        "jobs_fully_scheduled": float(sum(not job.unscheduled for job in jobs)),
    }
