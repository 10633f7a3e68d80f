"""Finding room by preemption: machines where less important tasks hold enough, and the cheapest of them that suffice.

Two looks. The first is at whole columns (`levels`): with everything gone that gives way, which machines would take the
task, and how high a band has to be touched for it? It lets through too many, never too few, and only as many are looked
at again as are wanted, chosen at random among those that are equally good, so that two schedulers seldom want the same
victims. The second is at the tasks of these machines (`tenants`): in order of what they cost, the first that suffice,
and of those only what is needed. Machines that are giving back enough already come first: nobody has to be evicted
there.

What a victim costs: its band, then its number, then whether its job is a gang (which cannot go on without it), then
its size (the larger, the fewer are needed), then its age (the younger, the less is lost).

Nothing here changes the cell; whether a claim with these victims is granted is judged by the core (`apply_preempt`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, Stopping, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.preempt_claims import evict_on, find_stopping
from omegacell.core.preemption import MAX_CASCADE, MAX_VICTIMS, find_preemptible, may_preempt
from omegacell.core.units import BAND_COUNT, Band
from omegacell.schedulers import amounts
from omegacell.schedulers.amounts import asked_of, find_free
from omegacell.schedulers.feasibility import unbind
from omegacell.schedulers.levels import NEVER, find_ending, find_levels
from omegacell.schedulers.sampling import sample_rows
from omegacell.schedulers.tenants import tenants_of

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
    is_active = (jobs.counts[:, TaskState.PLACED] | jobs.counts[:, TaskState.RUNNING]) != 0
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
    ending = find_ending(cell, overlay, spec)
    levels = find_levels(cell, overlay, spec, ending=ending)
    rows = _choose_rows(levels, wanted, rng)
    if is_crowded:  # machines that take none now may, once others of these tasks are elsewhere
        closed = find_levels(cell, overlay, unbind(spec), ending=ending)
        closed[levels != NEVER] = NEVER
        rows = np.concatenate((rows, _choose_rows(closed, wanted, rng)))
    if not len(rows):
        return NOTHING_FOUND
    asked, free = asked_of(spec), find_free(overlay, spec, rows)
    need = asked - free
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
    waits = chosen[(last[chosen] < first[chosen]) & ((free[chosen] < asked) & (asked > 0)).any(axis=1)]
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


def _ending_on(cell: Cell, overlay: Overlay, row: int) -> tuple[int, ...]:
    here = find_stopping(cell)
    own = tuple(task for task in overlay.evictions.on(row) if task not in cell.tasks.waits)
    return (*here[cell.tasks.machine[here] == row].tolist(), *own)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Candidates:
    """Tasks that give way on some machines, the cheapest of each machine first: columns of equal length.

    Attributes:
        tasks: task rows.
        places: which of the machines each is on, ascending.
        costs: by band, then number, then whether its job is a gang; int64.
        sums: what those before it hold, ``(tasks + 1, columns)`` int64, see `amounts`.
    """

    tasks: Rows
    places: Rows
    costs: Rows
    sums: NDArray[np.int64]


def _find_candidates(cell: Cell, overlay: Overlay, spec: JobSpec, rows: Rows) -> _Candidates:
    """Return the tasks on machines that give way to a job, and are not ending. Cost: O(tasks of the cell)."""
    arena, jobs = cell.tasks, cell.jobs
    tasks, places = tenants_of(cell).on(cell, rows)
    is_low = jobs.band.take(arena.job.take(tasks)) <= int(spec.band)
    is_candidate = is_low & (arena.stopping.take(tasks) == Stopping.NO.value)
    gone = overlay.evictions.all()
    if gone:
        is_candidate &= ~np.isin(tasks, np.array(gone, np.int64))
    tasks, places = tasks[is_candidate], places[is_candidate]
    known, at = np.unique(arena.job.take(tasks), return_inverse=True)
    specs = [jobs.spec_of(row) for row in known.tolist()]
    bands_of = np.array([int(each.band) for each in specs], np.int64)
    numbers_of = np.array([each.priority for each in specs], np.int64)
    gives_way = find_preemptible(spec.band, spec.priority, bands_of, numbers_of).take(at)
    if not gives_way.all():
        tasks, places, at = tasks[gives_way], places[gives_way], at[gives_way]
    is_gang_of = np.array([each.is_gang for each in specs], np.bool_)
    costs_of = (bands_of * MAX_NUMBER + numbers_of) * 2 + is_gang_of
    sizes_of = jobs.shape[known, int(np.argmax(np.array(spec.resources) > 0))]
    ranks = places * (BAND_COUNT * MAX_NUMBER * 2) + costs_of.take(at)
    order = np.lexsort((-arena.placed_at_us.take(tasks), -sizes_of.take(at), ranks))
    at, tasks = at.take(order), tasks.take(order)
    held = amounts.find_held(cell, spec, tasks)
    return _Candidates(
        tasks=tasks,
        places=places.take(order),
        sums=np.concatenate((np.zeros((1, held.shape[1]), np.int64), np.cumsum(held, axis=0))),
        costs=costs_of.take(at),
    )


def _find_prefixes(candidates: _Candidates, need: NDArray[np.int64]) -> tuple[Rows, Rows, NDArray[np.bool_]]:
    """Return for each place its first candidate, and the last of the fewest in order that make enough room.

    The last is one before the first where nothing is needed. The third says where there are enough, and not too many.
    """
    edges = np.searchsorted(candidates.places, np.arange(len(need) + 1))
    first, end = edges[:-1], edges[1:]
    enough = candidates.sums.take(first, axis=0) + need
    gives: NDArray[np.bool_] = candidates.sums[1:] >= enough.take(candidates.places, axis=0)
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
    costs = candidates.costs.take(np.minimum(np.maximum(dearest, 0), len(candidates.tasks) - 1))
    costs[dearest < first] = -1
    return places[np.lexsort((ties[places], dearest - first, costs))]


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
    sums = candidates.sums
    spare = sums[last + 1] - sums[first] - need[candidates.places[first]]
    for back in range(1, int((last - first).max()) + 1):
        at = np.maximum(last - back, first)
        held = sums[at + 1] - sums[at]
        drops = (last - back >= first) & (held <= spare).all(axis=1)
        spare[drops] -= held[drops]
        mask[at[drops]] = False
    return mask
