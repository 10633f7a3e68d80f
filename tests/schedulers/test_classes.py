"""What is remembered of a class of jobs is what would be found anew, whatever changed since."""

import random
from dataclasses import replace

import numpy as np
import pytest

from omegacell.core.cell import Cell
from omegacell.core.constraints import Constraint, Operator
from omegacell.core.devices import DeviceRequest
from omegacell.core.jobs import JobSpec, Port
from omegacell.core.machine_commands import SetTaints
from omegacell.core.overlays import Overlay
from omegacell.core.placement import NO_RULES, Affinity, Effect, PlacementRules, Spread, Taint
from omegacell.core.preempt_claims import evict_on
from omegacell.core.snapshots import digest
from omegacell.core.units import Band
from omegacell.schedulers import classes, tenants
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.classes import UNWELCOME, Classes, classes_of
from omegacell.schedulers.feasibility import find_room
from omegacell.schedulers.levels import find_ending, find_levels
from omegacell.schedulers.tenants import tenants_of
from omegacell.schedulers.testing import TestCell, make_spec
from omegacell.schedulers.view import Tentative
from tests.schedulers.test_choosing import in_zone, zoned
from tests.support.histories import write_history
from tests.support.history_placement import draw_placement
from tests.support.oracle_duel import fold_entries


def draw_specs(rng: random.Random) -> list[JobSpec]:
    """Draw specs of several classes: amounts, ports, devices, drivers and rules."""
    return [
        make_spec(
            rng.choice(("web", "sort", "other")),
            cpu_milli=rng.choice((0, 1, 5)),
            memory_bytes=rng.choice((0, 1, 7)),
            driver=rng.choice(("exec", "simulated")),
            ports=rng.choice(((), (Port(name="http", number=0),), (Port(name="http", number=80),))),
            devices=rng.choice(((), (DeviceRequest(name="gpu", count=1),))),
            placement=rng.choice((NO_RULES, draw_placement(rng), draw_placement(rng))),
        )
        for _ in range(8)
    ]


@pytest.mark.parametrize("chunk", range(2))
def test_remembered_is_found_anew(chunk: int) -> None:
    """After every entry of random histories, room and wishes are those of a cell that was never asked before."""
    rooms = 0
    for seed in range(chunk, 60, 2):
        cell, rng = Cell(), random.Random(seed)
        specs = draw_specs(rng)
        for entry in write_history(seed):
            fold_entries(cell, [entry])
            for spec in rng.sample(specs, 4):  # so that some are asked again only after several entries
                overlay = Overlay(cell)
                expected = overlay.room(spec)
                expected[cell.machines.silent()] = 0
                found = find_room(Overlay(cell), spec, cell=cell)
                assert found.tolist() == expected.tolist(), f"seed {seed}, revision {cell.revision}, {spec}"
                scores = classes_of(cell).scores(cell, spec.placement)
                assert scores.tolist() == Classes().scores(cell, spec.placement).tolist(), f"seed {seed}"
                rooms += int(found.any())
        asked = digest(cell)
        fresh = Cell()
        fold_entries(fresh, write_history(seed))
        assert asked == digest(fresh), "asking changes no cell"
    assert rooms > 300


RULES = in_zone("a")


def fits(test: TestCell, spec: JobSpec) -> list[bool]:
    """Tell which machines take a task."""
    room = find_room(Overlay(test.operator.cell), spec, cell=test.operator.cell)
    return [each > 0 for each in room.tolist()]


def test_what_happens_to_a_machine_is_seen() -> None:
    """Attributes, taints, what is taken and what is given back: the next answer knows each of them."""
    test = zoned("a", "a", "b", cpu_milli=1_000)
    spec = make_spec("web", cpu_milli=600, placement=RULES)
    assert fits(test, spec) == [True, True, False]
    job = test.submit("other", count=1, cpu_milli=600, placement=RULES)
    test.run(BatchScheduler())
    test.operator.port.catch_up()
    [row] = test.operator.cell.machines_of("other").tolist()
    assert fits(test, spec) == [row != 0, row != 1, False], "taken"
    test.end(job)
    assert fits(test, spec) == [True, True, False], "given back"
    test.operator.must(SetTaints(machines=(0,), add=(Taint(key="old"),)))
    assert fits(test, spec) == [False, True, False], "tainted"
    test.operator.must(SetTaints(machines=(0,), remove=("old",)))
    assert fits(test, spec) == [True, True, False], "no longer tainted"
    test.operator.add_machine("m2", capacity=(1_000, 1 << 40, 0), attributes=(("zone", "a"),))
    assert fits(test, spec) == [True, True, True], "came back with another attribute"
    test.operator.add_machine("m3", capacity=(1_000, 1 << 40, 0), attributes=(("zone", "a"),))
    assert fits(test, spec) == [True, True, True, True], "a new one"
    test.operator.add_machine("m1", capacity=(500, 1 << 40, 0), attributes=(("zone", "a"),))
    assert fits(test, spec) == [True, False, True, True], "came back smaller"


def test_wishes_are_weighed_anew_when_machines_change() -> None:
    """An attribute and a mild taint change what a wish says of a machine."""
    test = zoned("a", "b")
    wish = Affinity(constraint=Constraint(attribute="zone", operator=Operator.EQUAL, values=("a",)), weight=30)
    rules = PlacementRules(affinities=(wish,))

    def scores() -> list[float]:
        return list(classes_of(test.operator.cell).scores(test.operator.cell, rules))

    assert scores() == [30.0, 0.0]
    test.operator.must(SetTaints(machines=(0,), add=(Taint(key="old", effect=Effect.PREFER_NOT),)))
    assert scores() == [30.0 + UNWELCOME, 0.0]
    test.operator.add_machine("m1", capacity=(1_000, 1 << 40, 0), attributes=(("zone", "a"),))
    assert scores() == [30.0 + UNWELCOME, 30.0]


def test_jobs_of_one_class_share_what_is_remembered() -> None:
    """Names, counts, wishes and rules about other tasks do not make another class; amounts and constraints do."""
    test = zoned("a", "b")
    cell = test.operator.cell
    known = Classes()
    spec = make_spec("web", cpu_milli=100, placement=RULES)
    first = known.room(cell, spec)
    crowded = replace(RULES, max_per_machine=1, spreads=(Spread(attribute="zone", max_skew=1),))
    assert np.shares_memory(known.room(cell, replace(spec, name="other", count=7, placement=crowded)), first)
    assert not np.shares_memory(known.room(cell, replace(spec, resources=(200, 0, 0))), first)
    assert known.room(cell, replace(spec, placement=in_zone("b"))).tolist() != first.tolist()


def test_tentative_claims_are_not_remembered() -> None:
    """What a decision has claimed counts for those after it in the append, and is forgotten with it."""
    test = zoned("a", "a", cpu_milli=1_000)
    cell = test.operator.cell
    spec = make_spec("web", cpu_milli=600, placement=RULES)
    tentative = Tentative(cell)
    assert fits(test, spec) == [True, True]
    tentative.take(spec, np.array([0]))
    assert find_room(tentative.overlay, spec, cell=cell).tolist() == [0, 1]
    assert fits(test, spec) == [True, True]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit all is forgotten, and asked again."""
    monkeypatch.setattr(classes, "KEPT_BYTES", 200)
    test = zoned("a", "a")
    known = Classes()
    for cpu_milli in range(1, 40):
        spec = make_spec("web", cpu_milli=cpu_milli)
        expected = Overlay(test.operator.cell).room(spec).tolist()
        assert known.room(test.operator.cell, spec).tolist() == expected
        assert sum(each.answers.nbytes for each in known._known.values()) <= 200


@pytest.mark.parametrize("chunk", range(2))
def test_levels_and_tenants_are_found_anew(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After every entry of random histories, how high preemption must reach, and who is on a machine, are those of a
    cell that was never asked before; on overlays with claims and evictions as well."""
    monkeypatch.setattr(tenants, "SCANS", 2)
    reached = looked_up = 0
    for seed in range(chunk, 60, 2):
        cell, rng = Cell(), random.Random(seed)
        specs = [replace(each, band=rng.choice(list(Band)), priority=rng.choice((0, 1))) for each in draw_specs(rng)]
        for entry in write_history(seed):
            fold_entries(cell, [entry])
            if not cell.machines.count:
                continue
            for spec in rng.sample(specs, 3):
                overlay = draw_claims(cell, rng) if rng.random() < 0.5 else Overlay(cell)
                ending = find_ending(cell, overlay, spec)
                levels = find_levels(cell, overlay, spec, ending=ending)
                every = np.arange(cell.machines.count)
                expected = find_levels(cell, overlay, spec, every, ending=ending)
                assert levels.tolist() == expected.tolist(), f"seed {seed}, revision {cell.revision}, {spec}"
                reached += len(set(levels.tolist()))
            rows = np.array(rng.sample(range(cell.machines.count), rng.randint(1, cell.machines.count)), np.int64)
            register = tenants_of(cell)
            looked_up += register._look_up(cell, rows) is not None
            tasks, places = register.on(cell, rows)
            assert cell.tasks.machine[tasks].tolist() == rows[places].tolist(), f"seed {seed}"
            assert sorted(tasks.tolist()) == np.flatnonzero(np.isin(cell.tasks.machine, rows)).tolist(), f"seed {seed}"
    assert reached > 2_000
    assert looked_up > 100


def draw_claims(cell: Cell, rng: random.Random) -> Overlay:
    """Return an overlay on which a task of some job was put on a machine and some tasks give way."""
    overlay = Overlay(cell)
    active = np.flatnonzero(cell.tasks.machine >= 0).tolist()
    for task in rng.sample(active, min(len(active), 2)):
        evict_on(cell, overlay, task)
    row = np.array([rng.randrange(cell.machines.count)], np.int64)
    spec = make_spec("claimed", cpu_milli=rng.choice((0, 1, 5)), memory_bytes=1)
    if overlay.room(spec, row)[0]:
        overlay.take(spec, row)
    return overlay


def test_tenants_of_a_job_that_was_moved() -> None:
    """A job that grows gets other task rows, and no machine changes by that: the register says so in no way."""
    test = TestCell(machines=2, cpu_milli=1_000)
    cell = test.operator.cell
    job = test.submit("sums", count=2, cpu_milli=100)
    test.submit("next", count=1, cpu_milli=100)
    test.run(BatchScheduler())
    test.operator.port.catch_up()
    rows = np.arange(2)
    register = tenants_of(cell)
    before = register.on(cell, rows)[0].tolist()
    for _ in range(tenants.SCANS):
        register.on(cell, rows)
    assert register._look_up(cell, rows) is not None
    assert test.submit("sums", count=5, cpu_milli=100) == job, "scaled, and in need of a longer extent"
    assert register._look_up(cell, rows) is None
    after = register.on(cell, rows)[0].tolist()
    assert len(after) == len(before) == 3
    assert sorted(after) != sorted(before)
