"""Shows how jobs come along: bars on a terminal, a line at each change of state elsewhere. Both on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from omegacell.api.cli.output import warn
from omegacell.api.records import Job
from omegacell.core.jobs import Kind, TaskState

MAX_BARS = 12


class Progress(Protocol):
    """Who is told how jobs come along."""

    def update(self, job: Job) -> None:
        """Take note of a job as it is now."""
        ...


@contextmanager
def open_progress(*, is_shown: bool) -> Iterator[Progress]:
    """Give what fits where stderr goes: bars, lines, or nothing."""
    if not is_shown or not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Drawn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    with Drawn(*columns, console=Console(stderr=True), transient=True) as drawn:
        yield Bars(drawn)


def describe(job: Job) -> str:
    """Return a job's tasks by state, in words; those that are being stopped are said to be so."""
    words = ", ".join(f"{count} {state.name.lower()}" for state, count in job.counts.items() if count)
    words = f"{words} ({job.stopping_count} of them stopping)" if job.stopping_count else words
    return words if job.update is None else f"{words}; {job.update.describe()}"


class Lines:
    """Says so when a job is in another state; of one that is updated, when the update came further or fell back."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def update(self, job: Job) -> None:
        """Print a line when the job's state is another."""
        state = job.state.name.lower()
        mark = state if job.update is None else f"update {job.update.updated} {job.update.is_stuck}"
        if self._states.get(job.name) != mark:
            self._states[job.name] = mark
            warn(f"{job.name}: {state} ({describe(job)})")


class Bars:
    """Draws a bar for each of the first jobs."""

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn
        self._bars: dict[str, Any] = {}

    def update(self, job: Job) -> None:
        """Move the bar of a job."""
        if job.name not in self._bars:
            if len(self._bars) >= MAX_BARS:
                return
            self._bars[job.name] = self._drawn.add_task(job.name, total=job.wanted_count, words="")
        self._drawn.update(self._bars[job.name], completed=done_count(job), total=job.wanted_count, words=describe(job))


def done_count(job: Job) -> int:
    """Return how many tasks are where they shall be: ended, in a batch job; running, in others."""
    if job.spec.kind is not Kind.BATCH:
        return max(0, job.counts.get(TaskState.RUNNING, 0) - job.stopping_count)
    return sum(job.counts.get(state, 0) for state in (TaskState.SUCCEEDED, TaskState.FAILED))
