"""What holds for every run: one seed gives one run, nothing is over-committed, the end is the end."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.core.invariants import check
from omegacell.core.snapshots import digest
from omegacell.core.units import Atomicity, Detection
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Context, Placement, TaskGroup
from omegacell.schedulers.view import CellView
from omegacell.simulator.settings import Architecture, DecisionTime, Setup
from omegacell.simulator.simulation import Simulation
from omegacell.simulator.workloads import Kind, SimulatedJob, Workload
from tests.simulator.hashseeds import outputs_of
from tests.simulator.worlds import make_job, make_setup

PRINT_DIGEST = "from tests.simulator.test_runs import busy_digest; print(busy_digest({seed}))"


class Watching(BatchScheduler):
    """The batch scheduler, which stops the run when it sees a machine that holds more than it has."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Look, and place."""
        assert (cell.free() >= 0).all(), "a machine is over-committed"
        return super().place(pending, cell, ctx)


def busy_setup(seed: int) -> Setup:
    """Return a contested cell of two machines with three batch schedulers."""
    setup = make_setup(Architecture.SHARED_STATE, machines=2, batch_s=(0.5, 0.05), service_s=(2.0, 0.1), run_s=60.0)
    return replace(setup, schedulers={Kind.BATCH: 3, Kind.SERVICE: 1}, seed=seed)


def busy_jobs() -> Workload:
    """Return more work than the cell of `busy_setup` takes at once."""
    kinds = (Kind.BATCH, Kind.BATCH, Kind.SERVICE)
    return Workload.of(
        [
            make_job(number, number * 0.3, kind=kinds[number % 3], tasks=1 + number % 6, duration_s=2.0 + number % 5)
            for number in range(60)
        ]
    )


def busy_digest(seed: int) -> str:
    """Run the busy cell and return the digest of what became of it."""
    simulation = Simulation(busy_setup(seed), busy_jobs())
    metrics = simulation.run()
    assert sum(each.conflicts for each in metrics.schedulers) > 0, "the busy cell is to be contested"
    return digest(simulation.lab.cell).hex()


def test_one_seed_gives_one_run() -> None:
    """The cell comes out the same to the last byte, and another seed gives another."""
    assert busy_digest(7) == busy_digest(7)
    assert busy_digest(7) != busy_digest(8)


def test_hash_seed_changes_nothing() -> None:
    """No order of a set or a dict of strings decides anything."""
    assert outputs_of(PRINT_DIGEST.format(seed=7)) == {busy_digest(7) + "\n"}


JOBS = st.lists(
    st.builds(
        make_job,
        number=st.integers(1, 1_000_000),
        submitted_s=st.integers(0, 80).map(lambda quarter: quarter / 4),
        kind=st.sampled_from([Kind.BATCH, Kind.SERVICE]),
        tasks=st.integers(1, 40),
        duration_s=st.integers(0, 40).map(lambda half: half / 2),
        cpus=st.sampled_from([0.25, 1.0, 3.0, 16.0]),
        memory_gb=st.sampled_from([0.5, 8.0, 64.0]),
    ),
    max_size=12,
    unique_by=lambda job: job.number,
)


@settings(max_examples=60)
@given(
    jobs=JOBS,
    architecture=st.sampled_from(Architecture),
    detection=st.sampled_from(Detection),
    atomicity=st.sampled_from(Atomicity),
    batch=st.integers(1, 3),
)
def test_nothing_is_overcommitted(
    jobs: list[SimulatedJob], architecture: Architecture, detection: Detection, atomicity: Atomicity, batch: int
) -> None:
    """At no decision does a machine hold more than it has, and in the end the cell contradicts nothing."""
    setup = replace(
        make_setup(architecture, machines=2, run_s=200.0),
        detection=detection,
        atomicity=atomicity,
        schedulers={Kind.BATCH: batch, Kind.SERVICE: 1},
        plugins={Kind.BATCH: Watching, Kind.SERVICE: Watching},
        decision={Kind.BATCH: DecisionTime(job_s=0.5), Kind.SERVICE: DecisionTime(job_s=3.0)},
    )
    simulation = Simulation(setup, Workload.of(jobs))
    metrics = simulation.run()
    check(simulation.lab.cell)
    assert metrics.tasks_placed == sum(each.granted for each in metrics.schedulers)
    assert all(0 <= each.busyness <= 1 for each in metrics.schedulers)
    assert sum(each.tried for each in metrics.workloads) <= len(jobs) == sum(each.jobs for each in metrics.workloads)
    assert simulation.agenda.now == 200_000_000
    if architecture is not Architecture.SHARED_STATE:
        assert sum(each.conflicts for each in metrics.schedulers) == 0


@pytest.mark.parametrize("architecture", Architecture)
def test_all_that_fits_is_placed(architecture: Architecture) -> None:
    """With time enough every job is placed and every task ends, so that the cell is empty again."""
    setup = replace(busy_setup(1), architecture=architecture, run_s=2_000.0)
    simulation = Simulation(setup, busy_jobs())
    metrics = simulation.run()
    assert metrics.tasks_placed == busy_jobs().task_count
    assert [each.scheduled for each in metrics.workloads] == [each.jobs for each in metrics.workloads]
    machines = simulation.lab.cell.machines
    assert np.array_equal(machines.free, machines.capacity)
