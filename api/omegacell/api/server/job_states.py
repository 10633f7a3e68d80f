"""A job in one word, from the states of its tasks."""

from collections.abc import Sequence

from omegacell.api.records import JobState
from omegacell.core.cell import Cell
from omegacell.core.jobs import TaskState


def find_job_state(cell: Cell, row: int) -> JobState:
    """Return the state of the job in a row. Cost: O(1)."""
    jobs = cell.jobs
    counts, wanted = jobs.counts[row].tolist(), int(jobs.count_wanted[row])
    return find_state(counts, wanted=wanted, is_stopping=bool(jobs.stopping[row]))


def find_state(counts: Sequence[int], *, wanted: int, is_stopping: bool) -> JobState:
    """Return a job in one word, from its tasks counted by `TaskState`, and how many are wanted.

    How a job ended follows from its tasks: a job that had succeeded has done so, even when it was replaced later, and
    the tasks that a smaller count left over do not make it a stopped one.

    >>> find_state([0, 0, 0, 0, 3, 0, 0, 0, 0], wanted=3, is_stopping=True).name
    'SUCCEEDED'
    >>> find_state([0, 0, 0, 0, 1, 0, 2, 0, 0], wanted=1, is_stopping=False).name
    'SUCCEEDED'
    >>> find_state([0, 0, 0, 0, 1, 0, 2, 0, 0], wanted=3, is_stopping=True).name
    'STOPPED'
    """
    active = counts[TaskState.PLACED] + counts[TaskState.RUNNING]
    if active or counts[TaskState.PENDING] or counts[TaskState.HELD]:
        if is_stopping:
            return JobState.STOPPING
        if active:
            return JobState.RUNNING
        return JobState.PENDING if counts[TaskState.PENDING] else JobState.HELD
    if counts[TaskState.FAILED]:
        return JobState.FAILED
    return JobState.STOPPED if counts[TaskState.SUCCEEDED] < wanted else JobState.SUCCEEDED


def is_stopped(cell: Cell, row: int) -> bool:
    """Tell whether a job was stopped, by hand or by its deadline, before all of its tasks had ended by themselves."""
    if not cell.jobs.stopping[row]:
        return False
    state = find_job_state(cell, row)
    return state is not JobState.SUCCEEDED and (
        state is not JobState.FAILED or bool(cell.jobs.counts[row, TaskState.STOPPED])
    )
