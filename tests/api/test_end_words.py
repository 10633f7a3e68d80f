"""How an attempt ended, in words: every way has its own."""

import pytest

from omegacell.api.server.end_words import word_end
from omegacell.core.arena import PastAttempt
from omegacell.core.jobs import TaskState
from omegacell.core.machine_commands import ExitNote

# state, note, exit code, signal, what was said, the words
ENDS: list[tuple[TaskState, ExitNote, int, int, str, str]] = [
    (TaskState.SUCCEEDED, ExitNote.NONE, 0, 0, "", "exit code 0"),
    (TaskState.FAILED, ExitNote.NONE, 3, 0, "", "exit code 3"),
    (TaskState.FAILED, ExitNote.NONE, -1, 9, "", "ended by SIGKILL"),
    (TaskState.FAILED, ExitNote.OUT_OF_MEMORY, -1, 9, "", "it was out of memory, and killed (ended by SIGKILL)"),
    (
        TaskState.FAILED,
        ExitNote.TIME_LIMIT,
        -1,
        15,
        "",
        "it had run for as long as its time_limit allows (ended by SIGTERM)",
    ),
    (
        TaskState.FAILED,
        ExitNote.START_FAILED,
        -1,
        0,
        "no such program: nope",
        "it could not be started: no such program: nope",
    ),
    (TaskState.FAILED, ExitNote.START_FAILED, -1, 0, "", "it could not be started: its machine said no more"),
    (
        TaskState.FAILED,
        ExitNote.UNHEALTHY,
        -1,
        9,
        "",
        "its health checks failed, and it was killed (ended by SIGKILL)",
    ),
    (
        TaskState.FAILED,
        ExitNote.UNKNOWN,
        -1,
        0,
        "",
        "it ended while nobody watched: no exit code is known",
    ),
    (
        TaskState.EVICTED,
        ExitNote.NONE,
        -1,
        15,
        "evicted by the drain of its machine",
        "evicted by the drain of its machine, ended by SIGTERM",
    ),
    (TaskState.LOST, ExitNote.NONE, -1, 0, "", ""),
    (TaskState.RUNNING, ExitNote.NONE, -1, 0, "", ""),
]


def ended(state: TaskState, note: ExitNote, exit_code: int, signal: int) -> PastAttempt:
    stamps = {"placed_at_us": 1, "started_at_us": 2, "ended_at_us": 3}
    return PastAttempt(attempt=1, machine=0, state=state, note=note, exit_code=exit_code, signal=signal, **stamps)


@pytest.mark.parametrize("row", ENDS, ids=[row[-1] or row[0].name for row in ENDS])
def test_every_end_has_its_words(row: tuple[TaskState, ExitNote, int, int, str, str]) -> None:
    """Exit code, signal, limit, and what its machine said."""
    state, note, exit_code, signal, said, words = row
    assert word_end(ended(state, note, exit_code, signal), said) == words
