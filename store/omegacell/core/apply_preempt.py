"""Judging and writing claims with victims: a `Place` that names tasks that are to give way to it.

Such claims are judged one by one, in order. What a machine has for one of them is what is free, and what *all* tasks
hold there that are ending; and of its own victims as many as it needs, in the order in which they are named. Claims
granted before are charged, so what an ending task holds is promised once: the next claim finds ``free`` lower by it. A
claim that needs nobody's room evicts nobody and begins at once; the others wait (see `waits`). Ports and rules about
other tasks know no promises: there, what ends is still there.
"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from omegacell.core.apply_jobs import is_forgotten_since
from omegacell.core.apply_limits import limit_claims
from omegacell.core.budgets import Disruptions
from omegacell.core.cell import Cell
from omegacell.core.commands import Place
from omegacell.core.conflicts import Base, Judged, Standing, conclude, judge_standing
from omegacell.core.crowds import Crowd
from omegacell.core.jobs import JobSpec, Stopping
from omegacell.core.lives import Rows, Stamp, ask_to_end, begin_attempts, touch_jobs
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.preemption import MAX_CASCADE, AttemptKey, Preempted, may_preempt
from omegacell.core.verdicts import Verdict, refuse_all_rows, refuse_rows
from omegacell.core.waits import key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A granted claim: the task that gets a place, who gives way to it now, and for whom it waits."""

    task: int
    machine: int
    evicted: tuple[int, ...]
    waits: tuple[AttemptKey, ...]


def find_stopping(cell: Cell) -> Rows:
    """Return the tasks that have been asked to end and have not, ascending. Cost: O(tasks), a byte each."""
    return np.flatnonzero(cell.tasks.stopping != Stopping.NO.value)


def stopping_by_machine(cell: Cell) -> dict[int, list[int]]:
    """Return the tasks that are ending, ascending, by the machine whose room they still hold."""
    found: dict[int, list[int]] = {}
    tasks = find_stopping(cell)
    for task, row in zip(tasks.tolist(), cell.tasks.machine[tasks].tolist(), strict=True):
        found.setdefault(row, []).append(task)
    return found


def judge_preempting(cell: Cell, command: Place, *, overlay: Overlay, base: Base, stamp: Stamp) -> Verdict:
    """Judge the claims of a `Place` with victims; pure."""
    asked = len(command.indices)
    job_row = cell.jobs.row_of(command.job)
    if job_row is None:
        is_conflict = is_forgotten_since(cell, command.job, base.seen)
        judged = refuse_all_rows(asked, Reason.UNKNOWN_JOB, is_conflict=is_conflict)
        return Verdict(asked=asked, granted=0, refusals=refuse_rows(judged))
    standing = judge_standing(cell, overlay, command, job_row=job_row, base=base)
    victims, conflicts = _judge_victims(cell, command, standing, base=base)
    spec = cell.jobs.spec_of(job_row)
    judging = _Judging(
        cell=cell,
        after=overlay.fork(),
        spec=spec,
        offset=int(cell.jobs.offset[job_row]),
        crowd=overlay.crowd_of(spec) if overlay.is_crowded(spec) else None,
        stopping=stopping_by_machine(cell),
        room=overlay.caps.room(job_row) if cell.caps.rows else asked,
    )
    lacks = _judge_in_order(judging, command, standing, victims)
    conflicts |= dict.fromkeys(np.flatnonzero(standing.reasons == Reason.CLAIMED_TWICE.value).tolist(), False)
    judged = _with_conflicts(conclude(cell, overlay, standing, lacks, base=base), conflicts)
    if cell.caps.rows:
        judged = limit_claims(cell, overlay, command, judged, base=base)
    grants = judging.grants
    write = partial(_write, cell, tuple(grants), job_row=job_row, stamp=stamp) if grants else None
    evicted = tuple(task for grant in grants for task in grant.evicted)
    return Verdict(asked=asked, granted=len(grants), refusals=refuse_rows(judged), write=write, evicted=evicted)


def take_preempting(cell: Cell, overlay: Overlay, verdict: Verdict, *, taken: Disruptions) -> None:
    """Let the commands after a `Place` see whom it evicted, if anybody. Mutates overlay and ``taken``."""
    for task in verdict.evicted:
        evict_on(cell, overlay, task)
        taken.note(int(cell.tasks.job[task]), np.array([task], np.int64))


def evict_on(cell: Cell, overlay: Overlay, task: int) -> None:
    """Note an eviction: one that waits for room itself ends at once, any other holds its room until it has ended."""
    row = int(cell.tasks.machine[task])
    if task in cell.tasks.waits and task not in overlay.evicted_on(row):
        overlay.give_back(row, _held_by(cell, task))
    overlay.evict(task)


def _held_by(cell: Cell, task: int) -> list[int]:
    held: list[int] = cell.jobs.shape[cell.tasks.job[task]].tolist()
    return held


# --- who may give way


def _judge_victims(
    cell: Cell, command: Place, standing: Standing, *, base: Base
) -> tuple[list[list[int]], dict[int, bool]]:
    """Judge what claims say of their victims; what is refused for it is written into ``standing``.

    Returns:
        The task rows of each claim's victims, and for each claim refused here whether that is a conflict.
    """
    named = command.victims
    tasks: list[list[int]] = [[] for _ in range(len(command.indices))]
    found: dict[int, list[tuple[Reason, bool]]] = {}
    columns = zip(
        named.claims.tolist(), named.jobs.tolist(), named.indices.tolist(), named.attempts.tolist(), strict=True
    )
    for claim, *key in columns:
        task = _find_task(cell, *key)
        tasks[claim].append(task)
        if task < 0:
            row = cell.jobs.row_of(key[0])
            if row is None:
                is_conflict = is_forgotten_since(cell, key[0], base.seen)
            else:
                is_conflict = cell.jobs.effective_changed_at(row, floor=base.floor) > base.seen
            found.setdefault(claim, []).append((Reason.VICTIM_GONE, is_conflict))
            continue
        reason = _find_protection(cell, command, claim, task)
        if reason is not Reason.NONE:
            is_changed = cell.jobs.effective_changed_at(standing.job_row, floor=base.floor) > base.seen
            found.setdefault(claim, []).append((reason, reason is Reason.CASCADE_TOO_DEEP and is_changed))
    conflicts: dict[int, bool] = {}
    for claim, refusals in found.items():
        first = min(reason for reason, _ in refusals)
        if standing.reasons[claim] == Reason.NONE or standing.reasons[claim] > first:
            standing.reasons[claim] = first
            conflicts[claim] = any(is_conflict for reason, is_conflict in refusals if reason is first)
    return tasks, conflicts


def _find_task(cell: Cell, job: int, index: int, attempt: int) -> int:
    """Return the task row of an attempt that is placed or running; -1 when there is no such attempt any more."""
    row = cell.jobs.row_of(job)
    if row is None or index >= int(cell.jobs.extent[row]):
        return -1
    task = int(cell.jobs.offset[row]) + index
    is_current = int(cell.tasks.attempt[task]) == attempt and cell.tasks.machine[task] >= 0
    return task if is_current else -1


def _find_protection(cell: Cell, command: Place, claim: int, task: int) -> Reason:
    """Return why a task does not give way to a claim; NONE when it does, as everything does that is ending anyway."""
    arena, jobs = cell.tasks, cell.jobs
    if int(arena.machine[task]) != int(command.machines[claim]):
        return Reason.VICTIM_ELSEWHERE
    if arena.stopping[task] != Stopping.NO:
        return Reason.NONE
    job_row = jobs.row_of(command.job)
    assert job_row is not None, f"job {command.job} is judged and is not there"
    spec, victim = jobs.spec_of(job_row), jobs.spec_of(int(arena.job[task]))
    if not may_preempt(spec.band, spec.priority, victim.band, victim.priority):
        return Reason.VICTIM_PROTECTED
    own = int(jobs.offset[job_row]) + int(command.indices[claim])
    is_deep = own in arena.preempted and arena.preempted[own].depth >= MAX_CASCADE
    return Reason.CASCADE_TOO_DEEP if is_deep else Reason.NONE


def _with_conflicts(judged: Judged, conflicts: dict[int, bool]) -> Judged:
    """Say of claims that were refused for their victims whether that is a conflict; it is not about the machine."""
    assert judged.is_conflict is not None, "claims judged one by one have columns"
    assert judged.taken_at is not None, "claims judged one by one have columns"
    for claim, is_conflict in conflicts.items():
        judged.is_conflict[claim] = is_conflict
        judged.taken_at[claim] = 0
    return judged


# --- whether there is room


def _judge_in_order(
    judging: "_Judging", command: Place, standing: Standing, victims: list[list[int]]
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


@dataclass(slots=True, eq=False, kw_only=True)
class _Judging:
    """The claims of one `Place` while they are judged.

    Attributes:
        after: the cell after the claims that were granted. crowd: likewise, of a crowded shape.
        stopping: tasks of the cell that are ending, by machine.
        room: how many claims the scheduler's cap takes.
        grants: what was granted.
    """

    cell: Cell
    after: Overlay
    spec: JobSpec
    offset: int
    crowd: Crowd | None
    stopping: dict[int, list[int]]
    room: int
    grants: list[Grant] = field(default_factory=list)

    def judge(self, task: int, row: int, victims: list[int]) -> tuple[Reason, int, int]:
        """Judge one claim, and take it if there is room; return its reason, dimension and shortage."""
        if self.crowd is not None:
            reason = Reason(self.crowd.reason(row))
            if reason is not Reason.NONE:
                return reason, -1, 0
        is_plain = not self.spec.ports and not self.spec.devices
        free: list[int] = self.after.free[row].tolist()
        lack = self._find_lack(free) if is_plain else self.after.find_lack(self.spec, row, is_alone=True)
        evicted: tuple[int, ...] = ()
        waits: tuple[AttemptKey, ...] = ()
        if lack[0] is Reason.RESOURCES and victims:
            ending = self._find_ending(row)
            fresh = [each for each in victims if each not in ending and each not in self.after.evicted_on(row)]
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
        self.grants.append(Grant(task=task, machine=row, evicted=evicted, waits=waits))
        return Reason.NONE, -1, 0

    def _find_ending(self, row: int) -> list[int]:
        """Return the tasks whose room on a machine comes back: those that are ending, and earlier claims' victims."""
        ending = self.stopping.get(row, [])
        waits = self.cell.tasks.waits
        return [*ending, *(task for task in self.after.evicted_on(row) if task not in waits and task not in ending)]

    def _find_needed(
        self, free: list[int], ending: list[int], victims: list[int]
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

    def _without(self, free: list[int], task: int) -> list[int]:
        """Return what is free of each resource once a task has ended."""
        return [has + held for has, held in zip(free, _held_by(self.cell, task), strict=True)]

    def _find_lack(self, free: list[int]) -> tuple[Reason, int, int]:
        for dimension, (asked, has) in enumerate(zip(self.spec.resources, free, strict=True)):
            if asked and asked > has:
                return Reason.RESOURCES, dimension, asked - has
        return Reason.NONE, -1, 0


# --- writing


def _write(cell: Cell, grants: tuple[Grant, ...], *, job_row: int, stamp: Stamp) -> None:
    """Ask who gives way to end, and let the attempts begin, or wait."""
    arena, jobs = cell.tasks, cell.jobs
    job, offset = int(jobs.id[job_row]), int(jobs.offset[job_row])
    for grant in grants:
        depth = arena.preempted[grant.task].depth + 1 if grant.task in arena.preempted else 1
        for task in grant.evicted:
            if arena.stopping[task] == Stopping.NO and arena.machine[task] >= 0:
                attempt = int(arena.attempt[task])
                arena.preempted[task] = Preempted(attempt, job, grant.task - offset, stamp.revision, depth)
    evicted = np.array([task for grant in grants for task in grant.evicted], np.int64)
    evicted = evicted[(arena.machine[evicted] >= 0) & (arena.stopping[evicted] == Stopping.NO.value)]
    if len(evicted):
        victim_rows = np.unique(arena.job[evicted])
        ask_to_end(cell, evicted, Stopping.EVICT, stamp=stamp)
        touch_jobs(cell, victim_rows, stamp=stamp)
    tasks = np.array([grant.task for grant in grants], np.int64)
    machines = np.array([grant.machine for grant in grants], np.int64)
    begin_attempts(cell, tasks, job_row=job_row, machines=machines, stamp=stamp)
    for grant in grants:
        if grant.waits:
            arena.waits[grant.task] = grant.waits
