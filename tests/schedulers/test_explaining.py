"""Machine by machine: which come nearest to taking a task, and which had room when one was chosen."""

from omegacell.core.jobs import Port
from omegacell.core.machine_commands import LoseMachines
from omegacell.core.outcomes import Reason
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.explaining import count_by_machine, find_choice, find_misses
from omegacell.schedulers.testing import GIB, TestCell, make_spec


def test_the_nearest_machines_come_first() -> None:
    """One that lacks a little stands before one that lacks more, and that before one without the driver, or down."""
    test = TestCell(machines=0, memory_bytes=8 * GIB)
    lost = test.add_machine("lost")
    test.add_machine("odd", drivers=("other",))
    test.add_machine("small", cpu_milli=1_000)
    test.add_machine("near", cpu_milli=3_000)
    test.add_machine("fits", cpu_milli=9_000)
    test.operator.must(LoseMachines(machines=(lost,), by_operator=True))
    spec = make_spec("a", cpu_milli=4_000, memory_bytes=8 * GIB)
    cell = test.operator.cell
    misses = find_misses(cell, spec, limit=9)
    assert [(cell.machines.names[miss.machine], miss.reason) for miss in misses] == [
        ("near", Reason.RESOURCES),
        ("small", Reason.RESOURCES),
        ("odd", Reason.DRIVER_MISSING),
        ("lost", Reason.MACHINE_NOT_UP),
    ]
    [shortage] = misses[0].shortages
    assert (shortage.dimension, shortage.asked, shortage.free) == (0, 4_000, 3_000)
    assert find_misses(cell, spec, limit=2) == misses[:2]


def test_every_resource_that_is_missing_is_told() -> None:
    """Of a machine that lacks several resources all are named, also when something else stands in the way first."""
    test = TestCell(machines=1, cpu_milli=1_000, memory_bytes=GIB)
    test.submit("there", cpu_milli=500, ports=(Port(name="http", number=80),))
    test.run(BatchScheduler())
    spec = make_spec("a", cpu_milli=2_000, memory_bytes=2 * GIB, ports=(Port(name="http", number=80),))
    [miss] = find_misses(test.operator.cell, spec, limit=5)
    assert miss.reason is Reason.PORT_TAKEN
    assert [(each.dimension, each.asked, each.free) for each in miss.shortages] == [
        (0, 2_000, 500),
        (1, 2 * GIB, GIB),
    ]


def test_a_silent_machine_is_no_candidate() -> None:
    """Schedulers offer it nothing, so it stands with those that are not up, and says that it is silent."""
    test = TestCell(machines=1)
    test.operator.tick(gained=[0])
    test.operator.tick(lost_contact=[0])
    [miss] = find_misses(test.operator.cell, make_spec("a"), limit=5)
    assert (miss.reason, miss.is_silent) == (Reason.MACHINE_NOT_UP, True)


def test_where_a_machine_stood_among_those_with_room() -> None:
    """Machines with room are counted, less loaded ones too, and named from the least loaded on."""
    test = TestCell(machines=0)
    for number, cpu_milli in enumerate((1_000, 8_000, 4_000, 2_000)):
        test.add_machine(f"m{number}", cpu_milli=cpu_milli)
    choice = find_choice(test.operator.cell, make_spec("a", cpu_milli=1_500), 2)
    assert (choice.machine_count, choice.fitting_count, choice.lighter_count, choice.others) == (4, 3, 1, (1, 3))


def test_machines_of_a_job() -> None:
    """Where the tasks of a job are is counted, the fullest first."""
    test = TestCell(machines=1, cpu_milli=2_000)
    test.add_machine("small", cpu_milli=1_000)
    job = test.submit("a", count=3, cpu_milli=1_000)
    test.run(BatchScheduler())
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    assert count_by_machine(cell, row) == ((0, 2), (1, 1))
