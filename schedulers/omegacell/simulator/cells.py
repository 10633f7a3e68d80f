"""Synthetic cells: a workload and a prefill drawn from distributions, so that one command simulates a day of a cell.

Cell C is the one of the public trace: 12,500 machines (Omega, section 4). Of its workload the paper says little in its
text, so what is drawn here is **made up to meet those few numbers**, and good for comparing architectures and for
measuring a simulator; it is no trace. What each number follows from:

- A job every 4.5 s and 78 tasks a job: where the paper's cell C saturates, in the batch rate (9.5 times) and in the
  decision time of one and of three batch schedulers (4 s and 15 s), puts the mean gap at 4.3 to 5.1 s and the mean job
  at 72 to 88 tasks.
- 85 % of jobs are batch; services ask for about 80 % of the resources in use, run longer and have fewer tasks (Omega,
  section 2.1: more than 80 %, and 55 to 80 %).
- Tasks in a job, durations and amounts are log-normal. 80 % of batch jobs are over within 16 minutes and 80 % of
  services within 29 days; one batch job in ten has 150 tasks or more, the largest thousands (Omega, figures 3 and 4).
- About 60 % of the CPUs are taken when time begins, by four parts of services and one of batch jobs. They leave at the
  rate at which new ones come, so that the cell stays about as full as it is.

Arrivals are a Poisson process. Everything follows from one seed, with one version of numpy.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.simulator.settings import CellShape
from omegacell.simulator.workloads import KINDS, Kind, Workload

DAY_S: Final = 86_400.0


class CellName(Enum):
    """The synthetic cells that there are."""

    C = "c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A log-normal distribution, cut off on both sides: its median, its width, and the least and the most."""

    median: float
    sigma: float
    least: float
    most: float

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw so many values."""
        drawn: NDArray[np.float64] = np.clip(
            rng.lognormal(np.log(self.median), self.sigma, count), self.least, self.most
        )
        return drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Jobs of one kind: how many tasks they have, how long these run, and what each asks for."""

    tasks: Spread
    duration_s: Spread
    cpus: Spread
    memory_gb: Spread


BATCH: Final = Mix(
    tasks=Spread(median=13.5, sigma=2.0, least=1.0, most=5_000.0),
    duration_s=Spread(median=350.0, sigma=1.2, least=1.0, most=DAY_S),
    cpus=Spread(median=0.42, sigma=0.6, least=0.02, most=4.0),
    memory_gb=Spread(median=0.8, sigma=0.7, least=0.02, most=16.0),
)
SERVICE: Final = Mix(
    tasks=Spread(median=3.5, sigma=1.2, least=1.0, most=500.0),
    duration_s=Spread(median=5.4 * DAY_S, sigma=2.0, least=60.0, most=365 * DAY_S),
    cpus=Spread(median=0.35, sigma=0.6, least=0.02, most=4.0),
    memory_gb=Spread(median=1.2, sigma=0.7, least=0.02, most=16.0),
)
GAP_S: Final = 4.5
SERVICE_SHARE: Final = 0.15
SERVICE_FILL: Final = 0.48
BATCH_FILL: Final = 0.12
SERVICE_LEAVES_S: Final = 2.6 * DAY_S
"""The last of the services that stand in the cell when time begins ends then; the first at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticCell:
    """A cell's shape, what is submitted to it, and what stands in it before."""

    shape: CellShape
    jobs: Workload
    prefill: Workload


def make_cell(name: CellName, *, seconds: float, seed: int) -> SyntheticCell:
    """Draw a cell with so many seconds of work.

    >>> cell = make_cell(CellName.C, seconds=600.0, seed=0)
    >>> cell.shape.machines, len(cell.jobs) == len(make_cell(CellName.C, seconds=600.0, seed=0).jobs)
    (12500, True)
    """
    rng = np.random.default_rng([seed, ord(name.value)])
    shape = CellShape(machines=12_500)
    count = int(rng.poisson(seconds / GAP_S))
    submitted = np.sort(rng.uniform(0.0, seconds, count))
    is_service = rng.random(count) < SERVICE_SHARE
    parts = []
    for kind, mix, own in ((Kind.BATCH, BATCH, ~is_service), (Kind.SERVICE, SERVICE, is_service)):
        places = np.flatnonzero(own)
        parts.append(_draw_jobs(mix, kind, rng, numbers=places + 1, submitted_s=submitted[places]))
    first = count + 1
    total = shape.machines * shape.cpus
    standing = _draw_standing(SERVICE, rng, first=first, cpus=SERVICE_FILL * total, leaves_s=SERVICE_LEAVES_S)
    running = _draw_standing(BATCH, rng, first=first + len(standing), cpus=BATCH_FILL * total, leaves_s=None)
    return SyntheticCell(shape=shape, jobs=parts[0].merge(parts[1]), prefill=standing.merge(running))


def _draw_jobs(
    mix: Mix, kind: Kind, rng: np.random.Generator, *, numbers: NDArray[np.int64], submitted_s: NDArray[np.float64]
) -> Workload:
    count = len(numbers)
    return Workload(
        numbers=numbers.astype(np.int64),
        kinds=np.full(count, KINDS.index(kind), np.uint8),
        submitted_s=submitted_s,
        task_counts=np.ceil(mix.tasks.draw(count, rng)).astype(np.int64),
        duration_s=mix.duration_s.draw(count, rng),
        cpus=mix.cpus.draw(count, rng),
        memory_gb=mix.memory_gb.draw(count, rng),
    )


def _draw_standing(mix: Mix, rng: np.random.Generator, *, first: int, cpus: float, leaves_s: float | None) -> Workload:
    """Draw jobs until they hold so many CPUs, and for each how much longer it runs.

    That is uniform up to ``leaves_s``, or of a duration as long as any the part that is left.
    """
    most = int(cpus) + 1_000
    jobs = _draw_jobs(mix, Kind.PREFILL, rng, numbers=first + np.arange(most), submitted_s=np.zeros(most))
    kept = int(np.searchsorted(np.cumsum(jobs.task_counts * jobs.cpus), cpus)) + 1
    left = rng.random(most)
    duration_s = left * (jobs.duration_s if leaves_s is None else leaves_s)
    columns = {name: getattr(jobs, name)[:kept] for name in Workload.__slots__}
    return Workload(**(columns | {"duration_s": duration_s[:kept]}))
