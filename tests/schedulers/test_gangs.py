"""Gangs through the real loop: groups with a minimum, whoever races for the room, and what is said of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.commands import Place, SubmitJob, Transaction
from omegacell.core.jobs import Gang, TaskState
from omegacell.core.limit_commands import SetCaps
from omegacell.core.machine_commands import Report, ReportKind
from omegacell.core.overlays import Overlay
from omegacell.core.placement import PlacementRules, Spread
from omegacell.core.units import UNLIMITED, JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.forking import Fork
from omegacell.schedulers.grouping import find_least
from omegacell.schedulers.interface import NOTHING, Context, Placement, Scheduler, TaskGroup
from omegacell.schedulers.loop import Limits
from omegacell.schedulers.memorycell import ManualClock
from omegacell.schedulers.policies import BestFit
from omegacell.schedulers.relaxing import find_changes
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import GIB, TestCell
from omegacell.schedulers.view import CellView
from omegacell.schedulers.wishes import Kind as Given
from omegacell.schedulers.wishes import Wish
from tests.schedulers.test_races import Greedy

ALL_KINDS = [BatchScheduler, ServiceScheduler, BestFit]


class GreedyGang(Greedy):
    """First fit over all machines, which every instance does alike, and knows what a gang needs."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        placement = super().place(pending, cell, ctx)
        return placement if len(placement) >= pending[0].least else NOTHING


class OldPlugin(Greedy):
    """Written before groups had a minimum: a gang is placed whole or not at all."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        placement = super().place(pending, cell, ctx)
        [group] = pending
        return placement if not group.spec.is_gang or len(placement) == group.count else NOTHING


class Recorder(BatchScheduler):
    """Notes what it is given."""

    def __init__(self, max_groups: int = 1) -> None:
        self.max_groups = max_groups
        self.given: list[list[tuple[list[int], int]]] = []

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        self.given.append([(group.indices.tolist(), group.least) for group in pending])
        view = cell.tentative()
        parts = []
        for group in pending:
            part = super().place([group], view, ctx)
            view.try_claim(group, part.machines)
            parts.append(part)
        return Placement.join(parts)


def states_of(test: TestCell, job: JobId) -> list[TaskState]:
    """Give the states of a job's tasks."""
    test.operator.port.catch_up()
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    first = int(cell.jobs.offset[row])
    return [TaskState(state) for state in cell.tasks.state[first : first + int(cell.jobs.extent[row])].tolist()]


def find_split(test: TestCell) -> list[str]:
    """Fold the log again, and give the transactions that granted a gang a place and left it short: plainly counted."""
    cell, found = Cell(), []
    before: dict[tuple[int, int], int] = {}
    for transaction in (each for entry in test.log.entries for each in entry):
        apply(cell, transaction)
        for job in cell.jobs.ids():
            row = cell.jobs.row_of(job)
            assert row is not None
            first, count = int(cell.jobs.offset[row]), int(cell.jobs.count_wanted[row])
            states = dict(enumerate(cell.tasks.state[first : first + count].tolist()))
            fresh = [at for at, state in states.items() if state == 1 and not before.get((job, at), 0)]
            for members in groups_of(cell.jobs.spec_of(row).gang, count):
                placed = [index for index in members if states[index] != TaskState.PENDING]
                gang = cell.jobs.spec_of(row).gang
                assert gang is not None
                if set(fresh) & set(members) and len(placed) < min(gang.least or len(members), len(members)):
                    found.append(f"revision {cell.revision}: job {job}: {placed} of {list(members)}")
            before |= {(job, index): state for index, state in states.items()}
    return found


def groups_of(gang: Gang | None, count: int) -> list[range]:
    """Give the groups of a job, none when it is no gang."""
    size = 0 if gang is None else gang.size or count
    return [range(first, min(count, first + size)) for first in range(0, count, size)] if size else []


gangs = st.none() | st.builds(
    lambda size, least: Gang(size=size, least=min(least, size) if size else least),
    size=st.sampled_from([0, 2, 3, 4]),
    least=st.integers(0, 4),
)
shapes = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8), gangs), min_size=2, max_size=10)


@given(
    st.lists(st.sampled_from([*ALL_KINDS, GreedyGang]), min_size=2, max_size=4),
    shapes,
    st.integers(1, 8),
    st.integers(),
)
@settings(max_examples=60)
def test_gangs_race_and_no_group_is_ever_split(
    kinds: list[type[Scheduler]], jobs: list[tuple[int, int, Gang | None]], machines: int, seed: int
) -> None:
    """Whatever the groups, their minima and the race: what is placed is enough of each, and nothing waits that fits."""
    test = TestCell(machines=machines, cpu_milli=1_000, seed=abs(seed) % 10_000)
    for number, make in enumerate(kinds):
        test.join(make(), queue=f"kind-{number % 2}")
    for number, (count, cpu, gang) in enumerate(jobs):
        test.submit(f"job-{number}", count=count, cpu_milli=cpu * 100, scheduler=f"kind-{number % 2}", gang=gang)
    test.go()
    for job in test.operator.cell.jobs.ids()[:3]:
        test.end(job)
    test.go()
    cell = test.operator.cell
    assert find_split(test) == []
    for instance in test.instances:
        assert (instance.statistics.disagreements, instance.statistics.failures) == (0, 0)
    for row in (row for job in cell.jobs.ids() if (row := cell.jobs.row_of(job)) is not None):
        spec, waiting = cell.jobs.spec_of(row), int(cell.jobs.counts[row, TaskState.PENDING])
        room = int(Overlay(cell).room(spec).sum())
        assert not waiting or room < find_least(cell, row, spec), f"{spec.name} waits and fits"


@pytest.mark.parametrize("kinds", [[BatchScheduler] * 3, [ServiceScheduler, BatchScheduler], [GreedyGang, BestFit]])
def test_gangs_hold_nothing_while_they_wait(kinds: list[type[Scheduler]]) -> None:
    """Two gangs that fit alone and not together: one runs, the other holds nothing, and both end.

    A third job that is smaller goes on beside them.
    """
    test = TestCell(machines=4, cpu_milli=1_000)
    for number, make in enumerate(kinds):
        test.join(make(), queue=f"kind-{number}")
    pair = [
        test.submit(f"gang-{at}", count=3, cpu_milli=1_000, is_gang=True, scheduler=f"kind-{at}") for at in range(2)
    ]
    small = test.submit("small", count=1, cpu_milli=1_000, scheduler="kind-1")
    test.go()
    assert sorted(test.placed(job) for job in pair) == [0, 3]
    assert test.placed(small) == 1
    [runs], [waits] = ([job for job in pair if test.placed(job) == held] for held in (3, 0))
    cell = test.operator.cell
    assert int((cell.machines.capacity - cell.machines.free)[:, 0].sum()) == 4_000  # those of the two that run
    test.end(runs)
    test.go()
    assert test.placed(waits) == 3
    test.end(waits)
    assert {*states_of(test, runs), *states_of(test, waits)} == {TaskState.SUCCEEDED}
    assert find_split(test) == []


@pytest.mark.parametrize("make", ALL_KINDS)
def test_a_group_is_placed_with_what_it_got_when_that_is_enough(make: type[Scheduler]) -> None:
    """Of four with a minimum of three, three places are enough; the fourth follows when there is room."""
    test = TestCell(machines=3, cpu_milli=1_000)
    test.join(make())
    job = test.submit("team", count=4, cpu_milli=1_000, gang=Gang(least=3))
    test.go()
    assert test.placed(job) == 3
    test.add_machine("late")
    test.go()
    assert test.placed(job) == 4
    assert find_split(test) == []


@pytest.mark.parametrize("make", [*ALL_KINDS, GreedyGang])
def test_too_little_for_a_group_is_nothing_and_said(make: type[Scheduler]) -> None:
    """Two places are none for a gang that needs three; what it waits for is told."""
    test = TestCell(machines=2, cpu_milli=1_000)
    test.join(make())
    job = test.submit("team", count=4, cpu_milli=1_000, gang=Gang(least=3))
    test.go()
    assert test.placed(job) == 0
    assert make is GreedyGang or "a gang of 4 needs 3 places at once and found 2" in test.why(job)


def test_one_conflict_refuses_its_group_and_no_other() -> None:
    """Two schedulers that want the same: the groups that lost are tried again, those that won stand."""
    test = TestCell(machines=6, cpu_milli=1_000)
    slow = test.join(GreedyGang(), queue="slow")
    fast = test.join(GreedyGang(), queue="fast")
    for instance in test.instances:
        test.turn(instance)
        test.turn(instance)
    job = test.submit("pairs", count=6, cpu_milli=500, scheduler="slow", gang=Gang(size=2))
    single = test.submit("single", cpu_milli=500, scheduler="fast")
    test.turn(slow)
    test.turn(fast)
    test.turn(fast)
    assert test.placed(single) == 1
    test.turn(slow)
    waiting = TaskState.PENDING, TaskState.PENDING
    placed = TaskState.PLACED, TaskState.PLACED
    assert states_of(test, job) == [*waiting, *placed, *placed]
    test.go()
    assert states_of(test, job) == [*placed, *placed, *placed]
    assert slow.statistics.conflicts == 1
    assert find_split(test) == []


def test_a_member_that_failed_comes_back_alone() -> None:
    """Above its minimum a running gang needs nobody to be placed with; below it the missing come back together."""
    test = TestCell(machines=4, cpu_milli=1_000)
    recorder = Recorder()
    test.join(recorder)
    job = test.submit("team", count=4, cpu_milli=1_000, gang=Gang(least=3), max_restarts=-1, restart_delay_us=0)
    test.go()
    assert recorder.given[-1] == [([0, 1, 2, 3], 3)]
    for missing, least in (([2], 1), ([0, 3], 1), ([0, 1, 2], 2)):
        fail(test, job, missing)
        test.go()
        assert recorder.given[-1] == [(missing, least)]
        assert test.placed(job) == 4
    assert find_split(test) == []


def fail(test: TestCell, job: JobId, indices: Sequence[int]) -> None:
    """Let tasks of a job fail."""
    test.operator.port.catch_up()
    cell, count = test.operator.cell, len(indices)
    row = cell.jobs.row_of(job)
    assert row is not None
    tasks = np.array(indices, np.int64) + int(cell.jobs.offset[row])
    test.operator.must(
        Report(
            machines=cell.tasks.machine[tasks].astype(np.int32),
            epochs=np.ones(count, np.int32),
            jobs=np.full(count, job, np.int64),
            indices=np.array(indices, np.int32),
            attempts=cell.tasks.attempt[tasks].astype(np.int32),
            kinds=np.full(count, ReportKind.EXITED, np.uint8),
            exit_codes=np.ones(count, np.int32),
            signals=np.zeros(count, np.uint8),
            notes=np.zeros(count, np.uint8),
            at_us=np.full(count, test.clock.wall_us(), np.int64),
        )
    )


@pytest.mark.parametrize(("max_groups", "calls"), [(1, [1, 1, 1]), (2, [2, 1]), (8, [3])])
def test_groups_come_one_at_a_time_or_as_many_as_are_asked_for(max_groups: int, calls: list[int]) -> None:
    """A job of three gangs is one transaction with one `Place`, and as many calls as the plug-in's trait says."""
    test = TestCell(machines=10, cpu_milli=1_000)
    recorder = Recorder(max_groups)
    instance = test.join(recorder)
    job = test.submit("teams", count=7, cpu_milli=1_000, gang=Gang(size=3, least=2))
    test.go()
    assert [len(given) for given in recorder.given] == calls
    assert [group for given in recorder.given for group in given] == [([0, 1, 2], 2), ([3, 4, 5], 2), ([6], 1)]
    assert test.placed(job) == 7
    assert instance.statistics.claims == 7
    places = [each for each in claims_of(test) if each.job == job]
    assert [place.indices.tolist() for place in places] == [list(range(7))]


def claims_of(test: TestCell) -> list[Place]:
    """Give every `Place` of the log."""
    transactions: list[Transaction] = [each for entry in test.log.entries for each in entry]
    return [command for each in transactions for command in each.commands if isinstance(command, Place)]


def test_groups_that_find_no_room_do_not_keep_smaller_ones() -> None:
    """Once a group found too little, none that needs as much is asked about; a smaller one is, and is placed."""
    test = TestCell(machines=1, cpu_milli=1_000)
    recorder = Recorder()
    test.join(recorder)
    job = test.submit("teams", count=7, cpu_milli=500, gang=Gang(size=3))
    test.go()
    assert states_of(test, job) == [TaskState.PENDING] * 6 + [TaskState.PLACED]
    assert recorder.given[:2] == [[([0, 1, 2], 3)], [([6], 1)]]
    assert test.why(job) == "6 unplaced: a gang of 3 tasks, and room for 2"


def test_a_plug_in_that_knows_no_minimum_still_places_gangs() -> None:
    """Who looks at ``is_gang`` and ``count`` alone places groups whole, which is always enough."""
    test = TestCell(machines=4, cpu_milli=1_000)
    instance = test.join(OldPlugin())
    job = test.submit("teams", count=8, cpu_milli=1_000, gang=Gang(size=3, least=2))
    test.go()
    assert states_of(test, job).count(TaskState.PLACED) == 3
    assert instance.statistics.disagreements == 0
    assert find_split(test) == []


def test_a_minimum_that_fits_in_no_entry_says_so() -> None:
    """A gang with a minimum is cut to what an entry takes; one whose minimum is larger is given up with numbers."""
    test = TestCell(machines=50)
    test.join(BatchScheduler(), limits=Limits(gang_claims=20, claims=20))
    large = test.submit("large", count=50, gang=Gang(least=15))
    huge = test.submit("huge", count=50, gang=Gang(least=30))
    test.go()
    assert test.placed(large) == 50
    assert test.why(huge) == "50 unplaced: a gang of 50 needs 30 places at once; one transaction takes 20"


def test_a_cap_lets_in_as_many_groups_as_it_takes() -> None:
    """No group is begun that the cap would not take enough of; more follow when the cap gives way."""
    test = TestCell(machines=8, cpu_milli=1_000)
    test.join(BatchScheduler())
    cap(test, cpu_milli=500)
    job = test.submit("teams", count=6, cpu_milli=100, gang=Gang(size=3, least=2))
    test.go()
    assert states_of(test, job).count(TaskState.PLACED) == 5
    cap(test, cpu_milli=600)
    test.go()
    assert test.placed(job) == 6
    other = test.submit("pair", count=2, cpu_milli=100, is_gang=True)
    cap(test, cpu_milli=700)
    test.go()
    assert test.placed(other) == 0
    assert test.why(other) == "2 unplaced: 8 machines CAP_EXCEEDED"
    assert find_split(test) == []


def cap(test: TestCell, *, cpu_milli: int) -> None:
    """Set the scheduler's cap."""
    test.operator.must(SetCaps(scheduler=TestCell.SCHEDULER, amounts=(cpu_milli, UNLIMITED, UNLIMITED)))


def wish_of(test: TestCell, job: JobId) -> Wish:
    """Give what a job wishes."""
    test.operator.port.catch_up()
    row = test.operator.cell.jobs.row_of(job)
    assert row is not None
    return Wish.of(test.operator.cell, row, clock=test.clock)


def told(test: TestCell, job: JobId) -> list[tuple[str, str, int, int]]:
    """Give the changes of one step that make a job fit."""
    changes = find_changes(wish_of(test, job), until_us=10**15)
    return [
        (step.kind.name, step.name, step.before, step.after)
        for wish in changes.wishes
        for step in wish.steps
        if len(wish.steps) == 1
    ]


def test_a_lower_minimum_is_proposed() -> None:
    """As low as the room there is, for the group that misses the fewest."""
    test = TestCell(machines=2, cpu_milli=1_000)
    job = test.submit("team", count=8, cpu_milli=1_000, gang=Gang(size=4, least=3))
    assert told(test, job)[:3] == [
        ("LESS", "cpu_milli", 1_000, 500),
        ("LOWER_MINIMUM", "", 3, 2),
        ("NO_GANG", "", 3, 0),
    ]


def test_a_higher_cap_is_proposed_where_the_cap_is_in_the_way() -> None:
    """By as much as is missing; and nothing is said to fit that the cap does not take."""
    test = TestCell(machines=8, cpu_milli=1_000)
    cap(test, cpu_milli=500)
    job = test.submit("team", count=3, cpu_milli=400, is_gang=True)
    assert wish_of(test, job).fit_count() == 0
    assert ("HIGHER_CAP", "cpu_milli", 500, 1_200) in told(test, job)
    assert ("MUCH_LESS", "cpu_milli", 400, 166) in told(test, job)
    single = test.submit("single", cpu_milli=700)
    assert told(test, single) == [("LESS", "cpu_milli", 700, 500), ("HIGHER_CAP", "cpu_milli", 500, 700)]


def test_a_gang_is_promised_nothing_that_its_own_spread_forbids() -> None:
    """Three tasks fit on two machines, but not as evenly as they must: that is found before it is said."""
    test = TestCell(machines=0)
    for name, cpu in (("large", 4_000), ("small", 1_000)):
        test.add_machine(name, cpu_milli=cpu)
    rules = PlacementRules(spreads=(Spread(attribute="machine", max_skew=1),))
    job = test.submit("team", count=4, cpu_milli=1_000, is_gang=True, placement=rules)
    wish = wish_of(test, job)
    assert (wish.place_count(), wish.fit_count()) == (3, 0)
    assert ("NO_SPREAD", "machine", 1, 0) in told(test, job)
    assert ("LOWER_MINIMUM", "all", 4, 3) in told(test, job)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[TestCell, JobId]:
    """Draw a cell in which a gang waits."""
    test = TestCell(machines=0)
    for number in range(draw(st.integers(1, 4))):
        test.add_machine(f"m{number}", cpu_milli=draw(st.integers(1, 4)) * 1_000)
    if draw(st.booleans()):
        cap(test, cpu_milli=draw(st.integers(1, 8)) * 1_000)
    spreads = (Spread(attribute="machine", max_skew=draw(st.integers(1, 2))),) if draw(st.booleans()) else ()
    rules: dict[str, Any] = {
        "placement": PlacementRules(spreads=spreads, max_per_machine=draw(st.sampled_from([0, 2])))
    }
    if rules["placement"] == PlacementRules():
        rules = {}
    gang = draw(gangs)
    cpu, memory = draw(st.integers(1, 5)) * 500, draw(st.integers(0, 12)) * GIB
    return test, test.submit(
        "waits", count=draw(st.integers(1, 9)), cpu_milli=cpu, memory_bytes=memory, gang=gang, **rules
    )


@settings(max_examples=60)
@given(worlds())
def test_what_is_promised_to_a_gang_is_placed(world: tuple[TestCell, JobId]) -> None:
    """Whatever is said to make it fit does: changed so, a scheduler places as many as was said, and more only alone."""
    test, job = world
    wish = wish_of(test, job)
    for each in [wish, *find_changes(wish, until_us=10**15).wishes]:
        promised = each.fit_count()
        fork = Fork(each.cell.clone(), clock=ManualClock())
        new = JobId(fork.do(SubmitJob(spec=each.spec, submitted_at_us=0, replace=True)).value)
        fork.decide(new, ServiceScheduler(), until_us=10**12)
        row = fork.cell.jobs.row_of(new)
        assert row is not None
        placed = int(fork.cell.jobs.counts[row, TaskState.PLACED])
        assert placed >= promised, each.steps
        assert each.steps == () or promised > 0
        assert promised > 0 or placed == 0 or each.spec.placement.is_crowded


def test_every_kind_of_change_has_words() -> None:
    """A kind without words would be shown by its name."""
    from omegacell.api.planning.words import describe_steps
    from omegacell.schedulers.wishes import Step

    for kind in Given:
        words = describe_steps((Step(kind=kind, name="cpu_milli", before=4_000, after=3_000),))
        assert words != kind.name.lower()
    lower = Step(kind=Given.LOWER_MINIMUM, before=3, after=2)
    higher = Step(kind=Given.HIGHER_CAP, name="cpu_milli", before=500, after=1_200)
    assert describe_steps((lower, higher)) == "min 2 instead of 3 and with a cap of 1.2 cpu instead of 0.5"
