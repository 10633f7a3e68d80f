"""`omega lab ...`: what the commands of the lab do."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Timer
from typing import Any, Self, TypeVar

from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format, Table, show, warn, write
from omegacell.core.errors import UsageError
from omegacell.core.units import Atomicity, Detection
from omegacell.schedulers.registry import load_class
from omegacell.simulator.cells import CellName, SyntheticCell, make_cell
from omegacell.simulator.compat.ablation import Effect, Load, Move, compare_product, find_effects
from omegacell.simulator.compat.golden import compare_file
from omegacell.simulator.compat.loaded import Deviation, LoadedInput, RowComparison, compare_row, read_input
from omegacell.simulator.paths import Measured
from omegacell.simulator.paths import Path as RunPath
from omegacell.simulator.paths import simulate as run_simulation
from omegacell.simulator.settings import Architecture, CellShape, DecisionTime, Setup
from omegacell.simulator.workloads import Kind, Workload, read_jobs

EQUAL = "equal"
COMPILING = "compiling the simulation, which is kept: half a minute, the first time; --path production does without"

_Choice = TypeVar("_Choice", bound=Enum)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFiles:
    """The three files of a comparison row by row."""

    workload: Path
    prefill: Path
    results: Path

    @classmethod
    def of(cls, workload: Path | None, prefill: Path | None, results: Path | None) -> Self | None:
        """Return the files, or None when none is named.

        Raises:
            UsageError: some are named and some are not.
        """
        if workload is None and prefill is None and results is None:
            return None
        if workload is None or prefill is None or results is None:
            raise UsageError("--workload, --prefill and --results belong together: name all three")
        return cls(workload=workload, prefill=prefill, results=results)


def golden(files: Sequence[Path], tables: ResultFiles | None, *, workers: int, form: Format) -> None:
    """Compare golden files and rows of results, say of each how it compares, and exit with 1 when any differs.

    Raises:
        UsageError: nothing is named, or a file is not what it must be.
        CommandError: something differs.
    """
    if not files and tables is None:
        raise UsageError("name golden files, or --workload, --prefill and --results")
    facts: list[dict[str, Any]] = []
    for found in _compare(files, tables, workers):
        facts.append(found)
        if form is Format.TABLE:
            for line in _lines(found):
                write(line)
    if form is not Format.TABLE:
        show(facts, form)
    differing = [str(found["name"]) for found in facts if not found["is_equal"]]
    if differing:
        raise CommandError(f"{len(differing)} of {len(facts)} differ: {', '.join(differing[:5])}")


def _compare(files: Sequence[Path], tables: ResultFiles | None, workers: int) -> Iterator[dict[str, Any]]:
    for path in files:
        compared = compare_file(path)
        yield {
            "name": str(path),
            "is_equal": compared.difference is None,
            "difference": compared.difference or "",
            "not_compared": list(compared.ignored),
        }
    if tables is not None:
        given = read_input(tables.workload, tables.prefill, tables.results)
        for place, row in enumerate(_compare_rows(given, workers), start=1):
            yield {
                "name": f"row {place}",
                "configuration": row.label,
                "is_equal": row.is_held,
                "metrics": row.metrics,
                "deviations": [_deviation_facts(each) for each in row.deviations],
                "not_compared": list(row.ignored),
            }


def _compare_rows(given: LoadedInput, workers: int) -> Iterator[RowComparison]:
    if workers == 1:
        yield from (compare_row(given, place) for place in range(len(given.rows)))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(compare_row, given), range(len(given.rows)))


def _deviation_facts(deviation: Deviation) -> dict[str, Any]:
    return {
        "metric": deviation.metric,
        "expected": deviation.expected,
        "found": deviation.found,
        "spread": deviation.spread,
        "is_within": deviation.is_within,
    }


def _lines(found: dict[str, Any]) -> Iterator[str]:
    ignored = f" (not compared: {', '.join(found['not_compared'])})" if found["not_compared"] else ""
    if "deviations" not in found:
        yield f"{found['name']}: {found['difference'] or EQUAL}{ignored}"
        return
    head = f"{found['name']} ({found['configuration']})"
    if not found["deviations"]:
        yield f"{head}: {EQUAL}, {found['metrics']} metrics{ignored}"
        return
    yield f"{head}: {'within the spread' if found['is_equal'] else 'differs'}{ignored}"
    for each in found["deviations"]:
        verdict = f"within {each['spread']}" if each["is_within"] else "differs"
        yield f"  {each['metric']}: the file has {each['expected']!r}, here it is {each['found']!r}: {verdict}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the jobs of `omega lab run` come from: files, or a synthetic cell."""

    workload: Path | None
    prefill: Path | None
    cell: str | None

    def read(self, *, seconds: float, seed: int) -> SyntheticCell:
        """Return the jobs, what stands in the cell before, and the shape of a cell that they are for.

        Raises:
            UsageError: neither or both are named, there is no such cell, or a file is not what it must be.
        """
        if (self.workload is None) == (self.cell is None) or (self.cell is not None and self.prefill is not None):
            raise UsageError("name --workload, with --prefill or without, or --cell: either files or a synthetic cell")
        if self.workload is not None:
            prefill = _read_prefill(self.prefill)
            return SyntheticCell(shape=CellShape(machines=300), jobs=read_jobs(self.workload), prefill=prefill)
        name = _choose(CellName, self.cell or "", "--cell")
        return make_cell(name, seconds=seconds, seed=seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of `omega lab run`; ``*_s`` are seconds for a job and for each of its tasks.

    ``shape`` is machines (None for as many as the source's cell has), CPUs and GB of memory; ``policies`` are the
    schedulers of batch jobs and of services, as a person names them.
    """

    source: Source
    path: str
    shape: tuple[int | None, float, float]
    architecture: str
    schedulers: tuple[int, int]
    policies: tuple[str, str]
    batch_s: tuple[float, float]
    service_s: tuple[float, float]
    is_coarse: bool
    is_gang: bool
    seconds: float
    seed: int

    def setup(self, machines: int) -> Setup:
        """Return what the simulator is told, with so many machines unless the options say how many.

        Raises:
            UsageError: there is no such architecture.
            PluginError: there is no such scheduler.
        """
        return Setup(
            architecture=_choose(Architecture, self.architecture, "--architecture"),
            shape=CellShape(machines=self.shape[0] or machines, cpus=self.shape[1], memory_gb=self.shape[2]),
            decision={
                Kind.BATCH: DecisionTime(job_s=self.batch_s[0], task_s=self.batch_s[1]),
                Kind.SERVICE: DecisionTime(job_s=self.service_s[0], task_s=self.service_s[1]),
            },
            schedulers={Kind.BATCH: self.schedulers[0], Kind.SERVICE: self.schedulers[1]},
            plugins={Kind.BATCH: load_class(self.policies[0]), Kind.SERVICE: load_class(self.policies[1])},
            detection=Detection.COARSE if self.is_coarse else Detection.FINE,
            atomicity=Atomicity.ALL_OR_NOTHING if self.is_gang else Atomicity.INCREMENTAL,
            seed=self.seed,
            run_s=self.seconds,
        )


def simulate(options: RunOptions, form: Format) -> None:
    """Simulate a cell and show what was measured, on which path, and how fast.

    Raises:
        UsageError: an option is not what it must be, or the compiled path is asked for and cannot take the run.
    """
    path = _choose(RunPath, options.path, "--path")
    given = options.source.read(seconds=options.seconds, seed=options.seed)
    setup = options.setup(given.shape.machines)
    measured = run_simulation(setup, given.jobs, given.prefill, path=path, compiling=saying(COMPILING, after_s=2.0))
    batch, service = options.policies
    facts = _run_facts(measured) | {"batch_policy": batch, "service_policy": service}
    ran = Table(columns=("POLICY", ""), rows=[("batch jobs", batch), ("services", service)])
    show(facts, form, *_metrics_tables(measured), ran)


@contextmanager
def saying(line: str, *, after_s: float, say: Callable[[str], None] = warn) -> Iterator[None]:
    """Say a line, on stderr unless told otherwise, when what is done here takes longer than so many seconds."""
    timer = Timer(after_s, say, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def faults(
    workload: Path, prefill: Path | None, shape: tuple[int, float, float], *, seconds: float, form: Format
) -> None:
    """Show what each fault of the old simulator does to its metrics, and how the product compares."""
    load = Load(shape=_shape_of(shape), jobs=read_jobs(workload), prefill=_read_prefill(prefill), run_s=seconds)
    effects, compared = [], []
    for effect in find_effects(load):
        warn(f"mended: {effect.fault.value}")
        effects.append(effect)
    for configuration, moves in compare_product(load):
        warn(f"compared: {configuration.label}")
        compared.append((configuration, moves))
    facts: dict[str, object] = {
        "faults": [
            {
                "fault": effect.fault.value,
                "configuration": effect.configuration.label,
                "moves": [_move_facts(move, "mended") for move in effect.moves],
            }
            for effect in effects
        ],
        "product": [
            {"configuration": configuration.label, "metrics": [_move_facts(move, "product") for move in moves]}
            for configuration, moves in compared
        ],
    }
    rows = [row for effect in effects for row in _effect_rows(effect)]
    product = [
        (configuration.label, move.metric, _number(move.before), _number(move.after))
        for configuration, moves in compared
        for move in moves
    ]
    numbers = frozenset({"OLD", "MENDED", "PRODUCT"})
    show(
        facts,
        form,
        Table(columns=("FAULT", "CONFIGURATION", "METRIC", "OLD", "MENDED"), rows=rows, right=numbers),
        Table(columns=("CONFIGURATION", "METRIC", "OLD", "PRODUCT"), rows=product, right=numbers),
    )


def _choose(kind: type[_Choice], text: str, option: str) -> _Choice:
    """Return the member of an enum whose value an option names.

    Raises:
        UsageError: there is none.
    """
    try:
        return kind(text)
    except ValueError as error:
        known = ", ".join(str(each.value) for each in kind)
        raise UsageError(f"{option} {text!r}: expected one of {known}") from error


def _shape_of(shape: tuple[int, float, float]) -> CellShape:
    machines, cpus, memory_gb = shape
    return CellShape(machines=machines, cpus=cpus, memory_gb=memory_gb)


def _read_prefill(path: Path | None) -> Workload:
    return Workload.of([]) if path is None else read_jobs(path)


def _effect_rows(effect: Effect) -> list[tuple[str, ...]]:
    head = (effect.fault.value, effect.configuration.label)
    if not effect.moves:
        return [(*head, "nothing moves", "", "")]
    return [(*head, move.metric, _number(move.before), _number(move.after)) for move in effect.moves]


def _move_facts(move: Move, after: str) -> dict[str, object]:
    return {"metric": move.metric, "old": move.before, after: move.after}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if abs(value) < 1_000 else f"{value:.0f}"


def _run_facts(measured: Measured) -> dict[str, object]:
    facts = asdict(measured.metrics)
    facts["schedulers"] = list(facts["schedulers"])
    facts["workloads"] = [each | {"kind": each["kind"].value.lower()} for each in facts["workloads"]]
    return facts | {
        "path": measured.path.value,
        "cpu_s": measured.cpu_s,
        "compile_s": measured.compile_s,
        "tasks_per_cpu_s": measured.tasks_per_cpu_s,
    }


def _metrics_tables(measured: Measured) -> list[Table]:
    metrics = measured.metrics
    schedulers = [
        (
            each.name,
            f"{each.busyness:.4f}",
            f"{each.busyness_spread:.4f}",
            _number(each.conflict_fraction),
            _number(each.conflict_fraction_spread),
            *(str(count) for count in (each.attempts, each.successes, each.conflicts, each.no_room)),
        )
        for each in metrics.schedulers
    ]
    workloads = [
        (
            each.kind.value.lower(),
            *(str(count) for count in (each.jobs, each.scheduled, each.abandoned)),
            *(_number(wait) for wait in (each.mean_wait_s, each.p90_wait_s, each.mean_wait_until_scheduled_s)),
        )
        for each in metrics.workloads
    ]
    names = ("SCHEDULER", "BUSYNESS", "+-", "CONFLICTS", "+-", "ATTEMPTS", "SUCCESSES", "CONFLICTED", "NO ROOM")
    kinds = ("WORKLOAD", "JOBS", "SCHEDULED", "ABANDONED", "WAIT S", "P90 WAIT S", "UNTIL SCHEDULED S")
    whole = [
        ("simulated", f"{metrics.simulated_s:g} s"),
        ("tasks placed", str(metrics.tasks_placed)),
        ("transactions", str(metrics.transactions)),
        ("mean CPU in use", f"{metrics.mean_utilisation:.4f}"),
        ("path", measured.path.value),
        ("simulated in", f"{measured.cpu_s:.2f} CPU-seconds"),
        ("speed", f"{measured.tasks_per_cpu_s:,.0f} tasks per CPU-second"),
    ]
    if measured.path is RunPath.COMPILED:
        whole.append(("compiled or loaded in", f"{measured.compile_s:.2f} CPU-seconds, not counted above"))
    return [
        Table(columns=names, rows=schedulers, right=frozenset(names[1:])),
        Table(columns=kinds, rows=workloads, right=frozenset(kinds[1:])),
        Table(columns=("RUN", ""), rows=whole),
    ]
