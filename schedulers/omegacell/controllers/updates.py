"""Updates under way: proposes their steps, so that each old task is stopped and then followed by the new one.

What may be done is judged, and counted by the same functions (`omegacell.core.rollouts`); all of it is in the cell, so
whichever server runs goes on. The one thing that is not is for how long a new task has been available: each server
counts that itself, from when it first saw it, and one that began anew waits once more. Another server that has seen it
for long enough may be quicker; what is granted keeps within ``max_parallel`` all the same.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.budgets import find_available
from omegacell.core.cell import Cell
from omegacell.core.gangs import groups_of
from omegacell.core.hold_commands import ReleaseTasks
from omegacell.core.holds import find_unmet
from omegacell.core.jobs import Stopping, TaskState
from omegacell.core.rollouts import find_followed, find_losses, find_room, is_over, is_to_revert, policy_of
from omegacell.core.units import JobId
from omegacell.core.updates import FinishUpdate, RevertCause, RevertUpdate, StopTasks

JOBS_PER_STEP: Final = 64
"""Updates of which one step proposes anything at most; the others follow."""

TASKS_PER_STEP: Final = 1_000
"""Tasks of one job that one command names at most."""

Step = ReleaseTasks | StopTasks | RevertUpdate | FinishUpdate


class Updater:
    """Proposes the steps of all updates; keeps only since when it saw new tasks available."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._seen: dict[int, dict[int, tuple[int, int]]] = {}

    def step(self, cell: Cell) -> list[Step]:
        """Return what to propose now. Cost: O(jobs), and O(tasks) of those that are updated."""
        rows = np.flatnonzero(cell.jobs.updating).tolist()
        jobs = [int(cell.jobs.id[row]) for row in rows]
        self._seen = {job: self._seen.get(job, {}) for job in jobs}
        commands: list[Step] = []
        for row in rows[:JOBS_PER_STEP]:
            commands += self._steps_of(cell, row)
        return commands

    def _steps_of(self, cell: Cell, current: int) -> list[Step]:
        job = JobId(int(cell.jobs.id[current]))
        young = self._count_young(cell, current)
        if is_over(cell, current):
            return [FinishUpdate(job=job)] if not young else []
        if is_to_revert(cell, current):
            return [RevertUpdate(job=job, cause=RevertCause.STUCK)]
        if find_unmet(cell, cell.jobs.spec_of(current)):
            return []
        released = find_releasable(cell, current)
        steps: list[Step] = [ReleaseTasks(job=job, indices=released)] if len(released) else []
        room = find_room(cell, current)
        room -= young
        for old in cell.jobs.predecessors_of(current):
            indices, losses = _find_stoppable(cell, old, room=max(0, room))
            room -= losses
            if len(indices):
                steps.append(StopTasks(job=JobId(int(cell.jobs.id[old])), indices=indices))
        return steps

    def _count_young(self, cell: Cell, current: int) -> int:
        """Return how many new tasks are available and were not for long enough yet. Mutates what was seen."""
        jobs = cell.jobs
        first, job = int(jobs.offset[current]), int(jobs.id[current])
        before, now = self._seen[job], {}
        for index in np.flatnonzero(find_available(cell, current)).tolist():
            attempt = int(cell.tasks.attempt[first + index])
            known = before.get(index)
            now[index] = known if known is not None and known[0] == attempt else (attempt, cell.elapsed)
        self._seen[job] = now
        least = policy_of(jobs.spec_of(current)).min_healthy_us
        return sum(cell.elapsed - since < least for _, since in now.values())


def find_releasable(cell: Cell, current: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return the indices of an update whose new task is held and whose old ones are at rest, ascending, int32.

    Of a group of a gang all of them or none.
    """
    jobs = cell.jobs
    first, extent = int(jobs.offset[current]), int(jobs.extent[current])
    held = np.flatnonzero(cell.tasks.state[first : first + extent] == TaskState.HELD)
    free = held[~find_followed(cell, current, held)]
    gang = jobs.spec_of(current).gang
    if gang is not None:
        free = free[~np.isin(groups_of(gang, free), groups_of(gang, np.setdiff1d(held, free)))]
    return free[:TASKS_PER_STEP].astype(np.int32)


def _find_stoppable(cell: Cell, old: int, *, room: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.int32]], int]:
    """Return the indices of old tasks to stop now, and how many of them are available ones of wanted indices.

    Those that are surplus or not available come first: all of them. Of the others as many as there is room for. The
    groups of a gang go whole, those that lose the least by it first: no part of one is taken while there is no room for
    the rest, not even a task that is not available, because the new one of its index would wait for the rest.
    """
    tasks, first = cell.tasks, int(cell.jobs.offset[old])
    extent = slice(first, first + int(cell.jobs.extent[old]))
    is_going_on = (tasks.state[extent] < TaskState.SUCCEEDED) & (tasks.stopping[extent] != Stopping.STOP)
    indices = np.flatnonzero(is_going_on)
    is_loss = find_losses(cell, old, indices)
    current = cell.jobs.current_of(old)
    gang = cell.jobs.spec_of(current).gang
    if gang is None:
        chosen = np.concatenate([indices[~is_loss], indices[is_loss][:room]])
    else:
        is_surplus = indices >= cell.jobs.count_wanted[current]
        is_chosen = is_surplus | _find_whole_groups(groups_of(gang, indices), is_loss, room=room)
        chosen = np.concatenate([indices[is_chosen & ~is_loss], indices[is_chosen & is_loss]])
    chosen = chosen[:TASKS_PER_STEP]
    return chosen.astype(np.int32), int(np.count_nonzero(np.isin(chosen, indices[is_loss])))


def _find_whole_groups(groups: NDArray[np.int64], is_loss: NDArray[np.bool_], *, room: int) -> NDArray[np.bool_]:
    """Return which tasks are of groups of which all losses together find room, those with the fewest taken first.

    >>> losses = np.array([True, True, False, True, True, True])
    >>> _find_whole_groups(np.array([0, 0, 1, 1, 2, 2]), losses, room=2).tolist()
    [False, False, True, True, False, False]
    """
    known, places = np.unique(groups, return_inverse=True)
    counts = np.bincount(places[is_loss], minlength=len(known))
    order = np.argsort(counts, kind="stable")
    is_taken = np.zeros(len(known), np.bool_)
    is_taken[order] = np.cumsum(counts[order]) <= room
    taken: NDArray[np.bool_] = is_taken[places]
    return taken
