"""What fits: the one predicate that schedulers and `apply` share.

An `Overlay` is a cell as it would be after some tentative claims: a copy-on-write of the few columns that claims
change. `Overlay.room` says how many tasks of one shape each machine takes, and so whether a claim fits (at least one);
feasibility asks it before, `apply` asks it when judging, and there is no second spelling of "fits" anywhere. What makes
a claim that does not fit a conflict is in `conflicts`.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from omegacell.core.allocs import AllocLedger
from omegacell.core.caps import CapUse
from omegacell.core.cell import Cell
from omegacell.core.columns import Span, find_lowest, find_ranks, rows_of
from omegacell.core.crowds import Crowd, find_crowded
from omegacell.core.devices import DeviceLedger
from omegacell.core.drains import Eligibility
from omegacell.core.gangs import GangUse
from omegacell.core.jobs import JobSpec
from omegacell.core.machines import MachineState
from omegacell.core.outcomes import Reason
from omegacell.core.placement import NO_RULES
from omegacell.core.units import MAX_TASKS_PER_JOB


class Evictions:
    """Tasks that give way to claims on an overlay, by machine; each holds its room until it has ended."""

    def __init__(self, cell: Cell) -> None:
        """Begin with none."""
        self._cell = cell
        self._tasks: dict[int, dict[int, None]] = {}

    def add(self, task_row: int) -> None:
        """Note that a task gives way. Mutates."""
        self._tasks.setdefault(int(self._cell.tasks.machine[task_row]), {})[task_row] = None

    def all(self) -> tuple[int, ...]:
        """Return the task rows that give way."""
        return tuple([task for tasks in self._tasks.values() for task in tasks])

    def on(self, row: int) -> tuple[int, ...]:
        """Return the task rows on a machine that give way, in the order in which they were noted."""
        return tuple(self._tasks.get(row, ()))

    def fork(self) -> "Evictions":
        """Return independent ones with the same tasks."""
        other = Evictions(self._cell)
        other._tasks = {row: dict(tasks) for row, tasks in self._tasks.items()}
        return other


class Overlay:
    """A cell after tentative claims; the cell itself is never written. Valid until the cell changes."""

    def __init__(self, cell: Cell) -> None:
        """Begin with no tentative claims. Cost: O(1)."""
        self._cell = cell
        self._free = cell.machines.free
        self._port_free = cell.machines.port_free
        self._static: dict[int, dict[int, None]] = {}
        self._claimed: dict[int, None] = {}
        self.evictions = Evictions(cell)
        self._claims: dict[str, list[NDArray[np.integer]]] = {}
        self._devices: DeviceLedger | None = None
        self._allocs: AllocLedger | None = None
        self._is_private = False
        self._caps: CapUse | None = None
        self._gangs: GangUse | None = None

    @property
    def gangs(self) -> GangUse:
        """How short the groups of gangs are after the tentative claims."""
        self._gangs = self._gangs or GangUse(self._cell)
        return self._gangs

    @property
    def caps(self) -> CapUse:
        """What the schedulers' caps leave after the tentative claims."""
        self._caps = self._caps or CapUse(self._cell.caps, self._cell.jobs)
        return self._caps

    @property
    def allocs(self) -> AllocLedger:
        """What is left in allocs after the tentative claims."""
        if self._allocs is None:
            self._allocs = AllocLedger(self._cell)
        return self._allocs

    @property
    def free(self) -> NDArray[np.int64]:
        """What is free on each machine after the tentative claims: ``(machines, resources)`` int64, read-only."""
        view = self._free.view()
        view.flags.writeable = False
        return view

    @property
    def is_untouched(self) -> bool:
        """Whether it has no tentative claims, and shows the cell itself."""
        return not self._is_private

    def room(self, spec: JobSpec, rows: NDArray[np.integer] | None = None) -> NDArray[np.int64]:
        """Return how many tasks of this shape each machine takes now, ``(rows,)`` int64; 0 where none fits.

        ``rows`` are machine rows in any order, all machines when None. Each is asked alone: claims on several machines
        may stand in each other's way (see `fits_in_order`). Cost: O(rows); for a crowded shape O(machines).
        """
        room = self._room_alone(spec, rows)
        if self.is_crowded(spec):
            np.minimum(room, self.crowd_of(spec).limits(rows), out=room)
        return room

    def is_crowded(self, spec: JobSpec) -> bool:
        """Tell whether where tasks of such a job fit depends on where other tasks are."""
        return spec.placement.is_crowded or self._cell.jobs.is_repelled(spec.name)

    def fits_in_order(self, spec: JobSpec, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which claims of one task each fit, judged in order, each after those that did: ``(claims,)`` bool."""
        if not self.is_crowded(spec):
            fits: NDArray[np.bool_] = find_ranks(rows) < self._room_alone(spec, rows)
            return fits
        is_free: NDArray[np.bool_] = self.find_crowded(spec, rows) == Reason.NONE.value
        return is_free

    def find_crowded(self, spec: JobSpec, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Judge claims of a crowded shape in order: the reason why not, LIMIT for one to be found later, or NONE."""
        return find_crowded(self.crowd_of(spec), rows, self._room_alone(spec, rows))

    def crowd_of(self, spec: JobSpec) -> Crowd:
        """Return a fresh count of the tasks that a job's hard rules are about. Cost: O(machines)."""
        return Crowd(self._cell, spec, self._claims, self.takers(spec))

    def takers(self, spec: JobSpec, rows: NDArray[np.integer] | None = None) -> NDArray[np.bool_]:
        """Return which machines take such tasks at all: ``(rows,)`` bool, all machines when None, read-only."""
        machines = self._cell.machines
        takers = machines.takers(spec.driver)
        if rows is not None:
            takers = takers.take(rows)
        if spec.placement is not NO_RULES or machines.index.is_marked:
            takers = takers & machines.index.meets_all(spec.placement, rows)
            takers &= machines.index.tolerated(spec.placement, rows)
        if spec.alloc:
            takers = takers & self.allocs.has_any(spec, rows)
        return takers

    def _room_alone(self, spec: JobSpec, rows: NDArray[np.integer] | None) -> NDArray[np.int64]:
        """Return how many tasks each machine takes as far as it is about this machine alone."""
        free = self._free if rows is None else self._free.take(rows, axis=0)
        room = np.multiply(self.takers(spec, rows), MAX_TASKS_PER_JOB, dtype=np.int64)
        for dimension, amount in enumerate(spec.charged):
            if amount:
                np.minimum(room, free[:, dimension] // amount, out=room)
        if spec.alloc:
            np.minimum(room, self.allocs.room(spec, rows), out=room)
        if spec.ports:
            every = np.arange(len(free), dtype=np.int64) if rows is None else rows
            np.minimum(room, self._port_room(spec, every), out=room)
        if spec.devices:
            every = np.arange(len(free), dtype=np.int64) if rows is None else rows
            np.minimum(room, self.devices.room(spec.devices, every), out=room)
        return np.maximum(room, 0, out=room)

    def takes_each(self, spec: JobSpec, rows: NDArray[np.integer]) -> bool:
        """Tell whether each of at least one distinct machine takes at least one task, all of them together.

        What ``fits_in_order`` says of all of them, sooner where nothing is crowded.

        A quotient is at least one exactly when the amount is free, so the least that is free says it for all machines.
        Cost: O(rows).
        """
        if spec.ports or spec.devices or spec.alloc or self.is_crowded(spec):
            return bool(self.fits_in_order(spec, rows).all())
        rows = rows.astype(np.int64, copy=False)  # numpy picks by its own integers, several times faster
        if False in self.takers(spec, rows).tolist():
            return False
        free = self._free.take(rows, axis=0)
        for dimension, amount in enumerate(spec.resources):
            if amount and find_lowest(free[:, dimension]) < amount:
                return False
        return True

    def take(self, spec: JobSpec, rows: NDArray[np.integer]) -> None:
        """Add tentative claims of one task each on machines; a row may stand several times. Mutates the overlay."""
        self._own()
        self._claims.setdefault(spec.name, []).append(rows)
        for dimension, amount in enumerate(spec.charged):
            if amount:
                np.subtract.at(self._free[:, dimension], rows, amount)
        if spec.ports:
            dynamic = sum(port.number == 0 for port in spec.ports)
            np.subtract.at(self._port_free, rows, np.int32(dynamic))
            for row in rows.tolist():
                taken = self._static.setdefault(row, {})
                taken.update((port.number, None) for port in spec.ports if port.number)
        if spec.devices:
            self.devices.take(spec.devices, rows)
        if spec.alloc:
            for row in rows.tolist():
                self.allocs.grant(spec, row)

    def close_allocs(self, tasks: NDArray[np.integer]) -> None:
        """Count allocs as told to end, so that they take no more tasks. Mutates the overlay."""
        self._own()
        self.allocs.close(tasks)

    def withhold(self, amounts: NDArray[np.int64]) -> None:
        """Count resources as taken, ``(machines, resources)`` int64, whoever has them. Mutates the overlay."""
        self._own()
        self._free -= amounts

    def reasons(
        self, spec: JobSpec, rows: NDArray[np.integer] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Return for each machine the first reason why one more task does not fit, and the dimension it lacks.

        Two arrays over ``rows``: values of `Reason`, uint8, NONE where it fits; index of the resource or of the job's
        device, int32, else -1.
        """
        every = np.arange(self._cell.machines.count, dtype=np.int64) if rows is None else rows
        standing = self.standing_reasons(spec, every)
        reasons, dimensions = self._reasons_alone(spec, every, standing)
        if self.is_crowded(spec):
            crowded = self.crowd_of(spec).reasons(every)
            is_told = (standing == Reason.NONE.value) & (crowded != Reason.NONE.value)
            reasons[is_told], dimensions[is_told] = crowded[is_told], -1
        return reasons, dimensions

    def _reasons_alone(
        self, spec: JobSpec, every: NDArray[np.integer], standing: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Return what `reasons` does as far as it is about each machine alone, after its standing reasons."""
        reasons = standing.copy()
        dimensions = np.full(len(every), -1, np.int32)
        if spec.devices:
            missing = self.devices.find_missing(spec.devices, every)
            _refuse_short(reasons, dimensions, missing, Reason.DEVICE_MISSING)
        if spec.ports:
            open_ = reasons == Reason.NONE.value
            for place in np.flatnonzero(open_).tolist():
                row = int(every[place])
                reason = _find_static_reason(self._cell, spec, row, taken=self._static.get(row, {}))
                is_short = self._port_free[row] < sum(port.number == 0 for port in spec.ports)
                reasons[place] = Reason.PORTS_EXHAUSTED if reason is Reason.NONE and is_short else reason
        if spec.devices:
            exhausted = self.devices.find_exhausted(spec.devices, every)
            _refuse_short(reasons, dimensions, exhausted, Reason.DEVICES_EXHAUSTED)
        if spec.alloc:
            full, _ = self.allocs.find_lacks(spec, every)
            _refuse_short(reasons, dimensions, full, Reason.ALLOC_FULL)
        for dimension, amount in enumerate(spec.charged):
            if amount:
                lacks = (reasons == Reason.NONE.value) & (self._free[every, dimension] < amount)
                reasons[lacks] = Reason.RESOURCES.value
                dimensions[lacks] = dimension
        return reasons, dimensions

    def find_mismatches(self, spec: JobSpec, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return why machines are none for such a task whatever is free there: values of `Reason`, uint8.

        What `standing_reasons` says, and DEVICE_MISSING where a machine has too few devices in all.
        """
        reasons = self.standing_reasons(spec, rows)
        if spec.devices:
            missing = self.devices.find_missing(spec.devices, rows)
            _refuse_short(reasons, np.full(len(rows), -1, np.int32), missing, Reason.DEVICE_MISSING)
        return reasons

    def find_lack(self, spec: JobSpec, row: int, *, is_alone: bool = False) -> tuple[Reason, int, int]:
        """Return why one more task does not fit on a machine: reason, dimension (or -1) and shortage (or 0).

        ``is_alone`` leaves out the rules about where other tasks are.
        """
        one = np.array([row], np.int64)
        if is_alone:
            reasons, dimensions = self._reasons_alone(spec, one, self.standing_reasons(spec, one))
        else:
            reasons, dimensions = self.reasons(spec, one)
        reason, dimension = Reason(int(reasons[0])), int(dimensions[0])
        shortage = 0
        if reason is Reason.RESOURCES:
            shortage = spec.resources[dimension] - int(self._free[row, dimension])
        elif reason is Reason.ALLOC_FULL:
            shortage = int(self.allocs.find_lacks(spec, one)[1][0])
        elif dimension >= 0:
            is_offered = reason is Reason.DEVICE_MISSING
            shortage = self.devices.count_short(spec.devices[dimension], row, is_offered=is_offered)
        return reason, dimension, shortage

    def fork(self) -> "Overlay":
        """Return an independent overlay with the same tentative claims. Cost: O(machines)."""
        other = Overlay(self._cell)
        other._free, other._port_free = self._free.copy(), self._port_free.copy()
        other._static = {row: dict(taken) for row, taken in self._static.items()}
        other._claimed = dict(self._claimed)
        other.evictions = self.evictions.fork()
        other._claims = {name: list(rows) for name, rows in self._claims.items()}
        other._devices = None if self._devices is None else self._devices.fork()
        other._allocs = None if self._allocs is None else self._allocs.fork()
        other._caps = None if self._caps is None else self._caps.fork()
        other._gangs = None if self._gangs is None else self._gangs.fork()
        other._is_private = True
        return other

    def claim_tasks(self, task_rows: NDArray[np.integer]) -> None:
        """Note that tasks are claimed, so that a later claim of the same is refused. Mutates the overlay."""
        self._claimed.update((row, None) for row in task_rows.tolist())

    def is_claimed(self, task_row: int) -> bool:
        """Tell whether a task was claimed before on this overlay."""
        return task_row in self._claimed

    def claims_any(self, tasks: Span) -> bool:
        """Tell whether any of these tasks was claimed before on this overlay."""
        return bool(self._claimed) and any(row in self._claimed for row in rows_of(tasks).tolist())

    def give_back(self, row: int, amounts: Sequence[int]) -> None:
        """Count resources ``(resources,)`` of a machine as free, as of a task that ends at once. Mutates."""
        self._own()
        self._free[row] += np.array(amounts, np.int64)

    def _own(self) -> None:
        """Begin to write on copies of the columns. Mutates."""
        if not self._is_private:
            self._free = self._free.copy()
            self._port_free = self._port_free.copy()
            self._is_private = True

    @property
    def devices(self) -> DeviceLedger:
        """What is free of devices after the tentative claims; made for the first job that asks for any."""
        if self._devices is None:
            self._devices = DeviceLedger(self._cell.machines.devices)
        return self._devices

    def standing_reasons(self, spec: JobSpec, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return why machines take no such task at all, whatever room they have: values of `Reason`, uint8."""
        reasons = _find_standing(self._cell, spec, rows)
        if spec.alloc:
            is_first = (reasons != Reason.NONE.value) & (reasons < Reason.NO_ALLOC.value)
            reasons[~is_first & ~self.allocs.has_any(spec, rows)] = Reason.NO_ALLOC.value
        return reasons

    def _port_room(self, spec: JobSpec, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        dynamic = sum(port.number == 0 for port in spec.ports)
        room = np.full(len(rows), MAX_TASKS_PER_JOB, np.int64)
        if dynamic:
            room = self._port_free[rows] // np.int64(dynamic)
        if dynamic < len(spec.ports):
            find = partial(_find_static_reason, self._cell, spec)
            blocked = [find(row, taken=self._static.get(row, {})) is not Reason.NONE for row in rows.tolist()]
            room = np.where(np.array(blocked, np.bool_), np.int64(0), np.minimum(room, 1))
        return room


def _find_static_reason(cell: Cell, spec: JobSpec, row: int, *, taken: dict[int, None]) -> Reason:
    """Return why a machine does not have the ports that a job names; ``taken`` are those claimed tentatively."""
    first, last = int(cell.machines.port_first[row]), int(cell.machines.port_last[row])
    numbers = [port.number for port in spec.ports if port.number]
    if any(first <= number <= last for number in numbers):
        return Reason.PORT_IN_RANGE
    used = cell.machines.ports[row]
    if any(number in used or number in taken for number in numbers):
        return Reason.PORT_TAKEN
    return Reason.NONE


def _find_standing(cell: Cell, spec: JobSpec, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return why machines take no such task whatever else is there: values of `Reason`, uint8."""
    machines = cell.machines
    reasons = np.zeros(len(rows), np.uint8)
    if spec.placement is not NO_RULES or machines.index.is_marked:
        reasons[~machines.index.tolerated(spec.placement, rows)] = Reason.TAINTED.value
        reasons[~machines.index.meets_all(spec.placement, rows)] = Reason.CONSTRAINT.value
    reasons[machines.eligibility[rows] != Eligibility.OPEN.value] = Reason.MACHINE_CORDONED.value
    reasons[machines.drivers[rows] & machines.driver_bit(spec.driver) == 0] = Reason.DRIVER_MISSING.value
    reasons[machines.state[rows] != MachineState.UP.value] = Reason.MACHINE_NOT_UP.value
    return reasons


def _refuse_short(
    reasons: NDArray[np.uint8], dimensions: NDArray[np.int32], short: NDArray[np.int32], reason: Reason
) -> None:
    """Refuse for one reason what no earlier one refused and is short of something; writes both columns."""
    refused = (reasons == Reason.NONE.value) & (short >= 0)
    reasons[refused] = reason.value
    dimensions[refused] = short[refused]
