"""A wish: tasks of one shape that are to find room in a cell together, and what was given up for it.

Rules: a wish is asked with the question that schedulers ask, `feasibility.find_room`; it never changes its cell. How
one becomes smaller is in `relaxing` and `relaxing_waits`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import groupby
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.caps import CapUse
from omegacell.core.cell import Cell
from omegacell.core.gangs import find_shorts
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.jobs import Kind as JobKind
from omegacell.core.overlays import Overlay
from omegacell.core.units import JobId
from omegacell.schedulers.actions import Clock
from omegacell.schedulers.choosing import choose
from omegacell.schedulers.feasibility import find_own_machines, find_room
from omegacell.schedulers.forking import Fork
from omegacell.schedulers.interface import TaskGroup
from omegacell.schedulers.view import CellView


class Kind(IntEnum):
    """What is given up; the order is that of size."""

    STOPPING_ENDS = 0
    """Nothing: tasks that are ending already have ended."""
    LESS = 1
    """Some of a resource, and at least half of it is left."""
    LOWER_MINIMUM = 2
    """That so many tasks of a gang are placed at once; fewer do."""
    FEWER_TASKS = 3
    """Some tasks of a gang."""
    NO_GANG = 4
    """That tasks are placed together."""
    ANY_PORT = 5
    """A certain port number."""
    NO_SPREAD = 6
    """A rule to spread."""
    NO_MACHINE_LIMIT = 7
    """The limit of tasks on one machine."""
    NOT_APART = 8
    """To stay apart from another job."""
    NOT_NEAR = 9
    """To be near to another job."""
    TOLERATION = 10
    """Nothing: machines with a taint are tolerated, too."""
    NO_CONSTRAINT = 11
    """A constraint on attributes."""
    ANY_POOL = 12
    """The pool."""
    ANY_DEVICE = 13
    """What devices of a kind are like."""
    FEWER_DEVICES = 14
    """Some devices, or all."""
    MACHINE_OPENS = 15
    """Nothing of the job: cordoned machines have to be opened first."""
    HIGHER_CAP = 16
    """Nothing of the job: the cap of its scheduler has to be raised."""
    JOB_ENDS = 17
    """Nothing of the job: another one has to end first."""
    MACHINE_RETURNS = 18
    """Nothing of the job: machines have to be up and heard again first."""
    MUCH_LESS = 19
    """More than half of a resource."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is given up.

    Attributes:
        kind: what.
        name: of the resource, port, job, machine, device or rule that it is about, empty
            when there is only one such thing.
        before, after: amounts, port numbers or counts; 0 where there are none.
        loss: how much it is, among steps of its kind.
        job: the job that must end, 0 for none.
    """

    kind: Kind
    name: str = ""
    before: int = 0
    after: int = 0
    loss: int = 0
    job: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Groups of waiting tasks that are alike: ``times`` of ``count`` tasks, ``least`` of them placed at once."""

    count: int
    least: int
    times: int = 1


def find_waiting(cell: Cell, job_row: int, spec: JobSpec) -> tuple[Waiting, ...]:
    """Return the groups that have tasks which wait, in order; consecutive ones that are alike are one `Waiting`."""
    pending = int(cell.jobs.counts[job_row, TaskState.PENDING])
    if spec.gang is None or not pending:
        return (Waiting(pending, 1),)
    waiting, short = find_shorts(cell, job_row, spec.gang)
    pairs = [(count, max(1, least)) for count, least in zip(waiting.tolist(), short.tolist(), strict=True) if count]
    return tuple(Waiting(count, least, len(list(alike))) for (count, least), alike in groupby(pairs))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wish:
    """Tasks of one shape that are to find room together.

    Attributes:
        cell: the cell in which, or a fork of it.
        overlay: the cell with no tentative claims.
        spec: the shape.
        gangs: the groups that wait, one `Waiting` for some that are alike; a job that is no gang is one.
        pending: how many tasks wait.
        job: whose tasks.
        clock: for forks.
        index: of a system job the task that is meant; None for all that wait.
        steps: what was given up for it.
        row_count: how many rows of the table were used.
    """

    cell: Cell
    overlay: Overlay
    spec: JobSpec
    gangs: tuple[Waiting, ...]
    pending: int
    job: JobId
    clock: Clock
    index: int | None = None
    steps: tuple[Step, ...] = ()
    row_count: int = 0

    @classmethod
    def of(cls, cell: Cell, job_row: int, *, clock: Clock, index: int | None = None) -> "Wish":
        """Return what a job with pending tasks wishes; ``index`` is a task of it, which matters of a system job."""
        spec = cell.jobs.spec_of(job_row)
        pending = int(cell.jobs.counts[job_row, TaskState.PENDING])
        index = index if spec.kind is JobKind.SYSTEM else None
        if index is not None:
            pending = 1
        return cls(
            cell=cell,
            overlay=Overlay(cell),
            spec=spec,
            gangs=find_waiting(cell, job_row, spec) if index is None else (Waiting(1, 1),),
            pending=pending,
            index=index,
            job=JobId(int(cell.jobs.id[job_row])),
            clock=clock,
        )

    @property
    def count(self) -> int:
        """How many tasks must find room at once for any to be placed."""
        return min(each.least for each in self.gangs)

    def room(self, spec: JobSpec | None = None) -> NDArray[np.int64]:
        """Return how many tasks of its shape, or of another one, each machine takes: ``(machines,)`` int64."""
        room = find_room(self.overlay, spec or self.spec, cell=self.cell)
        own = find_own_machines(self.cell, self.spec, self.job)
        if own is not None:
            own = own if self.index is None else own[own == self.index]
            free = np.minimum(room[own], 1)
            room = np.zeros(len(room), np.int64)
            room[own] = free
        return room

    def place_count(self, spec: JobSpec | None = None) -> int:
        """Return how many of the pending tasks find room together now, whatever stands together.

        Rules about where other tasks are, and the cap of the job's scheduler, are kept to.
        """
        spec = spec or self.spec
        wanted = min(self.pending, CapUse(self.cell.caps, self.cell.jobs).room(self.row, spec))
        if wanted <= 0 or not self.overlay.is_crowded(spec) or spec.kind is JobKind.SYSTEM:
            return min(int(np.minimum(self.room(spec), self.pending).sum()), wanted)
        view = CellView(self.cell, self.overlay)
        indices = np.arange(wanted, dtype=np.int32)
        group = TaskGroup(number=0, job=self.job, spec=spec, indices=indices, attempts=np.zeros(wanted, np.int32))
        first = np.arange(view.machine_count, dtype=np.float64)
        return len(choose(view, group, room=view.room(group), first=first))

    def fit_count(self, spec: JobSpec | None = None) -> int:
        """Return how many of the pending tasks would be placed now: of a group of a gang enough, or none."""
        left, fitting = self.place_count(spec), 0
        for each in self.gangs:
            if each.least > each.count:
                continue  # their partners are held
            whole = min(each.times, left // each.count)
            took = whole * each.count
            if whole < each.times and each.least <= left - took:
                took = left
            left, fitting = left - took, fitting + took
        return fitting

    @property
    def row(self) -> int:
        """The job's row, in its cell or in a fork of it."""
        row = self.cell.jobs.row_of(self.job)
        assert row is not None, f"job {self.job} wishes something and is not in the cell"
        return row

    def less(self, spec: JobSpec, *steps: Step) -> "Wish":
        """Return a wish for a smaller shape, or with less that stands together."""
        gangs = self.gangs if spec.gang == self.spec.gang else find_waiting(self.cell, self.row, spec)
        return replace(self, spec=spec, gangs=gangs, steps=(*self.steps, *steps), row_count=self.row_count + 1)

    def on(self, cell: Cell, *steps: Step) -> "Wish":
        """Return the same wish on a fork."""
        return replace(
            self, cell=cell, overlay=Overlay(cell), steps=(*self.steps, *steps), row_count=self.row_count + 1
        )

    def fork(self) -> Fork:
        """Return a fork of its cell. Cost: O(cell)."""
        return Fork(self.cell.clone(), clock=self.clock)

    @property
    def order(self) -> tuple[int, int, int, str]:
        """The documented order: smaller is better."""
        kinds = [step.kind for step in self.steps]
        return (
            self.row_count,
            max(kinds),
            sum(step.loss for step in self.steps),
            " ".join(step.name for step in self.steps),
        )


Relaxation: TypeAlias = Callable[[Wish], Iterator[Wish]]
"""Gives smaller wishes, the best first; whether they fit is asked by who calls it."""
