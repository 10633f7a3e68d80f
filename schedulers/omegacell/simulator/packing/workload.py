"""The cell and the jobs of the packing experiments: 2,000 machines of four shapes, 85 % full, from one seed.

It is no trace; ``docs/packing.md`` says where each figure comes from. The machines are those of `machines`. Sizes of
tasks and of jobs are drawn from tables of quantiles, so that nothing depends on a library's distributions. A test pins
the digest.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from omegacell.core.constraints import Constraint, Operator
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.placement import NO_RULES, PlacementRules, Spread
from omegacell.core.units import Band
from omegacell.simulator.drawing import Draws, Table
from omegacell.simulator.machines import DRIVER, GIB, SHAPES, Machine, make_machines

SEED: Final = 20_141_001
STEPS: Final = (50, GIB >> 4, GIB)
"""Requests are whole multiples of 0.05 CPU, 64 MiB and 1 GiB."""

LARGE_SHARE: Final = 0.12
"""Tasks that ask for more than a quarter of the standard machine, of all tasks."""

CONSTRAINED_SHARE: Final = 0.20
FULL_SHARE: Final = 0.85
"""Of the resource that is asked for most, CPU, so much of the cell's is asked for in all."""

PICKY_SHARE: Final = 0.0015
"""Tasks that only a handful of machines take, of all tasks."""

SERVICES: Final = (0.35, 0.8)
"""Jobs that are services, of those with small and of those with large tasks."""

COUNTS: Final[Table] = ((0.0, 1), (0.3, 1), (0.5, 6), (0.7, 24), (0.85, 60), (0.95, 160), (0.99, 500), (1.0, 1_000))
"""Tasks of a job by quantile: most jobs are small, most tasks belong to large ones (Omega, figure 4)."""

SMALL: Final[Table] = ((0.0, 0.002), (0.2, 0.008), (0.5, 0.025), (0.8, 0.06), (0.95, 0.12), (1.0, 0.24))
LARGE: Final[Table] = ((0.0, 0.255), (0.5, 0.31), (0.8, 0.37), (0.95, 0.45), (1.0, 0.50))
"""What a task asks for of the resource that it needs most, as a share of the standard machine, by quantile."""

PROFILES: Final = (
    (0.30, (1.00, 0.80, 0.25)),
    (0.38, (1.00, 0.35, 0.15)),
    (0.22, (0.50, 1.00, 0.25)),
    (0.10, (0.50, 0.50, 1.00)),
)
"""How likely which need of CPU, memory and disk is, relative to the one needed most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Machines, and jobs in the order in which a scheduler takes them: by priority, then by age."""

    machines: tuple[Machine, ...]
    jobs: tuple[JobSpec, ...]

    @property
    def task_count(self) -> int:
        """How many tasks all jobs have."""
        return sum(job.count for job in self.jobs)

    @property
    def digest(self) -> str:
        """Name this problem: equal digests, equal machines and jobs, as far as packing reads them."""
        machines = [(machine.capacity, machine.attributes) for machine in self.machines]
        jobs = [
            (
                *(job.name, int(job.band), job.priority, job.count, job.resources, job.placement.max_per_machine),
                *(str(constraint) for constraint in job.placement.constraints),
            )
            for job in self.jobs
        ]
        return blake2b(repr((machines, jobs)).encode(), digest_size=16).hexdigest()

    def fullness(self) -> tuple[float, ...]:
        """Return what is asked for in all of each resource, as a share of what the cell has."""
        has = [sum(column) for column in zip(*(each.capacity for each in self.machines), strict=True)]
        asked = [sum(column) for column in zip(*(_total_of(job) for job in self.jobs), strict=True)]
        return tuple(wanted / own for wanted, own in zip(asked, has, strict=True))


def make_problem(*, seed: int = SEED, machines: int = 2_000) -> Problem:
    """Make a cell, and jobs that fill it; fewer machines make a smaller problem of the same kind.

    Cost: seconds for a million tasks.
    """
    draws = Draws(seed)
    cell = make_machines(draws, machines)
    budget = round(FULL_SHARE * sum(each.capacity[0] for each in cell))
    jobs = _constrain(draws, _draw_jobs(draws, budget, limit=max(8, machines // 2)), machine_count=machines)
    jobs.sort(key=lambda job: (-job.band, -job.priority))
    return Problem(machines=tuple(cell), jobs=tuple(jobs))


def is_large(job: JobSpec) -> bool:
    """Tell whether a task of a job asks for more than a quarter of the standard machine, of any resource."""
    return any(4 * amount > has for amount, has in zip(job.resources, SHAPES[0].capacity, strict=True))


def _total_of(job: JobSpec) -> tuple[int, ...]:
    return tuple(job.count * amount for amount in job.resources)


def _draw_jobs(draws: Draws, budget: int, *, limit: int) -> list[JobSpec]:
    """Draw jobs until their CPU uses up a budget; large tasks are held to their share as jobs come."""
    jobs: list[JobSpec] = []
    tasks = large = 0
    while budget > 0:
        count = min(round(draws.of(COUNTS)), limit)
        wants_large = large < LARGE_SHARE * tasks
        size = draws.of(LARGE if wants_large else SMALL)
        needs = PROFILES[draws.pick(PROFILES)][1]
        amounts = [
            max(1, round(size * need * has / step)) * step
            for need, has, step in zip(needs, SHAPES[0].capacity, STEPS, strict=True)
        ]
        if wants_large:
            count = min(count, max(1, round(LARGE_SHARE * (tasks + 200)) - large))
        count = max(1, min(count, budget // amounts[0]))
        budget -= count * amounts[0]
        tasks, large = tasks + count, large + count * wants_large
        jobs.append(_make_job(draws, len(jobs), count, tuple(amounts), is_large=wants_large))
    return jobs


def _make_job(draws: Draws, number: int, count: int, amounts: tuple[int, ...], *, is_large: bool) -> JobSpec:
    """Make a job: a service of the production band, as most with large tasks are, or batch."""
    is_service = draws.share() < SERVICES[is_large]
    return JobSpec(
        name=f"job-{number}",
        owner="packing",
        kind=Kind.SERVICE if is_service else Kind.BATCH,
        scheduler="packing",
        band=Band.PRODUCTION if is_service else Band.BATCH,
        priority=10 * draws.below(4),
        count=count,
        resources=amounts,
        driver=DRIVER,
    )


def _has(attribute: str, operator: Operator, *values: str) -> PlacementRules:
    return PlacementRules(constraints=(Constraint(attribute=attribute, operator=operator, values=values),))


RULES: Final = (
    (0.30, _has("platform", Operator.EQUAL, "c")),
    (0.40, _has("kernel", Operator.VERSION_GREATER_OR_EQUAL, "6.1")),
    (0.30, _has("ssd", Operator.EXISTS)),
)
"""How likely a constrained job asks for which machines."""

APART: Final = (
    (0.5, PlacementRules(max_per_machine=1)),
    (0.5, PlacementRules(spreads=(Spread(attribute="rack", max_skew=2),))),
)
"""How likely a service that is to survive the loss of a machine or a rack has which rule."""

APART_SHARE: Final = 0.4
"""Constrained services of at most a twentieth of the machines that are to survive something."""

PICKY: Final = _has("edge", Operator.EXISTS)


def _constrain(draws: Draws, jobs: list[JobSpec], *, machine_count: int) -> list[JobSpec]:
    """Give rules to jobs at random until the share of tasks with rules is reached; the first of them are picky."""
    tasks = sum(job.count for job in jobs)
    picky, constrained = 0, 0
    for place in draws.shuffled(len(jobs)):
        job = jobs[place]
        if constrained >= CONSTRAINED_SHARE * tasks:
            break
        is_picky = job.count <= PICKY_SHARE * tasks - picky and not is_large(job)
        may_spread = job.kind is Kind.SERVICE and 20 * job.count <= machine_count and draws.share() < APART_SHARE
        table = APART if may_spread else RULES
        rules = PICKY if is_picky else table[draws.pick(table)][1]
        jobs[place] = replace(job, placement=rules)
        picky, constrained = picky + job.count * is_picky, constrained + job.count
    return jobs


def is_constrained(job: JobSpec) -> bool:
    """Tell whether a job has any rules about where its tasks run."""
    return job.placement is not NO_RULES
