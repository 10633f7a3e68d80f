"""What would make a task fit that rules of placement, devices or a cordon keep waiting: step, words, and near miss."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omegacell.api.planning.fielddiff import find_differences
from omegacell.api.planning.misses import describe_miss
from omegacell.api.planning.words import describe_steps
from omegacell.core.constraints import Constraint, Operator
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.drains import Eligibility, SetEligibility
from omegacell.core.machine_commands import SetTaints
from omegacell.core.placement import Neighbour, PlacementRules, Spread, Taint, Toleration
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.explaining import find_misses
from omegacell.schedulers.relaxing import find_changes
from omegacell.schedulers.testing import TestCell, make_spec
from omegacell.schedulers.wishes import Kind, Step, Wish

ZONE_A = Constraint(attribute="zone", operator=Operator.EQUAL, values=("a",))
GPU = DeviceRequest(name="gpu", count=4)

# what the job asks for, what is done to the machine first, the first change in words, the near miss in words
ROWS: list[tuple[dict[str, Any], tuple[Any, ...], str, str]] = [
    (
        {"placement": PlacementRules(constraints=(ZONE_A,))},
        (),
        "without constraint 'zone = a'",
        "does not meet 'zone = a': it has no zone",
    ),
    ({"placement": PlacementRules(pool="gpu")}, (), "in any pool instead of gpu", "is in pool default, not gpu"),
    (
        {},
        (SetTaints(machines=(0,), add=(Taint(key="old", value="yes"),)),),
        "with a toleration of taint old",
        "has the taint old=yes:no_place",
    ),
    (
        {},
        (SetEligibility(machines=(0,), eligibility=Eligibility.CORDONED),),
        "when machine m0 is uncordoned",
        "cordoned",
    ),
    (
        {"placement": PlacementRules(neighbours=(Neighbour(job="there", is_apart=True),))},
        (),
        "without staying apart from there",
        "must stay apart from there, of which a task is there",
    ),
    (
        {"placement": PlacementRules(neighbours=(Neighbour(job="nobody"),))},
        (),
        "without staying near nobody",
        "must be near nobody, which is not in the cell",
    ),
    (
        {"placement": PlacementRules(spreads=(Spread(attribute="rack", max_skew=1),))},
        (),
        "without the rack spread",
        "would skew its spread over rack (max_skew 1)",
    ),
    ({"devices": (GPU,)}, (), "2 gpu instead of 4", "has 2 of 4 gpu"),
    (
        {"devices": (DeviceRequest(name="gpu", count=1, where=(("model", "h100"),)),)},
        (),
        "gpu of any kind, without its `where`",
        "its gpu are model a100, not h100",
    ),
    (
        {"devices": (DeviceRequest(name="gpu", count=1, where=(("memory", "80Gi"),)),)},
        (),
        "gpu of any kind, without its `where`",
        "its gpu have no memory",
    ),
    (
        {"devices": (DeviceRequest(name="tpu", count=1),)},
        (),
        "without tpu",
        "has no tpu",
    ),
]  # fmt: skip


def cell_of(*first: Any) -> TestCell:
    """Return one machine with two GPUs of one model and no attributes, on which a job runs."""
    test = TestCell(machines=0)
    test.add_machine("m0", devices=(DeviceOffer(name="gpu", count=2, attributes=(("model", "a100"),)),))
    test.submit("there", count=1)
    test.run(BatchScheduler())
    for command in first:
        test.operator.must(command)
    return test


@pytest.mark.parametrize(("asks", "first", "change", "miss"), ROWS, ids=[row[3] for row in ROWS])
def test_a_rule_that_keeps_a_task_waiting_can_be_given_up(
    asks: dict[str, Any], first: tuple[Any, ...], change: str, miss: str
) -> None:
    """The smallest change is that one rule, and the machine says what it does not do."""
    test = cell_of(*first)
    job = test.submit("waits", **asks)
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    wishes = find_changes(Wish.of(cell, row, clock=test.clock), until_us=10**15).wishes
    assert describe_steps(wishes[0].steps) == change
    [found] = find_misses(cell, cell.jobs.spec_of(row), limit=5)
    assert describe_miss(cell, cell.jobs.spec_of(row), found) == miss


def test_max_per_machine_can_be_given_up() -> None:
    """A second task of a job on the only machine."""
    test = cell_of()
    job = test.submit("pair", count=2, placement=PlacementRules(max_per_machine=1))
    test.run(BatchScheduler())
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    wishes = find_changes(Wish.of(cell, row, clock=test.clock), until_us=10**15).wishes
    assert describe_steps(wishes[0].steps) == "without max_per_machine"
    [found] = find_misses(cell, cell.jobs.spec_of(row), limit=5)
    assert describe_miss(cell, cell.jobs.spec_of(row), found) == "has 1 of its tasks already"


def test_rules_and_devices_differ_readably() -> None:
    """A plan shows rules and devices one by one, as a job file has them."""
    spec = make_spec("a", devices=(GPU,))
    rules = PlacementRules(
        constraints=(ZONE_A,),
        tolerations=(Toleration(key="old"),),
        max_per_machine=2,
        neighbours=(Neighbour(job="db", is_apart=True),),
        spreads=(Spread(attribute="zone", max_skew=1),),
    )
    other = replace(spec, placement=rules, devices=(replace(GPU, count=2, where=(("model", "a100"),)),))
    assert [(each.field, each.before, each.after) for each in find_differences(spec, other)] == [
        ("max_per_machine", "any", "2"),
        ("devices.gpu", "4", "2 with model=a100"),
        ("constraints", "", "zone = a"),
        ("tolerations", "", "old"),
        ("apart.db.machine", "", "yes"),
        ("spread.zone", "", "max_skew 1"),
    ]


# the steps of the table in docs/planning.md, in its order: kind, name, before, after
SAMPLES = [
    ("STOPPING_ENDS", "", 2, 0),
    ("LESS", "memory_bytes", 2147483648, 1610612736),
    ("LOWER_MINIMUM", "all", 4, 2),
    ("FEWER_TASKS", "", 4, 2),
    ("NO_GANG", "", 4, 0),
    ("ANY_PORT", "http", 80, 0),
    ("NO_SPREAD", "zone", 1, 0),
    ("NO_MACHINE_LIMIT", "", 2, 0),
    ("NOT_APART", "web", 0, 0),
    ("NOT_NEAR", "cache", 0, 0),
    ("TOLERATION", "old", 0, 0),
    ("NO_CONSTRAINT", "zone = a", 0, 0),
    ("ANY_POOL", "gpu", 0, 0),
    ("ANY_DEVICE", "gpu", 0, 0),
    ("FEWER_DEVICES", "gpu", 4, 2),
    ("MACHINE_OPENS", "alpha", 1, 0),
    ("HIGHER_CAP", "cpu_milli", 4000, 6000),
    ("JOB_ENDS", "nightly", 3, 0),
    ("MACHINE_RETURNS", "alpha", 1, 0),
    ("MUCH_LESS", "cpu_milli", 8000, 1000),
]


def test_the_page_on_plans_lists_every_change() -> None:
    """In the order in which they are shown, each in the words in which it is said."""
    assert [row[0] for row in SAMPLES] == [kind.name for kind in Kind]
    page = Path("docs/planning.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \d+ \| .* \| (.*) \|$", page, re.MULTILINE)
    steps = [Step(kind=Kind[kind], name=name, before=before, after=after) for kind, name, before, after in SAMPLES]
    assert listed == [describe_steps((step,)) for step in steps]
