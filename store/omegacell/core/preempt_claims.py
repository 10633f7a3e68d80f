"""Whether there is room for claims with victims: judged claim by claim, or all at once where none is in another's way.

`judge_in_order` is the rule. `judge_at_once` is silent about all but the usual case, distinct machines of which every
one suffices, and says the same of it on whole columns; the slow twin of the tests holds both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import find_set, is_distinct
from omegacell.core.commands import Place
from omegacell.core.conflicts import Standing
from omegacell.core.crowds import Crowd
from omegacell.core.jobs import JobSpec, Stopping
from omegacell.core.lives import Rows
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.preemption import MAX_CASCADE, AttemptKey, find_preemptible
from omegacell.core.waits import key_of, keys_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grants:
    """Granted claims, as columns.

    Attributes:
        tasks, machines: the task that gets a place, and where.
        waits: for whom each waits, nobody when it begins at once.
        evicted, evicted_for: task rows that give way now, and the place of the claim each gives way to, ascending.
    """

    tasks: Rows
    machines: Rows
    waits: Sequence[tuple[AttemptKey, ...]]
    evicted: Rows
    evicted_for: Rows


def join_grants(parts: Sequence[Grants]) -> Grants:
    """Put granted claims together, in the order of the parts."""
    none = np.empty(0, np.int64)
    firsts = np.cumsum([0, *[len(part.tasks) for part in parts]]).tolist()
    evicted_for = [part.evicted_for + first for part, first in zip(parts, firsts, strict=False)]
    return Grants(
        tasks=np.concatenate([none, *[part.tasks for part in parts]]),
        machines=np.concatenate([none, *[part.machines for part in parts]]),
        waits=[waits for part in parts for waits in part.waits],
        evicted=np.concatenate([none, *[part.evicted for part in parts]]),
        evicted_for=np.concatenate([none, *evicted_for]),
    )


def find_stopping(cell: Cell) -> Rows:
    """Return the tasks that have been asked to end and have not, ascending. Cost: O(tasks), a byte each."""
    return find_set(cell.tasks.stopping)


def evict_on(cell: Cell, overlay: Overlay, task: int) -> None:
    """Note an eviction: one that waits for room itself ends at once, any other holds its room until it has ended."""
    row = int(cell.tasks.machine[task])
    if task in cell.tasks.waits and task not in overlay.evictions.on(row):
        overlay.give_back(row, _held_by(cell, task))
        overlay.devices.give_back(cell.jobs.spec_of(int(cell.tasks.job[task])).devices, row)
    overlay.evictions.add(task)
    if cell.jobs.has_alloc_sets:
        overlay.close_allocs(np.array([task], np.int64))


def _held_by(cell: Cell, task: int) -> list[int]:
    held: list[int] = cell.jobs.shape[cell.tasks.job[task]].tolist()
    return held


def find_held_devices(cell: Cell, task: int) -> dict[str, int]:
    """Return how many devices a task gives back when it ends, or stops waiting, by kind."""
    requests = cell.jobs.spec_of(int(cell.tasks.job[task])).devices
    if task in cell.tasks.owed:
        return {request.name: request.count for request in requests}
    granted = cell.tasks.devices.get(task, ())
    return cell.machines.devices.count_held(int(cell.tasks.machine[task]), requests, granted) if granted else {}


# --- all at once


def judge_at_once(cell: Cell, overlay: Overlay, command: Place, standing: Standing, *, room: int) -> Grants | None:
    """Return what is granted when all of it is, and no claim is in another's way; None when that is not plain."""
    spec = cell.jobs.spec_of(standing.job_row)
    rows = standing.rows
    if standing.reasons.any() or room < len(rows) or overlay.evictions.all() or not is_distinct(rows):
        return None
    tasks = command.indices + cell.jobs.offset[standing.job_row]
    if spec.ports or spec.devices or spec.alloc or overlay.claims_any(tasks) or not is_distinct(tasks):
        return None
    if overlay.is_crowded(spec) and not overlay.crowd_of(spec).takes_all(rows, np.ones(len(rows), np.int64)):
        return None
    victims = _find_proper_victims(cell, command, spec, tasks)
    if victims is None:
        return None
    fresh, claims = victims
    asked = np.array(spec.charged, np.int64)
    need = np.where(asked > 0, asked - overlay.free[rows], np.int64(0))
    is_usual = (need <= 0).all(axis=1)
    names_any = np.bincount(command.victims.claims, minlength=len(rows)) > 0
    ending, ending_for = _find_ending_on(cell, rows, names_any & ~is_usual)
    np.subtract.at(need, ending_for, cell.jobs.shape[cell.tasks.job[ending]])
    held = cell.jobs.shape[cell.tasks.job[fresh]]
    sums = np.cumsum(held, axis=0)
    starts = np.searchsorted(claims, np.arange(len(rows), dtype=np.int64))
    bases = np.concatenate((np.zeros_like(sums[:1]), sums)) if len(sums) else np.zeros((1, len(asked)), np.int64)
    totals = bases[np.searchsorted(claims, np.arange(len(rows), dtype=np.int64), side="right")] - bases[starts]
    is_met = np.where(asked > 0, need <= totals, True).all(axis=1)
    if not (is_usual | (is_met & names_any)).all():
        return None
    missing = need[claims] > (sums - held - bases[starts[claims]])
    is_usual_for: NDArray[np.bool_] = np.take(is_usual, claims)
    is_evicted = ~is_usual_for & (missing & (asked > 0)).any(axis=1)
    evicted, evicted_for = fresh[is_evicted], claims[is_evicted].astype(np.int64)
    return Grants(
        tasks=tasks.astype(np.int64),
        machines=rows,
        waits=_waits_of(cell, len(rows), ((ending, ending_for), (evicted, evicted_for))),
        evicted=evicted,
        evicted_for=evicted_for,
    )


def _find_proper_victims(
    cell: Cell, command: Place, spec: JobSpec, tasks: NDArray[np.integer]
) -> tuple[Rows, NDArray[np.int32]] | None:
    """Return the victims that are not ending, and the claim of each; None when any is none that may be named."""
    arena, jobs, named = cell.tasks, cell.jobs, command.victims
    ids, at = np.unique(named.jobs, return_inverse=True)
    known = [jobs.row_of(job) for job in ids.tolist()]
    if None in known:
        return None
    job_rows = np.array(known, np.int64)[at]
    if (named.indices >= jobs.extent[job_rows]).any():
        return None
    victims = jobs.offset[job_rows] + named.indices
    is_proper = (arena.attempt[victims] == named.attempts) & (arena.machine[victims] == command.machines[named.claims])
    is_fresh = arena.stopping[victims] == Stopping.NO.value
    specs = [jobs.spec_of(row) for row in known if row is not None]
    bands = np.array([int(each.band) for each in specs], np.int64)
    numbers = np.array([each.priority for each in specs], np.int64)
    is_proper &= ~is_fresh | find_preemptible(spec.band, spec.priority, bands, numbers)[at]
    if not is_proper.all():
        return None
    claims = named.claims[is_fresh]
    if arena.preempted:
        for task in tasks[claims].tolist():
            if task in arena.preempted and arena.preempted[task].depth >= MAX_CASCADE:
                return None
    return victims[is_fresh], claims


def _find_ending_on(cell: Cell, rows: Rows, is_asked: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Return the tasks that are ending on some of the machines, ascending, and the place of the machine of each."""
    ending = find_stopping(cell)
    if not len(ending):
        return ending, ending
    place_of = np.full(cell.machines.count, -1, np.int64)
    place_of[rows[is_asked]] = np.flatnonzero(is_asked)
    places = place_of[cell.tasks.machine[ending]]
    return ending[places >= 0], places[places >= 0]


def _waits_of(cell: Cell, count: int, parts: Sequence[tuple[Rows, Rows]]) -> list[tuple[AttemptKey, ...]]:
    """Return for each claim the attempts that end for it and hold room; those that wait themselves hold none."""
    waits: list[list[AttemptKey]] = [[] for _ in range(count)]
    waiting = cell.tasks.waits
    for tasks, places in parts:
        for task, place, key in zip(tasks.tolist(), places.tolist(), keys_of(cell, tasks), strict=True):
            if task not in waiting:
                waits[place].append(key)
    return [tuple(keys) for keys in waits]


# --- one by one


def judge_in_order(
    judging: "Judging", command: Place, standing: Standing, victims: list[list[int]]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Judge room claim by claim; reasons are written into ``standing``, dimensions and shortages returned.

    Once as many are granted as the scheduler's cap takes, what is left stays as if granted: the cap refuses it later.
    """
    count = len(command.indices)
    dimensions, shortages = np.full(count, -1, np.int32), np.zeros(count, np.int64)
    reasons = standing.reasons
    for claim, (index, row) in enumerate(zip(command.indices.tolist(), standing.rows.tolist(), strict=True)):
        task = judging.offset + index
        is_open = reasons[claim] == Reason.NONE or reasons[claim] > Reason.CLAIMED_TWICE
        if is_open and judging.after.is_claimed(task):
            reasons[claim] = Reason.CLAIMED_TWICE
        if reasons[claim] != Reason.NONE or len(judging.grants) >= judging.room:
            continue
        lack = judging.judge(task, row, victims[claim])
        reasons[claim], dimensions[claim], shortages[claim] = lack
    return dimensions, shortages


class _Free(NamedTuple):
    """What is free on one machine: of each resource, and of the devices of each of a job's requests."""

    amounts: list[int]
    devices: list[int]


@dataclass(slots=True, eq=False, kw_only=True)
class Judging:
    """The claims of one `Place` while they are judged.

    Attributes:
        after: the cell after the claims that were granted. crowd: likewise, of a crowded shape.
        stopping: tasks of the cell that are ending, by machine.
        room: how many claims the scheduler's cap takes.
        grants: what was granted: task, machine, who gives way, and for whom it waits.
    """

    cell: Cell
    after: Overlay
    spec: JobSpec
    offset: int
    crowd: Crowd | None
    stopping: dict[int, list[int]]
    room: int
    grants: list[tuple[int, int, tuple[int, ...], tuple[AttemptKey, ...]]] = field(default_factory=list)

    @classmethod
    def of(cls, cell: Cell, overlay: Overlay, *, job_row: int, room: int) -> "Judging":
        """Begin to judge claims of a job on an overlay, of which a cap takes ``room``."""
        spec = cell.jobs.spec_of(job_row)
        return cls(
            cell=cell,
            after=overlay.fork(),
            spec=spec,
            offset=int(cell.jobs.offset[job_row]),
            crowd=overlay.crowd_of(spec) if overlay.is_crowded(spec) else None,
            stopping=stopping_by_machine(cell),
            room=room,
        )

    def judge(self, task: int, row: int, victims: list[int]) -> tuple[Reason, int, int]:
        """Judge one claim, and take it if there is room; return its reason, dimension and shortage."""
        if self.crowd is not None:
            reason = Reason(self.crowd.reason(row))
            if reason is not Reason.NONE:
                return reason, -1, 0
        is_plain = not self.spec.ports and not self.spec.devices and not self.spec.alloc
        free = self._find_free(row)
        lack = self._find_lack(free) if is_plain else self.after.find_lack(self.spec, row, is_alone=True)
        evicted: tuple[int, ...] = ()
        waits: tuple[AttemptKey, ...] = ()
        if lack[0] in (Reason.RESOURCES, Reason.DEVICES_EXHAUSTED) and victims:
            ending = self._find_ending(row)
            fresh = [each for each in victims if each not in ending and each not in self.after.evictions.on(row)]
            found, lack = self._find_needed(free, ending, fresh)
            if found is None:
                return lack
            evicted = found
            waits = tuple(key_of(self.cell, each) for each in (*ending, *found) if each not in self.cell.tasks.waits)
        elif lack[0] is not Reason.NONE:
            return lack
        for each in evicted:
            evict_on(self.cell, self.after, each)
        rows = np.array([row], np.int64)
        self.after.take(self.spec, rows)
        self.after.claim_tasks(np.array([task], np.int64))
        if self.crowd is not None:
            self.crowd.add(row)
        self.grants.append((task, row, evicted, waits))
        return Reason.NONE, -1, 0

    def _find_ending(self, row: int) -> list[int]:
        """Return the tasks whose room on a machine comes back: those that are ending, and earlier claims' victims."""
        ending = self.stopping.get(row, [])
        waits = self.cell.tasks.waits
        return [*ending, *(task for task in self.after.evictions.on(row) if task not in waits and task not in ending)]

    def _find_free(self, row: int) -> "_Free":
        """Return what is free on a machine, devices by the job's requests."""
        devices = [
            request.count - self.after.devices.count_short(request, row, is_offered=False)
            for request in self.spec.devices
        ]
        return _Free(self.after.free[row].tolist(), devices)

    def _find_needed(
        self, free: "_Free", ending: list[int], victims: list[int]
    ) -> tuple[tuple[int, ...] | None, tuple[Reason, int, int]]:
        """Return the first of the victims that make enough room with all that is ending; None, and what lacks then."""
        for task in ending:
            free = self._without(free, task)
        lack = self._find_lack(free)
        for count, task in enumerate(victims):
            if lack[0] is Reason.NONE:
                return tuple(victims[:count]), lack
            free = self._without(free, task)
            lack = self._find_lack(free)
        return tuple(victims) if lack[0] is Reason.NONE else None, lack

    def _without(self, free: "_Free", task: int) -> "_Free":
        """Return what is free once a task has ended."""
        amounts = [has + held for has, held in zip(free.amounts, _held_by(self.cell, task), strict=True)]
        if not self.spec.devices:
            return _Free(amounts, free.devices)
        held_devices = find_held_devices(self.cell, task)
        requests = self.spec.devices
        devices = [has + held_devices.get(request.name, 0) for has, request in zip(free.devices, requests, strict=True)]
        return _Free(amounts, devices)

    def _find_lack(self, free: "_Free") -> tuple[Reason, int, int]:
        for place, (request, has) in enumerate(zip(self.spec.devices, free.devices, strict=True)):
            if request.count > has:
                return Reason.DEVICES_EXHAUSTED, place, request.count - has
        for dimension, (asked, has) in enumerate(zip(self.spec.charged, free.amounts, strict=True)):
            if asked and asked > has:
                return Reason.RESOURCES, dimension, asked - has
        return Reason.NONE, -1, 0

    def conclude(self) -> Grants:
        """Return what was granted, as columns."""
        evicted = [(task, place) for place, (_, _, tasks, _) in enumerate(self.grants) for task in tasks]
        return Grants(
            tasks=np.array([task for task, *_ in self.grants], np.int64),
            machines=np.array([row for _, row, *_ in self.grants], np.int64),
            waits=[waits for *_, waits in self.grants],
            evicted=np.array([task for task, _ in evicted], np.int64),
            evicted_for=np.array([place for _, place in evicted], np.int64),
        )


def stopping_by_machine(cell: Cell) -> dict[int, list[int]]:
    """Return the tasks that are ending, ascending, by the machine whose room they still hold."""
    found: dict[int, list[int]] = {}
    tasks = find_stopping(cell)
    for task, row in zip(tasks.tolist(), cell.tasks.machine[tasks].tolist(), strict=True):
        found.setdefault(row, []).append(task)
    return found
