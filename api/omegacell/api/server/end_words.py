"""How attempts ended, in words: by whom, with which exit code or signal, and over which limit."""

import signal
from collections.abc import Mapping

from omegacell.api.history_words import count_of
from omegacell.core.arena import PastAttempt
from omegacell.core.cell import Cell
from omegacell.core.jobs import StopCause, TaskState
from omegacell.core.machine_commands import ExitNote


def word_end(attempt: PastAttempt, said: str) -> str:
    """Return how an attempt ended; ``said`` is what its machine or the log said of it. Empty while it goes on."""
    match attempt.state:
        case TaskState.SUCCEEDED:
            return "exit code 0"
        case TaskState.FAILED:
            return _word_failure(attempt, said)
        case TaskState.STOPPED | TaskState.LOST | TaskState.EVICTED:
            how = _word_exit(attempt) if attempt.exit_code >= 0 or attempt.signal else ""
            return ", ".join(filter(None, (said, how)))
    return ""


def word_rest(cell: Cell, row: int, index: int, attempt: PastAttempt, said: str) -> str:
    """Return how a task came to rest, and where its output is."""
    name = f"{cell.jobs.spec_of(row).name}/{index}"
    state = TaskState(attempt.state)
    where = f" on {cell.machines.names[attempt.machine]}" if attempt.machine >= 0 else ""
    why = word_stop(cell, row) if state is TaskState.STOPPED else ""
    how = ", ".join(filter(None, (why, word_end(attempt, said))))
    words = f"{state.name.lower()}{where}" + (f": {how}" if how else "")
    return f"{words}; `omega logs {name}` shows its output" if attempt.started_at_us else words


def word_stop(cell: Cell, row: int) -> str:
    """Return why a job was stopped; empty when it was not."""
    if not cell.jobs.stopping[row]:
        return ""
    return "its job's deadline had passed" if cell.jobs.stop_cause[row] == StopCause.DEADLINE else "its job was stopped"


def word_job_at_rest(cell: Cell, row: int, ends: Mapping[int, str]) -> str:
    """Return how the tasks of a job ended, and of the first that failed how; ``ends`` is that, by index."""
    counts = cell.jobs.counts[row]
    states = [TaskState.FAILED, TaskState.STOPPED, TaskState.SUCCEEDED]
    told = [f"{count_of(int(counts[state]), 'task')} {state.name.lower()}" for state in states if counts[state]]
    words = "its tasks are at rest: " + ", ".join(told)
    stop = word_stop(cell, row)
    words += f" ({stop})" if stop else ""
    name = cell.jobs.spec_of(row).name
    return words + "".join(f"; {name}/{index} {end}" for index, end in ends.items())


def _word_failure(attempt: PastAttempt, said: str) -> str:
    exit_words = _word_exit(attempt)
    match attempt.note:
        case ExitNote.START_FAILED:
            return f"it could not be started: {said or 'its machine said no more'}"
        case ExitNote.OUT_OF_MEMORY:
            return f"it was out of memory, and killed ({exit_words})"
        case ExitNote.TIME_LIMIT:
            return f"it had run for as long as its time_limit allows ({exit_words})"
        case ExitNote.UNHEALTHY:
            return f"its health checks failed, and it was killed ({exit_words})"
        case ExitNote.UNKNOWN:
            return "it ended while nobody watched: no exit code is known"
    return ", ".join(filter(None, (exit_words, said)))


def _word_exit(attempt: PastAttempt) -> str:
    if not attempt.signal:
        return f"exit code {attempt.exit_code}" if attempt.exit_code >= 0 else "no exit code"
    known = {each.value: each.name for each in signal.Signals}
    return f"ended by {known.get(attempt.signal, f'signal {attempt.signal}')}"
