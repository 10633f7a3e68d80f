"""The order in which waiting jobs are tried: priority, age, the tenth decision, shares, and what wakes whom."""

from collections.abc import Iterator

import pytest

from omegacell.core.cell import Cell
from omegacell.core.commands import CloseSession, OpenSession, Transaction
from omegacell.core.units import Band, JobId, Revision, Role, SessionId
from omegacell.schedulers.backlog import OLDEST_EVERY, QUEUES_PER_LOOK, Backlog
from omegacell.schedulers.entries import Standing
from omegacell.schedulers.shares import live_instances, owner_of
from omegacell.schedulers.testing import TestCell


class Waiting:
    """A cell with a backlog that follows it."""

    def __init__(self, machines: int = 1) -> None:
        self.test = TestCell(machines=machines, cpu_milli=1_000)
        self.backlog = Backlog.of(self.cell, scheduler="test", instance="test-0")
        self.cell.drain_delta()

    @property
    def cell(self) -> Cell:
        return self.test.operator.cell

    def submit(self, name: str, **fields: object) -> JobId:
        job = self.test.submit(name, **fields)  # type: ignore[arg-type]
        self.follow()
        return job

    def follow(self) -> None:
        delta = self.cell.drain_delta()
        self.backlog.update(self.cell, delta.jobs, now_us=0)
        self.backlog.note_machines(delta.machines)

    def taken(self, now_us: int = 0) -> Iterator[str]:
        """Take every ready job."""
        while (entry := self.backlog.take(now_us)) is not None:
            yield entry.spec.name

    def park_all(self, not_before_us: int = 0) -> None:
        for name in list(self.taken()):
            entry = self.backlog.find(self.job(name))
            assert entry is not None
            self.backlog.park(entry, not_before_us=not_before_us)

    def job(self, name: str) -> JobId:
        job = self.cell.jobs.by_name(name)
        assert job is not None
        return job


def test_priority_then_age() -> None:
    """The band first, then the number inside it, then who came first."""
    waiting = Waiting()
    waiting.submit("old-batch")
    waiting.submit("urgent-batch", priority=5)
    waiting.submit("service", band=Band.PRODUCTION)
    waiting.submit("spare", band=Band.BEST_EFFORT, priority=99)
    waiting.submit("new-batch")
    assert list(waiting.taken()) == ["service", "urgent-batch", "old-batch", "new-batch", "spare"]


def test_every_tenth_decision_takes_the_oldest() -> None:
    """A job of the lowest band is not starved by a stream of better ones; the others go by priority."""
    waiting = Waiting()
    waiting.submit("oldest", band=Band.BEST_EFFORT)
    for number in range(15):
        waiting.submit(f"better-{number:02}", band=Band.PRODUCTION)
    order = list(waiting.taken())
    assert order.index("oldest") == OLDEST_EVERY - 1
    assert [name for name in order if name != "oldest"] == [f"better-{number:02}" for number in range(15)]


def test_jobs_of_other_schedulers_and_jobs_without_pending_tasks_do_not_wait() -> None:
    """Only this scheduler's jobs count, and only while tasks of them wait."""
    waiting = Waiting()
    waiting.submit("other", scheduler="careful")
    job = waiting.submit("mine")
    assert len(waiting.backlog) == 1
    waiting.test.stop(job)
    waiting.follow()
    assert (len(waiting.backlog), list(waiting.taken())) == (0, [])


def test_a_delayed_job_comes_back_when_it_is_due() -> None:
    """Not a microsecond earlier, and the backlog says when that is."""
    waiting = Waiting()
    waiting.submit("flaky")
    entry = waiting.backlog.take(0)
    assert entry is not None
    waiting.backlog.delay(entry, until_us=500, now_us=0)
    assert waiting.backlog.next_due_us() == 500
    assert waiting.backlog.take(499) is None
    assert waiting.backlog.take(500) is entry
    assert waiting.backlog.next_due_us() is None


def test_a_delayed_job_that_is_scaled_up_is_tried_at_once() -> None:
    """New tasks do not wait for the back-off of old ones; fewer tasks change nothing."""
    waiting = Waiting()
    waiting.submit("flaky", count=3)
    entry = waiting.backlog.take(0)
    assert entry is not None
    waiting.backlog.delay(entry, until_us=500, now_us=0)
    waiting.submit("flaky", count=2)
    assert waiting.backlog.take(0) is None
    waiting.submit("flaky", count=4)
    assert waiting.backlog.take(0) is entry


def test_parked_jobs_sleep_until_a_machine_with_room_changes() -> None:
    """A change elsewhere, or of a machine that stays full, wakes nobody; room wakes as many as it covers, in order."""
    waiting = Waiting()
    for number in range(3):
        waiting.submit(f"big-{number}", cpu_milli=2_000, priority=number)
    waiting.park_all()
    waiting.test.add_machine("small", cpu_milli=1_999)
    waiting.follow()
    waiting.backlog.wake_fitting(waiting.cell, now_us=0)
    assert list(waiting.taken()) == []
    waiting.test.add_machine("large", cpu_milli=4_000)
    waiting.follow()
    assert not waiting.backlog.wake_fitting(waiting.cell, now_us=0)
    assert list(waiting.taken()) == ["big-2", "big-1"]
    assert waiting.backlog.count(Standing.PARKED) == 1


def test_a_job_that_does_not_use_its_room_leaves_it_to_the_next() -> None:
    """Whether it is stopped, put off, or tried in vain: room never sleeps because the wrong job was woken."""
    waiting = Waiting()
    jobs = [waiting.submit(f"job-{number}", cpu_milli=2_000) for number in range(4)]
    waiting.park_all()
    waiting.test.add_machine("m", cpu_milli=2_000)
    waiting.follow()
    waiting.backlog.wake_fitting(waiting.cell, now_us=0)
    assert waiting.backlog.count(Standing.READY) == 1
    waiting.test.stop(jobs[0])
    waiting.follow()
    second = waiting.backlog.take(0)
    assert second is not None
    assert second.job == jobs[1]
    waiting.backlog.delay(second, until_us=900, now_us=0)
    third = waiting.backlog.take(0)
    assert third is not None
    assert third.job == jobs[2]
    waiting.backlog.park(third, not_before_us=0)
    waiting.backlog.wake_next(third, now_us=0)
    assert list(waiting.taken()) == ["job-3"]
    waiting.backlog.wake_next(third, now_us=0)
    assert list(waiting.taken()) == []


def test_a_gang_wakes_when_the_whole_cell_has_room_for_it() -> None:
    """Not for less, and a larger gang of the same shape does not stand before a smaller one."""
    waiting = Waiting(machines=1)
    waiting.submit("large", count=4, cpu_milli=1_000, is_gang=True, priority=9)
    waiting.submit("small", count=2, cpu_milli=1_000, is_gang=True)
    waiting.submit("single", count=9, cpu_milli=1_000)
    waiting.park_all()
    waiting.test.add_machine("m")
    waiting.follow()
    waiting.backlog.wake_fitting(waiting.cell, now_us=0)
    assert sorted(waiting.taken()) == ["single", "small"]


def test_shapes_wake_apart() -> None:
    """Room for small tasks wakes jobs of small tasks only."""
    waiting = Waiting()
    waiting.submit("small", cpu_milli=100)
    waiting.submit("large", cpu_milli=5_000)
    waiting.park_all()
    waiting.test.add_machine("m", cpu_milli=1_000)
    waiting.follow()
    waiting.backlog.wake_fitting(waiting.cell, now_us=0)
    assert list(waiting.taken()) == ["small"]


def test_a_job_that_missed_often_waits_a_little_after_it_is_woken() -> None:
    """Parked with a time, it is woken into a delay until then."""
    waiting = Waiting()
    waiting.submit("unlucky")
    waiting.park_all(not_before_us=700)
    waiting.test.add_machine("m")
    waiting.follow()
    waiting.backlog.wake_fitting(waiting.cell, now_us=100)
    assert waiting.backlog.take(699) is None
    assert waiting.backlog.take(700) is not None


def test_a_machine_that_changes_while_a_job_is_decided_on_wakes_it_after_parking() -> None:
    """Between the decision and the parking nothing is missed."""
    waiting = Waiting()
    waiting.submit("racer")
    entry = waiting.backlog.take(0)
    assert entry is not None
    waiting.test.add_machine("m")
    waiting.follow()
    waiting.backlog.park(entry, not_before_us=0)
    waiting.backlog.wake_fitting(waiting.cell, now_us=0)
    assert waiting.backlog.take(0) is entry


def test_many_shapes_are_looked_at_in_slices() -> None:
    """One look is bounded and says that there is more; in the end every shape was compared."""
    waiting = Waiting()
    shapes = QUEUES_PER_LOOK + 10
    for number in range(shapes):
        waiting.submit(f"shape-{number:03}", cpu_milli=10 + number)
    waiting.park_all()
    waiting.test.add_machine("m", cpu_milli=1_000)
    waiting.follow()
    assert waiting.backlog.wake_fitting(waiting.cell, now_us=0)
    assert waiting.backlog.count(Standing.READY) == QUEUES_PER_LOOK
    assert not waiting.backlog.wake_fitting(waiting.cell, now_us=0)
    assert waiting.backlog.count(Standing.READY) == shapes


def test_a_parked_gang_that_shrinks_is_tried_again() -> None:
    """Fewer tasks may fit where more did not."""
    waiting = Waiting()
    waiting.submit("gang", count=3, is_gang=True)
    waiting.park_all()
    waiting.submit("gang", count=2, is_gang=True)
    assert list(waiting.taken()) == ["gang"]


def test_memory_is_bounded_by_what_waits() -> None:
    """Jobs that come and go leave nothing behind in the heaps."""
    waiting = Waiting()
    for number in range(300):
        waiting.test.stop(waiting.submit(f"job-{number}"))
        waiting.follow()
    waiting.submit("last")
    assert len(waiting.backlog._by_order) < 100
    assert len(waiting.backlog._by_age) < 100
    assert list(waiting.taken()) == ["last"]


# --- shares ---


def open_session(test: TestCell, number: int, author: str, scheduler: str = "test") -> None:
    """Open a scheduler's session."""
    opening = OpenSession(author=author, role=Role.SCHEDULER, scheduler=scheduler)
    test.operator.port.append([Transaction(session=SessionId(number), seq=1, seen=Revision(0), commands=(opening,))])


def test_instances_are_those_with_a_session_each_once() -> None:
    """A restarted instance has two sessions for a while and still one share; other schedulers do not count."""
    test = TestCell()
    open_session(test, 10, "test-1")
    open_session(test, 11, "test-0")
    open_session(test, 12, "test-1")
    open_session(test, 13, "other-0", scheduler="other")
    assert live_instances(test.operator.cell, "test") == ("test-0", "test-1")


def test_every_job_has_one_owner_and_shares_are_about_equal() -> None:
    """Three instances have a third each, within a fifth."""
    instances = ("a-0", "a-1", "a-2")
    owners = [owner_of(f"job-{number}", instances) for number in range(3_000)]
    assert all(800 <= owners.count(instance) <= 1_200 for instance in instances)


def test_when_an_instance_leaves_only_its_jobs_move() -> None:
    """Rendezvous hashing: the others keep what they have."""
    before, after = ("a-0", "a-1", "a-2"), ("a-0", "a-2")
    for number in range(500):
        owner = owner_of(f"job-{number}", before)
        assert owner == "a-1" or owner_of(f"job-{number}", after) == owner


NAMES = ("web", "sums", "index", "mail", "crawl", "x", "y", "z")


def test_owners_are_fixed() -> None:
    """The hash is part of how different versions of a scheduler share; it must not change by accident."""
    instances = ("a-0", "a-1", "a-2")
    assert [owner_of(name, instances)[-1] for name in NAMES] == list("12221212")


def test_jobs_move_when_instances_come_and_go() -> None:
    """The backlog holds its own share only, and takes over what another leaves."""
    waiting = Waiting()
    for number in range(40):
        waiting.submit(f"job-{number}")
    assert len(waiting.backlog) == 40
    open_session(waiting.test, 10, "test-1")
    waiting.backlog.update_instances(waiting.cell, now_us=0)
    expected = [f"job-{n}" for n in range(40) if owner_of(f"job-{n}", ("test-0", "test-1")) == "test-0"]
    assert 0 < len(expected) < 40
    assert len(waiting.backlog) == len(expected)
    closing = Transaction(session=SessionId(10), seq=2, seen=waiting.cell.revision, commands=(CloseSession(),))
    waiting.test.operator.port.append([closing])
    waiting.backlog.update_instances(waiting.cell, now_us=0)
    assert sorted(waiting.taken()) == sorted(f"job-{number}" for number in range(40))


@pytest.mark.parametrize("pending", [0, 3])
def test_a_backlog_read_from_a_cell_is_the_one_that_followed_it(pending: int) -> None:
    """After a jump nothing waits that should not, and nothing is missing."""
    waiting = Waiting()
    for number in range(pending):
        waiting.submit(f"job-{number}")
    waiting.test.stop(waiting.submit("gone"))
    waiting.follow()
    again = Backlog.of(waiting.cell, scheduler="test", instance="test-0")
    assert len(again) == len(waiting.backlog) == pending
