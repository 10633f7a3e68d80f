"""Held tasks: proposes `ReleaseTasks` for a job as soon as nothing holds its tasks any more.

Unlike the other proposers this one is woken by what was folded, not by ticks: a job goes on milliseconds after the last
one that it waited for. It keeps an index from names to the jobs that wait for them, so that a fold costs what it
touched, and jobs that wait for nothing cost a look at one number.

System jobs are left to `system_jobs`: their tasks wait for machines, too. Every server proposes; the judge releases
each task once. All that is kept here follows from the cell: after a reload, or in the next server after a `kill -9`,
`load` finds it again.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.deltas import Delta
from omegacell.core.hold_commands import ReleaseTasks
from omegacell.core.holds import is_held
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.units import JobId

JOBS_PER_STEP: Final = 256
"""Jobs of which one step releases tasks at most; the others follow."""

TASKS_PER_JOB: Final = 50_000
"""Tasks of one job that one step releases at most: some 200 kB of an entry; the others follow."""


class Releases:
    """The jobs that have held tasks, by the names they wait for, and those that must be looked at."""

    def __init__(self) -> None:
        """Begin with an empty cell."""
        self._names: dict[JobId, tuple[str, ...]] = {}
        self._waiting: dict[str, dict[JobId, None]] = {}
        self._due: dict[JobId, None] = {}

    @property
    def is_due(self) -> bool:
        """Whether `step` has something to look at."""
        return bool(self._due)

    def load(self, cell: Cell) -> None:
        """Forget what was known and look at every job of a cell. Cost: O(jobs)."""
        self._names, self._waiting, self._due = {}, {}, {}
        is_held = (cell.jobs.counts[:, TaskState.HELD] > 0) & (cell.jobs.kind != Kind.SYSTEM)
        for row in np.flatnonzero((cell.jobs.id > 0) & is_held).tolist():
            self._note_held(cell, row, JobId(int(cell.jobs.id[row])))

    def note(self, cell: Cell, delta: Delta) -> None:
        """Take note of what a fold touched; the cell is the one after it.

        Cost: O(jobs touched, and who waits for them).
        """
        for job in delta.jobs:
            row = cell.jobs.row_of(job)
            if row is None:
                self._drop(job)
                continue
            if cell.jobs.counts[row, TaskState.HELD] and cell.jobs.kind[row] != Kind.SYSTEM:
                self._note_held(cell, row, job)
            elif job in self._names:
                self._drop(job)
            if self._waiting:
                self._due.update(self._waiting.get(cell.jobs.spec_of(row).name, {}))

    def step(self, cell: Cell) -> list[ReleaseTasks]:
        """Return what to release now, one command a job; what is not released then is looked at when it changes.

        Cost: O(jobs that are due), and O(its tasks) for each job that is released.
        """
        commands = []
        for job in list(self._due)[:JOBS_PER_STEP]:
            del self._due[job]
            row = cell.jobs.row_of(job)
            assert row is not None, f"job {job} is due and has left the cell: a fold was not noted"
            if not is_held(cell, cell.jobs.spec_of(row)):
                first = int(cell.jobs.offset[row])
                states = cell.tasks.state[first : first + int(cell.jobs.extent[row])]
                held = np.flatnonzero(states == TaskState.HELD)[:TASKS_PER_JOB]
                commands.append(ReleaseTasks(job=job, indices=held.astype(np.int32)))
        return commands

    def look_again(self, jobs: Iterable[JobId]) -> None:
        """Look again at jobs whose release came to nothing, if they still have held tasks."""
        self._due.update((job, None) for job in jobs if job in self._names)

    def _note_held(self, cell: Cell, row: int, job: JobId) -> None:
        if cell.jobs.template[row]:
            return  # held for ever
        if cell.jobs.updating[row]:
            self._drop(job)  # task by task: `updates` releases them
            return
        self._due[job] = None
        if job not in self._names:
            self._names[job] = names = tuple(each.job for each in cell.jobs.spec_of(row).after)
            for name in names:
                self._waiting.setdefault(name, {})[job] = None

    def _drop(self, job: JobId) -> None:
        self._due.pop(job, None)
        for name in self._names.pop(job, ()):
            del self._waiting[name][job]
            if not self._waiting[name]:
                del self._waiting[name]
