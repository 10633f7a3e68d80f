"""Allocs: reservations on machines, inside which tasks of other jobs run (Borg, section 2.4).

An alloc set is a job of kind ALLOC, its tasks are the allocs. Resources, devices and caps are charged for the alloc,
from when it is placed until it has ended; a task inside takes nothing of the machine but its ports. A job names the set
inside which it runs. Which alloc on its machine a task gets is granted as ports are: of those with room the one that
has the fewest tasks of the same job, the first by index among those, so that one log-saver stands beside each
application. An alloc takes tasks while it runs and was not told to end; one that ends takes what is inside with it.

`AllocLedger` says what allocs have room for, after some tentative claims: it is the part of an `Overlay` that only jobs
inside allocs have, and it grants, so that what fits is spelled once. What ends with an alloc is in `lives`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState
from omegacell.core.units import MAX_TASKS_PER_JOB


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenAllocs:
    """The allocs of one set that take tasks, in the order of their indices: columns of equal length.

    Attributes:
        tasks: their task rows, int64.
        machines: their machine rows, int64.
        free: what is left in each, ``(allocs, resources)`` int64; its owner counts claims here.
    """

    tasks: NDArray[np.int64]
    machines: NDArray[np.int64]
    free: NDArray[np.int64]


def find_set(cell: Cell, name: str) -> int | None:
    """Return the row of the alloc set of that name, None when the current job of the name is none, or there is none."""
    job = cell.jobs.by_name(name)
    row = None if job is None else cell.jobs.row_of(job)
    return row if row is not None and cell.jobs.kind[row] == Kind.ALLOC.value else None


def find_open(cell: Cell, name: str) -> OpenAllocs:
    """Return the allocs of a set that take tasks, and what is left in each. Cost: O(allocs + tasks inside)."""
    arena, row = cell.tasks, find_set(cell, name)
    if row is None:
        nothing = np.empty(0, np.int64)
        return OpenAllocs(tasks=nothing, machines=nothing, free=np.empty((0, cell.jobs.shape.shape[1]), np.int64))
    first = int(cell.jobs.offset[row])
    extent = slice(first, first + int(cell.jobs.extent[row]))
    is_open = (arena.state[extent] == TaskState.RUNNING.value) & (arena.stopping[extent] == Stopping.NO.value)
    tasks = np.flatnonzero(is_open) + first
    free = np.tile(np.array(cell.jobs.spec_of(row).resources, np.int64), (len(tasks), 1))
    for place, task in enumerate(tasks.tolist() if arena.allocs.inside else ()):
        for inside in arena.allocs.inside.get(task, ()):
            free[place] -= np.array(cell.jobs.spec_of(int(arena.job[inside])).resources, np.int64)
    return OpenAllocs(tasks=tasks, machines=arena.machine[tasks].astype(np.int64), free=free)


def count_starting(cell: Cell, name: str) -> int:
    """Return how many allocs of a set were placed and do not take tasks yet, because they do not run."""
    arena, row = cell.tasks, find_set(cell, name)
    if row is None:
        return 0
    extent = slice(int(cell.jobs.offset[row]), int(cell.jobs.offset[row] + cell.jobs.extent[row]))
    is_starting = (arena.state[extent] == TaskState.PLACED.value) & (arena.stopping[extent] == Stopping.NO.value)
    return int(np.count_nonzero(is_starting))


class AllocLedger:
    """What is left in allocs after tentative claims; the cell is only read. Valid until the cell changes."""

    def __init__(self, cell: Cell) -> None:
        """Begin with no tentative claims. Cost: O(1)."""
        self._cell = cell
        self._sets: dict[str, OpenAllocs] = {}
        self._entered: dict[tuple[int, str], int] = {}

    def has_any(self, spec: JobSpec, rows: NDArray[np.integer] | None) -> NDArray[np.bool_]:
        """Return which machines have an alloc that takes tasks of such a job: ``(rows,)`` bool, all when None."""
        has = np.zeros(self._cell.machines.count, np.bool_)
        has[self._open(spec.alloc).machines] = True
        return has if rows is None else has.take(rows)

    def room(self, spec: JobSpec, rows: NDArray[np.integer] | None) -> NDArray[np.int64]:
        """Return how many tasks the allocs on each machine have room for, ``(rows,)`` int64, all machines when None."""
        known = self._open(spec.alloc)
        room = np.zeros(self._cell.machines.count, np.int64)
        np.add.at(room, known.machines, _find_room(spec, known.free))
        np.minimum(room, MAX_TASKS_PER_JOB, out=room)
        return room if rows is None else room.take(rows)

    def fresh(self, spec: JobSpec) -> NDArray[np.int64]:
        """Return how many allocs on each machine have room and no task of such a job yet, ``(machines,)`` int64."""
        known = self._open(spec.alloc)
        fresh = np.zeros(self._cell.machines.count, np.int64)
        for place in np.flatnonzero(_find_room(spec, known.free)).tolist():
            if not self._count_of(spec.name, int(known.tasks[place])):
                fresh[known.machines[place]] += 1
        return fresh

    def grant(self, spec: JobSpec, row: int) -> int:
        """Take room for one task in an alloc on a machine, and return the task row of that. Mutates.

        The caller has judged that it fits. Cost: O(allocs + tasks inside those on the machine).
        """
        known = self._open(spec.alloc)
        places = np.flatnonzero((known.machines == row) & (_find_room(spec, known.free) > 0)).tolist()
        assert places, f"a task of job {spec.name} was granted on machine {row}, where no alloc has room"
        place = min(places, key=lambda each: (self._count_of(spec.name, int(known.tasks[each])), each))
        known.free[place] -= np.array(spec.resources, np.int64)
        alloc = int(known.tasks[place])
        self._entered[alloc, spec.name] = self._entered.get((alloc, spec.name), 0) + 1
        return alloc

    def _count_of(self, name: str, alloc: int) -> int:
        """Count the tasks of jobs of a name inside an alloc, tentative claims counted in."""
        tasks, jobs = self._cell.tasks, self._cell.jobs
        inside = tasks.allocs.inside.get(alloc, ())
        held = sum(jobs.spec_of(int(tasks.job[task])).name == name for task in inside)
        return held + self._entered.get((alloc, name), 0)

    def find_lacks(self, spec: JobSpec, rows: NDArray[np.integer]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return what the allocs on machines lack for one more task: dimensions, int32, and how much of it, int64.

        -1 and 0 where one has room, and where there is none. Of several allocs the nearest says it.
        """
        dimensions = np.full(self._cell.machines.count, -1, np.int32)
        shortages = np.zeros(self._cell.machines.count, np.int64)
        for machine, (dimension, shortage, _) in self._find_nearest(spec).items():
            if dimension < len(spec.resources):
                dimensions[machine], shortages[machine] = dimension, shortage
        return dimensions[rows], shortages[rows]

    def free(self, spec: JobSpec) -> NDArray[np.int64]:
        """Return what is left for a task in the nearest alloc on each machine, ``(machines, resources)`` int64."""
        free = np.zeros_like(self._cell.machines.free)
        for machine, (_, _, place) in self._find_nearest(spec).items():
            free[machine] = self._open(spec.alloc).free[place]
        return free

    def _find_nearest(self, spec: JobSpec) -> dict[int, tuple[int, int, int]]:
        """Return by machine the alloc that comes nearest to taking a task: what it lacks first, how much, its place.

        That is the one whose first lack is of the latest dimension, beyond the last where it has room; then the one
        that lacks least; then the first by index.
        """
        known = self._open(spec.alloc)
        nearest: dict[int, tuple[int, int, int]] = {}
        for place, machine in enumerate(known.machines.tolist()):
            dimension, shortage = _find_lack(spec, known.free[place].tolist())
            best = nearest.get(machine)
            if best is None or (dimension, -shortage) > (best[0], -best[1]):
                nearest[machine] = dimension, shortage, place
        return nearest

    def close(self, tasks: NDArray[np.integer]) -> None:
        """Count allocs as told to end: they take no more tasks. Mutates."""
        names = {self._cell.jobs.spec_of(int(row)).name: None for row in self._cell.tasks.job[tasks].tolist()}
        for name in names:
            known = self._open(name)
            is_left = ~np.isin(known.tasks, tasks)
            self._sets[name] = OpenAllocs(
                tasks=known.tasks[is_left], machines=known.machines[is_left], free=known.free[is_left]
            )

    def fork(self) -> "AllocLedger":
        """Return an independent ledger with the same tentative claims."""
        other = AllocLedger(self._cell)
        other._sets = {name: replace(known, free=known.free.copy()) for name, known in self._sets.items()}
        other._entered = dict(self._entered)
        return other

    def _open(self, name: str) -> OpenAllocs:
        known = self._sets.get(name)
        if known is None:
            known = self._sets[name] = find_open(self._cell, name)
        return known


def _find_room(spec: JobSpec, free: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many tasks of a job fit into what is left in each of some allocs, ``(allocs,)`` int64."""
    room = np.full(len(free), MAX_TASKS_PER_JOB, np.int64)
    for dimension, amount in enumerate(spec.resources):
        if amount:
            np.minimum(room, free[:, dimension] // amount, out=room)
    return np.maximum(room, 0, out=room)


def _find_lack(spec: JobSpec, free: list[int]) -> tuple[int, int]:
    """Return the first dimension in which a task does not fit into what is left, and how much is missing.

    The dimension is one above the last, and nothing is missing, where it fits.
    """
    for dimension, (amount, left) in enumerate(zip(spec.resources, free, strict=True)):
        if amount > left:
            return dimension, amount - left
    return len(spec.resources), 0
