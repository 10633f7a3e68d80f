"""A wish: tasks of one shape that are to find room in a cell together, and what was given up for it.

Rules: a wish is asked with the question that schedulers ask, `feasibility.find_room`; it never changes its cell. How
one becomes smaller is in `relaxing` and `relaxing_waits`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.units import JobId
from omegacell.schedulers.actions import Clock
from omegacell.schedulers.feasibility import find_room
from omegacell.schedulers.forking import Fork


class Kind(IntEnum):
    """What is given up; the order is that of size."""

    STOPPING_ENDS = 0
    """Nothing: tasks that are ending already have ended."""
    LESS = 1
    """Some of a resource, and at least half of it is left."""
    FEWER_TASKS = 2
    """Some tasks of a gang."""
    NO_GANG = 3
    """That all tasks are placed together."""
    ANY_PORT = 4
    """A certain port number."""
    JOB_ENDS = 5
    """Nothing of the job: another one has to end first."""
    MACHINE_RETURNS = 6
    """Nothing of the job: machines have to be up and heard again first."""
    MUCH_LESS = 7
    """More than half of a resource."""
    OTHER_DRIVER = 8
    """The driver: another kind of task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is given up.

    Attributes:
        kind: what.
        name: of the resource, port, job, machine or driver that it is about; empty when there is only one such thing.
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wish:
    """Tasks of one shape that are to find room together.

    Attributes:
        cell: the cell in which, or a fork of it.
        overlay: the cell with no tentative claims.
        spec: the shape.
        count: how many tasks at least: 1, or all that wait of a gang.
        pending: how many tasks wait.
        job: whose tasks.
        clock: for forks.
        steps: what was given up for it.
        row_count: how many rows of the table were used.
    """

    cell: Cell
    overlay: Overlay
    spec: JobSpec
    count: int
    pending: int
    job: JobId
    clock: Clock
    steps: tuple[Step, ...] = ()
    row_count: int = 0

    @classmethod
    def of(cls, cell: Cell, job_row: int, *, clock: Clock) -> "Wish":
        """Return what a job with pending tasks wishes."""
        spec = cell.jobs.spec_of(job_row)
        pending = int(cell.jobs.counts[job_row, TaskState.PENDING])
        return cls(
            cell=cell,
            overlay=Overlay(cell),
            spec=spec,
            count=pending if spec.is_gang else 1,
            pending=pending,
            job=JobId(int(cell.jobs.id[job_row])),
            clock=clock,
        )

    def room(self, spec: JobSpec | None = None) -> NDArray[np.int64]:
        """Return how many tasks of its shape, or of another one, each machine takes: ``(machines,)`` int64."""
        return find_room(self.overlay, spec or self.spec, cell=self.cell)

    def fit_count(self, spec: JobSpec | None = None) -> int:
        """Return how many of the pending tasks find room now; of a gang all of those that are asked for, or none."""
        fitting = int(np.minimum(self.room(spec), self.pending).sum())
        return min(fitting, self.pending) if fitting >= self.count else 0

    def less(self, spec: JobSpec, *steps: Step, count: int | None = None) -> "Wish":
        """Return a wish for a smaller shape, or for fewer tasks."""
        fewer = self.count if count is None else count
        return replace(self, spec=spec, count=fewer, steps=(*self.steps, *steps), row_count=self.row_count + 1)

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
