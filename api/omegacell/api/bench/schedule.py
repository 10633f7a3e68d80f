"""`omega bench schedule`: what one decision costs, with and without placement rules, and what judging it costs.

A cell in memory, the real view, schedulers, decider and judge; no store, no processes. Every sample is a job of its own
on a cell that changed since the last one: submit, decide, judge, and end its tasks again. So what is remembered between
decisions counts as it does in a cell at work. Times are of the processor: nothing here waits for anything, and what
else runs on the machine should not count. The decision about one task is about a job that has others running.
Where the rules say ``pressing``, the cell is full, and every task is placed by making others give way.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.api.bench.host import describe_host, percentile
from omegacell.api.bench.schedulecell import PRESSING, SEED, BenchCell, make_job, rules_of
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show, warn
from omegacell.core.apply import apply
from omegacell.core.commands import Place
from omegacell.core.jobs import JobSpec
from omegacell.core.placement import NO_RULES
from omegacell.core.preemption import NO_VICTIMS
from omegacell.core.units import JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.deciding import Decider
from omegacell.schedulers.entries import Entry
from omegacell.schedulers.interface import Context, Scheduler, TaskGroup
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.view import Tentative

RUNNING: Final = 29
"""Tasks that a job has running when one more is decided on."""

MANY: Final = 1_000
WARM_UP: Final = 2
LEAST_SAMPLES: Final = 5
MOST_SAMPLES: Final = 500
DECIDE_US: Final = 10_000_000
PREEMPTION: Final = "where the rules say pressing: the cell is full, two best-effort tasks give way to each task"
PRESSED: Final = (("pressing", "plain"), ("all rules, pressing", "all rules"))
"""What is measured on a full cell, and by which rules."""

Decide: TypeAlias = Callable[[TaskGroup], Place]

SCHEDULERS: Final[tuple[tuple[str, type[BatchScheduler] | type[ServiceScheduler]], ...]] = (
    ("batch", BatchScheduler),
    ("service", ServiceScheduler),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions:
    """What is measured; the names are those of the command."""

    machines: int
    seconds: float
    tasks: int = MANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of decision, and its figures: milliseconds, and how many times those of the plain job they are.

    Attributes:
        scheduler, rules, tasks: what is decided, ``tasks`` at once.
        samples: how many decisions were measured.
        place_p50_ms, place_p99_ms: of ``place`` alone.
        step_p50_ms, step_p99_ms: of the loop's whole step: the view, ``place``, checking its answer, the commands.
        judge_p50_ms, judge_p99_ms: of ``apply`` on the claims.
        place_ratio, step_ratio, judge_ratio: medians over those of the plain job of this scheduler and size.
    """

    scheduler: str
    rules: str
    tasks: int
    samples: int
    place_p50_ms: float
    place_p99_ms: float
    step_p50_ms: float
    step_p99_ms: float
    judge_p50_ms: float
    judge_p99_ms: float
    place_ratio: float = 1.0
    step_ratio: float = 1.0
    judge_ratio: float = 1.0


class WallClock:
    """The clock of this process."""

    def wall_us(self) -> int:
        """Return microseconds since the epoch."""
        return time.time_ns() // 1_000

    def monotonic_us(self) -> int:
        """Return microseconds of a clock that is never set."""
        return time.monotonic_ns() // 1_000


def run(options: ScheduleOptions, form: Format) -> None:
    """Measure, and print the figures."""
    cases = list(measure(options))
    host = describe_host(None)
    heads: tuple[str, ...] = (
        "SCHEDULER",
        "TASKS",
        "RULES",
        "PLACE P50",
        "P99",
        "X PLAIN",
        "STEP P50",
        "P99",
        "X PLAIN",
    )
    heads += ("JUDGE P50", "P99", "X PLAIN")
    rows = [_row_of(case) for case in cases]
    facts: dict[str, Any] = {
        "bench": "schedule",
        "machines": options.machines,
        "preemption": PREEMPTION,
        "cases": plain(cases),
        "host": plain(host),
    }
    on = [(key.replace("_", " "), str(value)) for key, value in plain(host).items() if value]
    on += [("machines of the cell", f"{options.machines:,}"), ("preemption", PREEMPTION)]
    show(
        facts,
        form,
        Table(columns=heads, rows=rows, right=frozenset(heads[3:]) | {"TASKS"}, title="Milliseconds of one decision"),
        Table(columns=("ON", "THIS MACHINE"), rows=on),
    )


def measure(options: ScheduleOptions) -> Iterator[Case]:
    """Yield the figures of each kind of decision, the plain one of each scheduler and size first."""
    warn(f"making a cell of {options.machines:,} machines ...")
    world = BenchCell(options.machines)
    bases: dict[tuple[str, int], Case] = {}
    for name, make in SCHEDULERS:
        for tasks in (1, options.tasks):
            base: Case | None = None
            for rules, placement in rules_of(tasks, options.machines).items():
                warn(f"{name}: {tasks:,} at once, {rules} ...")
                bench = _Bench(world, make(), prefix=f"{name}-{tasks}-{rules.replace(' ', '-')}")
                spec = make_job("x", tasks if tasks > 1 else RUNNING + 1, placement, scheduler=name)
                case = bench.measure(spec, tasks, options.seconds, rules=rules)
                base = base or case
                bases.setdefault((name, tasks), base)
                yield _compare(case, base)
    yield from _measure_pressing(options, world, bases)


def _measure_pressing(
    options: ScheduleOptions, world: BenchCell, bases: Mapping[tuple[str, int], Case]
) -> Iterator[Case]:
    """Yield the figures of decisions on the same cell once it is full."""
    warn("filling the cell ...")
    world.fill_up()
    for name, make in SCHEDULERS:
        for tasks in (1, options.tasks):
            placements = rules_of(tasks, options.machines)
            for label, rules in PRESSED:
                warn(f"{name}: {tasks:,} at once, {label} ...")
                bench = _Bench(world, make(), prefix=f"{name}-{tasks}-{label.replace(', ', '-').replace(' ', '-')}")
                spec = make_job("x", tasks, placements[rules], scheduler=name, resources=PRESSING)
                case = bench.measure(spec, tasks, options.seconds, rules=label)
                yield _compare(case, bases[name, tasks])


class _Bench:
    """Measures one kind of decision."""

    def __init__(self, world: BenchCell, scheduler: Scheduler, *, prefix: str) -> None:
        self._world = world
        self._scheduler = scheduler
        self._prefix = prefix
        self._clock = WallClock()
        self._rng = np.random.default_rng(SEED)
        self._decider = Decider(scheduler, clock=self._clock, rng=self._rng)
        self._number = 0

    def measure(self, spec: JobSpec, tasks: int, seconds: float, *, rules: str) -> Case:
        """Decide for as long as asked for, each time on a job of its own, and return the figures."""
        times: dict[str, list[float]] = {"place": [], "step": [], "judge": []}
        until = time.perf_counter() + seconds
        for number in range(WARM_UP + MOST_SAMPLES):
            if number == WARM_UP:
                times = {name: [] for name in times}
                until = time.perf_counter() + seconds
            if number >= WARM_UP + LEAST_SAMPLES and time.perf_counter() >= until:
                break
            self._sample(spec, tasks, self._place, times["place"], times["judge"])
            self._sample(spec, tasks, self._step, times["step"], times["judge"])
        return Case(
            scheduler=spec.scheduler,
            rules=rules,
            tasks=tasks,
            samples=len(times["place"]),
            place_p50_ms=percentile(times["place"], 50),
            place_p99_ms=percentile(times["place"], 99),
            step_p50_ms=percentile(times["step"], 50),
            step_p99_ms=percentile(times["step"], 99),
            judge_p50_ms=percentile(times["judge"], 50),
            judge_p99_ms=percentile(times["judge"], 99),
        )

    def _sample(self, spec: JobSpec, tasks: int, decide: Decide, decided: list[float], judged: list[float]) -> None:
        """Submit a job, decide, judge and end it; add the milliseconds of deciding and of judging."""
        world = self._world
        self._number += 1
        # rules of its own, equal to those of the jobs before it, as every job in a cell has them
        rules = spec.placement if spec.placement is NO_RULES else deepcopy(spec.placement)
        named = replace(spec, name=f"{self._prefix}-{self._number}", placement=rules)
        job = world.submit(named)
        running = named.count - tasks
        if running:
            self._apply(self._step(_group(job, named, np.arange(running))), expected=running)
        group = _group(job, named, np.arange(running, named.count))
        begun = time.thread_time()
        place = decide(group)
        decided.append(1_000 * (time.thread_time() - begun))
        judged.append(self._apply(place, expected=tasks))
        if place.victims is NO_VICTIMS:
            world.end(job)
        else:
            world.take_back(job)
        world.cell.drain_delta()

    def _place(self, group: TaskGroup) -> Place:
        """Ask the scheduler alone, as the decider does."""
        context = Context(
            rng=self._rng, now_us=0, clock=self._clock.monotonic_us, deadline_us=self._clock.monotonic_us() + DECIDE_US
        )
        placement = self._scheduler.place([group], Tentative(self._world.cell).view(), context)
        return Place(job=group.job, indices=placement.indices, machines=placement.machines, victims=placement.victims)

    def _step(self, group: TaskGroup) -> Place:
        """Do the whole step of the loop."""
        entry = Entry(job=group.job, spec=group.spec, count=group.count)
        cell = self._world.cell
        deadline_us = self._clock.monotonic_us() + DECIDE_US
        [decision] = self._decider.decide([entry], [group], Tentative(cell), cell=cell, deadline_us=deadline_us)
        if not decision.claims:
            raise CommandError(f"no task of {group.spec.name} was placed: choose more --machines")
        place = decision.commands[0]
        assert isinstance(place, Place), "claims come first"
        return place

    def _apply(self, place: Place, *, expected: int) -> float:
        """Judge and write claims; return the milliseconds that took."""
        transaction = self._world.write(place)
        begun = time.thread_time()
        outcome = apply(self._world.cell, transaction)
        took_ms = 1_000 * (time.thread_time() - begun)
        if outcome.granted != expected:
            raise CommandError(f"only {outcome.granted} of {expected} tasks were placed: choose more --machines")
        return took_ms


def _group(job: JobId, spec: JobSpec, indices: NDArray[np.integer]) -> TaskGroup:
    count = len(indices)
    return TaskGroup(number=0, job=job, spec=spec, indices=indices.astype(np.int32), attempts=np.zeros(count, np.int32))


def _compare(case: Case, plain_case: Case) -> Case:
    """Return figures with their ratios to those of the plain job."""
    return replace(
        case,
        place_ratio=case.place_p50_ms / plain_case.place_p50_ms,
        step_ratio=case.step_p50_ms / plain_case.step_p50_ms,
        judge_ratio=case.judge_p50_ms / plain_case.judge_p50_ms,
    )


def _row_of(case: Case) -> tuple[str, ...]:
    """Return a case as a line of the table."""
    return (
        case.scheduler,
        f"{case.tasks:,}",
        case.rules,
        *(f"{value:.3f}" for value in (case.place_p50_ms, case.place_p99_ms)),
        f"{case.place_ratio:.1f}",
        *(f"{value:.3f}" for value in (case.step_p50_ms, case.step_p99_ms)),
        f"{case.step_ratio:.1f}",
        *(f"{value:.3f}" for value in (case.judge_p50_ms, case.judge_p99_ms)),
        f"{case.judge_ratio:.1f}",
    )
