"""What a user is told of pending tasks: the reason of the machines that come nearest, or that nobody decides."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from omegacell.api.grants import Grant
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.explaining import Question, explain
from omegacell.api.server.reasons import find_silences, view_pending
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.jobs import Gang, Kind, Port, TaskState
from omegacell.core.limit_commands import SetCaps
from omegacell.core.placement import PlacementRules
from omegacell.core.units import SESSION_TTL_US, TICK_PERIOD_US, JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Context, Placement, TaskGroup
from omegacell.schedulers.testing import TestCell
from omegacell.schedulers.view import CellView
from omegacell.store.log import Cursor
from omegacell.store.memory import MemoryStore
from tests.support.transcript_commands import read_command


class Explains:
    """Places nothing, and says so."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Place nothing."""
        ctx.explain(pending[0], "not today")
        return Placement()


class Fails:
    """Has a fault."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Divide by nothing."""
        return Placement.of(pending[0], [1 // (cell.machine_count - cell.machine_count)])


def pending_of(test: TestCell, job: JobId) -> pb.PendingReason:
    """Return what is shown of a job."""
    test.operator.port.catch_up()
    row = test.operator.cell.jobs.row_of(job)
    assert row is not None
    pending = view_pending(test.operator.cell, row)
    assert pending is not None
    return pending


def test_the_machines_that_come_nearest_say_why() -> None:
    """Five machines lack the driver and the sixth has the port taken: that is what stands in the way, and leads."""
    test = TestCell(machines=1)
    for number in range(5):
        test.add_machine(f"sim-{number}", drivers=("simulated",))
    test.submit("first", ports=(Port(name="http", number=80),))
    second = test.submit("second", ports=(Port(name="http", number=80),))
    test.run(BatchScheduler())
    pending = pending_of(test, second)
    assert pending.summary == "1 of 6 machines has the port taken"
    assert [(lack.reason, lack.machine_count) for lack in pending.lacks] == [("PORT_TAKEN", 1), ("DRIVER_MISSING", 5)]


def test_a_lack_of_devices_names_them() -> None:
    """Three machines have no such device, one has them all in use: both are said, with what was asked for."""
    test = TestCell(machines=2)
    test.add_machine("old", devices=(DeviceOffer(name="gpu", count=4, attributes=(("model", "t4"),)),))
    wanted = DeviceRequest(name="gpu", count=2, where=(("model", "a100"),))
    first, second = test.submit("first", devices=(wanted,)), test.submit("second", devices=(wanted,))
    test.run(BatchScheduler())
    assert pending_of(test, first).summary == "3 of 3 machines have fewer than 2 gpu with model=a100"
    test.add_machine("new", devices=(DeviceOffer(name="gpu", count=3, attributes=(("model", "a100"),)),))
    test.run(BatchScheduler())
    waits = second if test.placed(first) else first
    pending = pending_of(test, waits)
    assert pending.summary == "1 of 4 machines has fewer than 2 gpu free"
    lacks = [(lack.reason, lack.dimension, lack.machine_count) for lack in pending.lacks]
    assert lacks == [("DEVICES_EXHAUSTED", "gpu", 1), ("DEVICE_MISSING", "gpu", 3)]


def test_a_job_that_waits_for_its_schedulers_cap_says_how_full_it_is() -> None:
    """Use and limit as they are now, not as they were when it was said; a gang says what it asks for beyond that."""
    test = TestCell(machines=4)
    test.operator.must(SetCaps(scheduler=TestCell.SCHEDULER, amounts=(300, -1, -1)))
    test.submit("first", count=2, cpu_milli=100)
    second = test.submit("second", cpu_milli=250)
    gang = test.submit("gang", count=3, cpu_milli=100, is_gang=True)
    test.run(BatchScheduler())
    where = "in use (`omega scheduler caps list`)"
    assert pending_of(test, second).summary == f"waits for the cap of scheduler 'test': 0.2 cpu of 0.3 cpu {where}"
    lacks = pending_of(test, second).lacks
    assert [(lack.reason, lack.dimension, lack.machine_count) for lack in lacks] == [("CAP_EXCEEDED", "cpu_milli", 4)]
    assert pending_of(test, gang).summary == (
        "waits for the cap of scheduler 'test': 0.2 cpu of 0.3 cpu in use; the gang asks for 0.2 cpu more than is left"
        " (`omega scheduler caps list`)"
    )
    test.operator.must(SetCaps(scheduler=TestCell.SCHEDULER, amounts=(300, -1, 1)))
    test.go()
    test.operator.must(SetCaps(scheduler=TestCell.SCHEDULER, amounts=(9_000, -1, -1)))
    assert pending_of(test, second).summary == "4 machines have room: it waits for scheduler 'test'"
    assert not pending_of(test, second).lacks


# machines, what is said of one task that a scheduler leaves with words of its own
WORDS = [
    (1, "1 machine has room: it waits for scheduler 'test'; the scheduler said: not today"),
    (0, "no machine is in the cell"),
]


@pytest.mark.parametrize(("machines", "words"), WORDS)
def test_what_the_scheduler_explains_comes_with_what_machines_have(machines: int, words: str) -> None:
    """A scheduler's own words are shown wherever there is a machine for it to speak of."""
    test = TestCell(machines=machines)
    job = test.submit("sums")
    test.run(Explains())
    assert pending_of(test, job).summary == words


def test_a_scheduler_that_failed_on_a_job_is_named() -> None:
    """What a plug-in raised leads, though machines have room."""
    test = TestCell(machines=1)
    job = test.submit("sums")
    test.run(Fails())
    assert pending_of(test, job).summary.startswith("scheduler 'test' failed on it: Fails: ZeroDivisionError: ")


# what is submitted, how it is placed
PARTLY = [
    pytest.param({"count": 5, "cpu_milli": 400}, id="no room for the rest"),
    pytest.param(
        {"count": 3, "cpu_milli": 100, "placement": PlacementRules(max_per_machine=1)},
        id="a rule keeps the rest waiting",
    ),
    pytest.param({"count": 4, "cpu_milli": 600, "gang": Gang(size=2)}, id="a gang of it has too few places"),
]


@pytest.mark.parametrize("submitted", PARTLY)
def test_all_commands_say_the_same_of_what_waits(submitted: dict[str, Any]) -> None:
    """Status and explanation of a job of which a part waits: the same sentence and lacks, of a task of it too."""
    test = TestCell(machines=2, cpu_milli=1_000)
    job = test.submit("partly", **submitted)
    test.run(BatchScheduler())
    pending = pending_of(test, job)
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    waits = int(np.flatnonzero(cell.tasks.state[int(cell.jobs.offset[row]) :][: submitted["count"]] == 0)[-1])
    for index in (None, waits):
        question = Question(cell=cell.clone(), row=row, index=index, grants=(), conflicts=(), oldest_revision=1)
        answer = explain(question, MemoryStore())
        assert answer.state == TaskState.PENDING.value
        assert (answer.summary, answer.pending_count) == (pending.summary, pending.task_count)
        assert list(answer.lacks) == list(pending.lacks)


def test_the_alloc_that_a_task_is_in_is_named() -> None:
    """The explanation of a task inside says in which alloc of the set it runs."""
    test = TestCell(machines=1)
    box = test.submit("box", kind=Kind.ALLOC, max_restarts=-1, cpu_milli=500)
    test.run(BatchScheduler())
    test.operator.must(read_command(f"report started,0:1,{box}/0@1,-1,0"))
    job = test.submit("inside", cpu_milli=100, alloc="box")
    test.go()
    test.operator.port.catch_up()
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    claims = np.zeros(1, np.int32)
    grant = Grant(revision=1, cursor=Cursor(1), author="test-0", seen=0, job=job, indices=claims, machines=claims)
    question = Question(cell=cell.clone(), row=row, index=0, grants=(grant,), conflicts=(), oldest_revision=1)
    assert explain(question, MemoryStore()).summary.endswith("; it runs inside the alloc box/0")


@pytest.mark.parametrize("amounts", [(300, -1, -1), (-1, -1, 1)], ids=["cpu", "jobs"])
def test_status_and_explanation_say_the_same_of_a_cap(amounts: tuple[int, ...]) -> None:
    """Both name the cap, and no machine takes a task that the cap does not."""
    test = TestCell(machines=2)
    test.operator.must(SetCaps(scheduler=TestCell.SCHEDULER, amounts=amounts))
    test.submit("first", count=2, cpu_milli=100)
    job = test.submit("second", cpu_milli=250)
    test.run(BatchScheduler())
    pending, cell = pending_of(test, job), test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    question = Question(cell=cell.clone(), row=row, index=0, grants=(), conflicts=(), oldest_revision=1)
    answer = explain(question, MemoryStore())
    assert answer.summary == pending.summary
    assert answer.summary.startswith("waits for the cap of scheduler 'test'")
    assert (answer.fitting_count, answer.preemption) == (0, "")


def test_a_scheduler_that_nobody_runs_is_named() -> None:
    """Without a session of its scheduler a job waits for one."""
    test = TestCell(machines=1)
    assert pending_of(test, test.submit("sums")).summary.startswith("no instance of scheduler 'test' runs")


@pytest.mark.parametrize("is_known", [False, True], ids=["never decided on", "with a reason"])
def test_a_scheduler_that_does_not_answer_is_named(is_known: bool) -> None:
    """Once its session was not renewed for half of its time, the job says so, whatever the scheduler said before."""
    test = TestCell(machines=1, cpu_milli=100)
    job = test.submit("large", cpu_milli=400) if is_known else None
    test.run(BatchScheduler())
    job = test.submit("sums") if job is None else job
    assert "not answering" not in pending_of(test, job).summary
    for _ in range(SESSION_TTL_US // 2 // TICK_PERIOD_US + 1):
        test.operator.tick()
    pending = pending_of(test, job)
    assert pending.summary == "scheduler 'test' is not answering (test-0 was last heard 32 s ago)"
    assert len(pending.lacks) == int(is_known)


def test_a_task_on_a_silent_machine_says_so() -> None:
    """The machine and how long it has been silent; tasks on machines that are heard say nothing."""
    test = TestCell(machines=2, cpu_milli=1_000)
    test.submit("pair", count=2, cpu_milli=1_000)
    test.run(BatchScheduler())
    cell = test.operator.cell
    rows = np.flatnonzero(cell.tasks.machine >= 0)
    assert find_silences(cell, rows) == {}
    test.operator.tick(lost_contact=[1])
    for _ in range(19):
        test.operator.tick()
    [task] = np.flatnonzero(cell.tasks.machine == 1).tolist()
    assert find_silences(cell, rows) == {task: "placed on m1, which has been silent for 40 s"}
