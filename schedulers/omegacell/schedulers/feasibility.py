"""Which machines take a task, and why the others do not, on whole columns.

All answers come from the core's `Overlay`; nothing here decides what fits. One hint is added that only proposers keep:
machines that have been silent for a tick or more are offered nothing, because a task placed there waits for as long as
the silence lasts. The judge knows no such rule, and would grant the claim. `shape_of` names the part of a spec that
those answers depend on, so that they can be shared by jobs of one shape.
"""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import is_distinct
from omegacell.core.commands import Lack
from omegacell.core.devices import DeviceRequest
from omegacell.core.jobs import JobSpec, Kind, Port, TaskState
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.placement import NO_RULES, PlacementRules
from omegacell.core.units import MAX_DIMENSIONS
from omegacell.schedulers.classes import classes_of

Shape: TypeAlias = tuple[
    str, tuple[int, ...], tuple[Port, ...], tuple[DeviceRequest, ...], PlacementRules | None, str, str
]
"""What `Overlay.room` reads of a spec: driver, amounts, ports, devices, rules, its alloc set.

The name, too, where other tasks matter, and of a system job, whose tasks are each for another machine.
"""


def shape_of(spec: JobSpec) -> Shape:
    """Return the part of a spec that says where its tasks fit, unless another job's rules keep them away."""
    rules = spec.placement
    name = spec.name if rules.is_crowded or spec.kind is Kind.SYSTEM else ""
    return spec.driver, spec.resources, spec.ports, spec.devices, None if rules is NO_RULES else rules, spec.alloc, name


def shape_on(overlay: Overlay, spec: JobSpec) -> Shape:
    """Return the shape of a spec as ``overlay`` judges it: with the name when where other tasks are matters."""
    driver, resources, ports, devices, rules, alloc, name = shape_of(spec)
    return driver, resources, ports, devices, rules, alloc, name or (spec.name if overlay.is_crowded(spec) else "")


def unbind(spec: JobSpec) -> JobSpec:
    """Return a job without the hard rules that bind its tasks to each other across machines."""
    rules = spec.placement
    spreads = tuple(each for each in rules.spreads if each.weight)
    neighbours = tuple(each for each in rules.neighbours if each.weight or each.job != spec.name)
    return replace(spec, placement=replace(rules, spreads=spreads, neighbours=neighbours))


def find_own_machines(cell: Cell, spec: JobSpec, job: int) -> NDArray[np.int64] | None:
    """Return the machines that the pending tasks of a system job belong to, ascending; None for any other job.

    Cost: O(the job's tasks).
    """
    row = cell.jobs.row_of(job) if spec.kind is Kind.SYSTEM else None
    if row is None:
        return None
    first = int(cell.jobs.offset[row])
    states = cell.tasks.state[first : first + int(cell.jobs.extent[row])]
    return np.flatnonzero(states[: cell.machines.count] == TaskState.PENDING)


def find_silent(cell: Cell, rows: NDArray[np.integer] | None = None) -> NDArray[np.bool_]:
    """Return which machines nobody has heard for a tick or more: ``(rows,)`` bool, all machines when None."""
    silent = cell.machines.silent()
    return silent.copy() if rows is None else silent[rows]


def find_room(
    overlay: Overlay, spec: JobSpec, rows: NDArray[np.integer] | None = None, *, cell: Cell
) -> NDArray[np.int64]:
    """Return how many tasks of one shape to offer each machine: what fits there, and 0 where it is silent.

    Of all machines of a cell without tentative claims, only those are asked that changed since the last time.
    """
    if rows is None and overlay.is_untouched:
        room = classes_of(cell).room(cell, spec).copy()
        if overlay.is_crowded(spec) and room.any():
            np.minimum(room, overlay.crowd_of(spec).limits(), out=room)
    else:
        room = overlay.room(spec, rows)
    if cell.machines.is_any_silent:
        room[find_silent(cell, rows)] = 0
    return room


def find_free(overlay: Overlay, spec: JobSpec) -> NDArray[np.int64]:
    """Return what machines have left for tasks of a job: of their own, or in the alloc that comes nearest.

    ``(machines, resources)`` int64; nothing where no alloc of the set takes tasks.
    """
    return overlay.allocs.free(spec) if spec.alloc else overlay.free


def find_fitting(overlay: Overlay, spec: JobSpec, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which of several claims of one shape fit together, judged in order: ``(claims,)`` bool."""
    return overlay.fits_in_order(spec, rows)


def are_fitting(overlay: Overlay, spec: JobSpec, rows: NDArray[np.integer]) -> bool:
    """Tell whether all of at least one claim of one shape fit together."""
    if is_distinct(rows):
        return overlay.takes_each(spec, rows)
    return bool(find_fitting(overlay, spec, rows).all())


def find_lacks(
    overlay: Overlay, spec: JobSpec, rows: NDArray[np.integer] | None = None, *, cell: Cell
) -> tuple[Lack, ...]:
    """Count the machines that are offered no more task of a shape, by reason and dimension; the most frequent first.

    Of ``rows``, all machines when None. Silent machines count as not up. Cost: O(rows).
    """
    reasons, dimensions = overlay.reasons(spec, rows)
    silent = find_silent(cell, rows)
    reasons[silent], dimensions[silent] = Reason.MACHINE_NOT_UP, -1
    kinds = reasons.astype(np.int64) * (MAX_DIMENSIONS + 1) + dimensions + 1
    counts = np.bincount(kinds)
    lacks = [
        Lack(
            reason=int(kind) // (MAX_DIMENSIONS + 1),
            dimension=int(kind) % (MAX_DIMENSIONS + 1) - 1,
            machine_count=int(counts[kind]),
        )
        for kind in np.flatnonzero(counts).tolist()
        if kind // (MAX_DIMENSIONS + 1) != Reason.NONE
    ]
    return tuple(sorted(lacks, key=lambda lack: (-lack.machine_count, lack.reason, lack.dimension)))
