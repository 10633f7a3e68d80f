"""Which tasks are on which machines, remembered from one decision to the next.

The arena knows the machine of each task, and looking through all of it finds the tasks of any machines. A register,
all tasks in order of their machines, finds them at once; it holds as long as a machine does not change
(`MachineTable.changed_at`). Making one costs as much as some `SCANS` looks through the arena, so one is made after so
many: a cell that is asked seldom, or changes everywhere, is looked through; one that changes here and there is not.
"""

from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell

SCANS: Final = 24
"""Looks through the arena until a register is made."""

SIDE_BY_SIDE: Final = 4
"""When rows lie within one part of so many of the cell, tasks outside of it are passed over sooner."""

Rows: TypeAlias = NDArray[np.int64]


class Tenants:
    """The register of one cell, none at first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._scans = 0
        self._revision = -1
        self._tasks = np.empty(0, np.int64)
        self._starts = np.zeros(1, np.int64)

    def on(self, cell: Cell, rows: Rows) -> tuple[Rows, Rows]:
        """Return the tasks that are on distinct machines, and the place in ``rows`` of the machine of each.

        Of one machine they ascend. Cost: O(tasks found) when the register knows these machines, else O(tasks).
        """
        found = self._look_up(cell, rows)
        if found is None and self._scans >= SCANS:
            self._register(cell)
            found = self._look_up(cell, rows)
        if found is None:
            self._scans += 1
            found = _scan(cell, rows)
        return found

    def _look_up(self, cell: Cell, rows: Rows) -> tuple[Rows, Rows] | None:
        """Return what the register says; None when it may be wrong.

        A task that is on a machine that has not changed was on it then. Its row is another one if its job's tasks were
        moved, and the row of then reads otherwise now: it is free, or of a task that is elsewhere.
        """
        if not 0 <= self._revision <= cell.revision or int(rows.max()) >= len(self._starts) - 1:
            return None
        if (cell.machines.changed_at.take(rows) > self._revision).any():
            return None
        starts = self._starts.take(rows)
        counts = self._starts.take(rows + 1) - starts
        places = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(places)) - (np.cumsum(counts) - counts).take(places)
        tasks = self._tasks.take(starts.take(places) + within)
        if len(tasks) and int(tasks.max()) >= cell.tasks.count:
            return None
        return (tasks, places) if (cell.tasks.machine.take(tasks) == rows.take(places)).all() else None

    def _register(self, cell: Cell) -> None:
        """Put all tasks in order of their machines. Cost: O(tasks log(tasks)), linear below 65,536 machines."""
        machines = cell.tasks.machine
        active = np.flatnonzero(machines >= 0)
        on = machines.take(active)
        if cell.machines.count < 1 << 16:
            on = on.astype(np.uint16)  # numpy sorts these in linear time
        self._tasks = active.take(np.argsort(on, kind="stable"))
        counts = np.bincount(on, minlength=cell.machines.count)
        self._starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        self._revision, self._scans = cell.revision, 0


def _scan(cell: Cell, rows: Rows) -> tuple[Rows, Rows]:
    """Look through the arena for what is on machines."""
    machines = cell.tasks.machine
    place_of = np.full(cell.machines.count + 1, -1, np.int64)  # the last place stands for "no machine", row -1
    place_of[rows] = np.arange(len(rows))
    low, width = int(rows.min()), int(rows.max() - rows.min())
    if width < cell.machines.count // SIDE_BY_SIDE:
        tasks = np.flatnonzero((machines - np.int32(low)).view(np.uint32) <= width)
        tasks = tasks[place_of[machines[tasks]] >= 0]
    else:
        tasks = np.flatnonzero((place_of >= 0).take(machines))
    return tasks, place_of.take(machines[tasks])


_OF_CELL: WeakKeyDictionary[Cell, Tenants] = WeakKeyDictionary()


def tenants_of(cell: Cell) -> Tenants:
    """Return the register of a cell."""
    known = _OF_CELL.get(cell)
    if known is None:
        known = _OF_CELL[cell] = Tenants()
    return known
