"""How often four schedulers of one policy want the same room: the simulator, on a cell that is kept nearly full.

Shared state, fine detection, decision times of the paper. The cell is of equal machines without attributes, because
the simulator's are; tasks are drawn from the tables of `workload`, CPU and memory. It begins with 80 % of the busiest
resource in use, placed by the same policy, and as much comes as would use 90 % of it: so what is left is scarce, and
schedulers that agree on the best machine find out. Four schedulers are busy for six tenths of the time.
"""

from dataclasses import dataclass, replace
from typing import Final

from omegacell.simulator.drawing import Draws
from omegacell.simulator.packing.packing import Make
from omegacell.simulator.packing.workload import COUNTS, LARGE, LARGE_SHARE, PROFILES, SMALL
from omegacell.simulator.settings import Architecture, CellShape, DecisionTime, Setup
from omegacell.simulator.simulation import Simulation
from omegacell.simulator.workloads import Kind, SimulatedJob, Workload

SCHEDULERS: Final = 4
SHAPE: Final = CellShape(machines=600, cpus=32.0, memory_gb=128.0)
FULL_AT_FIRST: Final = 0.80
FULL_LATER: Final = 0.90
BUSYNESS: Final = 0.6
MAX_COUNT: Final = 60
RUN_S: Final = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Herding:
    """What four schedulers did.

    Attributes:
        transactions: those that were granted whole.
        conflicts: those of which a claim was refused because the machine had changed.
        claims: tasks claimed, as often as they were.
        tasks: claims granted.
        utilisation: of CPU, over time.
    """

    transactions: int
    conflicts: int
    claims: int
    tasks: int
    utilisation: float

    @property
    def fraction(self) -> float:
        """Conflicts for each transaction that was granted whole (Omega, section 4); may be above 1."""
        return self.conflicts / self.transactions if self.transactions else 0.0

    @property
    def refused(self) -> float:
        """The share of claims that were refused."""
        return 1 - self.tasks / self.claims if self.claims else 0.0


def measure_herding(make: Make, *, seed: int, run_s: float = RUN_S) -> Herding:
    """Let four schedulers of one policy fill a cell for a while. Cost: seconds."""
    setup = Setup(
        architecture=Architecture.SHARED_STATE,
        shape=SHAPE,
        schedulers={Kind.BATCH: SCHEDULERS, Kind.SERVICE: 1},
        plugins={Kind.BATCH: make, Kind.SERVICE: make},
        seed=seed,
        run_s=run_s,
    )
    prefill, workload = make_workload(seed=seed, run_s=run_s)
    metrics = Simulation(setup, workload, prefill).run()
    own = [each for each in metrics.schedulers if each.name.startswith("batch-")]
    return Herding(
        transactions=sum(each.successes for each in own),
        conflicts=sum(each.conflicts for each in own),
        claims=sum(each.claims for each in own),
        tasks=sum(each.granted for each in own),
        utilisation=metrics.mean_utilisation,
    )


def make_workload(*, seed: int, run_s: float = RUN_S) -> tuple[Workload, Workload]:
    """Draw what stands in the cell at first, and what is submitted later."""
    draws = Draws(seed)
    per_job_s = _mean_decision_s(draws)
    arrivals = round(run_s * SCHEDULERS * BUSYNESS / per_job_s)
    jobs = [_draw_job(draws, number, draws.share() * run_s) for number in range(arrivals)]
    jobs.sort(key=lambda job: job.submitted_s)
    # as much is to run at a time as fills the cell: so long do tasks run, from half to half as long again
    use = _busiest(jobs) / run_s
    duration_s = FULL_LATER * SHAPE.machines / use
    jobs = [replace(job, duration_s=duration_s * (0.5 + draws.share())) for job in jobs]
    standing: list[SimulatedJob] = []
    held = 0.0
    while held < FULL_AT_FIRST * SHAPE.machines:
        job = replace(_draw_job(draws, len(standing), 0.0), kind=Kind.PREFILL)
        standing.append(replace(job, duration_s=duration_s * 1.5 * (0.01 + draws.share())))
        held += _busiest([job])
    return Workload.of(standing), Workload.of(jobs)


def _mean_decision_s(draws: Draws) -> float:
    decision = DecisionTime()
    counts = [min(MAX_COUNT, round(draws.of(COUNTS))) for _ in range(10_000)]
    return sum(decision.of(count) for count in counts) / len(counts)


def _draw_job(draws: Draws, number: int, submitted_s: float) -> SimulatedJob:
    """Draw a job of batch tasks, whose duration is decided on later."""
    size = draws.of(LARGE if draws.share() < LARGE_SHARE else SMALL)
    cpu, memory, _ = PROFILES[draws.pick(PROFILES)][1]
    return SimulatedJob(
        number=number,
        kind=Kind.BATCH,
        submitted_s=submitted_s,
        task_count=min(MAX_COUNT, round(draws.of(COUNTS))),
        duration_s=0.0,
        cpus=max(0.05, round(size * cpu * SHAPE.cpus, 2)),
        memory_gb=max(0.0625, round(size * memory * SHAPE.memory_gb * 16) / 16),
    )


def _busiest(jobs: list[SimulatedJob]) -> float:
    """Return what jobs ask for of the resource that is asked for most, in machines."""
    cpus = sum(job.task_count * job.cpus for job in jobs) / SHAPE.cpus
    return max(cpus, sum(job.task_count * job.memory_gb for job in jobs) / SHAPE.memory_gb)
