"""The shell: performs what the loop asks, through lost answers and a store that cannot for now, each thing once."""

from collections.abc import Sequence

import pytest

from omegacell.core.commands import Transaction
from omegacell.core.deltas import Delta
from omegacell.core.errors import AnswerLostError, StoreError, StoreFullError, StoreLockedError
from omegacell.core.outcomes import Outcome
from omegacell.core.units import SessionId
from omegacell.schedulers.actions import Append, Done, Wait
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.loop import Loop, LoopSettings
from omegacell.schedulers.memorycell import ManualClock, MemoryLog, MemoryPort
from omegacell.schedulers.runner import APPEND_TRIES, Runner, SystemClock
from omegacell.schedulers.testing import TestCell


class Unreliable(MemoryPort):
    """A port that does what a script says before each append: nothing, or raise before or after it happened."""

    def __init__(self, log: MemoryLog, script: Sequence[str]) -> None:
        super().__init__(log)
        self.script = list(script)
        self.waits: list[int] = []
        self.appends = 0
        self.halts: Runner | None = None

    def append(self, transactions: Sequence[Transaction]) -> Sequence[Outcome | None]:
        self.appends += 1
        match self.script.pop(0) if self.script else "works":
            case "lost":
                raise AnswerLostError("nobody knows")
            case "lost after it happened":
                super().append(transactions)
                raise AnswerLostError("nobody knows")
            case "delivered twice":
                super().append(transactions)
                return super().append(transactions)
            case "locked":
                raise StoreLockedError("another process writes")
            case "full":
                raise StoreFullError("no room left")
            case _:
                return super().append(transactions)

    def wait(self, timeout_us: int) -> None:
        self.waits.append(timeout_us)
        if len(self.waits) > 1_000 and self.halts is not None:
            self.halts.halt()


def runner_on(test: TestCell, port: MemoryPort, clock: ManualClock | None = None) -> Runner:
    """Make a runner of a batch scheduler."""
    port.catch_up()
    sessions = iter(range(500, 600))
    settings = LoopSettings(instance="test-0", scheduler="test", seed=1)
    loop = Loop(
        BatchScheduler(),
        port.cell,
        settings=settings,
        clock=clock or test.clock,
        draw_session=lambda: SessionId(next(sessions)),
    )
    return Runner(loop, port)


@pytest.mark.parametrize(
    "script",
    [
        [],
        ["works", "lost"],
        ["works", "lost after it happened"],
        ["lost after it happened", "lost after it happened", "lost", "delivered twice"],
        ["delivered twice", "delivered twice"],
        ["locked", "locked", "full"],
        ["works", "full", "lost after it happened", "locked"],
    ],
)
def test_whatever_happens_to_an_append_each_job_is_placed_once(script: list[str]) -> None:
    """Answers are lost, entries come twice, the store is locked or full: no attempt is lost or made twice."""
    test = TestCell(machines=4)
    jobs = [test.submit(f"job-{number}", count=2) for number in range(3)]
    port = Unreliable(test.log, script)
    runner = runner_on(test, port)
    port.halts = runner
    runner.run()
    assert [test.placed(job) for job in jobs] == [2, 2, 2]
    attempts = test.operator.cell.tasks.attempt[:6].tolist()
    assert attempts == [1] * 6
    assert runner.loop.statistics.granted == 6
    assert (runner.loop.statistics.conflicts, runner.loop.statistics.unknown) == (0, 0)
    assert not test.operator.cell.sessions.keys() - {1}


def test_a_store_that_stays_full_ends_the_process_with_its_reason() -> None:
    """Every retry has a limit, with growing pauses, and the last error is told."""
    test = TestCell()
    port = Unreliable(test.log, ["full"] * APPEND_TRIES)
    runner = runner_on(test, port)
    with pytest.raises(StoreError, match=f"gave up after {APPEND_TRIES} appends: no room left"):
        runner.run()
    assert port.appends == APPEND_TRIES
    assert port.waits[0] < port.waits[3] <= port.waits[-1] == 1_000_000


def test_a_halt_closes_the_session_and_ends_the_run() -> None:
    """A clean stop finishes what is under way, then leaves."""
    test = TestCell()
    job = test.submit("job")
    port = MemoryPort(test.log)
    runner = runner_on(test, port)
    runner.halt()
    runner.run()
    assert test.placed(job) == 0
    assert [session.scheduler for session in test.operator.cell.sessions.values()] == [""]


class Jumping(MemoryPort):
    """A port that gives a fresh copy of the cell at each fold, as after jumps over checkpoints."""

    def catch_up(self) -> Delta:
        other = MemoryPort(self._log)
        other.catch_up()
        self.cell, self._place = other.cell, other._place
        return self.cell.drain_delta()


def test_a_port_may_replace_the_copy_at_any_time() -> None:
    """The loop is told of the new cell, and decides on that."""
    test = TestCell(machines=4)
    jobs = [test.submit(f"job-{number}") for number in range(3)]
    port = Jumping(test.log)
    runner = runner_on(test, port)
    action = runner.perform(Wait(timeout_us=0))
    for _ in range(4):
        assert isinstance(action, Append | Wait)
        action = runner.perform(action)
    assert isinstance(action, Wait)
    assert runner.loop.cell is port.cell
    assert [test.placed(job) for job in jobs] == [1, 1, 1]


def test_a_finished_loop_stays_finished() -> None:
    """After Done there is nothing more, whatever is folded."""
    test = TestCell()
    port = MemoryPort(test.log)
    runner = runner_on(test, port)
    runner.halt()
    runner.run()
    test.submit("late")
    assert isinstance(runner.perform(Wait(timeout_us=0)), Done)


def test_the_system_clock_goes_forward() -> None:
    """Both of its times are microseconds; the wall's is a date of this age."""
    clock = SystemClock()
    first = clock.monotonic_us()
    assert clock.monotonic_us() >= first
    assert 1_600_000_000_000_000 < clock.wall_us() < 10_000_000_000_000_000
