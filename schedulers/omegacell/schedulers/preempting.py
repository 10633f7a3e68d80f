"""Finding room by preemption: machines where less important tasks hold enough, and the cheapest of them that suffice.

Two looks. The first is at whole columns: with everything gone that gives way, which machines would take the task, and
how high a band has to be touched for it? It lets through too many, never too few, and only as many are looked at again
as are wanted, chosen at random among those that are equally good, so that two schedulers seldom want the same victims.
The second is at the tasks of these machines: in order of what they cost, the first that suffice, and of those only
what is needed. Machines that are giving back enough already come first: nobody has to be evicted there.

What a victim costs: its band, then its number, then whether its job is a gang (which cannot go on without it), then
its size (the larger, the fewer are needed), then its age (the younger, the less is lost).

All functions are pure; whether a claim with these victims is granted is judged by the core (`apply_preempt`).
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.apply_preempt import evict_on, find_stopping
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, Stopping, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.preemption import MAX_CASCADE, MAX_VICTIMS, find_preemptible, may_preempt
from omegacell.core.units import Band
from omegacell.schedulers.feasibility import find_room

SPARE: Final = 24
"""Machines whose tasks are looked at, beyond one for each task that wants room."""

MAX_ROUNDS: Final = 16
"""Times that machines are gone through for one job; each gives room for one task a machine."""

NEVER: Final = 99
"""The level of a machine where nothing helps."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """Room by preemption: a machine row for each claim, and the task rows of its victims, at least one.

    ``evictions`` is how many of all victims are not ending already.
    """

    machines: Rows
    victims: tuple[tuple[int, ...], ...]
    evictions: int = 0


NOTHING_FOUND: Final = Found(machines=np.empty(0, np.int64), victims=())


def outranks_any(cell: Cell, spec: JobSpec) -> bool:
    """Tell whether any task on any machine gives way to those of a job. Cost: O(jobs)."""
    if spec.band == Band.BEST_EFFORT and not spec.priority:
        return False
    jobs = cell.jobs
    is_active = jobs.counts[:, TaskState.PLACED : TaskState.RUNNING + 1].any(axis=1)
    active = np.flatnonzero(is_active & (jobs.band <= int(spec.band)))
    if not len(active):
        return False
    if bool((jobs.band[active] < spec.band).any()):
        return True
    others = (jobs.spec_of(row) for row in active.tolist())
    return any(may_preempt(spec.band, spec.priority, each.band, each.priority) for each in others)


def find_held(cell: Cell, spec: JobSpec) -> NDArray[np.int64]:
    """Return what tasks hold that would give way to a job: ``(machines, resources)`` int64. Cost: O(tasks)."""
    arena, jobs = cell.tasks, cell.jobs
    held = np.zeros((cell.machines.count, jobs.shape.shape[1]), np.int64)
    for row in np.flatnonzero((jobs.id > 0) & (jobs.band <= int(spec.band))).tolist():
        victim = jobs.spec_of(row)
        if may_preempt(spec.band, spec.priority, victim.band, victim.priority):
            extent = slice(int(jobs.offset[row]), int(jobs.offset[row] + jobs.extent[row]))
            on = arena.machine[extent][(arena.machine[extent] >= 0) & (arena.stopping[extent] == Stopping.NO)]
            held += np.bincount(on, minlength=len(held))[:, None] * jobs.shape[row]
    return held


def is_too_deep(cell: Cell, job_row: int, indices: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Tell to which tasks of a job nobody gives way, because they were displaced too deep down a chain: bool."""
    preempted, offset = cell.tasks.preempted, int(cell.jobs.offset[job_row])
    if not preempted:
        return np.zeros(len(indices), np.bool_)
    known = [preempted.get(offset + index) for index in indices.tolist()]
    return np.array([each is not None and each.depth >= MAX_CASCADE for each in known], np.bool_)


def find_levels(cell: Cell, overlay: Overlay, spec: JobSpec, rows: Rows | None = None) -> NDArray[np.int8]:
    """Return how high a band must be touched on each machine so that a task fits: ``(rows,)`` int8.

    0 where enough is being given back already, ``band + 1`` for the highest band that has to give way, 99 where nothing
    helps. An estimate from whole columns: it may be lower than what can be had, never higher. Cost: O(rows x bands).
    """
    every = slice(None) if rows is None else rows
    takes = find_room(overlay, replace(spec, resources=(0,) * len(spec.resources)), rows, cell=cell) > 0
    machines = cell.machines
    ending = _ending_by_machine(cell, overlay)
    asked = [(dimension, amount) for dimension, amount in enumerate(spec.resources) if amount]
    reach = [overlay.free[every, dimension] for dimension, _ in asked]
    levels = np.full(len(takes), NEVER, np.int8)
    is_open = takes.copy()
    top = int(spec.band) + 1 if spec.band in (Band.BATCH, Band.BEST_EFFORT) and spec.priority else int(spec.band)
    for level in range(top + 1):
        if level:
            reach = [
                has + machines.allocated[every, level - 1, dimension]
                for has, (dimension, _) in zip(reach, asked, strict=True)
            ]
        enough = is_open.copy()
        for has, (dimension, amount) in zip(reach, asked, strict=True):
            enough &= (has + ending[every, dimension] if ending is not None else has) >= amount
        if level == 0:
            enough &= ending[every].any(axis=1) if ending is not None else False
        levels[enough] = level
        is_open &= ~enough
    return levels


def find_room_by_preemption(
    cell: Cell, overlay: Overlay, spec: JobSpec, *, count: int, rng: np.random.Generator
) -> Found:
    """Find room for up to ``count`` tasks of a job on an overlay, where none has room without evictions.

    Each claim counts those before it as taken. Cost: O(machines + tasks) for each task that a machine takes, at most
    `MAX_ROUNDS` times; the overlay is not changed.
    """
    parts: list[Found] = []
    after = overlay
    for _ in range(MAX_ROUNDS):
        found = _find_one_each(cell, after, spec, count=count, rng=rng)
        parts.append(found)
        count -= len(found.machines)
        if not count or not len(found.machines):
            break
        after = after.fork() if after is overlay else after
        after.take(spec, found.machines)
        for task in [task for victims in found.victims for task in victims]:
            if cell.tasks.stopping[task] == Stopping.NO:
                evict_on(cell, after, task)
    return Found(
        machines=np.concatenate([part.machines for part in parts]),
        victims=tuple(victims for part in parts for victims in part.victims),
        evictions=sum(part.evictions for part in parts),
    )


def _find_one_each(cell: Cell, overlay: Overlay, spec: JobSpec, *, count: int, rng: np.random.Generator) -> Found:
    """Find room for one task on each of up to ``count`` machines, the cheapest first."""
    levels = find_levels(cell, overlay, spec)
    rows = _choose_rows(levels, count + SPARE, rng)
    if not len(rows):
        return NOTHING_FOUND
    ending = _ending_by_machine(cell, overlay)
    need = np.array(spec.resources, np.int64) - overlay.free[rows]
    if ending is not None:
        need -= ending[rows]
    need[:, np.array(spec.resources) == 0] = 0
    candidates = _find_candidates(cell, overlay, spec, rows)
    chosen = _choose_victims(cell, candidates, rows, need)
    victims: dict[int, tuple[int, ...]] = {place: tuple(tasks) for place, tasks in chosen.items()}
    for place in np.flatnonzero((need <= 0).all(axis=1)).tolist():
        victims[place] = _ending_on(cell, overlay, int(rows[place]))[:1]  # nobody is evicted: it waits for what ends
    usable = [place for place, tasks in victims.items() if tasks]
    costs = {place: _cost_of(cell, victims[place]) for place in usable}
    ties = rng.permutation(len(rows)).tolist()
    usable.sort(key=lambda place: (*costs[place], ties[place]))
    taken = _keep_rules(overlay, spec, rows, usable, count)
    evicted = [task for place in taken for task in victims[place] if not cell.tasks.stopping[task]]
    return Found(
        machines=rows[np.array(taken, np.int64)],
        victims=tuple(victims[place] for place in taken),
        evictions=len(evicted),
    )


def _choose_rows(levels: NDArray[np.int8], wanted: int, rng: np.random.Generator) -> Rows:
    """Return up to so many machines where something helps, those of the lowest levels, in random order among equals."""
    chosen: list[Rows] = []
    for level in np.unique(levels[levels != NEVER]).tolist():
        rows = np.flatnonzero(levels == level)
        part = rng.permutation(rows)[: max(0, wanted)]
        chosen.append(part)
        wanted -= len(part)
        if wanted <= 0:
            break
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


def _keep_rules(overlay: Overlay, spec: JobSpec, rows: Rows, places: list[int], count: int) -> list[int]:
    """Return the first ``count`` places whose claims keep the job's rules about other tasks, one after the other."""
    if not overlay.is_crowded(spec):
        return places[:count]
    crowd = overlay.crowd_of(spec)
    kept: list[int] = []
    for place in places:
        row = int(rows[place])
        if len(kept) < count and not crowd.reason(row):
            crowd.add(row)
            kept.append(place)
    return kept


def _ending_by_machine(cell: Cell, overlay: Overlay) -> NDArray[np.int64] | None:
    """Return what tasks hold that are ending, ``(machines, resources)`` int64; None when none is."""
    tasks = [*find_stopping(cell).tolist(), *(task for task in overlay.evicted() if task not in cell.tasks.waits)]
    if not tasks:
        return None
    rows = np.array(list(dict.fromkeys(tasks)), np.int64)
    held = np.zeros((cell.machines.count, cell.jobs.shape.shape[1]), np.int64)
    np.add.at(held, cell.tasks.machine[rows], cell.jobs.shape[cell.tasks.job[rows]])
    return held


def _ending_on(cell: Cell, overlay: Overlay, row: int) -> tuple[int, ...]:
    here = find_stopping(cell)
    own = tuple(task for task in overlay.evicted_on(row) if task not in cell.tasks.waits)
    return (*here[cell.tasks.machine[here] == row].tolist(), *own)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Candidates:
    """Tasks that give way on some machines, the cheapest of each machine first: columns of equal length.

    Attributes:
        tasks: task rows. places: which of the machines each is on, ascending. held: ``(tasks, resources)`` int64.
    """

    tasks: Rows
    places: Rows
    held: NDArray[np.int64]


def _find_candidates(cell: Cell, overlay: Overlay, spec: JobSpec, rows: Rows) -> _Candidates:
    """Return the tasks on machines that give way to a job, and are not ending. Cost: O(tasks of the cell)."""
    arena, jobs = cell.tasks, cell.jobs
    place_of = np.full(cell.machines.count + 1, -1, np.int32)  # the last place stands for "no machine", row -1
    place_of[rows] = np.arange(len(rows), dtype=np.int32)
    tasks = np.flatnonzero(place_of[arena.machine] >= 0)
    tasks = tasks[arena.stopping[tasks] == Stopping.NO]
    gone = overlay.evicted()
    if gone:
        tasks = tasks[~np.isin(tasks, np.array(gone, np.int64))]
    used, at = np.unique(arena.job[tasks], return_inverse=True)
    specs = [jobs.spec_of(row) for row in used.tolist()]
    bands = np.array([each.band for each in specs], np.int64)
    numbers = np.array([each.priority for each in specs], np.int64)
    is_gang = np.array([each.is_gang for each in specs], np.bool_)
    gives_way = find_preemptible(spec.band, spec.priority, bands, numbers)[at]
    tasks, at = tasks[gives_way], at[gives_way]
    held = jobs.shape[arena.job[tasks]]
    sizes = (held / np.maximum(np.array(spec.resources), 1) * (np.array(spec.resources) > 0)).max(axis=1, initial=0.0)
    places = place_of[arena.machine[tasks]].astype(np.int64)
    order = np.lexsort((-arena.placed_at_us[tasks], -sizes, is_gang[at], numbers[at], bands[at], places))
    return _Candidates(tasks=tasks[order], places=places[order], held=held[order])


def _choose_victims(cell: Cell, candidates: _Candidates, rows: Rows, need: NDArray[np.int64]) -> dict[int, list[int]]:
    """Return by place the victims that make enough room: the first that suffice, and none of them needlessly."""
    places, held = candidates.places, candidates.held
    if not len(places):
        return {}
    starts = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
    sums = np.cumsum(held, axis=0)
    before = np.zeros_like(sums[:1]) if not len(starts) else np.concatenate((np.zeros_like(sums[:1]), sums))[starts]
    segment = np.cumsum(np.concatenate(([False], places[1:] != places[:-1])))
    enough = (sums - before[segment] >= need[places]).all(axis=1)
    ends = np.append(starts[1:], len(places))
    chosen: dict[int, list[int]] = {}
    firsts = np.where(enough, np.arange(len(places)), len(places))
    last = np.minimum.reduceat(firsts, starts)
    for start, end, stop in zip(starts.tolist(), ends.tolist(), last.tolist(), strict=True):
        if stop < end and stop - start < MAX_VICTIMS and (need[places[start]] > 0).any():
            chosen[int(places[start])] = _prune(candidates, need[places[start]].tolist(), start, stop)
    return chosen


def _prune(candidates: _Candidates, need: list[int], start: int, stop: int) -> list[int]:
    """Leave out of the first tasks that suffice whichever are not needed, the dearest first; cheapest first."""
    held = candidates.held[start : stop + 1].tolist()
    spare = [sum(amounts) - wanted for amounts, wanted in zip(zip(*held, strict=True), need, strict=True)]
    kept = []
    for place in range(stop - start, -1, -1):
        left = [has - amount for has, amount in zip(spare, held[place], strict=True)]
        if min(left) >= 0:
            spare = left
        else:
            kept.append(int(candidates.tasks[start + place]))
    return kept[::-1]


def _cost_of(cell: Cell, victims: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return what victims cost: the highest band, the highest number in it, gangs among them, and how many they are."""
    specs = [cell.jobs.spec_of(int(cell.tasks.job[task])) for task in victims if not cell.tasks.stopping[task]]
    if not specs:
        return -1, 0, 0, 0
    band, number = max((int(spec.band), spec.priority) for spec in specs)
    return band, number, sum(spec.is_gang for spec in specs), len(specs)
