"""Placement rules and wishes in the built-in schedulers: rules are kept claim by claim, wishes are followed."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from omegacell.core.commands import Place
from omegacell.core.constraints import Constraint, Operator
from omegacell.core.invariants import check
from omegacell.core.machine_commands import SetTaints
from omegacell.core.outcomes import Reason
from omegacell.core.placement import (
    MACHINE,
    NO_RULES,
    Affinity,
    Effect,
    Neighbour,
    PlacementRules,
    Spread,
    Taint,
)
from omegacell.core.units import JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.choosing import choose, take_evenly
from omegacell.schedulers.firstfit import FirstFitScheduler
from omegacell.schedulers.interface import Scheduler, TaskGroup
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import TestCell, make_spec
from omegacell.schedulers.view import Tentative
from tests.support.history_placement import draw_placement

BOTH: list[type[BatchScheduler] | type[ServiceScheduler]] = [BatchScheduler, ServiceScheduler]


def zoned(*zones: str, cpu_milli: int = 1_000) -> TestCell:
    """Make a cell with a machine for each zone named."""
    test = TestCell(machines=0)
    for number, zone in enumerate(zones):
        attributes = (("rack", f"r{number % 5}"), ("zone", zone)) if zone else ()
        test.operator.add_machine(f"m{number}", capacity=(cpu_milli, 1 << 40, 0), attributes=attributes)
    return test


def zones_of(test: TestCell, job: JobId) -> Counter[str]:
    """Count the tasks of a job by zone."""
    cell = test.operator.cell
    rows = cell.machines_of_row(cell.jobs.row_of(job)).tolist()
    return Counter(cell.machines.attribute(row).get("zone", "") for row in rows)


@pytest.mark.parametrize("scheduler", BOTH)
def test_a_hard_spread_is_even(scheduler: type[Scheduler]) -> None:
    """Ten tasks over three zones with a skew of one: 4, 3, 3, though one zone has most of the machines."""
    test = zoned(*"aaaaaaaabc", cpu_milli=4_000)
    rules = PlacementRules(spreads=(Spread(attribute="zone", max_skew=1),))
    job = test.submit("web", count=10, placement=rules)
    test.run(scheduler())
    assert sorted(zones_of(test, job).values()) == [3, 3, 4]


@pytest.mark.parametrize("attributes", [("zone",), ("zone", "rack")])
@pytest.mark.parametrize("scheduler", BOTH)
def test_a_gang_is_spread_in_one_decision(scheduler: type[Scheduler], attributes: tuple[str, ...]) -> None:
    """Ten tasks over three zones with a skew of one, though five machines take one each at first: all at once."""
    test = zoned(*"aaabc", cpu_milli=4_000)
    rules = PlacementRules(spreads=tuple(Spread(attribute=each, max_skew=2) for each in attributes))
    job = test.submit("web", count=10, is_gang=True, placement=rules)
    test.run(scheduler())
    assert sum(zones_of(test, job).values()) == 10
    assert max(zones_of(test, job).values()) - min(zones_of(test, job).values()) <= 2


@pytest.mark.parametrize("scheduler", BOTH)
def test_a_hard_spread_waits_for_a_full_zone(scheduler: type[Scheduler]) -> None:
    """A zone without room stops the others at the skew; the job goes on when the zone has room again."""
    test = zoned("a", "b", cpu_milli=1_000)
    stopper = test.submit("stopper", cpu_milli=1_000, placement=in_zone("b"))
    test.run(scheduler())
    rules = PlacementRules(spreads=(Spread(attribute="zone", max_skew=1),))
    job = test.submit("web", count=4, placement=rules)
    test.run(scheduler())
    assert zones_of(test, job) == {"a": 1}
    test.end(stopper)
    test.run(scheduler())
    assert zones_of(test, job) == {"a": 2, "b": 2}


@pytest.mark.parametrize("scheduler", BOTH)
def test_a_wish_to_spread_follows_its_targets(scheduler: type[Scheduler]) -> None:
    """With targets of 70 and 20 percent, of ten tasks about seven, two and one are in the zones."""
    test = zoned(*"abcabcabcabcabcabc", cpu_milli=1_000)
    wish = Spread(attribute="zone", weight=100, targets=(("a", 70), ("b", 20)))
    job = test.submit("web", count=10, placement=PlacementRules(spreads=(wish,)))
    test.run(scheduler())
    found = zones_of(test, job)
    assert found["a"] in (6, 7)
    assert found["b"] in (2, 3)


@pytest.mark.parametrize("scheduler", BOTH)
def test_a_wish_is_followed_as_long_as_there_is_room(scheduler: type[Scheduler]) -> None:
    """Tasks go where they rather are; those that find no room there go elsewhere."""
    test = zoned("a", "b", "b", cpu_milli=500)
    wish = Affinity(constraint=Constraint(attribute="zone", operator=Operator.EQUAL, values=("a",)), weight=50)
    job = test.submit("web", count=2, cpu_milli=500, placement=PlacementRules(affinities=(wish,)))
    test.run(scheduler())
    assert zones_of(test, job) == {"a": 1, "b": 1}
    against = Affinity(constraint=wish.constraint, weight=-50)
    other = test.submit("not-a", count=1, placement=PlacementRules(affinities=(against,)))
    test.end(job)
    test.run(scheduler())
    assert zones_of(test, other) == {"b": 1}


@pytest.mark.parametrize("scheduler", BOTH)
def test_a_wish_is_followed_inside_a_spread(scheduler: type[Scheduler]) -> None:
    """Six tasks over three zones, rather in one rack: evenly over the zones, in each on machines of that rack."""
    test = zoned(*"abcabcabcabcabcabcabcabcabcabc")
    rack = Constraint(attribute="rack", operator=Operator.EQUAL, values=("r0",))
    rules = PlacementRules(
        spreads=(Spread(attribute="zone", max_skew=1),), affinities=(Affinity(constraint=rack, weight=10),)
    )
    job = test.submit("web", count=6, placement=rules)
    test.run(scheduler())
    assert sorted(zones_of(test, job).values()) == [2, 2, 2]
    cell = test.operator.cell
    rows = cell.machines_of_row(cell.jobs.row_of(job)).tolist()
    assert {cell.machines.attribute(row)["rack"] for row in rows} == {"r0"}


@pytest.mark.parametrize("scheduler", BOTH)
def test_an_unwelcoming_taint_is_the_last_choice(scheduler: type[Scheduler]) -> None:
    """Machines that are marked with `prefer_not` are taken when nothing else is left."""
    test = zoned("a", "b", cpu_milli=100)
    test.operator.must(SetTaints(machines=(0,), add=(Taint(key="old", effect=Effect.PREFER_NOT),)))
    first = test.submit("first", placement=PlacementRules(pool="all"))
    test.run(scheduler())
    assert zones_of(test, first) == {"b": 1}
    second = test.submit("second", placement=PlacementRules(pool="all"))
    test.run(scheduler())
    assert zones_of(test, second) == {"a": 1}


@pytest.mark.parametrize("scheduler", BOTH)
def test_a_job_that_another_keeps_away_is_woken_when_it_leaves(scheduler: type[Scheduler]) -> None:
    """A job without rules waits while another keeps it out of every zone; others of its shape do not."""
    test = zoned("a", "b", cpu_milli=1_000)
    alone = Neighbour(job="noisy", attribute="zone", is_apart=True)
    shy = test.submit("shy", count=2, placement=PlacementRules(neighbours=(alone,), max_per_machine=1))
    test.run(scheduler())
    noisy = test.submit("noisy", count=1)
    quiet = test.submit("quiet", count=1)
    test.run(scheduler())
    assert (test.placed(noisy), test.placed(quiet)) == (0, 1)
    test.end(shy)
    test.run(scheduler())
    assert test.placed(noisy) == 1


@pytest.mark.parametrize("scheduler", BOTH)
def test_near_follows(scheduler: type[Scheduler]) -> None:
    """A log saver waits until its application has a machine, and then runs beside it."""
    test = zoned("a", "b", "c")
    near = PlacementRules(neighbours=(Neighbour(job="app", attribute=MACHINE),))
    saver = test.submit("saver", placement=near)
    test.run(scheduler())
    assert test.placed(saver) == 0
    app = test.submit("app")
    test.run(scheduler())
    assert zones_of(test, saver) == zones_of(test, app)


@pytest.mark.parametrize("seed", range(30))
def test_what_a_scheduler_claims_under_any_rules_is_granted(seed: int) -> None:
    """With random rules and marks, no claim of the built-in schedulers is refused, and the cell stays consistent."""
    rng = random.Random(seed)
    test = zoned(*(rng.choice(("a", "b", "c", "")) for _ in range(12)), cpu_milli=rng.choice((300, 1_000)))
    test.operator.must(SetTaints(machines=(0, 3), add=(Taint(key="old", value="yes"),)))
    for name in ("web", "sort", "a.b_c-1", "other"):
        test.submit(name, count=rng.randint(1, 8), placement=draw_placement(rng))
        scheduler: Scheduler = rng.choice(BOTH)()
        test.run(scheduler)
    cell = test.operator.cell
    assert [each.statistics.failures for each in test.instances] == [0] * 4, "what it claims, its own copy grants"
    assert sum(author.claims_disagreed + author.claims_conflicted for author in cell.authors.rows) == 0
    check(cell)
    assert np.all(cell.machines.free >= 0)


@pytest.mark.parametrize("seed", range(40))
def test_a_spread_is_dealt_as_far_as_it_goes(seed: int) -> None:
    """Tasks dealt over domains keep the skew one after the other, use no machine beyond its room, and none is left out.

    None: asked one by one afterwards, no machine with room left takes another task.
    """
    rng = random.Random(seed)
    test = zoned(
        *(rng.choice(("a", "b", "c", "d", "")) for _ in range(rng.randint(1, 25))), cpu_milli=rng.choice((300, 900))
    )
    spread = Spread(attribute=rng.choice(("zone", "rack", MACHINE)), max_skew=rng.randint(1, 4))
    rules = PlacementRules(spreads=(spread,), max_per_machine=rng.choice((0, 0, 2)))
    job = JobId(0)
    for name in ("filler", "web"):
        job = test.submit(name, count=rng.randint(1, 12), placement=rules if name == "web" else NO_RULES)
        test.run(BatchScheduler())
    group = group_of(job, count=rng.randint(2, 40), rules=rules)
    view = Tentative(test.operator.cell).view()
    filled = replace(rules, spreads=())
    room = view.room(group_of(job, count=group.count, rules=filled))
    order = np.random.default_rng(seed).permutation(np.flatnonzero(room))
    [domains] = view.crowd(group).spreads
    taken = take_evenly(domains, order, room[order], group.count)
    assert len(taken) <= group.count
    assert np.all(np.bincount(taken, minlength=len(room)) <= room)
    crowd = view.crowd(group)
    for row in taken.tolist():
        assert crowd.reason(row) == Reason.NONE, f"{taken.tolist()} of {spread}"
        crowd.add(row)
    if len(taken) < group.count:
        left = room - np.bincount(taken, minlength=len(room))
        assert not [row for row in np.flatnonzero(left > 0).tolist() if crowd.reason(row) == Reason.NONE]


def test_a_task_more_goes_to_the_zone_with_the_fewest() -> None:
    """One task alone is spread too, by a rule and by a wish, and within the zone it goes where it rather is."""
    for spread in (Spread(attribute="zone", max_skew=1), Spread(attribute="zone", weight=50)):
        test = zoned(*"aaabbbaaaabb")
        rack = Constraint(attribute="rack", operator=Operator.EQUAL, values=("r4",))
        rules = PlacementRules(spreads=(spread,), affinities=(Affinity(constraint=rack, weight=5),))
        job = test.submit("web", count=3, placement=rules)
        for number in range(3):
            group = group_of(job, count=1, rules=rules)
            view = Tentative(test.operator.cell).view()
            first = np.zeros(view.machine_count)
            [row] = choose(view, group, room=view.room(group), first=first).tolist()
            assert view.attributes(row)["rack"] == "r4", f"task {number} of {spread}"
            test.operator.must(Place(job=job, indices=np.array([number], np.int32), machines=np.array([row], np.int32)))
        assert sorted(zones_of(test, job).values()) == [1, 2]


@pytest.mark.parametrize("count", [1, 3])
def test_the_order_asked_for_decides_among_equals(count: int) -> None:
    """Of machines that a wish says the same of, those are taken that the scheduler's own order has first."""
    test = zoned(*"aabbb")
    wish = Affinity(constraint=Constraint(attribute="zone", operator=Operator.EQUAL, values=("b",)), weight=1)
    group = group_of(JobId(9), count=count, rules=PlacementRules(affinities=(wish,)))
    view = Tentative(test.operator.cell).view()
    first = np.array([0.0, 1.0, 30_000.5, 7.25, 7.0])
    assert choose(view, group, room=view.room(group), first=first).tolist() == [4, 3, 2][:count]


@pytest.mark.parametrize("make", [BatchScheduler, FirstFitScheduler, ServiceScheduler])
def test_a_job_that_ranks_no_machines_is_kept_from_unwelcome_ones(make: Callable[[], Scheduler]) -> None:
    """Of 400 machines, half in a zone, tasks go to those there, and to the unwelcome ones of them last."""
    test = zoned(*("ab" * 200), cpu_milli=4_000)
    rows = tuple(range(0, 360, 2))
    test.operator.must(SetTaints(machines=rows, add=(Taint(key="old", effect=Effect.PREFER_NOT),)))
    for number in range(10):
        job = test.submit(f"few-{number}", count=10, placement=in_zone("a"))
        test.run(make())
        cell = test.operator.cell
        taken = cell.machines_of_row(cell.jobs.row_of(job)).tolist()
        is_spreading = make is not BatchScheduler
        assert len(set(taken)) == 10 or not is_spreading, "one on each before a second on any"
        assert not set(taken) & set(rows), "there is room on welcome machines"
        assert zones_of(test, job) == {"a": 10}


def group_of(job: JobId, *, count: int, rules: PlacementRules) -> TaskGroup:
    """Give pending tasks of the job ``web``."""
    spec = make_spec("web", count=count, placement=rules)
    return TaskGroup(
        number=0, job=job, spec=spec, indices=np.arange(count, dtype=np.int32), attempts=np.zeros(count, np.int32)
    )


def in_zone(zone: str) -> PlacementRules:
    """Give the rule that a job runs in one zone only."""
    return PlacementRules(constraints=(Constraint(attribute="zone", operator=Operator.EQUAL, values=(zone,)),))
