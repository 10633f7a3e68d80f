"""What would make a task fit: each kind of change on small cells worked out by hand, and what holds of all of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.core.cell import Cell
from omegacell.core.commands import StopJob, SubmitJob
from omegacell.core.jobs import Kind, Port, TaskState
from omegacell.core.machine_commands import LoseMachines
from omegacell.core.outcomes import Change
from omegacell.core.snapshots import digest
from omegacell.core.units import Band, JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.forking import Fork
from omegacell.schedulers.memorycell import ManualClock
from omegacell.schedulers.relaxing import RELAXATIONS, find_changes
from omegacell.schedulers.testing import GIB, TestCell
from omegacell.schedulers.wishes import Kind as Given
from omegacell.schedulers.wishes import Wish

NO_END_US = 10**15
HTTP = (Port(name="http", number=80),)


def changes_of(test: TestCell, job: JobId) -> tuple[Wish, ...]:
    """Return what would make a job of a cell fit, the smallest first."""
    test.operator.port.catch_up()
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    changes = find_changes(Wish.of(cell, row, clock=test.clock), until_us=NO_END_US)
    assert not changes.is_cut_off
    return changes.wishes


def told(wish: Wish) -> tuple[tuple[Any, ...], ...]:
    """Return what a wish gives up, as a row of a table."""
    return tuple((step.kind.name, step.name, step.before, step.after) for step in wish.steps)


def filled(**fields: Any) -> TestCell:
    """Return two machines of 4 CPUs and 16 GiB, each with a task of the job ``there``."""
    test = TestCell(machines=2)
    test.submit("there", count=2, **({"cpu_milli": 1_000, "memory_bytes": 2 * GIB} | fields))
    test.run(BatchScheduler())
    return test


def stopping() -> TestCell:
    """Return the same with ``there`` being stopped."""
    test = filled(kind=Kind.SERVICE)
    test.stop(JobId(1))
    return test


def one_lost() -> TestCell:
    """Return the same after a machine with more room was lost."""
    test = TestCell(machines=1)
    large = test.add_machine("large", cpu_milli=9_000)
    test.operator.must(LoseMachines(machines=(large,), by_operator=True))
    return test


def one_silent() -> TestCell:
    """Return the same with the larger machine silent, and not given up."""
    test = TestCell(machines=1)
    large = test.add_machine("large", cpu_milli=9_000)
    test.operator.tick(gained=[0])
    test.operator.tick(lost_contact=[large])
    return test


def odd_driver() -> TestCell:
    """Return a cell whose only machine offers another driver."""
    test = TestCell(machines=0)
    test.add_machine("odd", drivers=("other",))
    return test


# the cell, the job that waits in it, the changes that make it fit: the smallest first
WAYS: list[tuple[str, Callable[[], TestCell], dict[str, Any], list[tuple[tuple[Any, ...], ...]]]] = [
    (
        "less memory, by what the nearest machine lacks; or when the job that has it ends",
        filled,
        {"memory_bytes": 15 * GIB},
        [(("LESS", "memory_bytes", 15 * GIB, 14 * GIB),), (("JOB_ENDS", "there", 2, 0),)],
    ),
    (
        "two resources of one machine are one change",
        filled,
        {"cpu_milli": 3_200, "memory_bytes": 15 * GIB},
        [
            (("LESS", "cpu_milli", 3_200, 3_000), ("LESS", "memory_bytes", 15 * GIB, 14 * GIB)),
            (("JOB_ENDS", "there", 2, 0),),
        ],
    ),
    (
        "less than half of what is asked for comes after waiting",
        lambda: filled(cpu_milli=3_000),
        {"cpu_milli": 4_000},
        [(("JOB_ENDS", "there", 2, 0),), (("MUCH_LESS", "cpu_milli", 4_000, 1_000),)],
    ),
    (
        "any port, or when who holds it ends",
        lambda: filled(ports=HTTP),
        {"ports": HTTP},
        [(("ANY_PORT", "http", 80, 0),), (("JOB_ENDS", "there", 2, 0),)],
    ),
    (
        "a port that all machines grant to others",
        filled,
        {"ports": (Port(name="http", number=20_500),)},
        [(("ANY_PORT", "http", 20_500, 0),)],
    ),
    (
        "a gang: less of a resource, fewer tasks, one by one, or when there is more room",
        filled,
        {"cpu_milli": 2_000, "count": 4, "is_gang": True},
        [
            (("LESS", "cpu_milli", 2_000, 1_500),),
            (("LOWER_MINIMUM", "all", 4, 2),),
            (("FEWER_TASKS", "", 4, 2),),
            (("NO_GANG", "", 4, 0),),
            (("JOB_ENDS", "there", 2, 0),),
        ],
    ),
    (
        "tasks that are stopping give way first",
        stopping,
        {"memory_bytes": 15 * GIB},
        [
            (("STOPPING_ENDS", "", 2, 0),),
            (("LESS", "memory_bytes", 15 * GIB, 14 * GIB),),
            (("JOB_ENDS", "there", 2, 0),),
        ],
    ),
    (
        "a lost machine",
        one_lost,
        {"cpu_milli": 6_000},
        [(("LESS", "cpu_milli", 6_000, 4_000),), (("MACHINE_RETURNS", "large", 1, 0),)],
    ),
    (
        "a silent machine",
        one_silent,
        {"cpu_milli": 6_000},
        [(("LESS", "cpu_milli", 6_000, 4_000),), (("MACHINE_RETURNS", "large", 1, 0),)],
    ),
    ("a driver that no machine offers is no way", odd_driver, {}, []),
    (
        "two changes, when none alone is enough",
        lambda: filled(ports=HTTP, cpu_milli=100),
        {"ports": HTTP, "memory_bytes": 17 * GIB},
        [(("ANY_PORT", "http", 80, 0), ("LESS", "memory_bytes", 17 * GIB, 14 * GIB))],
    ),
    ("nothing is given up of what fits", filled, {"cpu_milli": 3_000}, []),
    ("nothing helps where there is no machine", lambda: TestCell(machines=0), {}, []),
]


@pytest.mark.parametrize(("make", "fields", "expected"), [row[1:] for row in WAYS], ids=[row[0] for row in WAYS])
def test_what_would_make_it_fit(
    make: Callable[[], TestCell], fields: dict[str, Any], expected: list[tuple[tuple[Any, ...], ...]]
) -> None:
    """Each way to give way is found with its exact amounts, in the documented order."""
    test = make()
    job = test.submit("waits", **fields)
    assert [told(wish) for wish in changes_of(test, job)] == expected


def test_batch_jobs_are_waited_for_before_services() -> None:
    """Of jobs whose end would do, a batch job comes first, then the less important one, then the smaller."""
    test = TestCell(machines=3, cpu_milli=1_000)
    test.submit("steady", cpu_milli=1_000, kind=Kind.SERVICE)
    test.submit("urgent", cpu_milli=1_000, band=Band.PRODUCTION)
    test.submit("plain", cpu_milli=1_000)
    test.run(BatchScheduler())
    waits = test.submit("waits", cpu_milli=1_000)
    assert [told(wish) for wish in changes_of(test, waits)] == [(("JOB_ENDS", "plain", 1, 0),)]


def test_time_that_is_over_is_said() -> None:
    """When the time is over nothing more is tried, and what was not tried is not taken for what does not help."""
    test = filled()
    job = test.submit("waits", memory_bytes=15 * GIB)
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    changes = find_changes(Wish.of(cell, row, clock=test.clock), until_us=0)
    assert (changes.wishes, changes.is_cut_off) == ((), True)


def test_how_many_would_fit_then() -> None:
    """Of several tasks that wait it is told how many the change makes room for."""
    test = filled()
    waits = test.submit("waits", count=5, cpu_milli=3_500)
    less, ends = changes_of(test, waits)
    assert (less.fit_count(), ends.fit_count()) == (2, 2)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[TestCell, JobId]:
    """Draw a small cell with work on it, and a job that may or may not fit."""
    test = TestCell(machines=0)
    for number in range(draw(st.integers(1, 4))):
        drivers = draw(st.sampled_from((("exec",), ("exec",), ("other",))))
        test.add_machine(f"m{number}", cpu_milli=draw(st.integers(1, 40)) * 100, drivers=drivers)
    ports = st.sampled_from(((), HTTP, (Port(name="any"),), (*HTTP, Port(name="more", number=81))))
    for number in range(draw(st.integers(0, 4))):
        test.submit(
            f"there-{number}",
            count=draw(st.integers(1, 3)),
            cpu_milli=draw(st.integers(0, 15)) * 100,
            memory_bytes=draw(st.integers(0, 8)) * GIB,
            ports=draw(ports),
            kind=draw(st.sampled_from((Kind.BATCH, Kind.SERVICE))),
        )
    test.run(BatchScheduler())
    if draw(st.booleans()) and test.operator.cell.jobs.ids():
        test.operator.do(StopJob(job=test.operator.cell.jobs.ids()[0]))
    if draw(st.booleans()):
        test.operator.must(LoseMachines(machines=(0,), by_operator=True))
    job = test.submit(
        "waits",
        count=draw(st.integers(1, 5)),
        cpu_milli=draw(st.integers(1, 50)) * 100,
        memory_bytes=draw(st.integers(0, 20)) * GIB,
        ports=draw(ports),
        is_gang=draw(st.booleans()),
    )
    return test, job


@settings(max_examples=40)
@given(worlds())
def test_what_is_promised_is_placed(world: tuple[TestCell, JobId]) -> None:
    """Whatever is said to make it fit does: submitted so, in the cell as it is then, a scheduler places it.

    And the cell that was asked is the same afterwards.
    """
    test, job = world
    test.operator.port.catch_up()
    before = digest(test.operator.cell)
    for wish in changes_of(test, job):
        placed, asked = place_as_changed(wish, job)
        assert placed == min(wish.fit_count(), asked), told(wish)
        assert placed > 0
    assert digest(test.operator.cell) == before


def place_as_changed(wish: Wish, job: JobId) -> tuple[int, int]:
    """Submit what a wish asks for, with the real judge, and place it with a real scheduler; return placed and asked."""
    fork = Fork(wish.cell.clone(), clock=ManualClock())
    outcome = fork.do(SubmitJob(spec=wish.spec, submitted_at_us=0, replace=True))
    assert outcome.detail in (Change.REPLACED, Change.UNCHANGED, Change.SCALED)
    new = JobId(outcome.value)
    fork.decide(new, BatchScheduler(), until_us=10**12)
    row = fork.cell.jobs.row_of(new)
    assert row is not None
    return int(fork.cell.jobs.counts[row, TaskState.PLACED]), wish.spec.count


@settings(max_examples=40)
@given(worlds())
def test_less_is_as_little_as_possible(world: tuple[TestCell, JobId]) -> None:
    """When a resource alone is made smaller, one unit more of it does not fit."""
    test, job = world
    for wish in changes_of(test, job):
        if wish.row_count == 1 and len(wish.steps) == 1 and wish.steps[0].kind in (Given.LESS, Given.MUCH_LESS):
            [place] = [at for at, amount in enumerate(wish.spec.resources) if amount != original(test, job)[at]]
            more = tuple(amount + (at == place) for at, amount in enumerate(wish.spec.resources))
            assert not wish.fit_count(replace(wish.spec, resources=more))


def original(test: TestCell, job: JobId) -> tuple[int, ...]:
    """Return what a job asks for."""
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    return cell.jobs.spec_of(row).resources


@settings(max_examples=40)
@given(worlds())
def test_nothing_is_said_only_where_nothing_alone_helps(world: tuple[TestCell, JobId]) -> None:
    """Where it does not fit and a job is told nothing, no job's end and no smaller amount would have helped either."""
    test, job = world
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    wish = Wish.of(cell, row, clock=test.clock)
    if wish.fit_count() or changes_of(test, job):
        return
    for other in cell.jobs.ids():
        if other != job:
            fork = Fork(cell.clone(), clock=test.clock)
            fork.end_job(other)
            assert not wish.on(fork.cell).fit_count()
    assert not wish.fit_count(replace(wish.spec, resources=tuple(min(1, each) for each in wish.spec.resources)))
    assert all(not smaller.fit_count() for find in RELAXATIONS for smaller in find(wish))


def test_a_fork_gives_back_ports_too() -> None:
    """A job that ends on a fork leaves its machines as if it had never been there; the cell itself keeps it."""
    test = filled(ports=HTTP)
    cell: Cell = test.operator.cell
    before = digest(cell)
    fork = Fork(cell.clone(), clock=test.clock)
    fork.end_job(JobId(1))
    assert np.array_equal(fork.cell.machines.free, fork.cell.machines.capacity)
    assert fork.cell.machines.ports == [{}, {}]
    assert digest(cell) == before
