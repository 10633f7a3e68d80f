"""The built-in schedulers on the real core: what they place is granted, and they leave nothing that fits."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.core.jobs import Port, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.units import JobId
from omegacell.schedulers import batch
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.costs import cost_of_stranding, find_most_saved
from omegacell.schedulers.filling import deal
from omegacell.schedulers.firstfit import FirstFitScheduler
from omegacell.schedulers.interface import Context, Scheduler
from omegacell.schedulers.leaning import find_first
from omegacell.schedulers.leastloaded import LeastLoadedScheduler
from omegacell.schedulers.lots import REVISIONS, Lot
from omegacell.schedulers.pricing import price_all
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import TestCell, check_conformance, make_group, make_spec
from omegacell.schedulers.view import Tentative

BUILTINS = (BatchScheduler, ServiceScheduler, FirstFitScheduler, LeastLoadedScheduler)
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


def machines_of(test: TestCell, job: JobId | None = None) -> list[int]:
    """Return the machine of every active task, or of those of a job."""
    cell = test.operator.cell
    machines = cell.tasks.machine if job is None else cell.machines_of_row(cell.jobs.row_of(job))
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


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=12), st.integers(1, 5))
@settings(max_examples=60)
def test_a_small_service_is_as_even_as_room_allows(machines: list[tuple[int, int]], count: int) -> None:
    """Of up to 5 tasks a machine may have two more than another only if that has no room, also after scaling up."""
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


def test_service_strands_nothing_where_it_can() -> None:
    """Beside a task that needs CPU goes one that needs memory, and not on an empty machine."""
    test = TestCell(machines=4, cpu_milli=1_000, memory_bytes=1_000)
    test.submit("load", count=1, cpu_milli=900, memory_bytes=100)
    test.run(ServiceScheduler())
    [loaded] = machines_of(test)
    test.submit("web", count=1, cpu_milli=100, memory_bytes=900)
    test.go()
    assert machines_of(test) == [loaded, loaded]


class QuietBatch(BatchScheduler):
    """Without noise: what a machine costs follows from what is left there."""

    noise = 0.0


class QuietService(ServiceScheduler):
    """Likewise."""

    noise = 0.0


EVEN, EMPTY, NO_CPU, NO_MEMORY = (500, 500), (0, 0), (700, 0), (0, 700)

SHARING = [
    # few batch tasks fill one half-used machine
    (QuietBatch, 5, (100, 100), (EVEN, [5]), (EMPTY, [0] * 6)),
    # few replicas lie apart all the same
    (QuietService, 5, (100, 100), (EVEN, [1]), (EMPTY, [1] * 4)),
    # one on each, though half of the machines strand more
    (QuietService, 40, (0, 100), (NO_CPU, [1] * 20), (NO_MEMORY, [1] * 20)),
    # each is a small part of many: they share, where they strand less
    (QuietService, 140, (0, 100), (NO_CPU, [7] * 20), (NO_MEMORY, [0] * 20)),
]
"""Tasks and what each asks for; of two kinds of machines what of them is used before, and what each of them gets."""


@pytest.mark.parametrize(("make", "count", "shape", "some", "others"), SHARING)
def test_replicas_share_a_machine_where_little_of_the_job_is_at_stake(
    make: Callable[[], Scheduler],
    count: int,
    shape: tuple[int, int],
    some: tuple[tuple[int, int], list[int]],
    others: tuple[tuple[int, int], list[int]],
) -> None:
    """The same machines strand the least for jobs of any size; a small job lies apart, a large one fills them."""
    used = [some[0]] * len(some[1]) + [others[0]] * len(others[1])
    test = TestCell(machines=0)
    for row in range(len(used)):
        test.operator.add_machine(f"m{row}", capacity=(1_000, 1_000, 0))
    tentative = Tentative(test.operator.cell)
    for row, (cpu, memory) in enumerate(used):
        tentative.take(make_spec("load", cpu_milli=cpu, memory_bytes=memory), np.array([row]))
    group = make_group(count=count, cpu_milli=shape[0], memory_bytes=shape[1])
    context = Context(rng=np.random.default_rng(1), now_us=0, clock=lambda: 0, deadline_us=0)
    placed = make().place([group], tentative.view(), context).machines
    assert np.bincount(placed, minlength=len(used)).tolist() == some[1] + others[1]


@pytest.mark.parametrize("seed", range(5))
def test_many_replicas_lie_apart_on_equal_machines(seed: int) -> None:
    """Where nothing is stranded by it, 50 replicas lie on 50 of 60 machines; batch tasks share some."""
    distinct = []
    for make in (ServiceScheduler, BatchScheduler):
        test = TestCell(machines=60, seed=seed, cpu_milli=1_000, memory_bytes=1_000)
        job = test.submit("web", count=50, cpu_milli=100, memory_bytes=100)
        test.run(make())
        distinct.append(len(set(machines_of(test, job))))
    assert distinct[0] == 50
    assert distinct[1] < 50


def test_tasks_that_the_job_has_count_as_those_of_one_decision() -> None:
    """A job that grows avoids the machines of its first tasks."""
    test = TestCell(machines=4, cpu_milli=1_000, memory_bytes=1_000)
    for count in (1, 2, 3, 4):
        job = test.submit("web", count=count, cpu_milli=100, memory_bytes=100)
        test.run(ServiceScheduler()) if count == 1 else test.go()
        assert len(set(machines_of(test, job))) == count


def test_lots_part_the_machines_and_change_hands() -> None:
    """Every machine is in one lot at a time; after some revisions each lot is another instance's."""
    names = ("batch-0", "batch-1", "batch-2")
    for revision in (1, REVISIONS, 5 * REVISIONS + 3):
        lots = [Lot.at(revision, instance=name, instances=names) for name in names]
        assert sorted(lot.number for lot in lots) == [0, 1, 2]
        own = np.array([~lot.find_others(3_000) for lot in lots]).sum(axis=0)
        assert set(own.tolist()) == {1}
        assert all(800 < int((~lot.find_others(3_000)).sum()) < 1_200 for lot in lots)
    before, after = (Lot.at(revision, instance="batch-0", instances=names) for revision in (0, REVISIONS))
    assert before != after


def test_two_instances_keep_to_their_lots() -> None:
    """On equal empty machines two instances of one scheduler that decide at once want none of the same."""
    test = TestCell(machines=60, cpu_milli=1_000)
    instances = [test.join(BatchScheduler()) for _ in range(2)]
    test.go()
    jobs = [test.submit(f"sums-{number}", count=2, cpu_milli=1_000) for number in range(6)]
    test.go()
    assert sum(test.placed(job) for job in jobs) == 12
    assert all(each.statistics.claims for each in instances)
    assert sum(each.statistics.conflicts for each in instances) == 0


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=14))
@settings(max_examples=40)
def test_remembered_prices_are_those_of_a_fresh_look(steps: list[tuple[int, int, int]]) -> None:
    """Whatever was placed, ended and claimed in between, prices are what asking every machine says."""
    test = TestCell(machines=5, cpu_milli=1_000)
    test.run(BatchScheduler())
    for number, (count, size, what) in enumerate(steps):
        job = test.submit(f"job-{number}", count=count, cpu_milli=100 * size)
        test.go()
        if what == 1 and test.placed(job):
            test.end(job)
        cell = test.operator.cell
        shared, group = Tentative(cell), make_group(cpu_milli=200)
        for claimed in range(what + 1):
            view = shared.view()
            fresh = price_all(shared.overlay, group.spec, cost_of_stranding, cell=cell)
            assert view.costs(group, cost_of_stranding).tolist() == fresh.tolist()
            assert view.costs(group, cost_of_stranding).tolist() == fresh.tolist()
            rows = view.fits(group).nonzero()[0][claimed : claimed + 1]
            shared.take(group.spec, rows)


def test_least_loaded_takes_the_least_loaded_machines() -> None:
    """With room everywhere the emptier machines are taken."""
    test = TestCell(machines=4, cpu_milli=1_000)
    test.submit("load", count=2, cpu_milli=600)
    test.run(LeastLoadedScheduler())
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


@given(st.integers(1, 9_000), st.integers(1, 1_200), st.integers(0, 3), st.integers(0, 1_000))
@settings(max_examples=60)
def test_the_lowest_keys_come_first(size: int, count: int, kind: int, seed: int) -> None:
    """Whatever a sample says of them: all alike, few that fit, ascending, or low ones where no sample looks."""
    rng = np.random.default_rng(seed)
    keys = rng.permutation(size).astype(np.float64)
    if kind == 1:
        keys[rng.random(size) < 0.99] = np.inf
    elif kind == 2:
        keys.sort()
    elif kind == 3:
        keys[:: max(1, size // 1_024)] += size
    expected = np.argsort(keys, kind="stable")[:count]
    assert find_first(keys, count).tolist() == expected[keys[expected] < np.inf].tolist()
    assert sorted(find_first(np.zeros(size), count).tolist()) == sorted({*find_first(np.zeros(size), count).tolist()})


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=9))
def test_a_task_lowers_the_next_ones_cost_by_no_more_than_is_said(rows: list[tuple[float, ...]]) -> None:
    """What `find_most_saved` promises of stranding, for the second task on any machine."""
    columns = np.array(rows)
    left, ask = columns[:, :2], columns[:, 2:]
    first, second = cost_of_stranding(left, ask), cost_of_stranding(left - ask, ask)
    assert (second >= first - find_most_saved(ask) - 1e-9).all()


@pytest.mark.parametrize("cpu_milli", [1, 400])
def test_one_each_is_what_filling_says(cpu_milli: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is plain that no machine gets a second task, costs are not asked for it, and the answer is the same."""

    def place() -> tuple[list[list[int]], int]:
        test = TestCell(machines=400, cpu_milli=1_000, seed=3)
        test.join(BatchScheduler())
        jobs = [test.submit(f"sums-{number}", count=20, cpu_milli=cpu_milli) for number in range(6)]
        test.go()
        test.operator.port.catch_up()
        return [test.operator.cell.machines_of(f"sums-{number}").tolist() for number in range(len(jobs))], len(asked)

    asked: list[int] = []

    def count_deals(*args: Any) -> Any:
        asked.append(1)
        return deal(*args)

    monkeypatch.setattr(batch, "deal", count_deals)
    placed, deals = place()
    assert deals == 6 if cpu_milli == 400 else deals < 6
    asked.clear()
    monkeypatch.setattr(batch, "find_most_saved", lambda ask: np.inf)
    assert place() == (placed, 6)
