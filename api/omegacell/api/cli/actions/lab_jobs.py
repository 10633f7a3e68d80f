"""`omega lab jobs`: simulates job files, and shows what became of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeVar

from omegacell.api.cli.output import Format, Table, show, warn
from omegacell.api.lab_jobs import load_templates
from omegacell.api.lab_machines import load_machines
from omegacell.api.quantities import parse_duration
from omegacell.core.errors import UsageError
from omegacell.core.units import Detection
from omegacell.schedulers.registry import load_class
from omegacell.simulator.machines import Machine, make_mixed
from omegacell.simulator.ruled.measures import JobsMetrics, RuledMetrics
from omegacell.simulator.ruled.settings import Deciders, RuledSetup, Template
from omegacell.simulator.ruled.simulation import RuledSimulation
from omegacell.simulator.settings import DecisionTime

DEFAULT_MACHINES: Final = 100
SAID_EVERY_S: Final = 5.0
"""Seconds, real ones, between lines about how far a run is."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsOptions:
    """Options of `omega lab jobs`, as they were typed; lists hold ``NAME=VALUE``."""

    files: Sequence[str]
    machines: int | None
    machine_file: str | None
    load: float
    shares: Sequence[str]
    exec_time: str | None
    schedulers: Sequence[str]
    policies: Sequence[str]
    t_job: Sequence[str]
    t_task: Sequence[str]
    is_coarse: bool
    seconds: float
    seed: int

    def setup(self) -> RuledSetup:
        """Return what the simulator is told.

        Raises:
            UsageError: an option or a file is not what it must be.
            PluginError: there is no such scheduler.
        """
        shares = {name: _positive("--share", text) for name, text in _pairs("--share", self.shares).items()}
        templates = load_templates(self.files, shares=shares, exec_us=self._exec_us())
        return RuledSetup(
            machines=self._machines(),
            templates=templates,
            schedulers=self._schedulers(templates),
            load=self.load,
            detection=Detection.COARSE if self.is_coarse else Detection.FINE,
            seed=self.seed,
            run_s=self.seconds,
        )

    def _machines(self) -> tuple[Machine, ...]:
        if self.machine_file is None:
            return tuple(make_mixed(self.machines or DEFAULT_MACHINES, seed=self.seed))
        if self.machines is not None:
            raise UsageError("--machines and --machine-file: expected one of them; a file says how many there are")
        return load_machines(self.machine_file)

    def _exec_us(self) -> int | None:
        if self.exec_time is None:
            return None
        try:
            return parse_duration(self.exec_time)
        except ValueError as error:
            raise UsageError(f"--exec-time {self.exec_time!r}: {error}") from error

    def _schedulers(self, templates: Sequence[Template]) -> dict[str, Deciders]:
        names = sorted({template.spec.scheduler for template in templates})
        counts = _for_each("--schedulers", self.schedulers, names, parse=_count, default=1)
        policies = _for_each("--policy", self.policies, names, parse=_text, default="")
        job_s = _for_each("--t-job", self.t_job, names, parse=_not_negative, default=DecisionTime().job_s)
        task_s = _for_each("--t-task", self.t_task, names, parse=_not_negative, default=DecisionTime().task_s)
        return {
            name: Deciders(
                plugin=load_class(policies[name] or name),
                count=counts[name],
                decision=DecisionTime(job_s=job_s[name], task_s=task_s[name]),
            )
            for name in names
        }


def simulate_jobs(options: JobsOptions, form: Format) -> None:
    """Simulate job files and show what was measured; on stderr how far it is.

    Raises:
        UsageError: an option or a file is not what it must be, or a job was refused.
        PluginError: there is no such scheduler.
    """
    setup = options.setup()
    began = time.process_time()
    simulation = RuledSimulation(setup, on_progress=_make_progress(setup.run_s))
    metrics = simulation.run()
    facts = asdict(metrics)
    facts |= {name: list(facts[name]) for name in ("schedulers", "refusals", "templates", "bands")}
    cpu_s = time.process_time() - began
    show(facts | {"seed": setup.seed, "cpu_s": cpu_s}, form, *_tables(metrics, cpu_s))


def _make_progress(run_s: float) -> Callable[[float, int], None]:
    """Return what says on stderr how far a run is, now and then."""
    said_at_s = time.monotonic()

    def say(simulated_s: float, jobs: int) -> None:
        nonlocal said_at_s
        now_s = time.monotonic()
        if now_s - said_at_s >= SAID_EVERY_S:
            said_at_s = now_s
            warn(f"simulated {simulated_s:g} of {run_s:g} s, {jobs} jobs")

    return say


# --- options of the form NAME=VALUE


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals or name in pairs:
            raise UsageError(f"{option} {text!r}: expected NAME=VALUE, each name once")
        pairs[name] = value
    return pairs


def _for_each(
    option: str, texts: Sequence[str], names: Sequence[str], *, parse: Callable[[str, str], _Value], default: _Value
) -> dict[str, _Value]:
    """Return a value for each scheduler: the one given for it, or the one given for all, or the default."""
    whole = [text for text in texts if "=" not in text]
    if len(whole) > 1:
        raise UsageError(f"{option} {whole[1]!r}: expected one value for all, and NAME=VALUE for each that differs")
    pairs = _pairs(option, [text for text in texts if "=" in text])
    unknown = [name for name in pairs if name not in names]
    if unknown:
        raise UsageError(f"{option} {unknown[0]}: no job names this scheduler; expected one of {', '.join(names)}")
    found = parse(option, whole[0]) if whole else default
    return {name: parse(option, pairs[name]) if name in pairs else found for name in names}


def _text(option: str, text: str) -> str:
    return text


def _count(option: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise UsageError(f"{option} {text!r}: expected a whole number from 1 on")
    return int(text)


def _not_negative(option: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise UsageError(f"{option} {text!r}: expected a number that is not negative")
    return value


def _positive(option: str, text: str) -> float:
    value = _not_negative(option, text)
    if not value:
        raise UsageError(f"{option} {text!r}: expected more than 0")
    return value


# --- tables


def _tables(metrics: RuledMetrics, cpu_s: float) -> list[Table]:
    reasons = [
        (each.name, reason, str(count)) for each in metrics.refusals for reason, count in sorted(each.reasons.items())
    ]
    lacks = [(each.name, reason, str(count)) for each in metrics.templates for reason, count in each.lacks.items()]
    disagreements = sum(each.disagreements for each in metrics.refusals)
    whole = [
        ("simulated", f"{metrics.simulated_s:g} s"),
        ("transactions", str(metrics.transactions)),
        ("mean CPU in use", f"{metrics.mean_utilisation:.4f}"),
        ("of it wasted", f"{metrics.wasted_share:.4f}"),
        ("disagreements", str(disagreements)),
        ("digest", metrics.digest),
        ("simulated in", f"{cpu_s:.2f} CPU-seconds"),
    ]
    right = frozenset({"TASKS"})
    return [
        _scheduler_table(metrics),
        _jobs_table("JOB", metrics.templates),
        _jobs_table("BAND", metrics.bands),
        Table(columns=("SCHEDULER", "REFUSED FOR", "CLAIMS"), rows=reasons, right=frozenset({"CLAIMS"}), empty=""),
        Table(columns=("JOB", "WAITS FOR", "TASKS"), rows=lacks, right=right, empty=""),
        Table(columns=("RUN", ""), rows=whole),
    ]


def _scheduler_table(metrics: RuledMetrics) -> Table:
    names = ("SCHEDULER", "BUSYNESS", "CONFLICTS", "ATTEMPTS", "SUCCESSES", "CONFLICTED", "NO ROOM")
    rows = [
        (
            each.name,
            f"{each.busyness:.4f}",
            _number(each.conflict_fraction),
            *(str(count) for count in (each.attempts, each.successes, each.conflicts, each.no_room)),
        )
        for each in metrics.schedulers
    ]
    return Table(columns=names, rows=rows, right=frozenset(names[1:]))


def _jobs_table(what: str, parts: Sequence[JobsMetrics]) -> Table:
    names = (
        what, "JOBS", "TASKS", "RAN", "PREEMPTED", "TIME LIMIT", "LATE", "WAITING", "SHARE",
        "WAIT S", "P90 WAIT S", "RUNNING S", "P90 RUNNING S", "WASTED CPU-S",
    )  # fmt: skip
    rows = [
        (
            each.name,
            *(str(count) for count in (each.jobs, each.tasks, each.begun, each.preempted, each.overtime, each.late)),
            str(each.waiting),
            f"{each.waiting_share:.4f}",
            *(_number(wait) for wait in _waits_of(each)),
            f"{each.wasted_cpu_s:.0f}",
        )
        for each in parts
    ]
    least = ("TIME LIMIT", "LATE", "P90 WAIT S", "JOBS")
    return Table(columns=names, rows=rows, right=frozenset(names[1:]), least=least)


def _waits_of(part: JobsMetrics) -> tuple[float | None, ...]:
    return part.mean_wait_s, part.p90_wait_s, part.mean_until_running_s, part.p90_until_running_s


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if abs(value) < 1_000 else f"{value:.0f}"
