"""Judging and writing claims with victims: a `Place` that names tasks that are to give way to it.

Such claims are judged one by one, in order. What a machine has for one of them is what is free, and what *all* tasks
hold there that are ending; and of its own victims as many as it needs, in the order in which they are named. Claims
granted before are charged, so what an ending task holds is promised once: the next claim finds ``free`` lower by it. A
claim that needs nobody's room evicts nobody and begins at once; the others wait (see `waits`). Devices are promised by
their number. Ports and rules about other tasks know no promises: there, what ends is still there.
"""

from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from omegacell.core.apply_gangs import are_enough, judge_group, restore_order
from omegacell.core.apply_jobs import is_forgotten_since
from omegacell.core.apply_limits import limit_claims
from omegacell.core.budgets import Disruptions
from omegacell.core.cell import Cell
from omegacell.core.commands import Place
from omegacell.core.conflicts import (
    ALL_GRANTED,
    Base,
    Judged,
    JudgedColumns,
    Standing,
    conclude,
    join_judged,
    judge_standing,
)
from omegacell.core.gangs import groups_of
from omegacell.core.jobs import JobSpec, Stopping
from omegacell.core.lives import Stamp, ask_to_end, begin_attempts, touch_jobs
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Evictions, Overlay
from omegacell.core.preempt_claims import Grants, Judging, evict_on, join_grants, judge_at_once, judge_in_order
from omegacell.core.preemption import MAX_CASCADE, Preempted, may_preempt
from omegacell.core.verdicts import Verdict, refuse_all_rows, refuse_rows


def judge_preempting(cell: Cell, command: Place, *, overlay: Overlay, base: Base, stamp: Stamp) -> Verdict:
    """Judge the claims of a `Place` with victims; pure."""
    asked = len(command.indices)
    job_row = cell.jobs.row_of(command.job)
    if job_row is None:
        is_conflict = is_forgotten_since(cell, command.job, base.seen)
        judged = refuse_all_rows(asked, Reason.UNKNOWN_JOB, is_conflict=is_conflict)
        return Verdict(asked=asked, granted=0, refusals=refuse_rows(judged))
    standing = judge_standing(cell, overlay, command, job_row=job_row, base=base)
    grants, judged = _judge_at_once(cell, overlay, command, standing), ALL_GRANTED
    if grants is None:
        victims, conflicts = _judge_victims(cell, overlay, command, standing, base=base)
        named = _Named(victims, conflicts)
        judge = _judge_alone if cell.jobs.spec_of(job_row).gang is None else _judge_groups
        grants, judged = judge(cell, overlay, (command, standing, named), base=base)
    count = len(grants.tasks)
    write = partial(_write, cell, grants, job_row=job_row, stamp=stamp) if count else None
    evicted = tuple(grants.evicted.tolist())
    return Verdict(asked=asked, granted=count, refusals=refuse_rows(judged), write=write, evicted=evicted)


class _Named(NamedTuple):
    """The victims of each claim as task rows, and whether what was refused for its victims is a conflict."""

    victims: list[list[int]]
    conflicts: dict[int, bool]


_Asked: TypeAlias = tuple[Place, Standing, _Named]


def _judge_at_once(cell: Cell, overlay: Overlay, command: Place, standing: Standing) -> Grants | None:
    """Return what is granted when it is plain that all of it is."""
    asked = len(command.indices)
    room = overlay.caps.room(standing.job_row) if cell.caps.rows else asked
    gang = cell.jobs.spec_of(standing.job_row).gang
    if gang is not None and not are_enough(overlay, standing.job_row, groups_of(gang, command.indices)):
        return None
    return judge_at_once(cell, overlay, command, standing, room=room)


def _judge_alone(cell: Cell, overlay: Overlay, asked: _Asked, *, base: Base) -> tuple[Grants, Judged]:
    """Judge claims in order, each by itself, and under the cap of their scheduler."""
    command, standing, (victims, conflicts) = asked
    job_row = standing.job_row
    room = overlay.caps.room(job_row) if cell.caps.rows else len(command.indices)
    judging = Judging.of(cell, overlay, job_row=job_row, room=room)
    lacks = judge_in_order(judging, command, standing, victims)
    conflicts |= dict.fromkeys(np.flatnonzero(standing.reasons == Reason.CLAIMED_TWICE.value).tolist(), False)
    judged = _with_conflicts(conclude(cell, overlay, standing, lacks, base=base), conflicts)
    if cell.caps.rows:
        judged = limit_claims(cell, overlay, command, judged, base=base)
    return judging.conclude(), judged


def _judge_groups(cell: Cell, overlay: Overlay, asked: _Asked, *, base: Base) -> tuple[Grants, Judged]:
    """Judge claims of a gang group by group, each after those before it that were granted enough; see `apply_gangs`."""
    command, standing, (victims, conflicts) = asked
    job_row = standing.job_row
    spec = cell.jobs.spec_of(job_row)
    assert spec.gang is not None, f"job {command.job} is no gang"
    groups = groups_of(spec.gang, command.indices)
    after, parts, order = overlay.fork(), [], []
    said: list[Judged] = []
    for group in np.unique(groups).tolist():
        mine = np.flatnonzero(groups == group)
        one = Place(job=command.job, indices=command.indices[mine], machines=command.machines[mine])
        named = _Named(
            [victims[at] for at in mine.tolist()],
            {place: conflicts[at] for place, at in enumerate(mine.tolist()) if at in conflicts},
        )
        grants, judged = _judge_alone(cell, after, (one, standing.take(mine), named), base=base)
        judged = judge_group(cell, after, one, judged, base=base)
        told = JudgedColumns.of(judged, len(mine))
        said.append(told.judged())
        order.append(mine)
        if (told.reasons == Reason.NONE.value).any():
            parts.append(grants)
            _take(cell, after, spec, grants, job_row=job_row)
    return join_grants(parts), restore_order(join_judged(said), np.concatenate(order))


def _take(cell: Cell, overlay: Overlay, spec: JobSpec, grants: Grants, *, job_row: int) -> None:
    """Take granted claims on an overlay, with those who give way to them. Mutates the overlay."""
    for task in grants.evicted.tolist():
        evict_on(cell, overlay, task)
    overlay.take(spec, grants.machines)
    overlay.claim_tasks(grants.tasks)
    if cell.caps.rows:
        overlay.caps.take(job_row, len(grants.tasks))


def take_preempting(cell: Cell, overlay: Overlay, verdict: Verdict, *, taken: Disruptions) -> None:
    """Let the commands after a `Place` see whom it evicted, if anybody. Mutates overlay and ``taken``."""
    for task in verdict.evicted:
        evict_on(cell, overlay, task)
        taken.note(int(cell.tasks.job[task]), np.array([task], np.int64))


# --- who may give way


def _judge_victims(
    cell: Cell, overlay: Overlay, command: Place, standing: Standing, *, base: Base
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
        reason = _find_protection(cell, command, claim, task, evicted=overlay.evictions)
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


def _find_protection(cell: Cell, command: Place, claim: int, task: int, *, evicted: Evictions) -> Reason:
    """Return why a task does not give way to a claim; NONE when it does, as everything does that is ending anyway."""
    arena, jobs = cell.tasks, cell.jobs
    if int(arena.machine[task]) != int(command.machines[claim]):
        return Reason.VICTIM_ELSEWHERE
    if arena.stopping[task] != Stopping.NO or task in evicted.on(int(arena.machine[task])):
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


# --- writing


def _write(cell: Cell, grants: Grants, *, job_row: int, stamp: Stamp) -> None:
    """Let the attempts begin, or wait, and ask who gives way to end."""
    arena, jobs = cell.tasks, cell.jobs
    job, offset = int(jobs.id[job_row]), int(jobs.offset[job_row])
    arena.waits |= {task: waits for task, waits in zip(grants.tasks.tolist(), grants.waits, strict=True) if waits}
    begin_attempts(cell, grants.tasks, job_row=job_row, machines=grants.machines, stamp=stamp)
    # an earlier command of the transaction may have asked them, or ended those that only waited
    is_fresh = (arena.machine[grants.evicted] >= 0) & (arena.stopping[grants.evicted] == Stopping.NO.value)
    evicted, winners = grants.evicted[is_fresh], grants.tasks[grants.evicted_for[is_fresh]]
    if not len(evicted):
        return
    attempts = arena.attempt[evicted].tolist()
    for task, attempt, winner in zip(evicted.tolist(), attempts, winners.tolist(), strict=True):
        known = arena.preempted.get(winner)
        depth = 1 if known is None else known.depth + 1
        arena.preempted[task] = Preempted(attempt, job, winner - offset, stamp.revision, depth)
    victim_rows = np.unique(arena.job[evicted])
    ask_to_end(cell, evicted, Stopping.EVICT, stamp=stamp)
    touch_jobs(cell, victim_rows, stamp=stamp)
