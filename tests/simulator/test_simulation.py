"""Small worlds whose times can be worked out by hand, in every architecture."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from omegacell.core.units import Atomicity, Detection
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.view import CellView
from omegacell.simulator.compat.scenario import parse_scenario
from omegacell.simulator.settings import Architecture, CellShape, OfferTerms, Setup
from omegacell.simulator.simulation import Simulation
from omegacell.simulator.workloads import Kind, Workload
from tests.simulator.worlds import GOLDEN, NEEDS_GOLDEN, NO_TIME, make_job, make_setup

SINGLE, MULTI = Architecture.MONOLITHIC_SINGLE, Architecture.MONOLITHIC_MULTI
OFFERS, SHARED = Architecture.TWO_LEVEL, Architecture.SHARED_STATE
BATCH, SERVICE = 0, 1


@pytest.mark.parametrize(
    ("architecture", "waits", "busy_s"),
    [
        # everything takes the service's 4 s, one after the other: batch begins at 4, the second batch job at 8
        (SINGLE, (4.5, 0.0), (12.0,)),
        # batch takes 1 s, and still stands behind the service job: begins at 4 and at 5
        (MULTI, (3.0, 0.0), (6.0,)),
        # each has its own: batch begins at 1.5, the second waits for the first
        (SHARED, (0.5, 0.0), (2.0, 4.0)),
        # offers: at 1.001 to service, which answers at 5.001; at 6.002 to batch, for both
        (OFFERS, (5.002, 1.001), (2.0, 4.0)),
    ],
)
def test_waits_and_busyness(architecture: Architecture, waits: tuple[float, float], busy_s: tuple[float, ...]) -> None:
    """A service job that takes long to decide on: who waits for it is what tells the architectures apart."""
    jobs = (make_job(1, 0.0, kind=Kind.SERVICE), make_job(2, 1.5), make_job(3, 1.5))
    metrics = Simulation(make_setup(architecture, run_s=50.0), Workload.of(jobs)).run()
    assert tuple(each.mean_wait_s for each in metrics.workloads) == pytest.approx(waits)
    assert tuple(each.busy_s for each in metrics.schedulers) == pytest.approx(busy_s)
    assert [each.busyness for each in metrics.schedulers] == pytest.approx([each / 50.0 for each in busy_s])
    assert metrics.tasks_placed == 3


@pytest.mark.parametrize(
    ("changes", "conflicts", "attempts", "scheduled_s"),
    [
        # both fit: the claims are granted though the machine changed
        ({"tasks": 6}, 0, 1, 4.0),
        # the machine changed at 2, when batch committed: again at once, until 8
        ({"tasks": 6, "detection": Detection.COARSE}, 1, 2, 8.0),
        # 6 of 10 are granted at 4; the rest finds no room from 4 to 8, waits for the end of batch at 12, and takes 4 s
        ({"tasks": 10}, 1, 3, 16.0),
        # a gang is refused whole, and then is not claimed in part either
        ({"tasks": 10, "atomicity": Atomicity.ALL_OR_NOTHING}, 1, 3, 16.0),
    ],
)
def test_conflicts(changes: dict[str, object], conflicts: int, attempts: int, scheduled_s: float) -> None:
    """Service decides from 0 to 4 on one machine of 16 CPUs; batch takes 10 of them from 1 to 2, until 12."""
    tasks = changes.pop("tasks")
    assert isinstance(tasks, int)
    jobs = Workload.of([make_job(1, 0.0, kind=Kind.SERVICE, tasks=tasks), make_job(2, 1.0, tasks=10)])
    setup: Setup = replace(make_setup(SHARED), **changes)  # type: ignore[arg-type]  # fields of the table above
    metrics = Simulation(setup, jobs).run()
    service = metrics.schedulers[SERVICE]
    assert (service.conflicts, service.attempts, service.successes) == (conflicts, attempts, 1)
    assert service.conflict_fraction == conflicts
    assert service.no_room == max(0, attempts - conflicts - 1)
    assert service.busy_s == 4.0 * attempts
    assert metrics.workloads[SERVICE].mean_wait_until_scheduled_s == pytest.approx(scheduled_s)
    assert metrics.workloads[SERVICE].mean_wait_s == 0.0


def test_gang_is_placed_at_once() -> None:
    """All tasks of a gang are granted by one transaction, even after a conflict."""
    jobs = Workload.of([make_job(1, 0.0, kind=Kind.SERVICE, tasks=10), make_job(2, 1.0, tasks=10)])
    service = Simulation(replace(make_setup(SHARED), atomicity=Atomicity.ALL_OR_NOTHING), jobs).run().schedulers[1]
    assert (service.claims, service.granted) == (20, 10)


def test_offers_are_not_made_below_the_least() -> None:
    """The least offer looks at CPU and at memory, each by itself."""
    jobs = Workload.of([make_job(1, 0.0), make_job(2, 5.0)])
    for terms, placed in (
        (OfferTerms(min_cpus=15.5), 1),
        (OfferTerms(min_memory_gb=63.5), 1),
        (OfferTerms(min_cpus=15.0, min_memory_gb=63.0), 2),
    ):
        setup = replace(make_setup(OFFERS, run_s=9.0), offers=terms)
        assert Simulation(setup, jobs).run().tasks_placed == placed


def test_offers_go_to_the_smallest_dominant_share() -> None:
    """Service holds half of the CPU, batch a quarter of the memory; batch is offered first, though service asked first.

    The offer at 11.001 goes to batch, which answers at 12.001; the next, at 13.002, to service.
    """
    jobs = [
        make_job(1, 0.0, kind=Kind.SERVICE, tasks=8, duration_s=99.0),
        make_job(2, 0.0, memory_gb=16.0, duration_s=99.0),
        make_job(3, 10.0, kind=Kind.SERVICE),
        make_job(4, 10.0),
    ]
    simulation = Simulation(make_setup(OFFERS, service_s=(1.0, 0.0)), Workload.of(jobs))
    simulation.run()
    firsts = [record.first_us for record in simulation.records.values()]
    assert firsts[2:] == [13_002_000, 11_001_000]


def test_nothing_conflicts_on_an_offer_or_in_a_monolith() -> None:
    """What is locked, and what only one scheduler changes, cannot conflict, however full the cell."""
    jobs = Workload.of(
        [
            make_job(number, number / 4, kind=Kind.SERVICE if number % 3 else Kind.BATCH, tasks=7)
            for number in range(1, 30)
        ]
    )
    for architecture in (SINGLE, MULTI, OFFERS):
        metrics = Simulation(make_setup(architecture, machines=2, batch_s=(0.1, 0.1)), jobs).run()
        assert sum(each.conflicts for each in metrics.schedulers) == 0
        assert all(each.claims == each.granted for each in metrics.schedulers)


def test_prefill_stands_before_time_begins() -> None:
    """What fills the cell takes no time and no part in the metrics, and ends after its duration."""
    prefill = Workload.of([make_job(900, 0.0, kind=Kind.PREFILL, tasks=16, duration_s=20.0)])
    metrics = Simulation(make_setup(SHARED, run_s=40.0), Workload.of([make_job(1, 0.0)]), prefill).run()
    assert metrics.workloads[BATCH].mean_wait_until_scheduled_s == pytest.approx(21.0)
    assert (metrics.tasks_placed, metrics.schedulers[BATCH].no_room) == (1, 1)
    assert metrics.mean_utilisation == pytest.approx((16 * 20.0 + 10.0) / (16 * 40.0))


class Never:
    """A scheduler that leaves all room unused."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Claim nothing."""
        return NOTHING


def test_job_is_given_up_after_a_thousand_attempts() -> None:
    """A job that is never placed is tried 1,000 times and then stopped; nobody else's is."""
    jobs = [make_job(0, 0.0, kind=Kind.SERVICE)]
    jobs += [make_job(number, float(number), duration_s=0.01) for number in range(1, 1_200)]
    setup = replace(
        make_setup(SHARED, run_s=2_000.0),
        decision={Kind.BATCH: NO_TIME, Kind.SERVICE: NO_TIME},
        plugins={Kind.BATCH: BatchScheduler, Kind.SERVICE: Never},
    )
    metrics = Simulation(setup, Workload.of(jobs)).run()
    assert metrics.workloads[SERVICE].abandoned == 1
    assert metrics.schedulers[SERVICE].attempts == 1_000
    assert metrics.workloads[BATCH].scheduled == 1_199


@NEEDS_GOLDEN
@pytest.mark.parametrize("name", ["g01_monolithic_single_fifo", "g02_monolithic_multi_hol"])
def test_product_agrees_with_the_public_simulator_where_no_fault_shows(name: str) -> None:
    """With one scheduler and room for all, both simulators say the same of every job, in seconds."""
    fields = json.loads((GOLDEN / f"{name}.json").read_text())
    scenario = parse_scenario(fields, name)
    setup = Setup(
        architecture=scenario.architecture,
        shape=CellShape(machines=scenario.shape.machines, cpus=scenario.shape.cpus, memory_gb=scenario.shape.memory_gb),
        decision=scenario.think,
        run_s=1_000.0,
    )
    simulation = Simulation(setup, Workload.of(scenario.jobs))
    metrics = simulation.run()
    expected = fields["expected"]
    assert metrics.schedulers[0].busy_s == expected["schedulers"][0]["useful_time"]
    for workload, known in zip(metrics.workloads, expected["workloads"], strict=True):
        assert workload.mean_wait_s == pytest.approx(known["avg_wait_till_first"])
        assert workload.p90_wait_s == known["p90_wait_till_first"]
