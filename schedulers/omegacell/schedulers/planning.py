"""What submitting jobs would do to a cell: planned on a fork, and told as what happens to each task.

Jobs are submitted in the order given, and then placed in the order in which a backlog takes them, each by the scheduler
that is handed in for it. Where a job is replaced or made smaller, the tasks that end hold their room until they have
ended: what finds no place beside them is tried a second time after them, and is marked so. Nothing here knows what
makes a task fit or who gives way to it: the tasks of all jobs before and after are compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s
from omegacell.core.commands import SubmitJob, Unplaced
from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState
from omegacell.core.outcomes import Change, Outcome, Status
from omegacell.core.units import JobId
from omegacell.core.waits import find_waiting
from omegacell.schedulers.actions import Clock
from omegacell.schedulers.forking import Fork, Rows
from omegacell.schedulers.interface import Scheduler
from omegacell.schedulers.rolling import roll


class Action(IntEnum):
    """What a plan does with a task."""

    KEPT = 0
    """It stays on its machine."""
    ADDED = 1
    """It is placed, and was not before."""
    MOVED = 2
    """It ends on one machine and begins on another."""
    RESTARTED = 3
    """It ends and begins again on the same machine."""
    STOPPED = 4
    """It ends, and none of its index follows."""
    EVICTED = 5
    """It gives way to another job."""
    PENDING = 6
    """It waits for a place after all."""
    HELD = 7
    """It waits for something other than a machine."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskColumns:
    """Tasks of one job and what is done with them, as columns, ascending by index.

    Attributes:
        actions: values of `Action`, uint8.
        indices: task indices, int32.
        before: machine row before, int32, -1 for none.
        after: machine row after, int32, -1 for none.
        waits: 1 when it is placed only once tasks that the plan ends have ended, uint8.
    """

    actions: NDArray[np.uint8]
    indices: Int32s
    before: Int32s
    after: Int32s
    waits: NDArray[np.uint8]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many tasks there are of each `Action`."""
        return tuple(np.bincount(self.actions, minlength=len(Action)).tolist())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobPlan:
    """What submitting one job would do.

    Attributes:
        spec: what is submitted.
        before: what the job of that name asks for now; None when there is none.
        outcome: what the judge made of the submit, on the fork.
        job: its id on the fork; 0 when it was refused.
        tasks: what is done with its tasks.
        unplaced: why tasks of it stay pending; None when nobody said.
        held_us: in how long the next of its tasks comes due that is held back after a failure; None when none is.
        is_cut_off: the time was over before the scheduler had decided on all of its tasks.
    """

    spec: JobSpec
    before: JobSpec | None
    outcome: Outcome
    job: JobId
    tasks: TaskColumns
    unplaced: Unplaced | None = None
    held_us: int | None = None
    is_cut_off: bool = False

    @property
    def change(self) -> Change:
        """What the submit would do."""
        return Change(self.outcome.detail) if self.outcome.status is Status.COMMITTED else Change.NONE

    @property
    def is_refused(self) -> bool:
        """Whether the cell would not take the job."""
        return self.outcome.status is not Status.COMMITTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted:
    """A task of a job that is not planned, and that gives way to one that is."""

    job: JobId
    index: int
    machine: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What submitting jobs would do; ``evicted`` are tasks of other jobs."""

    jobs: tuple[JobPlan, ...]
    evicted: tuple[Evicted, ...]


@dataclass(slots=True, eq=False)
class _Draft:
    """A job while it is being planned."""

    command: SubmitJob
    spec_before: JobSpec | None
    outcome: Outcome
    held_before: Int32s
    job: JobId
    job_before: JobId
    unplaced: Unplaced | None = None
    held_us: int | None = None
    is_cut_off: bool = False
    placed_first: Int32s = field(default_factory=lambda: np.empty(0, np.int32))

    @property
    def is_placed(self) -> bool:
        """Whether a scheduler has to do with it: it was taken, and changes something."""
        return self.outcome.status is Status.COMMITTED and self.outcome.detail != Change.UNCHANGED

    @property
    def order(self) -> tuple[bool, int, int, int]:
        """The order of a backlog, but for alloc sets, which come before what runs inside them."""
        spec = self.command.spec
        return spec.kind is not Kind.ALLOC, -spec.band, -spec.priority, self.job


def make_plan(
    fork: Fork,
    submits: Sequence[SubmitJob],
    *,
    scheduler_of: Callable[[JobSpec], Scheduler],
    clock: Clock,
    until_us: int,
) -> Plan:
    """Plan jobs on a fork. Mutates the fork.

    Args:
        fork: A fork on which nothing was done yet.
        submits: The jobs, each of another name.
        scheduler_of: Makes the scheduler that places a job.
        clock: The clock of the fork.
        until_us: When to stop deciding, on its monotonic axis.
    """
    cell = fork.cell
    before = Holdings.of(cell)
    drafts = [_submit(fork, command, before) for command in submits]
    placed = sorted((draft for draft in drafts if draft.is_placed), key=lambda draft: draft.order)
    for draft in placed:
        scheduler = scheduler_of(draft.command.spec)
        if draft.outcome.detail == Change.UPDATED:
            roll(fork, draft.job, lambda: _place(fork, draft, scheduler, until_us=until_us))  # noqa: B023 - called here
            draft.is_cut_off |= clock.monotonic_us() >= until_us
        else:
            _place(fork, draft, scheduler, until_us=until_us)
        draft.placed_first = _held(cell, draft.job)
    ending = _find_ending(cell, before)
    if len(ending) and any(fork.count_pending(draft.job) for draft in placed):
        fork.end_tasks(ending)
        for draft in placed:
            _place(fork, draft, scheduler_of(draft.command.spec), until_us=until_us)
    names = frozenset(draft.command.spec.name for draft in drafts)
    evicted = find_evicted(cell, before, planned=names)
    return Plan(jobs=tuple(_conclude(cell, draft) for draft in drafts), evicted=evicted)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holdings:
    """Where the tasks of all jobs were, by task row.

    Attributes:
        held: machine row, int32, -1 for none and for a task that was ending.
        jobs: job row, int32.
        stopping: `Stopping`, uint8.
    """

    held: Int32s
    jobs: Int32s
    stopping: NDArray[np.uint8]

    @classmethod
    def of(cls, cell: Cell) -> "Holdings":
        """Take note of where all tasks are now. Cost: O(tasks)."""
        tasks = cell.tasks
        return cls(held=_going_on(cell, slice(None)), jobs=tasks.job.copy(), stopping=tasks.stopping.copy())


def _going_on(cell: Cell, rows: slice) -> Int32s:
    """Return the machine row of each task that holds one and is not ending, else -1; a copy."""
    tasks = cell.tasks
    return np.where(tasks.stopping[rows] == Stopping.NO, tasks.machine[rows], np.int32(-1)).astype(np.int32)


def _extent(cell: Cell, job: int) -> slice:
    row = cell.jobs.row_of(job)
    if row is None:
        return slice(0, 0)
    first = int(cell.jobs.offset[row])
    return slice(first, first + int(cell.jobs.extent[row]))


def _held(cell: Cell, job: int) -> Int32s:
    return _going_on(cell, _extent(cell, job))


def _submit(fork: Fork, command: SubmitJob, before: Holdings) -> _Draft:
    cell = fork.cell
    known = cell.jobs.by_name(command.spec.name)
    row = None if known is None else cell.jobs.row_of(known)
    spec = None if row is None else cell.jobs.spec_of(row)
    held = np.empty(0, np.int32) if known is None else before.held[_extent(cell, known)]
    outcome = fork.do(command)
    job = JobId(outcome.value) if outcome.status is Status.COMMITTED else JobId(0)
    return _Draft(
        command=command, spec_before=spec, outcome=outcome, held_before=held, job=job, job_before=known or JobId(0)
    )


def _place(fork: Fork, draft: _Draft, scheduler: Scheduler, *, until_us: int) -> None:
    verdict = fork.decide(draft.job, scheduler, until_us=until_us)
    draft.unplaced, draft.held_us, draft.is_cut_off = verdict.unplaced, verdict.held_us, verdict.is_cut_off
    if draft.command.spec.kind is Kind.ALLOC:
        fork.start_tasks(draft.job)


def _find_ending(cell: Cell, before: Holdings) -> Rows:
    """Return the tasks that hold resources and that the plan has asked to end, but for those that it evicted.

    The tasks of a job that was made larger have moved to other rows, and are not ending.
    """
    tasks = cell.tasks
    is_new = np.ones(tasks.count, np.bool_)
    is_new[: len(before.stopping)] = before.stopping == Stopping.NO
    return np.flatnonzero((tasks.machine >= 0) & (tasks.stopping == Stopping.STOP) & is_new)


def find_evicted(cell: Cell, before: Holdings, *, planned: frozenset[str]) -> tuple[Evicted, ...]:
    """Compare where tasks of jobs with other names than the planned ones were, and are; their rows stay theirs."""
    jobs = cell.jobs
    count = len(before.held)
    gone = np.flatnonzero((before.held >= 0) & (_going_on(cell, slice(0, count)) != before.held))
    found = []
    for task in gone.tolist():
        row = int(cell.tasks.job[task])
        if row == int(before.jobs[task]) and jobs.spec_of(row).name not in planned:
            index = task - int(jobs.offset[row])
            found.append(Evicted(job=JobId(int(jobs.id[row])), index=index, machine=int(before.held[task])))
    return tuple(found)


def _conclude(cell: Cell, draft: _Draft) -> JobPlan:
    known = cell.jobs.by_name(draft.command.spec.name)
    is_replaced = draft.outcome.detail in (Change.REPLACED, Change.UPDATED)
    rows = slice(0, 0) if known is None else _extent(cell, known)
    tasks = _compare(cell, draft, rows, is_replaced=is_replaced)
    is_pending = tasks.counts[Action.PENDING] > 0
    return JobPlan(
        spec=_counted(cell, draft),
        before=draft.spec_before,
        outcome=draft.outcome,
        job=draft.job,
        tasks=tasks,
        unplaced=draft.unplaced if is_pending else None,
        held_us=draft.held_us if is_pending else None,
        is_cut_off=draft.is_cut_off and is_pending,
    )


def _counted(cell: Cell, draft: _Draft) -> JobSpec:
    """Return a planned spec with the count that the cell gives it: nobody chooses that of a system job."""
    spec, row = draft.command.spec, cell.jobs.row_of(draft.job)
    if spec.kind is not Kind.SYSTEM:
        return spec
    known = draft.spec_before if row is None else cell.jobs.spec_of(row)
    return spec if known is None else replace(spec, count=known.count)


def _compare(cell: Cell, draft: _Draft, rows: slice, *, is_replaced: bool) -> TaskColumns:
    """Say what is done with each task of a job, by where it was and where it is."""
    count = max(len(draft.held_before), rows.stop - rows.start)
    before, after, first = (
        _padded(column, count) for column in (draft.held_before, _going_on(cell, rows), draft.placed_first)
    )
    stays = np.zeros(count, np.bool_)
    if draft.outcome.detail == Change.UPDATED:  # where the update comes to no end, old tasks stay
        old = _padded(_held(cell, draft.job_before), count)
        stays = (after < 0) & (old >= 0)
        after = np.where(stays, old, after)
        first = np.where(stays, old, first)
    states = _padded(cell.tasks.state[rows], count, fresh=TaskState.STOPPED)
    is_pending, is_held = states == TaskState.PENDING, states == TaskState.HELD
    is_evicted = _padded(cell.tasks.stopping[rows], count, fresh=Stopping.NO) == Stopping.EVICT
    was, is_ = before >= 0, after >= 0
    none = 255
    actions = np.full(count, none, np.uint8)
    actions[is_pending] = Action.PENDING
    actions[is_held] = Action.HELD
    actions[is_ & ~was] = Action.ADDED
    actions[was & ~is_] = Action.STOPPED
    if not is_replaced:
        actions[was & ~is_ & is_evicted] = Action.EVICTED
    actions[is_ & was & (before != after)] = Action.MOVED
    actions[is_ & was & (before == after)] = Action.RESTARTED if is_replaced else Action.KEPT
    actions[stays] = Action.KEPT
    indices = np.arange(count, dtype=np.int32)
    waits = is_ & (first < 0) & (actions != Action.KEPT) & draft.is_placed
    waits[: rows.stop - rows.start] |= find_waiting(cell, np.arange(rows.start, rows.stop, dtype=np.int64))
    # the old task of an index ends, and the new one has no place: two facts
    again = np.flatnonzero((actions == Action.STOPPED) & (is_pending | is_held))
    told = np.flatnonzero(actions != none)
    places = np.concatenate([told, again])
    waiting = np.where(is_held[again], np.uint8(Action.HELD), np.uint8(Action.PENDING))
    shown = np.concatenate([actions[told], waiting])
    befores = np.concatenate([before[told], np.full(len(again), -1, np.int32)])
    order = np.argsort(places, kind="stable")
    return TaskColumns(
        actions=shown[order],
        indices=indices[places][order],
        before=befores[order],
        after=after[places][order],
        waits=waits[places][order].astype(np.uint8),
    )


def _padded(column: NDArray[np.integer], count: int, *, fresh: int = -1) -> NDArray[np.integer]:
    padded = np.full(count, fresh, column.dtype)
    padded[: len(column)] = column
    return padded
