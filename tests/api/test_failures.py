"""What the process of a plug-in says of its faults: one line each, with file and line, however often they come."""

import logging
from collections.abc import Callable, Sequence

import pytest

from omegacell.api.processes.failures import MAX_FAULTS, TELL_AGAIN_S, FailureTeller
from omegacell.schedulers.interface import Context, Placement, TaskGroup
from omegacell.schedulers.testing import TestCell
from omegacell.schedulers.view import CellView

HINT = "; the job stays pending and is tried again; OMEGA_DEBUG=1 shows the traceback"


class Hasty:
    """Raises, or claims what does not fit, by the name of the job."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Fail in one way or another."""
        if pending[0].spec.name.startswith("raises"):
            raise KeyError("rack")
        return Placement.of(pending[0], [0])


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def fail_on(*names: str, teller: FailureTeller) -> None:
    """Let a scheduler that is told of by ``teller`` decide on jobs that do not fit."""
    test = TestCell(machines=1, cpu_milli=100)
    for name in names:
        test.submit(name, cpu_milli=400)
    test.join(Hasty()).runner.loop.tell_failures(teller.tell)
    test.go(for_us=1)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return what was said since the last call."""
    monkeypatch.delenv("OMEGA_DEBUG", raising=False)
    caplog.set_level(logging.INFO)

    def take() -> list[str]:
        lines = [each.getMessage() for each in caplog.records]
        caplog.clear()
        return lines

    return take


def test_each_fault_is_one_line_with_its_place(said: Callable[[], list[str]]) -> None:
    """An exception and a claim that does not fit: job, class, what, file and line; not again for another job."""
    fail_on("raises", "large", "raises-too", teller=FailureTeller("mine-0", Hands()))
    raised, claimed = sorted(said(), reverse=True)
    assert raised.startswith("mine-0 failed on job 'raises': Hasty: KeyError: 'rack' (")
    assert raised.endswith(f"test_failures.py:{Hasty.place.__code__.co_firstlineno + 3}){HINT}")
    assert claimed.startswith(
        "mine-0 failed on job 'large': Hasty: claims machine m0 (row 0) for large/0, which does not"
    )
    assert f"test_failures.py:{Hasty.place.__code__.co_firstlineno})" in claimed
    assert "\n" not in raised + claimed


def test_a_fault_that_goes_on_is_told_again_with_how_often_it_came(said: Callable[[], list[str]]) -> None:
    """Silence for a minute, then one line with the number of times that nothing was said."""
    clock = Hands()
    teller = FailureTeller("mine-0", clock)
    for _ in range(4):
        fail_on("raises", teller=teller)
    assert len(said()) == 1
    clock.now_s = TELL_AGAIN_S
    fail_on("raises", teller=teller)
    [again] = said()
    assert again.startswith("mine-0 failed on job 'raises', and 3 times since it was last told: Hasty: KeyError")


def test_many_faults_do_not_fill_the_memory(said: Callable[[], list[str]]) -> None:
    """Of more faults than are told apart each is told once more, and that is all."""
    teller = FailureTeller("mine-0", Hands())
    kinds = [type(f"Kind{number}Error", (Exception,), {}) for number in range(MAX_FAULTS + 1)]
    for kind in (*kinds, kinds[-1], kinds[0]):
        teller.tell("sums", "oh no", kind())
    assert len(said()) == len(kinds) + 1


def test_the_traceback_comes_where_it_is_asked_for(
    said: Callable[[], list[str]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With OMEGA_DEBUG=1 it follows the line, which no longer says how to get it."""
    monkeypatch.setenv("OMEGA_DEBUG", "1")
    fail_on("raises", teller=FailureTeller("mine-0", Hands()))
    [record] = caplog.records
    assert 'raise KeyError("rack")' in caplog.text
    assert record.exc_info is not None
    assert HINT not in said()[0]
