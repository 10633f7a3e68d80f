"""Small worlds for the simulator's tests, and where the golden files are."""

from pathlib import Path

import pytest

from omegacell.simulator.settings import Architecture, CellShape, DecisionTime, Setup
from omegacell.simulator.simulation import Simulation
from omegacell.simulator.workloads import Kind, SimulatedJob, Workload
from tests.tidy.tree import REPOSITORY

GOLDEN = REPOSITORY.parent / "shared" / "golden"
NEEDS_GOLDEN = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="the golden files of the public simulator are not beside the checkout"
)
NO_TIME = DecisionTime(job_s=0.0, task_s=0.0)


def golden_files() -> list[Path]:
    """Return the golden scenarios that are here."""
    return sorted(GOLDEN.glob("g*.json"))


def make_job(
    number: int, submitted_s: float, *, kind: Kind = Kind.BATCH, tasks: int = 1, **fields: float
) -> SimulatedJob:
    """Return a job of one-CPU tasks that run for ten seconds, unless ``fields`` say otherwise."""
    values = {"duration_s": 10.0, "cpus": 1.0, "memory_gb": 1.0} | fields
    return SimulatedJob(number=number, kind=kind, submitted_s=submitted_s, task_count=tasks, **values)


def make_setup(
    architecture: Architecture,
    *,
    machines: int = 1,
    batch_s: tuple[float, float] = (1.0, 0.0),
    service_s: tuple[float, float] = (4.0, 0.0),
    run_s: float = 100.0,
) -> Setup:
    """Return a setup with machines of 16 CPUs and decision times as (job, task)."""
    return Setup(
        architecture=architecture,
        shape=CellShape(machines=machines, cpus=16.0, memory_gb=64.0),
        decision={
            Kind.BATCH: DecisionTime(job_s=batch_s[0], task_s=batch_s[1]),
            Kind.SERVICE: DecisionTime(job_s=service_s[0], task_s=service_s[1]),
        },
        run_s=run_s,
    )


def simulate(setup: Setup, *jobs: SimulatedJob) -> Simulation:
    """Run jobs and return the finished simulation."""
    simulation = Simulation(setup, Workload.of(jobs))
    simulation.run()
    return simulation
