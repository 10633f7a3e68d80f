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

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, Stopping, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.preempt_claims import evict_on, find_stopping
from omegacell.core.preemption import MAX_CASCADE, MAX_VICTIMS, find_preemptible, may_preempt
from omegacell.core.units import BAND_COUNT, Band
from omegacell.schedulers.feasibility import find_room
from omegacell.schedulers.sampling import sample_rows

SPARE: Final = 16
"""Machines whose tasks are looked at, beyond one for each task that wants room."""

FEW: Final = 2 * SPARE
"""So many machines stand side by side."""

CROWDED_PART: Final = 4
"""Of a job whose tasks are in each other's way, one machine more for every so many tasks."""

MAX_PASSES: Final = 64
"""Times that such machines are gone through for one job."""

MAX_ROUNDS: Final = 16
"""Times that machines are gone through for one job; each gives room for one task a machine."""

MAX_NUMBER: Final = 1 << 20
"""Above every number inside a band."""

NEVER: Final = 99
"""The level of a machine where nothing helps."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """Room by preemption.

    Attributes:
        machines: a machine row for each claim, int64.
        claims, victims: task rows that are to give way, at least one for each claim, and the place of the claim of
            each, ascending; int64.
    """

    machines: Rows
    claims: Rows
    victims: Rows


NOTHING_FOUND: Final = Found(
    machines=np.empty(0, np.int64), claims=np.empty(0, np.int64), victims=np.empty(0, np.int64)
)


def outranks_any(cell: Cell, spec: JobSpec) -> bool:
    """Tell whether any task on any machine gives way to those of a job. Cost: O(jobs)."""
    if spec.alloc:  # nothing on a machine gives room inside an alloc
        return False
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


def find_levels(
    cell: Cell, overlay: Overlay, spec: JobSpec, rows: Rows | None = None, *, enough: int | None = None
) -> NDArray[np.int8]:
    """Return how high a band must be touched on each machine so that a task fits: ``(rows,)`` int8.

    0 where nobody has to be evicted, because enough is free or being given back; ``band + 1`` for the highest band that
    has to give way; `NEVER` where nothing helps. An estimate from whole columns: it may be lower than what can be had,
    never higher. With ``enough`` higher bands are not looked at once so many machines were found. Cost:
    O(rows x bands).
    """
    every = slice(None) if rows is None else rows
    is_open = find_room(overlay, replace(spec, resources=(0,) * len(spec.resources)), rows, cell=cell) > 0
    machines = cell.machines
    asked = [(dimension, amount) for dimension, amount in enumerate(spec.resources) if amount]
    lacks = [amount - overlay.free[every, dimension] for dimension, amount in asked]
    levels = np.full(len(is_open), NEVER, np.int8)
    ending = _ending_by_machine(cell, overlay)
    if ending is not None:
        lacks = [lack - ending[every, dimension] for lack, (dimension, _) in zip(lacks, asked, strict=True)]
    top = int(spec.band) + 1 if spec.band in (Band.BATCH, Band.BEST_EFFORT) and spec.priority else int(spec.band)
    for level in range(top + 1):
        if level:
            for lack, (dimension, _) in zip(lacks, asked, strict=True):
                lack -= machines.allocated[every, level - 1, dimension]
        suffices = is_open
        for lack in lacks:
            suffices = suffices & (lack <= 0)
        levels[suffices] = level
        is_open = is_open & ~suffices
        if enough is not None and int(np.count_nonzero(levels != NEVER)) >= enough:
            break
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
        if count <= 0 or not len(found.machines):
            break
        after = after.fork() if after is overlay else after
        after.take(spec, found.machines)
        for task in found.victims[cell.tasks.stopping[found.victims] == Stopping.NO.value].tolist():
            evict_on(cell, after, task)
    firsts = np.cumsum([0, *[len(part.machines) for part in parts]]).tolist()
    return Found(
        machines=np.concatenate([part.machines for part in parts]),
        claims=np.concatenate([part.claims + first for part, first in zip(parts, firsts, strict=False)]),
        victims=np.concatenate([part.victims for part in parts]),
    )


def _find_one_each(cell: Cell, overlay: Overlay, spec: JobSpec, *, count: int, rng: np.random.Generator) -> Found:
    """Find room for one task on each of up to ``count`` machines, the cheapest first."""
    is_crowded = count > 1 and overlay.is_crowded(spec)  # one task may go wherever its rules leave a machine open
    wanted = count + SPARE + (count // CROWDED_PART if is_crowded else 0)
    rows = _choose_rows(find_levels(cell, overlay, spec, enough=wanted), wanted, rng)
    if not len(rows):
        return NOTHING_FOUND
    asked = np.array(spec.resources, np.int64)
    need = asked - overlay.free[rows]
    ending = _ending_by_machine(cell, overlay)
    if ending is not None:
        need -= ending[rows]
    need[:, asked == 0] = 0
    candidates = _find_candidates(cell, overlay, spec, rows)
    first, last, is_enough = _find_prefixes(candidates, need)
    order = _sort_places(candidates, last, is_enough, ties=rng.permutation(len(rows)))
    chosen = _keep_rules(overlay, spec, rows, order, count) if is_crowded else order[:count]
    mask = _mark_needed(candidates, need, first[chosen], last[chosen])
    claim_of = np.full(len(rows), -1, np.int64)
    claim_of[chosen] = np.arange(len(chosen))
    victims, claims = candidates.tasks[mask], claim_of[candidates.places[mask]]
    # nobody is evicted on these: where there is no room yet, the claim names one of those that it waits for
    waits = chosen[(last[chosen] < first[chosen]) & ((overlay.free[rows[chosen]] < asked) & (asked > 0)).any(axis=1)]
    if len(waits):
        named = [_ending_on(cell, overlay, row)[0] for row in rows[waits].tolist()]
        victims, claims = np.append(victims, named), np.append(claims, claim_of[waits])
    order = np.argsort(claims, kind="stable")
    return Found(machines=rows[chosen], claims=claims[order], victims=victims[order].astype(np.int64))


def _choose_rows(levels: NDArray[np.int8], wanted: int, rng: np.random.Generator) -> Rows:
    """Return up to so many machines where something helps, those of the lowest levels, at random among equals.

    A few stand side by side, because the tasks of neighbouring rows are found sooner; many are from all over the cell.
    """
    chosen: list[Rows] = []
    for level in range(int(Band.MONITORING) + 2):
        rows = np.flatnonzero(levels == level)
        if len(rows) > wanted and wanted <= FEW:
            first = int(rng.integers(len(rows) - wanted + 1))
            part = rows[first : first + wanted]
        elif len(rows):
            part = rows[sample_rows(len(rows), min(wanted, len(rows)), rng)]
        if len(rows):
            chosen.append(part)
            wanted -= len(part)
        if wanted <= 0:
            break
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


def _keep_rules(overlay: Overlay, spec: JobSpec, rows: Rows, places: Rows, count: int) -> Rows:
    """Return places in order whose claims keep the job's rules about other tasks, each after those before it.

    A place that is refused for now is asked again as long as others are taken: they may be what it waits for.
    """
    crowd = overlay.crowd_of(spec)
    kept: list[int] = []
    left = list(zip(places.tolist(), rows[places].tolist(), strict=True))
    for _ in range(MAX_PASSES):
        before, again = len(kept), []
        for place, row in left:
            if len(kept) < count and not crowd.reason(row):
                crowd.add(row)
                kept.append(place)
            else:
                again.append((place, row))
        left = again
        if len(kept) in (before, count):
            break
    return np.array(kept, np.int64)


def _ending_by_machine(cell: Cell, overlay: Overlay) -> NDArray[np.int64] | None:
    """Return what tasks hold that are ending, ``(machines, resources)`` int64; None when none is."""
    tasks, gone = find_stopping(cell), overlay.evictions.all()
    if gone:
        waits = cell.tasks.waits
        tasks = np.unique(np.append(tasks, [task for task in gone if task not in waits])).astype(np.int64)
    if not len(tasks):
        return None
    held = np.zeros((cell.machines.count, cell.jobs.shape.shape[1]), np.int64)
    np.add.at(held, cell.tasks.machine[tasks], cell.jobs.shape[cell.tasks.job[tasks]])
    return held


def _ending_on(cell: Cell, overlay: Overlay, row: int) -> tuple[int, ...]:
    here = find_stopping(cell)
    own = tuple(task for task in overlay.evictions.on(row) if task not in cell.tasks.waits)
    return (*here[cell.tasks.machine[here] == row].tolist(), *own)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Candidates:
    """Tasks that give way on some machines, the cheapest of each machine first: columns of equal length.

    Attributes:
        tasks: task rows. places: which of the machines each is on, ascending. held: ``(tasks, resources)`` int64.
        bands, numbers, is_gang: of their jobs.
    """

    tasks: Rows
    places: Rows
    held: NDArray[np.int64]
    bands: Rows
    numbers: Rows
    is_gang: NDArray[np.bool_]


def _find_candidates(cell: Cell, overlay: Overlay, spec: JobSpec, rows: Rows) -> _Candidates:
    """Return the tasks on machines that give way to a job, and are not ending. Cost: O(tasks of the cell)."""
    arena, jobs = cell.tasks, cell.jobs
    place_of = np.full(cell.machines.count + 1, -1, np.int64)  # the last place stands for "no machine", row -1
    place_of[rows] = np.arange(len(rows))
    low, width = int(rows.min()), int(rows.max() - rows.min())
    if width < cell.machines.count // 4:
        near = np.flatnonzero((arena.machine - np.int32(low)).view(np.uint32) <= width)
        tasks = near[place_of[arena.machine[near]] >= 0]
    else:
        tasks = np.flatnonzero((place_of >= 0).take(arena.machine))
    tasks = tasks[arena.stopping[tasks] == Stopping.NO.value]
    gone = overlay.evictions.all()
    if gone:
        tasks = tasks[~np.isin(tasks, np.array(gone, np.int64))]
    job_rows = arena.job[tasks]
    numbers_of, is_gang_of = np.zeros(jobs.count, np.int64), np.zeros(jobs.count, np.bool_)
    for row in np.flatnonzero(np.bincount(job_rows, minlength=jobs.count)).tolist():
        each = jobs.spec_of(row)
        numbers_of[row], is_gang_of[row] = each.priority, each.is_gang
    bands, numbers = jobs.band[job_rows].astype(np.int64), numbers_of[job_rows]
    gives_way = np.flatnonzero(find_preemptible(spec.band, spec.priority, bands, numbers))
    tasks, job_rows, bands, numbers = tasks[gives_way], job_rows[gives_way], bands[gives_way], numbers[gives_way]
    held, is_gang = jobs.shape[job_rows], is_gang_of[job_rows]
    dimension = int(np.argmax(np.array(spec.resources) > 0))
    places = place_of[arena.machine[tasks]]
    ranks = ((places * BAND_COUNT + bands) * MAX_NUMBER + numbers) * 2 + is_gang
    order = np.lexsort((-arena.placed_at_us[tasks], -held[:, dimension], ranks))
    return _Candidates(
        tasks=tasks[order],
        places=places[order],
        held=held[order],
        bands=bands[order],
        numbers=numbers[order],
        is_gang=is_gang[order],
    )


def _find_prefixes(candidates: _Candidates, need: NDArray[np.int64]) -> tuple[Rows, Rows, NDArray[np.bool_]]:
    """Return for each place its first candidate, and the last of the fewest in order that make enough room.

    The last is one before the first where nothing is needed. The third says where there are enough, and not too many.
    """
    count = len(need)
    first = np.searchsorted(candidates.places, np.arange(count))
    end = np.searchsorted(candidates.places, np.arange(count), side="right")
    bases = np.concatenate((np.zeros((1, need.shape[1]), np.int64), np.cumsum(candidates.held, axis=0)))
    gives: NDArray[np.bool_] = bases[1:] - bases[first[candidates.places]] >= need[candidates.places]
    suffices = np.flatnonzero(gives.all(axis=1))
    # the next candidate that suffices, from the first one of the place on
    last = np.append(suffices, len(candidates.tasks))[np.searchsorted(suffices, first)]
    is_met = (need <= 0).all(axis=1)
    last[is_met] = first[is_met] - 1
    return first, last, is_met | ((last < end) & (last - first < MAX_VICTIMS))


def _sort_places(candidates: _Candidates, last: Rows, is_enough: NDArray[np.bool_], *, ties: Rows) -> Rows:
    """Return the places with enough room, the cheapest first: by the band, number and gang of the dearest, by number.

    What is cheapest is the same for equal costs in any order: ``ties`` says which.
    """
    places = np.flatnonzero(is_enough)
    if not len(candidates.tasks):
        return places
    dearest = last[places]
    first = np.searchsorted(candidates.places, places)
    is_free = dearest < first
    safe = np.minimum(np.maximum(dearest, 0), len(candidates.tasks) - 1)
    bands = np.where(is_free, -1, candidates.bands[safe])
    numbers = np.where(is_free, 0, candidates.numbers[safe])
    gangs = np.where(is_free, 0, candidates.is_gang[safe])
    return places[np.lexsort((ties[places], dearest - first, gangs, numbers, bands))]


def _mark_needed(candidates: _Candidates, need: NDArray[np.int64], first: Rows, last: Rows) -> NDArray[np.bool_]:
    """Return which candidates are victims: those from first to last, but for what is not needed, the dearest left out.

    The last of a place is always needed: without it there was not enough.
    """
    lengths = last - first + 1
    mask = np.zeros(len(candidates.tasks), np.bool_)
    for depth in range(int(lengths.max(initial=0))):
        mask[(first + depth)[lengths > depth]] = True
    several = lengths > 1
    first, last = first[several], last[several]
    if not len(first):
        return mask
    bases = np.concatenate((np.zeros((1, need.shape[1]), np.int64), np.cumsum(candidates.held, axis=0)))
    spare = bases[last + 1] - bases[first] - need[candidates.places[first]]
    for back in range(1, int((last - first).max()) + 1):
        at = np.maximum(last - back, first)
        held = candidates.held[at]
        drops = (last - back >= first) & (held <= spare).all(axis=1)
        spare[drops] -= held[drops]
        mask[at[drops]] = False
    return mask
