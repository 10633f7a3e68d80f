"""Schedulers that race on one cell: conflicts happen and are resolved, nothing is lost, nothing over-committed."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.core.commands import ExpireSession
from omegacell.core.invariants import find_overcommitted
from omegacell.core.jobs import TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.units import Detection
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Context, Placement, Scheduler, TaskGroup
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import TestCell
from omegacell.schedulers.view import CellView


class Greedy:
    """Deterministic first fit over all machines: everybody wants the same."""

    detection = Detection.FINE

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        [group] = pending
        room = np.minimum(cell.room(group), group.count)
        return Placement.of(group, np.repeat(np.arange(cell.machine_count), room)[: group.count])


class GreedyCoarse(Greedy):
    """The same, refused whenever a machine changed at all."""

    detection = Detection.COARSE


def check_quiet(test: TestCell) -> None:
    """Nothing over-committed, no claim refused without a change, and no job waits that fits."""
    cell = test.operator.cell
    assert find_overcommitted(cell) == []
    for instance in test.instances:
        assert (instance.statistics.disagreements, instance.statistics.failures) == (0, 0)
    for job in cell.jobs.ids():
        row = cell.jobs.row_of(job)
        assert row is not None
        spec = cell.jobs.spec_of(row)
        waiting = int(cell.jobs.counts[row, TaskState.PENDING])
        room = int(Overlay(cell).room(spec).sum())
        assert not waiting or room < (waiting if spec.is_gang else 1), f"{spec.name} waits and fits"


makes = st.lists(st.sampled_from([BatchScheduler, ServiceScheduler, Greedy, GreedyCoarse]), min_size=2, max_size=4)
shapes = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8), st.booleans()), min_size=2, max_size=12)


@given(makes, shapes, st.integers(1, 8), st.integers(0, 10_000))
@settings(max_examples=50)
def test_any_race_comes_to_rest_with_everything_placed_that_fits(
    kinds: list[type[Scheduler]], jobs: list[tuple[int, int, bool]], machines: int, seed: int
) -> None:
    """Different schedulers, each with jobs of its own, interleaved in any order: they end with nothing left to do."""
    test = TestCell(machines=machines, cpu_milli=1_000, seed=seed)
    for number, make in enumerate(kinds):
        test.join(make(), queue=f"kind-{number}")
    for number, (count, cpu, is_gang) in enumerate(jobs):
        queue = f"kind-{number % len(kinds)}"
        test.submit(f"job-{number}", count=count, cpu_milli=cpu * 100, scheduler=queue, is_gang=is_gang)
    test.go()
    check_quiet(test)
    for job in test.operator.cell.jobs.ids()[:3]:
        test.end(job)
    test.go()
    check_quiet(test)


@pytest.mark.parametrize("make", [Greedy, GreedyCoarse])
def test_schedulers_that_want_the_same_conflict_and_still_all_get_done(make: type[Greedy]) -> None:
    """With room for all, every job is placed in the end; conflicts were had on the way and are in the log's books."""
    lost = []
    for seed in range(5):
        test = TestCell(machines=10, cpu_milli=1_000, seed=seed)
        for number in range(3):
            test.join(make(), queue=f"kind-{number}")
        jobs = [
            test.submit(f"job-{number}", count=3, cpu_milli=300, scheduler=f"kind-{number % 3}") for number in range(9)
        ]
        test.go()
        check_quiet(test)
        assert [test.placed(job) for job in jobs] == [3] * 9
        lost.append(sum(instance.statistics.conflicts for instance in test.instances))
        assert sum(author.conflicted for author in test.operator.cell.authors.rows) == lost[-1]
    assert sum(count > 0 for count in lost) >= 3


def test_instances_of_one_scheduler_share_its_jobs() -> None:
    """Each decides on its own share only: nothing is decided twice, and nothing is left."""
    test = TestCell(machines=50)
    instances = [test.join(BatchScheduler()) for _ in range(3)]
    test.go()
    jobs = [test.submit(f"job-{number}") for number in range(60)]
    test.go()
    assert sum(test.placed(job) for job in jobs) == 60
    decided = [instance.statistics.decisions for instance in instances]
    assert sum(decided) == 60
    assert min(decided) > 5


def test_what_a_dead_instance_leaves_is_taken_when_its_session_expires() -> None:
    """An instance that never comes back keeps its share only as long as its session."""
    test = TestCell(machines=50)
    alive, dead = test.join(BatchScheduler()), test.join(BatchScheduler())
    test.go()
    test.instances.remove(dead)
    jobs = [test.submit(f"job-{number}") for number in range(20)]
    test.go()
    placed = sum(test.placed(job) for job in jobs)
    assert 0 < placed < 20
    session = dead.runner.loop._session
    for _ in range(31):
        test.operator.tick()
        test.go(for_us=0)
    assert session is not None
    test.operator.must(ExpireSession(session=session))
    test.go()
    assert sum(test.placed(job) for job in jobs) == 20
    assert alive.statistics.conflicts == 0


def test_an_instance_that_is_restarted_takes_up_its_share_at_once() -> None:
    """Under its old name it does not wait for its old session to expire."""
    test = TestCell(machines=50)
    test.join(BatchScheduler(), name="batch-0")
    dead = test.join(BatchScheduler(), name="batch-1")
    test.go()
    test.instances.remove(dead)
    jobs = [test.submit(f"job-{number}") for number in range(20)]
    test.go()
    assert sum(test.placed(job) for job in jobs) < 20
    test.join(BatchScheduler(), name="batch-1")
    test.go()
    assert sum(test.placed(job) for job in jobs) == 20
