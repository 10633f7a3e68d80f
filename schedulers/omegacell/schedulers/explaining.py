"""Why tasks fit where they do and not elsewhere, machine by machine.

Pure functions over whole columns; what fits and why not is the answer of the core's `Overlay`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.schedulers.feasibility import find_free, find_room, find_silent

THOUSAND = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A resource that a machine has too little of: what one task asks for, and what is free."""

    dimension: int
    asked: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A machine that takes no such task.

    Attributes:
        machine: its row.
        reason: the first reason why not; RESOURCES when only resources are missing, ALLOC_FULL when in its allocs.
        shortages: the resources of which it has too little, whatever the reason is.
        is_silent: nobody has heard it for a tick or more; its reason is MACHINE_NOT_UP then.
    """

    machine: int
    reason: Reason
    shortages: tuple[Shortage, ...]
    is_silent: bool


def find_misses(cell: Cell, spec: JobSpec, *, limit: int, rows: NDArray[np.integer] | None = None) -> tuple[Miss, ...]:
    """Return the machines that come nearest to taking a task and do not, the nearest first. Cost: O(machines).

    Reasons are judged in order of precedence, so a machine whose reason comes last is nearest; among those that lack
    resources, the one that lacks the smallest share of what is asked. Only ``rows`` are looked at when given.
    """
    overlay = Overlay(cell)
    reasons, _ = overlay.reasons(spec)
    silent = find_silent(cell)
    reasons[silent] = Reason.MACHINE_NOT_UP
    asked = np.array(spec.resources, np.int64)
    free = find_free(overlay, spec)
    missing = np.maximum(asked - free, 0) * (asked > 0)
    missing[reasons == Reason.NO_ALLOC] = 0  # it lacks the alloc, and whatever that would have
    shares = (missing * THOUSAND // np.maximum(asked, 1)).sum(axis=1)
    refusing = np.flatnonzero(reasons != Reason.NONE)
    if rows is not None:
        refusing = np.intersect1d(refusing, rows)
    order = np.lexsort((refusing, shares[refusing], -reasons[refusing].astype(np.int64)))
    return tuple(
        Miss(
            machine=row,
            reason=Reason(int(reasons[row])),
            shortages=tuple(
                Shortage(dimension=place, asked=int(asked[place]), free=int(free[row, place]))
                for place in np.flatnonzero(missing[row]).tolist()
            ),
            is_silent=bool(silent[row]),
        )
        for row in refusing[order[:limit]].tolist()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which machines had room for a task when its scheduler looked, and where the one it took stood among them.

    Attributes:
        machine_count: how many machines there were.
        fitting_count: how many of them had room.
        lighter_count: how many of those were less loaded than the machine that was taken.
        others: up to ten rows of machines with room besides the one that was taken, the least loaded first.
    """

    machine_count: int
    fitting_count: int
    lighter_count: int
    others: tuple[int, ...]


def find_choice(cell: Cell, spec: JobSpec, machine: int) -> Choice:
    """Return which machines have room for one task of a shape in a cell, ``machine`` being the one that was taken."""
    overlay = Overlay(cell)
    fitting = np.flatnonzero(find_room(overlay, spec, cell=cell))
    loads = find_loads(cell, spec)
    order = fitting[np.argsort(loads[fitting], kind="stable")]
    others = order[order != machine]
    return Choice(
        machine_count=cell.machines.count,
        fitting_count=len(fitting),
        lighter_count=int(np.count_nonzero(loads[others] < loads[machine])) if machine < len(loads) else 0,
        others=tuple(others[:10].tolist()),
    )


def find_loads(cell: Cell, spec: JobSpec) -> NDArray[np.int64]:
    """Return how full machines would be with one more task, the fullest dimension in thousandths: int64."""
    capacity, free = cell.machines.capacity, cell.machines.free
    used = capacity - free + np.array(spec.charged, np.int64)
    shares = np.where(capacity > 0, used * THOUSAND // np.maximum(capacity, 1), 0)
    loads: NDArray[np.int64] = shares.max(axis=1) if len(shares) else np.empty(0, np.int64)
    return loads


def count_by_machine(cell: Cell, job_row: int) -> tuple[tuple[int, int], ...]:
    """Return the machines that a job's tasks are on, and how many each, the most first."""
    first = int(cell.jobs.offset[job_row])
    extent = cell.tasks.machine[first : first + int(cell.jobs.extent[job_row])]
    machines, counts = np.unique(extent[extent >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple(zip(machines[order].tolist(), counts[order].tolist(), strict=True))
