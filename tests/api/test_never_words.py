"""What is said of a job that asks for what no machine has at all: the thing, what there is, and what is similar."""

from typing import Any

import pytest

from omegacell.api.planning.misses import describe_miss
from omegacell.api.server.never_words import word_never
from omegacell.api.server.reasons import view_pending
from omegacell.core.constraints import Constraint, Operator
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.jobs import Kind
from omegacell.core.placement import Neighbour, PlacementRules, Spread
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.explaining import find_misses
from omegacell.schedulers.testing import TestCell, make_spec


def zoned() -> TestCell:
    """Return a cell of a machine in each of two zones, with a job on the first, and a large one of another driver."""
    test = TestCell(machines=0)
    for name, zone in (("m0", "a"), ("m1", "b")):
        test.operator.add_machine(name, capacity=(4_000, 1 << 30, 0), attributes=(("zone", zone),))
    test.operator.add_machine("sim", capacity=(64_000, 1 << 30, 0), drivers=("simulated",))
    test.submit("web", placement=PlacementRules(constraints=(equal("zone", "a"),)))
    test.run(BatchScheduler())
    return test


def equal(attribute: str, value: str) -> Constraint:
    return Constraint(attribute=attribute, operator=Operator.EQUAL, values=(value,))


# what the job asks for, what no machine has
NEVER: list[tuple[dict[str, Any], str]] = [
    ({"driver": "docker"}, "no machine offers the driver docker; those that are offered: exec, simulated"),
    (
        {"placement": PlacementRules(constraints=(equal("zome", "a"),))},
        "no machine has the attribute 'zome'; similar: zone",
    ),
    (
        {"placement": PlacementRules(spreads=(Spread(attribute="rack", max_skew=1),))},
        "no machine has the attribute 'rack'",
    ),
    (
        {"placement": PlacementRules(neighbours=(Neighbour(job="webb", attribute="zone"),))},
        "there is no job 'webb' to be near to; similar: web",
    ),
    ({"cpu_milli": 500_000}, "no machine that offers exec has 500 cpu at all, the largest has 4"),
    ({"cpu_milli": 3_950}, ""),
    ({"placement": PlacementRules(constraints=(equal("zone", "c"),))}, ""),
    (
        {"placement": PlacementRules(constraints=(Constraint(attribute="zome", operator=Operator.NOT_EXISTS),))},
        "",
    ),
]


@pytest.mark.parametrize(("asks", "words"), NEVER)
def test_what_no_machine_has_is_named(asks: dict[str, Any], words: str) -> None:
    """With what there is instead; nothing is said where something only has to end, or nobody has to be asked."""
    spec = make_spec("waits", **{"count": 1, "cpu_milli": 100, **asks})
    assert word_never(zoned().operator.cell, spec) == words


def test_it_stands_in_the_reason_that_all_commands_give() -> None:
    """After how many machines lack it."""
    test = zoned()
    job = test.submit("waits", placement=PlacementRules(constraints=(equal("zome", "a"),)))
    test.go()
    row = test.operator.cell.jobs.row_of(job)
    assert row is not None
    pending = view_pending(test.operator.cell, row)
    assert pending is not None
    assert pending.summary == (
        "2 of 3 machines do not meet the constraints: no machine has the attribute 'zome'; similar: zone"
    )


def test_a_job_inside_an_alloc_set_that_was_stopped_says_what_helps() -> None:
    """A set that was stopped, or has left the cell, is submitted again."""
    test = zoned()
    box = test.submit("box", kind=Kind.ALLOC, max_restarts=-1)
    inside = make_spec("inside", count=1, cpu_milli=100, alloc="box")
    assert word_never(test.operator.cell, inside) == ""
    test.stop(box)
    cure = "submit one of that name, and the tasks are placed in it"
    assert word_never(test.operator.cell, inside) == f"the alloc set 'box' was stopped: {cure}"
    gone = make_spec("inside", count=1, cpu_milli=100, alloc="nowhere")
    assert word_never(test.operator.cell, gone) == f"the alloc set 'nowhere' is not in the cell: {cure}"


# what the job asks for, what each machine says, the nearest first
MISSES: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"placement": PlacementRules(neighbours=(Neighbour(job="web", attribute="zone", is_apart=True),))},
        ["m0: must stay apart from web, of which a task is in zone a"],
    ),
    (
        {"placement": PlacementRules(neighbours=(Neighbour(job="web", attribute="zone"),))},
        ["m1: must be near web, of which no task is in zone b"],
    ),
    (
        {"placement": PlacementRules(neighbours=(Neighbour(job="web"),))},
        ["m1: must be near web, of which no task is there"],
    ),
    (
        {"placement": PlacementRules(neighbours=(Neighbour(job="web", attribute="rack"),))},
        [f"{name}: must be near web by rack, and has no rack" for name in ("m0", "m1")],
    ),
    (
        {"placement": PlacementRules(constraints=(equal("zone", "a"),))},
        ["m1: does not meet 'zone = a': zone is b"],
    ),
]


@pytest.mark.parametrize(("asks", "said"), MISSES)
def test_a_machine_says_what_it_has_instead(asks: dict[str, Any], said: list[str]) -> None:
    """The rule that it breaks, with the other job and the attribute; the value that it has."""
    cell = zoned().operator.cell
    spec = make_spec("waits", count=1, cpu_milli=100, **asks)
    misses = [miss for miss in find_misses(cell, spec, limit=5) if miss.machine < 2]
    assert [f"{cell.machines.names[miss.machine]}: {describe_miss(cell, spec, miss)}" for miss in misses] == said


def test_the_rule_of_another_job_is_named_as_its_rule() -> None:
    """Whoever comes second is refused, though its own file says nothing."""
    test = zoned()
    test.submit("shy", placement=PlacementRules(neighbours=(Neighbour(job="loud", attribute="zone", is_apart=True),)))
    test.go()
    cell, spec = test.operator.cell, make_spec("loud", count=1, cpu_milli=100)
    miss = find_misses(cell, spec, limit=5)[0]
    zone = cell.machines.attribute(miss.machine)["zone"]
    assert describe_miss(cell, spec, miss) == (
        f"must stay apart from shy, of which a task is in zone {zone}, by a rule of shy"
    )


def test_devices_that_are_in_use_are_counted() -> None:
    """How many are free of how many are asked for."""
    test = TestCell(machines=0)
    test.add_machine("m0", devices=(DeviceOffer(name="gpu", count=4),))
    test.submit("first", devices=(DeviceRequest(name="gpu", count=2),))
    test.run(BatchScheduler())
    cell, spec = test.operator.cell, make_spec("b", count=1, cpu_milli=1, devices=(DeviceRequest(name="gpu", count=4),))
    [miss] = find_misses(cell, spec, limit=5)
    assert describe_miss(cell, spec, miss) == "2 of 4 gpu free"
