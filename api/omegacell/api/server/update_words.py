"""How far an update under way is, and what it waits for, in words.

Every function reads the cell and changes nothing; the caller must not await between two reads of one answer.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.api.planning.words import span
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.end_words import word_end
from omegacell.api.server.reasons import find_lacks_of, word_pending
from omegacell.core.budgets import find_available
from omegacell.core.cell import Cell
from omegacell.core.holds import find_unmet
from omegacell.core.jobs import Stopping, TaskState
from omegacell.core.rollouts import find_overdue_us, find_target, is_to_revert, policy_of
from omegacell.core.units import SECOND_US
from omegacell.core.updates import Updating
from omegacell.schedulers.runner import SystemClock

UNHEALTHY: Final = 2


def view_progress(cell: Cell, row: int) -> pb.UpdateProgress:
    """Return how far an update to a job is. Cost: O(tasks of the pair); once it is stuck also O(machines)."""
    jobs = cell.jobs
    settled = find_settled(cell, row)
    goes_on = np.zeros(len(settled), np.bool_)
    for old in jobs.predecessors_of(row):
        tasks = slice(int(jobs.offset[old]), int(jobs.offset[old] + min(jobs.extent[old], len(settled))))
        is_alive = (cell.tasks.state[tasks] < TaskState.SUCCEEDED) & (cell.tasks.stopping[tasks] != Stopping.STOP)
        goes_on[: len(is_alive)] |= is_alive
    updated, waiting = int(np.count_nonzero(settled)), int(np.count_nonzero(goes_on))
    stuck_us = max(-1, find_overdue_us(cell, row))
    return pb.UpdateProgress(
        updated=updated,
        changing=len(settled) - updated - waiting,
        waiting=waiting,
        is_revert=jobs.updating[row] == Updating.BACK,
        stuck_us=stuck_us,
        summary=_word_cause(cell, row, settled),
        advice=_word_advice(cell, row) if stuck_us >= 0 else "",
    )


def word_turn(cell: Cell, row: int) -> tuple[str, bool]:
    """Return what the held tasks of a job that is updated wait for, and whether the update is stuck."""
    progress = view_progress(cell, row)
    what = "revert" if progress.is_revert else "update"
    if progress.stuck_us < 0:
        return ": ".join(filter(None, (f"waits for its turn in the {what}", progress.summary))), False
    stuck = f"waits in a{'n' * (what == 'update')} {what} that has been stuck for {progress.stuck_us // SECOND_US} s"
    return f"{stuck}: {'; '.join(filter(None, (progress.summary, progress.advice)))}", True


def find_settled(cell: Cell, row: int) -> NDArray[np.bool_]:
    """Return which new tasks are available and have run for `min_healthy`, by index: ``(wanted,)`` bool.

    So one that fails whenever it was started is not counted in between. How long a task has run is told by the wall
    clock: this is for people, and the steps of the update are decided by those who count the cell's own time.
    """
    settled = find_available(cell, row)
    first = int(cell.jobs.offset[row])
    started = cell.tasks.started_at_us[first : first + len(settled)]
    settled &= started <= SystemClock().wall_us() - policy_of(cell.jobs.spec_of(row)).min_healthy_us
    return settled


def _word_advice(cell: Cell, row: int) -> str:
    name = cell.jobs.spec_of(row).name
    if is_to_revert(cell, row):
        return "it is reverted in a moment"
    if cell.jobs.updating[row] == Updating.FORWARD and find_target(cell, row) is not None:
        return f"`omega job revert {name}` goes back"
    return f"it goes on when that has happened; `omega run` of another version of {name} takes its place"


def _word_cause(cell: Cell, row: int, settled: NDArray[np.bool_]) -> str:
    """Return what the next step of an update waits for: what is worst among the new tasks, else the old ones.

    Empty when it waits for nothing: the next step comes in a moment.
    """
    jobs, tasks = cell.jobs, cell.tasks
    unmet = find_unmet(cell, jobs.spec_of(row))
    if unmet:
        return f"first comes what it runs after: {', '.join(each.job for each in unmet)}"
    first = int(jobs.offset[row])
    rows = slice(first, first + len(settled))
    awaited = np.flatnonzero(~settled & (tasks.state[rows] != TaskState.HELD))
    if len(awaited):
        is_bad = (tasks.restarts[rows] > 0) | (tasks.health[rows] == UNHEALTHY)
        is_bad |= tasks.state[rows] == TaskState.FAILED
        bad = awaited[is_bad[awaited]]
        index = int((bad if len(bad) else awaited)[0])
        return f"task {index} of job #{int(jobs.id[row])} {_word_task(cell, row, index)}"
    for old in jobs.predecessors_of(row):
        extent = slice(int(jobs.offset[old]), int(jobs.offset[old] + jobs.extent[old]))
        ending = np.flatnonzero((tasks.machine[extent] >= 0) & (tasks.stopping[extent] != Stopping.NO))
        if len(ending):
            return f"task {int(ending[0])} of job #{int(jobs.id[old])} has not ended yet"
    return ""


def _word_task(cell: Cell, row: int, index: int) -> str:
    """Return why a new task is not there yet, as the rest of a sentence about it."""
    tasks, spec = cell.tasks, cell.jobs.spec_of(row)
    task = int(cell.jobs.offset[row]) + index
    state = TaskState(int(tasks.state[task]))
    ended = [past for past in tasks.past.get(task, ()) if past.state in (TaskState.FAILED, TaskState.SUCCEEDED)]
    if state is TaskState.FAILED:
        return f"failed: {word_end(tasks.last_attempt(task), '')}"
    if tasks.restarts[task] and ended:
        count, last = int(tasks.restarts[task]), ended[len(ended) - 1]
        verb = "failed" if last.state == TaskState.FAILED else "ended by itself"
        return f"{verb} {'once' if count == 1 else f'{count} times, the last time'}: {word_end(last, '')}"
    if state is TaskState.PENDING:
        return f"is pending: {word_pending(cell, row, find_lacks_of(cell, row), index)}"
    if state is TaskState.RUNNING and tasks.health[task] == UNHEALTHY:
        return "runs and is unhealthy"
    if state is TaskState.RUNNING and spec.is_health_checked and not tasks.health[task]:
        return "runs and is not available yet: its health check has not passed"
    if state is TaskState.RUNNING:
        return f"has not been available for {span(policy_of(spec).min_healthy_us)} yet"
    return "is not available yet"
