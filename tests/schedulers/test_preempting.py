"""Who is made to give way: the cheapest that suffice, nobody needlessly; through the real loop and the real judge."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.drains import Eligibility, SetEligibility
from omegacell.core.invariants import check, find_overcommitted
from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.placement import PlacementRules, Spread
from omegacell.core.preemption import Victims, may_preempt
from omegacell.core.units import Band, JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Context, Placement, TaskGroup
from omegacell.schedulers.preempting import find_room_by_preemption, outranks_any
from omegacell.schedulers.pressing import name_victims
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import TestCell, make_spec
from omegacell.schedulers.view import CellView
from tests.schedulers.test_choosing import zoned

BUILTINS = (BatchScheduler, ServiceScheduler)
RANKS = tuple((band, number) for band in Band for number in (0, 1, 5))


def crowded_cell(seed: int, *, machines: int = 5) -> TestCell:
    """Fill a few machines with jobs of all ranks, every other time with GPUs too; some of their tasks are ending."""
    rng = np.random.default_rng(seed)
    has_gpus = bool(seed // 4 % 2)
    test = TestCell(machines=1 if has_gpus else machines, cpu_milli=1_000, memory_bytes=8, seed=seed)
    for number in range(machines - 1 if has_gpus else 0):
        test.add_machine(f"gpu-{number}", devices=(DeviceOffer(name="gpu", count=1 + number % 2),))
    test.join(BatchScheduler())
    for number in range(6):
        band, priority = RANKS[int(rng.integers(len(RANKS)))]
        test.submit(
            f"job-{number}",
            count=int(rng.integers(1, 6)),
            cpu_milli=int(rng.integers(1, 6)) * 100,
            memory_bytes=int(rng.integers(0, 3)),
            band=band,
            priority=priority,
            devices=draw_devices(rng, upto=2) if has_gpus else (),
        )
        test.go()
    if seed % 3 == 0:
        test.stop(JobId(int(rng.integers(1, 7))))
    return test


def draw_devices(rng: np.random.Generator, *, upto: int) -> tuple[DeviceRequest, ...]:
    """Ask for some GPUs, or for none."""
    count = int(rng.integers(upto + 1))
    return (DeviceRequest(name="gpu", count=count),) if count else ()


def victims_on(test: TestCell, spec: JobSpec, row: int) -> list[int]:
    """Give the tasks on a machine that give way to a job."""
    cell = test.operator.cell
    found = []
    for task in np.flatnonzero(cell.tasks.machine == row).tolist():
        other = cell.jobs.spec_of(int(cell.tasks.job[task]))
        if not cell.tasks.stopping[task] and may_preempt(spec.band, spec.priority, other.band, other.priority):
            found.append(task)
    return found


def has_room(test: TestCell, spec: JobSpec, row: int, gone: Sequence[int]) -> bool:
    """Say whether a task fits on a machine without these tasks, and without those that are ending."""
    cell = test.operator.cell
    ending = np.flatnonzero((cell.tasks.machine == row) & (cell.tasks.stopping != Stopping.NO)).tolist()
    gives = {*ending, *gone}
    free = cell.machines.free[row] + sum(cell.jobs.shape[cell.tasks.job[task]] for task in gives)
    gpus = {offer.name: left for offer, left in cell.machines.devices.offers(row)}.get("gpu", 0)
    gpus += sum(len(indices) for task in gives for indices in cell.tasks.devices.get(task, ()))
    gpus += sum(each.count for task in gives & cell.tasks.owed.keys() for each in spec_of(cell, task).devices)
    has_amounts = all(not asked or asked <= has for asked, has in zip(spec.resources, free.tolist(), strict=True))
    return has_amounts and sum(request.count for request in spec.devices) <= gpus


def spec_of(cell: Cell, task: int) -> JobSpec:
    """Give the spec of a task's job."""
    return cell.jobs.spec_of(int(cell.tasks.job[task]))


def rank_of(test: TestCell, tasks: Sequence[int]) -> tuple[int, int]:
    """Give band and number of the most important of some tasks, below all when there is none."""
    specs = [test.operator.cell.jobs.spec_of(int(test.operator.cell.tasks.job[task])) for task in tasks]
    return max(((int(spec.band), spec.priority) for spec in specs), default=(-1, 0))


@pytest.mark.parametrize("chunk", range(4))
def test_victims_are_the_cheapest_that_suffice(chunk: int) -> None:
    """Against all subsets of the tasks of all machines: room is found when there is any, by nobody of a higher rank
    than it takes, and by nobody needlessly; and the judge evicts exactly these."""
    pressed = contested = 0
    for seed in range(chunk, 320, 4):
        test = crowded_cell(seed)
        rng = np.random.default_rng(seed)
        band, priority = RANKS[int(rng.integers(len(RANKS)))]
        spec = make_spec("new", cpu_milli=int(rng.integers(3, 11)) * 100, memory_bytes=3, band=band, priority=priority)
        if seed // 4 % 2:
            spec = replace(spec, resources=(100, 1, 0), devices=draw_devices(rng, upto=3))
        test.operator.port.catch_up()
        cell = test.operator.cell
        if Overlay(cell).room(spec).any():
            continue
        best: tuple[int, int] | None = None
        for row in range(cell.machines.count):
            there = victims_on(test, spec, row)
            for some in itertools.chain.from_iterable(itertools.combinations(there, n) for n in range(len(there) + 1)):
                if has_room(test, spec, row, some):
                    rank = rank_of(test, some)
                    best = rank if best is None else min(best, rank)
        found = find_room_by_preemption(cell, Overlay(cell), spec, count=1, rng=rng)
        assert (len(found.machines) > 0) == (best is not None), f"seed {seed}"
        if best is None:
            continue
        row = int(found.machines[0])
        fresh = [task for task in found.victims.tolist() if not cell.tasks.stopping[task]]
        pressed += len(fresh)
        contested += bool(spec.devices) and len(fresh)
        assert has_room(test, spec, row, fresh), f"seed {seed}"
        assert set(fresh) <= set(victims_on(test, spec, row)), f"seed {seed}"
        assert rank_of(test, fresh) == best, f"seed {seed}"
        assert not any(has_room(test, spec, row, [one for one in fresh if one != each]) for each in fresh), f"{seed}"
        if cell.jobs.counts[:, TaskState.PENDING].any():
            continue  # another job may want the same room
        gives_way = outranks_any(cell, spec)
        amounts = {"cpu_milli": spec.resources[0], "memory_bytes": spec.resources[1]}
        job = test.submit("new", **amounts, band=band, priority=priority, devices=spec.devices)
        test.go()
        assert test.placed(job) == gives_way, f"seed {seed}"
    assert pressed > contested > 0


@pytest.mark.parametrize("make", BUILTINS)
def test_what_gives_way_to_one_job_makes_room_for_the_next(make: type[BatchScheduler] | type[ServiceScheduler]) -> None:
    """A job waits for a task to end that would not give way to it, and does to another job of the same append."""
    test = TestCell(machines=1, cpu_milli=1_000)
    test.add_machine("small", cpu_milli=50)
    test.join(make())
    test.submit("least", cpu_milli=50, band=Band.BEST_EFFORT)
    strong = test.submit("strong", cpu_milli=1_000, band=Band.PRODUCTION)
    test.go()
    jobs = [test.submit("beacon", cpu_milli=400, band=Band.MONITORING)]
    jobs += [test.submit(f"low-{number}", cpu_milli=100, band=Band.BATCH) for number in range(2)]
    test.go()
    assert not test.instances[0].statistics.failures
    assert [test.waiting(job) for job in jobs] == [1, 1, 1]
    assert test.end_stopping() == 1
    assert [test.placed(job) - test.waiting(job) for job in jobs] == [1, 1, 1]
    assert not test.placed(strong)


@pytest.mark.parametrize("make", BUILTINS)
def test_devices_go_to_the_more_important(make: type[BatchScheduler] | type[ServiceScheduler]) -> None:
    """A job takes GPUs from a less important one, which has its grace first; no GPU is ever in two hands."""
    test = TestCell(machines=1, cpu_milli=1_000)
    test.add_machine("gpus", devices=(DeviceOffer(name="gpu", count=3),))
    test.join(make())
    low = test.submit("low", count=3, cpu_milli=1, band=Band.BEST_EFFORT, devices=(DeviceRequest(name="gpu", count=1),))
    test.go()
    gpus = (DeviceRequest(name="gpu", count=2),)
    high = test.submit("high", count=1, cpu_milli=1, band=Band.PRODUCTION, kind=Kind.SERVICE, devices=gpus)
    test.go()
    cell = test.operator.cell
    assert (test.placed(high), test.waiting(high), test.placed(low)) == (1, 1, 3)
    assert test.end_stopping() == 2
    assert (test.placed(high), test.waiting(high), test.placed(low)) == (1, 0, 1)
    check(cell)
    held = [index for granted in cell.tasks.devices.values() for indices in granted for index in indices]
    assert sorted(held) == [0, 1, 2]


@pytest.mark.parametrize("make", BUILTINS)
def test_who_gives_way_comes_back(make: type[BatchScheduler] | type[ServiceScheduler]) -> None:
    """The service waits for them; they have their grace, count no restart, and run again when it has gone."""
    test = TestCell(machines=2, cpu_milli=1_000)
    test.join(make())
    low = test.submit("low", count=4, cpu_milli=500, band=Band.BEST_EFFORT)
    test.go()
    high = test.submit("high", count=1, cpu_milli=1_000, band=Band.PRODUCTION, kind=Kind.SERVICE)
    test.go()
    assert (test.placed(high), test.waiting(high), test.placed(low)) == (1, 1, 4)
    assert test.end_stopping() == 2
    assert (test.placed(high), test.waiting(high)) == (1, 0)
    test.go()
    assert test.counts(low)[TaskState.PENDING] == 2
    test.stop(high)
    test.end_stopping()
    test.go()
    assert test.placed(low) == 4
    cell = test.operator.cell
    assert not cell.tasks.restarts.any()
    assert not find_overcommitted(cell)


def test_machines_that_give_room_back_already_come_first() -> None:
    """Nobody is evicted where something is ending that holds enough."""
    test = TestCell(machines=2, cpu_milli=1_000)
    test.join(BatchScheduler())
    leaving = test.submit("leaving", cpu_milli=1_000)
    staying = test.submit("staying", cpu_milli=1_000)
    test.go()
    test.stop(leaving)
    high = test.submit("high", cpu_milli=1_000, band=Band.PRODUCTION)
    test.go()
    assert (test.waiting(high), test.placed(staying)) == (1, 1)
    assert not test.operator.cell.tasks.preempted
    test.end_stopping()
    assert (test.placed(high), test.waiting(high)) == (1, 0)


def test_a_gang_presses_as_a_whole() -> None:
    """All its tasks find room by evictions, or nobody is evicted for any of them."""
    test = TestCell(machines=3, cpu_milli=1_000)
    test.join(BatchScheduler())
    low = test.submit("low", count=3, cpu_milli=1_000, band=Band.BEST_EFFORT)
    test.go()
    large = test.submit("large", count=4, cpu_milli=1_000, band=Band.BATCH, is_gang=True)
    test.go()
    assert not test.placed(large)
    assert not test.operator.cell.tasks.stopping.any()
    fitting = test.submit("fitting", count=3, cpu_milli=1_000, band=Band.BATCH, is_gang=True)
    test.go()
    assert (test.placed(fitting), test.waiting(fitting)) == (3, 3)
    assert test.end_stopping() == 3
    assert test.counts(low)[TaskState.PENDING] == 3


def test_a_hard_spread_is_kept_under_pressure() -> None:
    """Claims with victims keep the skew too, whichever tasks would be cheaper."""
    test = TestCell(machines=0)
    for number in range(6):
        zone = (("zone", "abc"[number % 3]),)
        test.operator.add_machine(f"m{number}", capacity=(1_000, 1, 1), attributes=zone)
    test.join(ServiceScheduler())
    test.submit("low", count=6, cpu_milli=1_000, band=Band.BEST_EFFORT)
    test.go()
    rules = PlacementRules(spreads=(Spread(attribute="zone", max_skew=1),))
    high = test.submit("high", count=6, cpu_milli=1_000, band=Band.PRODUCTION, placement=rules)
    test.go()
    assert test.waiting(high) == 6
    assert all(instance.statistics.disagreements == 0 for instance in test.instances)


def test_a_waiting_job_looks_again_where_others_give_way() -> None:
    """A machine that is opened again has no room, but tasks that give way: the job is tried again."""
    test = TestCell(machines=1, cpu_milli=1_000)
    test.join(BatchScheduler())
    low = test.submit("low", cpu_milli=1_000, band=Band.BEST_EFFORT)
    test.go()
    test.operator.must(SetEligibility(machines=(0,), eligibility=Eligibility.CORDONED))
    high = test.submit("high", cpu_milli=1_000, band=Band.PRODUCTION)
    test.go()
    assert test.placed(high) == 0
    test.operator.must(SetEligibility(machines=(0,), eligibility=Eligibility.OPEN))
    test.go()
    assert (test.waiting(high), test.placed(low)) == (1, 1)


def test_schedulers_that_race_for_victims_promise_nothing_twice() -> None:
    """Three instances press at once on a full cell; whatever happens first, no machine promises more than it has."""
    for seed in range(6):
        test = TestCell(machines=4, cpu_milli=2_000, seed=seed)
        for _ in range(3):
            test.join(BatchScheduler())
        test.submit("low", count=16, cpu_milli=500, band=Band.BEST_EFFORT)
        test.go()
        jobs = [
            test.submit(f"high-{number}", count=2, cpu_milli=800, band=Band.PRODUCTION if number % 2 else Band.BATCH)
            for number in range(6)
        ]
        for _ in range(6):
            test.go()
            check(test.operator.cell)
            assert not find_overcommitted(test.operator.cell), f"seed {seed}"
            test.end_stopping()
        assert sum(test.placed(job) for job in jobs) >= 6, f"seed {seed}"
        assert all(instance.statistics.disagreements == 0 for instance in test.instances), f"seed {seed}"


class Naming(BatchScheduler):
    """Names the first task of the oldest job as the victim of each claim on the first machine."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        [group] = pending
        if group.spec.owner != "naming":
            return super().place(pending, cell, ctx)
        victims = name_victims(cell, np.zeros(1, np.int64), np.zeros(1, np.int64))
        one = Placement.of(group, [0])
        return Placement(groups=one.groups, indices=one.indices, machines=one.machines, victims=victims)


def test_a_plugin_that_names_a_protected_task_is_told() -> None:
    """The judge's own check runs before anything is appended: the job waits with the reason, nobody is evicted."""
    test = TestCell(machines=1, cpu_milli=1_000)
    test.join(Naming())
    test.submit("strong", cpu_milli=1_000, band=Band.PRODUCTION)
    test.go()
    job = test.submit("weak", cpu_milli=1_000, owner="naming")
    test.go()
    assert "Naming: claims machine m0 for weak/0 with victims #1/0: VICTIM_PROTECTED" in test.why(job)
    assert not test.operator.cell.tasks.stopping.any()


WRONG_VICTIMS = [
    ("claims", np.array([3], np.int32), "names claims 3 to 3 of 1"),
    ("jobs", np.zeros(1, np.int32), "victims.jobs must be a flat array of int64"),
    ("indices", np.zeros(2, np.int32), "victims.indices has 2 victims, claims has 1"),
]


@pytest.mark.parametrize(("name", "column", "words"), WRONG_VICTIMS)
def test_victims_that_are_no_columns(name: str, column: NDArray[Any], words: str) -> None:
    """A slip in the columns is one line, and the loop goes on."""
    good: dict[str, Any] = {"claims": np.zeros(1, np.int32), "jobs": np.ones(1, np.int64)}
    good |= {"indices": np.zeros(1, np.int32), "attempts": np.ones(1, np.int32)}

    class Slipping(BatchScheduler):
        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            one = Placement.of(pending[0], [0])
            victims = Victims(**(good | {name: column}))
            return Placement(groups=one.groups, indices=one.indices, machines=one.machines, victims=victims)

    test = TestCell(machines=1, cpu_milli=1_000)
    job = test.submit("slip", cpu_milli=1_000)
    test.run(Slipping())
    assert words in test.why(job)


def test_a_spread_job_finds_all_its_room_at_once() -> None:
    """Whichever machines are looked at first, those of zones that are level with the others then count as open again.

    A walk over the machines with a stride that is a multiple of three meets the machines of one zone for long."""
    test = zoned(*("abc"[row % 3] for row in range(605)), cpu_milli=1_000)
    test.submit("low", count=605, cpu_milli=1_000, band=Band.BEST_EFFORT)
    test.run(BatchScheduler())
    test.operator.port.catch_up()
    rules = PlacementRules(spreads=(Spread(attribute="zone", max_skew=1),))
    spec = make_spec("high", count=90, cpu_milli=1_000, band=Band.PRODUCTION, placement=rules)
    cell = test.operator.cell
    for seed in range(60):
        found = find_room_by_preemption(cell, Overlay(cell), spec, count=90, rng=np.random.default_rng(seed))
        assert len(set(found.machines.tolist())) == 90, f"seed {seed}"
        zones = np.bincount(cell.machines.index.codes("zone").take(found.machines))
        assert zones.tolist() == [0, 30, 30, 30], f"seed {seed}"
