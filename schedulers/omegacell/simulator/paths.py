"""Which of two paths a simulation takes, and what it cost.

*production*: the real judge, the real loop and any scheduler, object by object (`simulation`). *compiled*: the same
decisions, draws and outcomes inside of compiled code (`compiled`), for the lab's own policies. Both yield the same
metrics to the last digit, so the choice is one of time only.
"""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum

import numpy as np

from omegacell.core.errors import UsageError
from omegacell.core.units import MAX_MACHINES, MAX_QUANTITY, MAX_TASKS_PER_JOB, Atomicity
from omegacell.schedulers.firstfit import FirstFitScheduler
from omegacell.schedulers.leastloaded import LeastLoadedScheduler
from omegacell.simulator.metrics import Metrics
from omegacell.simulator.settings import Architecture, Setup
from omegacell.simulator.simulation import Simulation
from omegacell.simulator.workloads import KINDS, Kind, Workload

MAX_GANG = 50_000
MAX_COMPILED_TASKS = 50_000_000


class Path(Enum):
    """How a simulation runs: on one of the two paths, or on the compiled one where it can."""

    PRODUCTION = "production"
    COMPILED = "compiled"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A finished run.

    Attributes:
        metrics: what was measured.
        path: which path it took, never AUTO.
        cpu_s: CPU-seconds of the simulation, from the workload's columns to the metrics.
        compile_s: CPU-seconds that went into compiling kernels or loading them before, which ``cpu_s`` does not count.
    """

    metrics: Metrics
    path: Path
    cpu_s: float
    compile_s: float

    @property
    def tasks_per_cpu_s(self) -> float:
        """Tasks placed in a CPU-second of the simulation."""
        return self.metrics.tasks_placed / self.cpu_s if self.cpu_s > 0 else 0.0


def simulate(
    setup: Setup,
    workload: Workload,
    prefill: Workload,
    *,
    path: Path = Path.AUTO,
    compiling: AbstractContextManager[object] | None = None,
) -> Measured:
    """Run a simulation on a path and measure what it takes; what is compiled first is so inside of ``compiling``.

    Raises:
        UsageError: the setup makes no simulation, or the compiled path is asked for and cannot take it.
    """
    setup.check()
    obstacle = "" if path is Path.PRODUCTION else find_obstacle(setup, workload, prefill)
    if path is Path.COMPILED and obstacle:
        raise UsageError(f"the compiled path cannot take this run: {obstacle}")
    if path is Path.PRODUCTION or obstacle:
        began = time.process_time()
        metrics = Simulation(setup, workload, prefill).run()
        return Measured(metrics=metrics, path=Path.PRODUCTION, cpu_s=time.process_time() - began, compile_s=0.0)
    from omegacell.simulator.compiled.engine import CompiledSimulation

    began = time.process_time()
    simulation = CompiledSimulation(setup, workload, prefill, compiling=compiling)
    metrics = simulation.run()
    compile_s = simulation.compile_s
    cpu_s = time.process_time() - began - compile_s
    return Measured(metrics=metrics, path=Path.COMPILED, cpu_s=cpu_s, compile_s=compile_s)


def find_obstacle(setup: Setup, workload: Workload, prefill: Workload) -> str:
    """Say in a clause why the compiled path cannot take a run; nothing when it can."""
    from omegacell.core.kernels import has_compiler

    if not has_compiler():
        return "numba is not installed (pip install omegacell[lab])"
    return find_unknown(setup, workload, prefill)


def find_unknown(setup: Setup, workload: Workload, prefill: Workload) -> str:
    """Say in a clause what the compiled path does not know of a run, with or without a compiler."""
    if setup.architecture is Architecture.TWO_LEVEL:
        return "it does not know offers (two_level)"
    if (setup.plugins[Kind.BATCH], setup.plugins[Kind.SERVICE]) != (FirstFitScheduler, LeastLoadedScheduler):
        return "it knows the policies first-fit and least-loaded only"
    kinds = np.unique(workload.kinds).tolist(), np.unique(prefill.kinds).tolist()
    if KINDS.index(Kind.PREFILL) in kinds[0] or kinds[1] not in ([], [KINDS.index(Kind.PREFILL)]):
        return "prefill stands among the jobs, or jobs in the prefill"
    return _find_excess(setup, workload, prefill)


def _find_excess(setup: Setup, workload: Workload, prefill: Workload) -> str:
    both = workload.merge(prefill)
    amounts = [both.cpus * 1_000, both.memory_gb * (1 << 30), both.duration_s, both.submitted_s]
    if any(((column < 0) | ~(column <= MAX_QUANTITY)).any() for column in amounts):
        return "an amount is negative or beyond what a cell takes"
    if ((both.task_counts < 1) | (both.task_counts > MAX_TASKS_PER_JOB)).any():
        return f"a job has no task, or more than {MAX_TASKS_PER_JOB}"
    if setup.shape.machines > MAX_MACHINES or both.task_count > MAX_COMPILED_TASKS:
        return "the cell is too large"
    if setup.atomicity is Atomicity.ALL_OR_NOTHING and workload.task_counts.max(initial=0) > MAX_GANG:
        return f"a gang of more than {MAX_GANG} tasks fits in no entry"
    names = both.numbers * len(KINDS) + both.kinds
    if len(np.unique(names)) != len(names):
        return "two jobs have one number"
    return ""
