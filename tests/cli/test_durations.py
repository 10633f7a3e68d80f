"""How long an attempt ran, as tables say it."""

import time
from dataclasses import replace

import pytest

from omegacell.api.cli.actions.jobs import describe_run
from omegacell.api.records import Attempt, ExitNote
from omegacell.core.jobs import TaskState

START_US = 1_800_000_000_000_000
RAN = Attempt(
    attempt=1,
    machine="m",
    state=TaskState.SUCCEEDED,
    exit_code=0,
    signal=0,
    note=ExitNote.NONE,
    placed_at_us=START_US - 5_000_000,
    started_at_us=START_US,
    ended_at_us=START_US + 1_500_000,
)


@pytest.mark.parametrize(
    ("state", "note", "ran"),
    [
        (TaskState.SUCCEEDED, ExitNote.NONE, "1.5s"),
        (TaskState.LOST, ExitNote.FENCED, "1.5s"),
        (TaskState.LOST, ExitNote.NONE, "at most 1.5s"),
    ],
    ids=["reported", "fenced, and reported", "found to be gone"],
)
def test_a_run_whose_end_nobody_reported_is_bounded(state: TaskState, note: ExitNote, ran: str) -> None:
    """The stamp of a lost attempt that no machine told of is when the cell noticed, and it is said that way."""
    assert describe_run(replace(RAN, state=state, note=note))[3] == ran


@pytest.mark.parametrize("ahead_us", [0, 60_000_000], ids=["now", "by a clock that is ahead"])
def test_what_just_started_has_run_for_less_than_a_second(ahead_us: int) -> None:
    """It is not said to have run for no time."""
    started = replace(RAN, state=TaskState.RUNNING, ended_at_us=0, started_at_us=time.time_ns() // 1_000 + ahead_us)
    assert describe_run(started)[3] == "<1s so far"
