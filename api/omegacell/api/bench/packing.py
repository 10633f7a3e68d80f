"""`omega bench packing`: how few machines each scoring policy needs, against a bound, and how often it conflicts.

Every figure but the seconds follows from seeds. Two processes do the work, because it is the same on any number.
"""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Self

from omegacell.api.bench.host import describe_host
from omegacell.api.bench.policies import CURVE, POLICIES, load_policy
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show, warn
from omegacell.core.errors import UsageError
from omegacell.simulator.packing.bound import check_scipy, find_bound, make_programme
from omegacell.simulator.packing.compaction import PERCENT, SEEDS, Compaction, percentile
from omegacell.simulator.packing.herding import RUN_S, SCHEDULERS, Herding, measure_herding
from omegacell.simulator.packing.packing import Make, Team, find_picky
from omegacell.simulator.packing.workload import SEED, Problem, make_problem

MACHINES: Final = 2_000
QUICK_MACHINES: Final = 200
QUICK_RUN_S: Final = 20.0
QUICK_SEEDS: Final = 3
HERDING_SEEDS: Final = 3
TEAM_SEEDS: Final = 3
CURVE_SEEDS: Final = 3
WORKERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingOptions:
    """What is packed; the names are those of the command."""

    policies: tuple[str, ...]
    seeds: int
    is_quick: bool
    is_curve: bool = False

    @classmethod
    def of(cls, policies: Sequence[str] | None, seeds: int | None, *, is_quick: bool, is_curve: bool) -> Self:
        """Fill in what was not said: all policies, or those of the curve; 11 seeds, or 3 for a quick look or the curve.

        Raises:
            UsageError: policies and the curve are asked for.
        """
        if policies and is_curve:
            raise UsageError("--curve measures policies of its own: leave out one of the two")
        names = tuple(dict.fromkeys(policies or (CURVE if is_curve else POLICIES)))
        few = QUICK_SEEDS if is_quick else CURVE_SEEDS if is_curve else SEEDS
        return cls(policies=names, seeds=seeds or few, is_quick=is_quick, is_curve=is_curve)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFigures:
    """What one policy came to.

    Attributes:
        policy: its name.
        machines, machines_min, machines_max: needed, by seed: the 90th percentile, the least and the most.
        over_bound_percent: of the percentile over that of the bound.
        team_machines: needed when four instances share the jobs, likewise, of the first three seeds.
        team_over_bound_percent: of that over the bound of these seeds.
        conflict_fraction, conflict_fraction_min, conflict_fraction_max: of four schedulers, by seed: mean, least, most.
        refused_percent: of their claims, the mean.
        seconds: of processor time for all of it.
    """

    policy: str
    machines: int
    machines_min: int
    machines_max: int
    over_bound_percent: float
    team_machines: int
    team_over_bound_percent: float
    conflict_fraction: float
    conflict_fraction_min: float
    conflict_fraction_max: float
    refused_percent: float
    seconds: float


def run(options: PackingOptions, form: Format) -> None:
    """Measure, and print the table.

    Raises:
        UsageError: a policy is not known, or scipy is not installed.
    """
    check_scipy()
    for policy in options.policies:
        load_policy(policy)
    problem = _problem(options.is_quick)
    bounds, figures = measure(options)
    if not options.is_curve:
        figures.sort(key=lambda each: (each.machines, each.policy))
    host = plain(describe_host(None))
    bound = percentile(bounds)
    workload = {
        "machines": len(problem.machines),
        "jobs": len(problem.jobs),
        "tasks": problem.task_count,
        "full_percent": [round(100 * share, 1) for share in problem.fullness()],
        "digest": problem.digest,
    }
    show(
        {
            "bench": "packing",
            "workload": workload,
            "seeds": options.seeds,
            "bound": {"machines": bound, "machines_min": min(bounds), "machines_max": max(bounds)},
            "policies": [plain(each) for each in figures],
            "host": host,
        },
        form,
        _table(bounds, figures),
        Table(columns=("ON", "THIS MACHINE"), rows=[(k.replace("_", " "), str(v)) for k, v in host.items() if v]),
    )


@dataclass(slots=True)
class _Found:
    """What has been found out about a policy, by seed."""

    machines: dict[int, int] = field(default_factory=dict)
    team: dict[int, int] = field(default_factory=dict)
    herds: dict[int, Herding] = field(default_factory=dict)
    seconds: float = 0.0


def measure(options: PackingOptions) -> tuple[list[int], list[PolicyFigures]]:
    """Return the bound of each seed, and the figures of each policy, in the order in which they were asked for."""
    started = time.monotonic()
    bounds: dict[int, int] = {}
    figures: list[PolicyFigures] = []
    with _workers() as pool:
        for seed, (bound, _) in _each(pool, {s: (_bound, options.is_quick, s) for s in range(1, options.seeds + 1)}):
            bounds[seed] = bound
        bounds = dict(sorted(bounds.items()))
        warn(f"bound: {percentile(list(bounds.values()))} machines ({time.monotonic() - started:.0f} s)")
        for number, policy in enumerate(options.policies, start=1):
            found = _figures(policy, bounds, _measure_policy(pool, policy, bounds, is_quick=options.is_quick))
            figures.append(found)
            warn(
                f"{policy}: {found.machines} machines, conflict fraction {found.conflict_fraction:.3f} "
                f"({number} of {len(options.policies)}, {time.monotonic() - started:.0f} s)"
            )
    return list(bounds.values()), figures


def _measure_policy(pool: ProcessPoolExecutor, policy: str, bounds: dict[int, int], *, is_quick: bool) -> _Found:
    """Do what there is to do for one policy."""
    found = _Found()
    first, *others = bounds
    parts: dict[str, dict[int, Any]] = {"machines": found.machines, "team": found.team, "herds": found.herds}
    herd_seeds = 1 if is_quick else HERDING_SEEDS
    compact: tuple[Any, ...] = (_compact, is_quick, policy)
    steps: list[Callable[[], dict[Any, tuple[Any, ...]]]] = [
        lambda: (
            {("machines", first): (*compact, first, 1, (bounds[first], 0))}
            | {("herds", seed): (_herd, is_quick, policy, seed) for seed in range(1, herd_seeds + 1)}
        ),
        # the other orders need about as many: what the first needed is a good place to begin to search
        lambda: (
            {("machines", s): (*compact, s, 1, (bounds[s], found.machines[first])) for s in others}
            | {
                ("team", s): (*compact, s, SCHEDULERS, (bounds[s], found.machines[first]))
                for s in list(bounds)[:TEAM_SEEDS]
            }
        ),
    ]
    for step in steps:
        for (part, seed), (answer, took) in _each(pool, step()):
            parts[part][seed] = answer
            found.seconds += took
    return found


def _figures(policy: str, bounds: dict[int, int], found: _Found) -> PolicyFigures:
    needed = list(found.machines.values())
    machines, bound = percentile(needed), percentile(list(bounds.values()))
    team, team_bound = percentile(list(found.team.values())), percentile([bounds[seed] for seed in found.team])
    fractions = [each.fraction for each in found.herds.values()]
    return PolicyFigures(
        policy=policy,
        machines=machines,
        machines_min=min(needed),
        machines_max=max(needed),
        over_bound_percent=round(100 * (machines / bound - 1), 2),
        team_machines=team,
        team_over_bound_percent=round(100 * (team / team_bound - 1), 2),
        conflict_fraction=round(sum(fractions) / len(fractions), 4),
        conflict_fraction_min=round(min(fractions), 4),
        conflict_fraction_max=round(max(fractions), 4),
        refused_percent=round(100 * sum(each.refused for each in found.herds.values()) / len(found.herds), 2),
        seconds=round(found.seconds, 1),
    )


def _table(bounds: list[int], figures: list[PolicyFigures]) -> Table:
    rows = [("LP bound", f"{percentile(bounds)} ({min(bounds)}-{max(bounds)})", "0.0 %", "0.0 %", "-", "-", "-")]
    rows += [
        (
            each.policy,
            f"{each.machines} ({each.machines_min}-{each.machines_max})",
            f"{each.over_bound_percent:.1f} %",
            f"{each.team_over_bound_percent:.1f} %",
            f"{each.conflict_fraction:.3f}",
            f"{each.refused_percent:.1f} %",
            f"{each.seconds:.0f}",
        )
        for each in figures
    ]
    machines, conflicts = f"MACHINES P{PERCENT} (RANGE)", f"CONFLICTS OF {SCHEDULERS}"
    columns = ("POLICY", machines, "OVER BOUND", f"BY {SCHEDULERS}", conflicts, "REFUSED CLAIMS", "CPU SECONDS")
    return Table(columns=columns, rows=rows, right=frozenset(columns[1:]))


# --- what the processes do ---


_KEPT: Final[dict[Any, Any]] = {}
"""What a process has made once and needs again: problems and programmes."""


def _kept(key: object, make: Callable[[], Any]) -> Any:
    if key not in _KEPT:
        _KEPT[key] = make()
    return _KEPT[key]


def _problem(is_quick: bool) -> Problem:
    size = QUICK_MACHINES if is_quick else MACHINES
    problem: Problem = _kept(("problem", size), lambda: make_problem(seed=SEED, machines=size))
    return problem


def _compaction(is_quick: bool, seed: int) -> Compaction:
    problem = _problem(is_quick)
    picky = _kept(("picky", is_quick), lambda: find_picky(problem.machines, problem.jobs))
    return Compaction(problem=problem, picky=picky, seed=seed)


def _bound(is_quick: bool, seed: int) -> int:
    compaction = _compaction(is_quick, seed)
    programme = _kept(("programme", is_quick), lambda: make_programme(compaction.problem, compaction.picky))
    bound = find_bound(programme, compaction.order)
    if bound is None:
        raise CommandError("the workload does not fit into any number of clones of the cell")
    return bound


def _compact(is_quick: bool, policy: str, seed: int, instances: int, search: tuple[int, int]) -> int:
    cls, (at_least, near) = load_policy(policy), search
    make: Make = cls if instances == 1 else partial(Team, cls, instances)
    return _compaction(is_quick, seed).find_machines(make, at_least=at_least, near=near)


def _herd(is_quick: bool, policy: str, seed: int) -> Herding:
    return measure_herding(load_policy(policy), seed=seed, run_s=QUICK_RUN_S if is_quick else RUN_S)


def _timed(act: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    began = time.process_time()
    answer = act(*arguments)
    return answer, time.process_time() - began


def _workers() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Let this process end when the one that started it does, however that ended: it would go on for minutes."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _each(pool: ProcessPoolExecutor, work: dict[Any, tuple[Any, ...]]) -> Iterator[tuple[Any, tuple[Any, float]]]:
    """Do work by its keys, and yield what comes of it as it comes."""
    futures: dict[Future[tuple[Any, float]], Any] = {pool.submit(_timed, *call): key for key, call in work.items()}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise CommandError("a process of the bench was killed; is there enough memory?") from error
    finally:
        for future in futures:
            future.cancel()
