"""How far drains have come, and what keeps them: which tasks are still there, and why, from the cell alone.

For people: `omega machine drain` waits by it, and says of a drain that can never finish which job keeps it. What is due
is the business of `drains`; both count by the same functions, so what is said here is what will be done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from omegacell.controllers.drains import Rows, find_allowed, find_drained, find_inside, find_staying, find_unheard
from omegacell.core.budgets import find_available
from omegacell.core.cell import Cell
from omegacell.core.drains import NO_DEADLINE, Eligibility
from omegacell.core.jobs import NO_LIMIT, Kind, Stopping, TaskState
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.units import JobId


class Hold(IntEnum):
    """Why tasks are still on a draining machine."""

    ENDING = 0
    """They were told to end, and have their grace period."""
    TURN = 1
    """They may leave, and do as fast as evictions are allowed to go."""
    BUDGET = 2
    """Their job has as many unavailable tasks as it allows."""
    SILENT = 3
    """The machine is not heard: nobody can tell it anything."""
    INSIDE = 4
    """They run inside allocs, and go when these do."""
    STRANDED = 5
    """Their job has as many unavailable tasks as it allows, and those wait for machines that drain or are cordoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """The unavailable tasks of a job, by what they are at.

    Attributes:
        pending: wait for a machine. starting: placed, or not known to be healthy yet. ending: told to end.
        unhealthy: failed their health checks. ended: at rest, and will not run again.
    """

    pending: int = 0
    starting: int = 0
    ending: int = 0
    unhealthy: int = 0
    ended: int = 0

    @property
    def total(self) -> int:
        """How many there are."""
        return self.pending + self.starting + self.ending + self.unhealthy + self.ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Tasks of one job that are still on a draining machine for one reason.

    Attributes:
        hold: the reason.
        job: whose tasks; task_count: how many.
        limit: the job's ``max_unavailable``.
        shortfall: the job's unavailable tasks, when they are the reason.
        is_forever: the drain never finishes unless somebody does something.
    """

    hold: Hold
    job: JobId
    task_count: int
    limit: int
    shortfall: Shortfall = Shortfall()
    is_forever: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainProgress:
    """How far the drain of one machine has come.

    Attributes:
        machine: machine row.
        task_count: tasks that are still there; none when it is done. ending_count: those told to end.
        left_us: elapsed until its deadline, 0 when that has passed, `NO_DEADLINE` without one.
        blocks: why they are there: first what lasts for ever, then what waits, last what goes on.
    """

    machine: int
    task_count: int
    ending_count: int
    left_us: int
    blocks: tuple[Block, ...]

    @property
    def is_forever(self) -> bool:
        """Whether all that is left stays for ever: waiting for the drain is in vain."""
        return bool(self.blocks) and all(block.is_forever for block in self.blocks)


def find_progress(cell: Cell, machine_rows: Sequence[int]) -> list[DrainProgress]:
    """Return how far the drains of some draining machines have come, in their order. Pure; cost: O(tasks)."""
    rows = find_drained(cell)
    holds = _find_holds(cell, rows)
    return [_progress_of(cell, machine, rows, holds) for machine in machine_rows]


def find_shortfall(cell: Cell, job_row: int) -> Shortfall:
    """Return the unavailable tasks of a job, by what they are at. Cost: O(its tasks)."""
    tasks = cell.tasks
    first = int(cell.jobs.offset[job_row])
    rows = first + np.flatnonzero(~find_available(cell, job_row))
    state, is_stopping = tasks.state[rows], tasks.stopping[rows] != Stopping.NO
    is_unhealthy = (state == TaskState.RUNNING) & (tasks.health[rows] == 2) & ~is_stopping
    return Shortfall(
        pending=int(np.count_nonzero(state == TaskState.PENDING)),
        starting=int(np.count_nonzero((tasks.machine[rows] >= 0) & ~is_stopping & ~is_unhealthy)),
        ending=int(np.count_nonzero(is_stopping)),
        unhealthy=int(np.count_nonzero(is_unhealthy)),
        ended=int(np.count_nonzero(state >= TaskState.SUCCEEDED)),
    )


def count_stranded(cell: Cell, job_row: int) -> int:
    """Return how many waiting tasks of a job no open machine would take, however much ended there. O(machines).

    A machine that is down may take them when it is back. Of a system job each waits for one machine.
    """
    spec, machines = cell.jobs.spec_of(job_row), cell.machines
    is_open = machines.eligibility == Eligibility.OPEN
    first, extent = int(cell.jobs.offset[job_row]), int(cell.jobs.extent[job_row])
    pending = np.flatnonzero(cell.tasks.state[first : first + extent] == TaskState.PENDING)
    if spec.kind is Kind.SYSTEM:
        return int(np.count_nonzero(~is_open[pending[pending < machines.count]]))
    rows = np.flatnonzero(is_open)
    reasons = Overlay(cell).find_mismatches(spec, rows)
    may_take = (reasons == Reason.NONE) | (reasons == Reason.MACHINE_NOT_UP)
    is_large = (machines.capacity[rows] >= np.array(spec.charged, np.int64)).all(axis=1)
    return 0 if (may_take & is_large).any() else len(pending)


def _find_holds(cell: Cell, rows: Rows) -> NDArray[np.uint8]:
    holds = np.full(len(rows), Hold.BUDGET, np.uint8)
    staying = find_staying(cell, rows)
    allowed = staying[find_allowed(cell, staying)]
    holds[np.searchsorted(rows, allowed)] = Hold.TURN
    holds[find_inside(cell, rows)] = Hold.INSIDE
    holds[find_unheard(cell, cell.tasks.machine[rows])] = Hold.SILENT
    holds[cell.tasks.stopping[rows] != Stopping.NO] = Hold.ENDING
    return holds


def _progress_of(cell: Cell, machine: int, rows: Rows, holds: NDArray[np.uint8]) -> DrainProgress:
    is_here = cell.tasks.machine[rows] == machine
    here, why = rows[is_here], holds[is_here]
    deadline = int(cell.machines.drain_deadline[machine])
    jobs = cell.tasks.job[here]
    blocks = []
    for job in np.unique(jobs).tolist():
        for hold in np.unique(why[jobs == job]).tolist():
            count = int(np.count_nonzero((jobs == job) & (why == hold)))
            blocks.append(_block_of(cell, job, Hold(hold), count=count, has_deadline=deadline != NO_DEADLINE))
    is_forever = all(block.is_forever for block in blocks if block.hold is not Hold.INSIDE)
    blocks = [replace(each, is_forever=is_forever) if each.hold is Hold.INSIDE else each for each in blocks]
    return DrainProgress(
        machine=machine,
        task_count=len(here),
        ending_count=int(np.count_nonzero(cell.tasks.stopping[here] != Stopping.NO)),
        left_us=deadline if deadline == NO_DEADLINE else max(0, deadline - cell.elapsed),
        blocks=tuple(sorted(blocks, key=lambda block: (not block.is_forever, -block.hold, block.job))),
    )


def _block_of(cell: Cell, job_row: int, hold: Hold, *, count: int, has_deadline: bool) -> Block:
    limit = cell.jobs.spec_of(job_row).max_unavailable
    job = JobId(int(cell.jobs.id[job_row]))
    if hold is not Hold.BUDGET:
        return Block(hold=hold, job=job, task_count=count, limit=limit)
    assert limit != NO_LIMIT, "a job without a limit has a budget for all its tasks"
    shortfall = find_shortfall(cell, job_row)
    lasting = shortfall.ended
    if lasting < limit and shortfall.pending:
        lasting += count_stranded(cell, job_row)
        hold = Hold.STRANDED if lasting >= limit else hold
    is_forever = lasting >= limit and not has_deadline
    return Block(hold=hold, job=job, task_count=count, limit=limit, shortfall=shortfall, is_forever=is_forever)
