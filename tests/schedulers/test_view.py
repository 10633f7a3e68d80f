"""What a scheduler sees: read-only columns, the core's own predicate, and tentative claims that stay its own."""

from dataclasses import fields

import numpy as np
import pytest

from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.jobs import JobSpec, Port
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.units import Band
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.testing import TestCell, make_group
from omegacell.schedulers.view import CellView, Tentative


def view_of(test: TestCell) -> CellView:
    """Look at the operator's copy."""
    test.operator.port.catch_up()
    return Tentative(test.operator.cell).view()


def test_columns_are_read_only() -> None:
    """A plug-in cannot write to the cell by accident."""
    cell = view_of(TestCell(machines=2))
    for column in (cell.capacity, cell.state, cell.changed_at, cell.free(), cell.free(Band.PRODUCTION)):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 7
    with pytest.raises(ValueError, match="read-only"):
        cell.room(make_group())[0] = 7


def test_room_and_fits_say_what_the_core_says() -> None:
    """Both are the overlay's answers, for all machines or for some in any order."""
    test = TestCell(machines=3, cpu_milli=1_000)
    test.add_machine("big", cpu_milli=5_000)
    test.add_machine("strange", drivers=("other",))
    cell, group = view_of(test), make_group(cpu_milli=1_000)
    assert cell.room(group).tolist() == [1, 1, 1, 5, 0]
    assert cell.room(group, np.array([4, 3])).tolist() == [0, 5]
    assert cell.fits(group).tolist() == [True, True, True, True, False]
    assert cell.offers("other").tolist() == [False] * 4 + [True]
    assert cell.names[3] == "big"
    assert cell.machine_count == 5


def test_devices_bound_the_room_together_with_everything_else() -> None:
    """As many tasks as the scarcest of CPU and devices allows, tentative claims counted; a shape is its devices too."""
    test = TestCell(machines=1, cpu_milli=4_000)
    test.add_machine("gpus", devices=(DeviceOffer(name="gpu", count=5, attributes=(("model", "a100"),)),))
    plain = make_group(cpu_milli=1_000)
    pair = make_group(cpu_milli=1_000, devices=(DeviceRequest(name="gpu", count=2),))
    picky = make_group(cpu_milli=1_000, devices=(DeviceRequest(name="gpu", count=1, where=(("model", "t4"),)),))
    cell = view_of(test)
    assert (cell.room(plain).tolist(), cell.room(pair).tolist(), cell.room(picky).tolist()) == ([4, 4], [0, 2], [0, 0])
    tentative = cell.tentative()
    assert tentative.try_claim(pair, np.array([1]))
    assert not tentative.try_claim(pair, np.array([1, 1]))
    assert tentative.room(pair).tolist() == [0, 1]
    assert cell.room(pair).tolist() == [0, 2]
    lacks = Tentative(test.operator.cell).lacks(picky.spec)
    assert [(lack.reason, lack.dimension, lack.machine_count) for lack in lacks] == [(Reason.DEVICE_MISSING, 0, 2)]


def test_silent_machines_are_offered_no_work_and_count_as_not_up() -> None:
    """A machine nobody has heard for a tick takes nothing here and lacks say so; the judge's own predicate still
    grants it, and a tick that hears it gives it back."""
    test = TestCell(machines=2, cpu_milli=1_000)
    test.operator.tick(lost_contact=[0])
    cell, group = view_of(test), make_group(cpu_milli=500)
    assert cell.room(group).tolist() == [0, 2]
    assert cell.room(group, np.array([1, 0])).tolist() == [2, 0]
    assert not cell.tentative().try_claim(group, np.array([0]))
    lacks = Tentative(test.operator.cell).lacks(group.spec)
    assert [(lack.reason, lack.machine_count) for lack in lacks] == [(Reason.MACHINE_NOT_UP, 1)]
    assert Overlay(test.operator.cell).room(group.spec).tolist() == [2, 2]
    test.operator.tick(gained=[0])
    assert view_of(test).room(group).tolist() == [2, 2]


def test_tentative_claims_count_and_stay_where_they_were_made() -> None:
    """What is tried on one view changes its own answers, and neither the cell's nor another view's."""
    test = TestCell(machines=2, cpu_milli=1_000)
    shared = Tentative(test.operator.cell)
    first, second = shared.view(), shared.view()
    group = make_group(count=3, cpu_milli=500)
    assert first.try_claim(group, np.array([0, 0]))
    assert first.room(group).tolist() == [0, 2]
    assert not first.try_claim(group, np.array([1, 0]))
    assert first.room(group).tolist() == [0, 2]
    branch = first.tentative()
    assert branch.try_claim(group, np.array([1]))
    assert branch.room(group).tolist() == [0, 1]
    assert first.room(group).tolist() == [0, 2]
    assert second.room(group).tolist() == [2, 2]
    assert shared.view().room(group).tolist() == [2, 2]
    assert test.operator.cell.machines.free[:, 0].tolist() == [1_000, 1_000]


def test_claims_of_the_same_append_count_for_the_next_decision() -> None:
    """The loop's own tentative claims show in every later view, ports too."""
    test = TestCell(machines=2, cpu_milli=1_000)
    shared = Tentative(test.operator.cell)
    group = make_group(cpu_milli=100, ports=(Port(name="http", number=80),))
    shared.take(group.spec, np.array([1]))
    assert shared.view().room(group).tolist() == [1, 0]
    assert [(lack.reason, lack.machine_count) for lack in shared.lacks(group.spec)] == [(Reason.PORT_TAKEN, 1)]


def test_free_above_a_band_counts_what_lower_bands_hold() -> None:
    """For the lowest band it is what is free; for a higher one what lower bands hold is added."""
    test = TestCell(machines=1, cpu_milli=1_000)
    test.submit("low", cpu_milli=300, band=Band.BATCH)
    test.submit("high", cpu_milli=200, band=Band.PRODUCTION)
    test.run(BatchScheduler())
    cell = view_of(test)
    assert [int(cell.free(band)[0, 0]) for band in Band] == [500, 500, 800, 1_000]


def test_machines_of_a_job_are_those_of_its_active_tasks() -> None:
    """A spreading scheduler sees where the job's tasks already are; tasks that ended do not count."""
    test = TestCell(machines=3, cpu_milli=1_000)
    job = test.submit("web", count=3, cpu_milli=1_000)
    test.run(BatchScheduler())
    assert sorted(view_of(test).machines_of(make_group(job=job)).tolist()) == [0, 1, 2]
    test.end(job)
    assert view_of(test).machines_of(make_group(job=job)).tolist() == []
    assert view_of(test).machines_of(make_group(job=99)).tolist() == []


def test_attributes_are_seen() -> None:
    """Machines are found by an attribute's value, and one machine's are a plain dict."""
    test = TestCell(machines=1)
    test.operator.add_machine("gpu", capacity=(1, 1, 1), attributes=(("rack", "r1"), ("zone", "a")))
    cell = view_of(test)
    assert cell.has_attribute("rack", "r1").tolist() == [False, True]
    assert cell.attributes(1) == {"rack": "r1", "zone": "a"}


def test_an_overlay_made_by_hand_will_do() -> None:
    """A view needs nothing but a cell and an overlay of it."""
    cell = TestCell(machines=1).operator.cell
    assert CellView(cell, Overlay(cell)).revision == cell.revision


def test_a_shape_is_all_that_room_reads_of_a_spec() -> None:
    """Whoever adds a field to a job's spec decides here whether machines are chosen by it."""
    shape = {"driver", "resources", "ports", "devices", "placement", "alloc"}
    no_matter = {
        "name",
        "owner",
        "kind",
        "scheduler",
        "band",
        "priority",
        "after",
        "max_run_us",
        "deadline_us",
        "count",
        "gang",
        "max_restarts",
    }
    no_matter |= {"restart_delay_us", "grace_us", "on_partition", "payload", "max_unavailable", "is_health_checked"}
    no_matter |= {"update", "schedule", "parameters"}
    assert {field.name for field in fields(JobSpec)} == shape | no_matter
