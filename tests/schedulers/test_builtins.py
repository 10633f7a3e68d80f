"""The built-in schedulers on the real core: what they place is granted, and they leave nothing that fits."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.core.jobs import Port, TaskState
from omegacell.core.overlays import Overlay
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Scheduler
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import TestCell, check_conformance

BUILTINS = (BatchScheduler, ServiceScheduler)
PORTS = ((), (Port(name="any"),), (Port(name="web", number=80),), (Port(name="any"), Port(name="web", number=80)))

machine_sizes = st.lists(st.integers(0, 9), min_size=1, max_size=30)
job_shapes = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 6), st.sampled_from(PORTS), st.booleans()), min_size=1, max_size=8
)


@pytest.mark.parametrize("make", BUILTINS)
@given(machine_sizes, job_shapes, st.integers(0, 1_000))
@settings(max_examples=60)
def test_what_fits_is_granted_and_nothing_that_fits_is_left(
    make: Callable[[], Scheduler],
    sizes: list[int],
    shapes: list[tuple[int, int, tuple[Port, ...], bool]],
    seed: int,
) -> None:
    """Feasibility and the judge agree: alone on a cell no claim is refused, and what still waits has no room."""
    test = TestCell(machines=0, seed=seed)
    for number, size in enumerate(sizes):
        test.add_machine(f"m{number}", cpu_milli=size * 100, drivers=("exec",) if size % 4 else ("exec", "other"))
    jobs = [
        test.submit(f"job-{number}", count=count, cpu_milli=cpu * 100, ports=ports, is_gang=is_gang)
        for number, (count, cpu, ports, is_gang) in enumerate(shapes)
    ]
    instance = test.join(make())
    test.go()
    statistics = instance.statistics
    assert (statistics.conflicts, statistics.disagreements, statistics.refused, statistics.failures) == (0, 0, 0, 0)
    assert statistics.granted == statistics.claims == sum(test.placed(job) for job in jobs)
    cell = test.operator.cell
    for job in jobs:
        row = cell.jobs.row_of(job)
        assert row is not None
        waiting = test.counts(job)[TaskState.PENDING]
        room = int(Overlay(cell).room(cell.jobs.spec_of(row)).sum())
        assert not waiting or room < (waiting if cell.jobs.spec_of(row).is_gang else 1)
        assert not (cell.jobs.spec_of(row).is_gang and test.placed(job) not in (0, cell.jobs.spec_of(row).count))


@pytest.mark.parametrize("make", BUILTINS)
def test_the_kit_passes_the_built_ins(make: Callable[[], Scheduler]) -> None:
    """They hold to what they ask of plug-ins."""
    assert check_conformance(make).placed > 0


def machines_of(test: TestCell) -> list[int]:
    """Return the machine of every active task."""
    machines = test.operator.cell.tasks.machine
    return [int(row) for row in machines[machines >= 0]]


def test_service_spreads_before_it_stacks() -> None:
    """Seven replicas on three machines lie 3, 2, 2; four more make 4, 4, 3."""
    test = TestCell(machines=3, cpu_milli=10_000)
    test.submit("web", count=7, cpu_milli=100)
    test.run(ServiceScheduler())
    assert sorted(Counter(machines_of(test)).values()) == [2, 2, 3]
    test.submit("web", count=11, cpu_milli=100)
    test.go()
    assert sorted(Counter(machines_of(test)).values()) == [3, 4, 4]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=12), st.integers(1, 20))
@settings(max_examples=60)
def test_service_is_as_even_as_room_allows(machines: list[tuple[int, int]], count: int) -> None:
    """After scaling up, a machine may hold two tasks fewer than another only if it has no room for one more."""
    test = TestCell(machines=0)
    for number, (some, more) in enumerate(machines):
        test.add_machine(f"m{number}", cpu_milli=(some + more) * 100)
    job = test.submit("web", count=1, cpu_milli=100)
    test.run(ServiceScheduler())
    test.submit("web", count=count, cpu_milli=100)
    test.go()
    holds = Counter(machines_of(test))
    room = Overlay(test.operator.cell).room(test.operator.cell.jobs.spec_of(0))
    for row in range(len(machines)):
        assert not room[row] or max(holds.values(), default=0) <= holds[row] + 1
    assert test.placed(job) == min(count, sum(some + more for some, more in machines))


def test_service_takes_the_least_loaded_machines() -> None:
    """With room everywhere the emptier machines are taken."""
    test = TestCell(machines=4, cpu_milli=1_000)
    test.submit("load", count=2, cpu_milli=600)
    test.run(ServiceScheduler())
    loaded = set(machines_of(test))
    test.submit("web", count=2, cpu_milli=100)
    test.go()
    assert sorted(machines_of(test)) == [0, 1, 2, 3]
    assert len(loaded) == 2


def test_batch_looks_at_the_whole_cell_when_a_sample_has_no_room() -> None:
    """One free machine among two thousand is found."""
    test = TestCell(machines=2_000, cpu_milli=0)
    test.add_machine("free", cpu_milli=100)
    job = test.submit("needle", cpu_milli=100)
    test.run(BatchScheduler())
    assert (test.placed(job), machines_of(test)) == (1, [2_000])


def test_batch_schedulers_with_different_seeds_choose_differently() -> None:
    """That is what keeps their conflicts rare."""
    chosen = []
    for seed in (1, 2):
        test = TestCell(machines=500, seed=seed)
        test.submit("sums", count=10)
        test.run(BatchScheduler())
        chosen.append(frozenset(machines_of(test)))
    assert chosen[0] != chosen[1]
    assert all(len(each) == 10 for each in chosen)


@pytest.mark.parametrize("make", BUILTINS)
def test_a_gang_without_room_says_how_much_there_is(make: Callable[[], Scheduler]) -> None:
    """Nothing of it is placed, and the reason has the numbers; with room for all it is placed whole."""
    test = TestCell(machines=3, cpu_milli=1_000)
    job = test.submit("gang", count=4, cpu_milli=1_000, is_gang=True)
    test.run(make())
    assert test.placed(job) == 0
    assert "a gang of 4 tasks, and room for 3" in test.why(job)
    test.add_machine("fourth")
    test.go()
    assert test.placed(job) == 4


def test_placements_are_the_same_under_one_seed() -> None:
    """A run follows from its seed."""

    def run(seed: int) -> bytes:
        test = TestCell(machines=50, seed=seed)
        for number in range(5):
            test.submit(f"job-{number}", count=20)
        test.run(BatchScheduler(), ServiceScheduler(), BatchScheduler())
        return test.digest()

    assert run(3) == run(3)
    assert run(3) != run(4)
