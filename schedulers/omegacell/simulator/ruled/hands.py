"""What machines do in virtual time: attempts begin as soon as nobody holds their room, and end in time or when asked.

An attempt begins at once, reports so, and runs for as long as its job does; at its time limit its machine ends it. One
that is asked to end takes all of its grace period, unless it is over sooner. All of it is read from the cell, attempt
by attempt, as an agent would be told; nothing is remembered but when something is due.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s
from omegacell.core.deltas import Delta
from omegacell.core.jobs import Kind, Stopping, TaskState
from omegacell.core.lives import Rows
from omegacell.core.machine_commands import ExitNote, Report, ReportKind
from omegacell.core.units import JobId
from omegacell.core.waits import find_waiting
from omegacell.simulator.agenda import Agenda
from omegacell.simulator.labcell import LabCell

SIGTERM: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How attempts of a job go: for how long, None for ever, and with which exit code."""

    run_us: int | None
    exit_code: int


class Attempts(NamedTuple):
    """Attempts of one job, as int32 columns, and how they end if they still run then."""

    job: JobId
    indices: Int32s
    attempts: Int32s
    exit_code: int = 0
    signal: int = 0
    note: ExitNote = ExitNote.NONE


class Witness(Protocol):
    """Who is told of what attempts do."""

    def note_begun(self, job: JobId, tasks: Rows) -> None:
        """Attempts of a job have begun."""
        ...

    def note_ending(self, tasks: Rows, *, note: ExitNote, is_natural: bool) -> None:
        """Attempts end now, of one job and what runs inside of it; the cell is the one before."""
        ...


class Hands:
    """The machines of a cell."""

    def __init__(self, lab: LabCell, agenda: Agenda[int], witness: Witness, *, on_end: Callable[[], None]) -> None:
        """Begin with nothing running; ``on_end`` is called when attempts have ended."""
        self._on_end = on_end
        self._lab = lab
        self._agenda = agenda
        self._witness = witness
        self._runs: dict[JobId, Run] = {}

    def note_job(self, job: JobId, run: Run) -> None:
        """Say how attempts of a job that was submitted go."""
        self._runs[job] = run

    def follow(self, delta: Delta) -> None:
        """Begin what was placed, and end in time what is asked to end. Cost: O(tasks touched)."""
        tasks = self._find_touched(delta)
        if not len(tasks):
            return
        arena = self._lab.cell.tasks
        has_machine = arena.machine[tasks] >= 0
        placed = tasks[has_machine & (arena.state[tasks] == TaskState.PLACED)]
        for job, rows in _by_job(self._lab.cell, placed[~find_waiting(self._lab.cell, placed)]):
            self._begin(job, rows)
        stopping = tasks[has_machine & (arena.stopping[tasks] != Stopping.NO)]
        for job, rows in _by_job(self._lab.cell, stopping[~find_waiting(self._lab.cell, stopping)]):
            spec = self._lab.cell.jobs.spec_of(int(arena.job[rows[0]]))
            ends = self._attempts_of(job, rows)._replace(signal=SIGTERM, exit_code=-1)
            self._agenda.enter(self._agenda.now + spec.grace_us, self._end, ends)

    def _find_touched(self, delta: Delta) -> Rows:
        """Return the touched task rows that hold a task: of jobs that were reshaped, all of them."""
        cell = self._lab.cell
        parts = [delta.tasks[delta.tasks < cell.tasks.count]]
        for job in sorted(delta.reshaped):
            row = cell.jobs.row_of(job)
            if row is not None:
                first = int(cell.jobs.offset[row])
                parts.append(np.arange(first, first + int(cell.jobs.extent[row]), dtype=np.int64))
        tasks = np.unique(np.concatenate(parts))
        return tasks[cell.tasks.job[tasks] >= 0]

    def _begin(self, job: JobId, tasks: Rows) -> None:
        cell, now_us = self._lab.cell, self._agenda.now
        attempts = self._attempts_of(job, tasks)
        self._lab.must(_report(cell, tasks, attempts, kind=ReportKind.STARTED, at_us=now_us))
        self._witness.note_begun(job, tasks)
        run, limit_us = self._runs[job], cell.jobs.spec_of(int(cell.tasks.job[tasks[0]])).max_run_us
        if limit_us and (run.run_us is None or run.run_us > limit_us):
            ends = attempts._replace(exit_code=-1, signal=SIGTERM, note=ExitNote.TIME_LIMIT)
            self._agenda.enter(now_us + limit_us, self._end, ends)
        elif run.run_us is not None:
            self._agenda.enter(now_us + run.run_us, self._end, attempts._replace(exit_code=run.exit_code))

    def _end(self, ends: Attempts) -> None:
        """End those of some attempts that still run."""
        cell = self._lab.cell
        row = cell.jobs.row_of(ends.job)
        if row is None:
            return
        is_there = ends.indices < cell.jobs.extent[row]
        tasks = np.where(is_there, ends.indices, 0) + cell.jobs.offset[row]
        is_running = is_there & (cell.tasks.attempt[tasks] == ends.attempts) & (cell.tasks.machine[tasks] >= 0)
        if not is_running.any():
            return
        tasks = tasks[is_running]
        self._lab.wall_us = self._agenda.now
        is_natural = not ends.signal and not ends.exit_code
        self._witness.note_ending(self._with_inside(row, tasks), note=ends.note, is_natural=is_natural)
        self._lab.must(_report(cell, tasks, ends, kind=ReportKind.EXITED, at_us=self._agenda.now))
        self._on_end()

    def _with_inside(self, row: int, tasks: Rows) -> Rows:
        """Return tasks, and when they are allocs, what runs inside of them and ends with them."""
        cell = self._lab.cell
        if cell.jobs.kind[row] != Kind.ALLOC:
            return tasks
        inside = [task for alloc in tasks.tolist() for task in sorted(cell.tasks.allocs.inside.get(alloc, {}))]
        return np.concatenate([tasks, np.array(inside, np.int64)])

    def _attempts_of(self, job: JobId, tasks: Rows) -> Attempts:
        arena, jobs = self._lab.cell.tasks, self._lab.cell.jobs
        indices = (tasks - jobs.offset[arena.job[tasks[0]]]).astype(np.int32)
        return Attempts(job, indices, arena.attempt[tasks].copy())


def _by_job(cell: Cell, tasks: Rows) -> Iterator[tuple[JobId, Rows]]:
    """Divide tasks by job; the rows of a job are consecutive, so tasks that ascend stand together."""
    rows = cell.tasks.job[tasks]
    for part in np.split(tasks, np.flatnonzero(np.diff(rows)) + 1) if len(tasks) else []:
        yield JobId(int(cell.jobs.id[cell.tasks.job[part[0]]])), part


def _report(cell: Cell, tasks: Rows, attempts: Attempts, *, kind: ReportKind, at_us: int) -> Report:
    machines, count = cell.tasks.machine[tasks].copy(), len(tasks)
    return Report(
        machines=machines,
        epochs=cell.machines.epoch[machines].astype(np.int32),
        jobs=np.full(count, attempts.job, np.int64),
        indices=(tasks - cell.jobs.offset[cell.tasks.job[tasks[0]]]).astype(np.int32),
        attempts=cell.tasks.attempt[tasks].copy(),
        kinds=np.full(count, kind, np.uint8),
        exit_codes=np.full(count, attempts.exit_code, np.int32),
        signals=np.full(count, attempts.signal, np.uint8),
        notes=np.full(count, attempts.note, np.uint8),
        at_us=np.full(count, at_us, np.int64),
    )
