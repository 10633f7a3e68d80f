"""All that a task asks for as one row of columns: each resource, then the devices of each of its job's requests.

Preemption asks the same of all of them: what is free, what is being given back, and what somebody holds who would give
way. A job without devices has the columns of the cell itself, and pays nothing here.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.preempt_claims import find_held_devices
from omegacell.core.units import BAND_COUNT

Amounts = NDArray[np.int64]


def asked_of(spec: JobSpec) -> Amounts:
    """Return what one task asks for: ``(columns,)`` int64."""
    return np.array([*spec.resources, *(request.count for request in spec.devices)], np.int64)


def find_free(overlay: Overlay, spec: JobSpec, rows: NDArray[np.integer] | None = None) -> Amounts:
    """Return what is free on machines after tentative claims: ``(rows, columns)`` int64, all machines when None.

    Of devices other than a job asks for none is free, and less than none where more was promised.
    """
    free = overlay.free if rows is None else overlay.free[rows]
    if not spec.devices:
        return free
    every = np.arange(len(free), dtype=np.int64) if rows is None else rows
    return np.concatenate((free, overlay.devices.free(spec.devices, every)), axis=1)


def find_held(cell: Cell, spec: JobSpec, tasks: NDArray[np.int64]) -> Amounts:
    """Return what placed or running tasks give back when they end, in the columns of a job: ``(tasks, columns)``.

    Cost: O(tasks); those with devices one by one.
    """
    held: Amounts = cell.jobs.shape.take(cell.tasks.job.take(tasks), axis=0)
    if not spec.devices:
        return held
    names = [request.name for request in spec.devices]
    devices = np.zeros((len(tasks), len(names)), np.int64)
    arena = cell.tasks
    for place, task in enumerate(tasks.tolist()):
        if task in arena.devices or task in arena.owed:
            counts = find_held_devices(cell, task)
            devices[place] = [counts.get(name, 0) for name in names]
    return np.concatenate((held, devices), axis=1)


def find_held_by_band(cell: Cell, spec: JobSpec) -> Amounts:
    """Return what tasks hold, by their band: ``(machines, bands, columns)`` int64; those that are ending count in.

    Cost: of a job with devices O(jobs, and the tasks of those with such devices), else O(1).
    """
    allocated = cell.machines.allocated
    if not spec.devices:
        return allocated
    jobs, arena = cell.jobs, cell.tasks
    devices = np.zeros((cell.machines.count, BAND_COUNT, len(spec.devices)), np.int64)
    places = {request.name: place for place, request in enumerate(spec.devices)}
    is_active = (jobs.counts[:, TaskState.PLACED] | jobs.counts[:, TaskState.RUNNING]) != 0
    for row in np.flatnonzero(is_active).tolist():
        for request in jobs.spec_of(row).devices:
            place = places.get(request.name)
            if place is not None:
                on = arena.machine[int(jobs.offset[row]) : int(jobs.offset[row] + jobs.extent[row])]
                np.add.at(devices[:, int(jobs.band[row]), place], on[on >= 0], request.count)
    return np.concatenate((allocated, devices), axis=2)
