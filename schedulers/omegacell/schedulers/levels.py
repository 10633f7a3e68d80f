"""How high a band has to be touched on each machine so that a task finds room there: preemption's first look.

Levels are an estimate from whole columns: lower perhaps than what can be had, never higher, so that nothing is passed
over. They are remembered for each class of jobs and asked again of machines that changed (`classes`), that have claims
of the same append, or where tasks are ending; who gives way there is found by `preempting`.
"""

from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.overlays import Overlay
from omegacell.core.preempt_claims import find_stopping
from omegacell.core.units import Band
from omegacell.schedulers.amounts import asked_of, find_free, find_held, find_held_by_band
from omegacell.schedulers.classes import alone, classes_of
from omegacell.schedulers.feasibility import find_silent

NEVER: Final = 99
"""The level of a machine where nothing helps."""

Rows: TypeAlias = NDArray[np.integer]
Levels: TypeAlias = NDArray[np.int8]


def find_levels(
    cell: Cell,
    overlay: Overlay,
    spec: JobSpec,
    rows: Rows | None = None,
    *,
    ending: NDArray[np.int64] | None = None,
) -> Levels:
    """Return how high a band must be touched on each machine so that a task fits: ``(rows,)`` int8.

    0 where nobody has to be evicted, because enough is free or being given back; ``band + 1`` for the highest band that
    has to give way; `NEVER` where nothing helps. ``ending`` is what `find_ending` found.
    Of all machines of a cell, those are asked that changed since the last time. Cost: O(rows x bands).
    """
    ask = partial(_find_levels, cell)
    if rows is not None:
        levels = ask(overlay, spec, rows, ending=ending)
    elif _holds_more(spec):  # what claims take of it does not show in amounts
        levels = ask(overlay, spec, None, ending=ending)
    else:
        levels = classes_of(cell).of(cell, spec, ("levels", _top_of(spec)), ask).copy()
        changed = _find_changed(cell, overlay, ending)
        if len(changed):
            levels[changed] = ask(overlay, spec, changed, ending=ending)
    if overlay.is_crowded(spec):
        levels[overlay.crowd_of(spec).limits(rows) == 0] = NEVER
    if cell.machines.is_any_silent:
        levels[find_silent(cell, rows)] = NEVER
    return levels


def find_ending(cell: Cell, overlay: Overlay, spec: JobSpec) -> NDArray[np.int64] | None:
    """Return what tasks hold that are ending, in the columns of a job: ``(machines, columns)``; None when none is."""
    tasks, gone = find_stopping(cell), overlay.evictions.all()
    if gone:
        waits = cell.tasks.waits
        tasks = np.unique(np.append(tasks, [task for task in gone if task not in waits])).astype(np.int64)
    if not len(tasks):
        return None
    given = find_held(cell, spec, tasks)
    held = np.zeros((cell.machines.count, given.shape[1]), np.int64)
    np.add.at(held, cell.tasks.machine[tasks], given)
    return held


def _top_of(spec: JobSpec) -> int:
    """Return the highest level at which anybody gives way to a job: its own band's only where the number decides."""
    return int(spec.band) + (spec.band in (Band.BATCH, Band.BEST_EFFORT) and spec.priority > 0)


def _holds_more(spec: JobSpec) -> bool:
    """Tell whether a task asks for more than amounts of what a machine has."""
    return bool(spec.ports or spec.devices or spec.alloc)


def _find_changed(cell: Cell, overlay: Overlay, ending: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the machines whose level an overlay's claims and ending tasks may have changed, ascending."""
    differs = None if overlay.is_untouched else overlay.free.reshape(-1) != cell.machines.free.reshape(-1)
    if ending is not None:
        gives = ending.reshape(-1) != 0
        differs = gives if differs is None else differs | gives
    if differs is None:
        return np.empty(0, np.int64)
    return np.unique(np.flatnonzero(differs) // cell.machines.free.shape[1])


def _find_levels(
    cell: Cell,
    overlay: Overlay,
    spec: JobSpec,
    rows: Rows | None,
    *,
    ending: NDArray[np.int64] | None = None,
) -> Levels:
    """Return levels as far as they are about each machine alone."""
    every = slice(None) if rows is None else rows
    free, allocated = find_free(overlay, spec, rows), find_held_by_band(cell, spec)[every]
    is_open = overlay.takers(spec, rows)
    if _holds_more(spec):
        bare = replace(alone(spec), resources=(0,) * len(spec.resources), devices=())
        is_open = overlay.room(bare, rows) > 0
    if spec.devices:
        asking = np.arange(len(free), dtype=np.int64) if rows is None else rows
        is_open &= overlay.devices.find_missing(spec.devices, asking) < 0
    lacks = [(column, amount - free[:, column]) for column, amount in enumerate(asked_of(spec).tolist()) if amount]
    if ending is not None:
        lacks = [(column, lack - ending[every, column]) for column, lack in lacks]
    levels = np.full(len(is_open), NEVER, np.int8)
    for level in range(_top_of(spec) + 1):
        if level:
            for column, lack in lacks:
                lack -= allocated[:, level - 1, column]
        suffices = is_open
        for _, lack in lacks:
            suffices = suffices & (lack <= 0)
        levels[suffices] = level
        is_open = is_open & ~suffices
    return levels
