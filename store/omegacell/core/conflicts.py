"""What makes a claim conflict: claims judged in order on an `Overlay`, which says what fits.

`find_refusals` adds what only a judge needs: order of precedence, collisions inside a transaction, and whether a
refusal is a conflict (what its reason reads changed after the base) or a disagreement (Omega, section 3.4 and 5.2).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import Span, are_equal, find_highest, is_distinct, is_zero
from omegacell.core.commands import Place, Transaction
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.quick import quick
from omegacell.core.units import Detection


class Base(NamedTuple):
    """What a transaction is judged against: the revision its author saw, its own earlier ones not counting.

    Attributes:
        seen: the author's revision.
        floor: the revision before the first transaction of its entry.
        detection: what makes a claim conflict.
    """

    seen: int
    floor: int
    detection: Detection


def base_of(transaction: Transaction, revision: int) -> Base:
    """Return the base of a transaction that is being judged at ``revision``."""
    return Base(seen=transaction.seen, floor=revision - 1 - transaction.position, detection=transaction.detection)


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """What became of each claim of one `Place`: columns of the claims' length.

    ``reasons`` is NONE where granted, None when everything was. The others are None when they say nothing.
    """

    reasons: NDArray[np.uint8] | None = None
    is_conflict: NDArray[np.uint8] | None = None
    dimensions: NDArray[np.int32] | None = None
    shortages: NDArray[np.int64] | None = None
    taken_at: NDArray[np.int64] | None = None


ALL_GRANTED = Judged()


class Claims(NamedTuple):
    """The claims of one `Place` of a known job: whose row that is, and the rows of the tasks."""

    place: Place
    job_row: int
    tasks: Span


def find_refusals(cell: Cell, overlay: Overlay, claims: Claims, *, base: Base) -> Judged:
    """Judge the claims of one `Place` of a known job in order and return what is refused, and why.

    Pure: neither the cell nor the overlay changes. Cost: O(claims) when all is granted, which is the common case.
    """
    place, job_row, tasks = claims
    collides = not (isinstance(tasks, slice) or is_distinct(tasks)) or overlay.claims_any(tasks)
    if not collides and _is_all_granted(cell, overlay, claims, base=base):
        return ALL_GRANTED
    if collides:
        return _judge_one_by_one(cell, overlay, place, job_row=job_row, base=base)
    return _judge(cell, overlay, place, job_row=job_row, base=base)


def _is_all_granted(cell: Cell, overlay: Overlay, claims: Claims, *, base: Base) -> bool:
    place, job_row, tasks = claims
    rows = place.machines
    if cell.jobs.stopping[job_row]:
        return False
    if find_highest(place.indices) >= int(cell.jobs.count_wanted[job_row]) or find_highest(rows) >= cell.machines.count:
        return False
    if not is_zero(cell.tasks.state[tasks]):  # PENDING is 0
        return False
    changed = cell.machines.effective_changed_at
    if base.detection is Detection.COARSE and (changed(rows, floor=base.floor) > base.seen).any():
        return False
    spec = cell.jobs.spec_of(job_row)
    if spec.kind is Kind.SYSTEM and not are_equal(place.indices, rows):
        return False
    if is_distinct(rows):
        return overlay.takes_each(spec, rows)
    return bool(overlay.fits_in_order(spec, rows).all())


class Standing(NamedTuple):
    """Claims as far as they are judged without asking whether there is room: columns of the claims' length.

    Attributes:
        reasons: the first that holds of those that come before room, uint8.
        rows: their machines, 0 for one that is not there, int64.
        changed: when their machines last changed, int64. taken_at: see `Refusals`.
        job_row: whose claims.
    """

    reasons: NDArray[np.uint8]
    rows: NDArray[np.int64]
    changed: NDArray[np.int64]
    taken_at: NDArray[np.int64]
    job_row: int

    def take(self, places: NDArray[np.integer]) -> "Standing":
        """Return some of the claims."""
        reasons, rows, changed, taken_at, job_row = self
        return Standing(reasons[places], rows[places], changed[places], taken_at[places], job_row)


def _judge(cell: Cell, overlay: Overlay, place: Place, *, job_row: int, base: Base) -> Judged:
    standing = judge_standing(cell, overlay, place, job_row=job_row, base=base)
    lacks = _judge_room(overlay, cell.jobs.spec_of(job_row), standing.rows, standing.reasons)
    return conclude(cell, overlay, standing, lacks, base=base)


def judge_standing(cell: Cell, overlay: Overlay, place: Place, *, job_row: int, base: Base) -> Standing:
    """Judge the claims of one `Place` of a known job, but for room, and for what collides with another claim."""
    jobs, machines = cell.jobs, cell.machines
    spec = jobs.spec_of(job_row)
    count = len(place.indices)
    reasons = np.zeros(count, np.uint8)
    is_task = place.indices < jobs.count_wanted[job_row]
    task_rows = np.where(is_task, place.indices, 0) + jobs.offset[job_row]
    is_machine = place.machines < machines.count
    rows = np.where(is_machine, place.machines, 0).astype(np.int64)
    if machines.count:
        changed = machines.effective_changed_at(rows, floor=base.floor)
        reasons = overlay.standing_reasons(spec, rows)
        if base.detection is Detection.COARSE:
            reasons[changed > base.seen] = Reason.MACHINE_CHANGED.value
        taken_at = np.where(is_machine, machines.claimed_at[rows], 0)
    else:
        changed, taken_at = np.zeros(count, np.int64), np.zeros(count, np.int64)
    reasons[cell.tasks.state[task_rows] != 0] = Reason.TASK_NOT_PENDING.value
    if spec.kind is Kind.SYSTEM:
        reasons[place.indices != place.machines] = Reason.NOT_ITS_MACHINE.value
    reasons[~is_task] = Reason.UNKNOWN_TASK.value
    reasons[~is_machine] = Reason.UNKNOWN_MACHINE.value
    if jobs.stopping[job_row]:
        reasons[:] = Reason.JOB_STOPPING.value
    return Standing(reasons, rows, changed, taken_at, job_row)


def conclude(
    cell: Cell,
    overlay: Overlay,
    standing: Standing,
    lacks: tuple[NDArray[np.int32], NDArray[np.int64]],
    *,
    base: Base,
) -> Judged:
    """Say of claims whose reasons are all found which refusals are conflicts; ``lacks``: dimensions and shortages."""
    reasons, _, changed, taken_at, job_row = standing
    dimensions, shortages = lacks
    is_job_reason = np.isin(
        reasons, (Reason.JOB_STOPPING.value, Reason.UNKNOWN_TASK.value, Reason.TASK_NOT_PENDING.value)
    )
    is_job_changed = cell.jobs.effective_changed_at(job_row, floor=base.floor) > base.seen
    is_conflict = np.where(is_job_reason, is_job_changed, changed > base.seen) & (reasons != Reason.NONE.value)
    spec = cell.jobs.spec_of(job_row)
    if overlay.is_crowded(spec):
        crowded = (Reason.NEIGHBOUR.value, Reason.TOO_MANY_ON_MACHINE.value, Reason.SPREAD_SKEWED.value)
        is_conflict |= np.isin(reasons, crowded) & (is_job_changed or _is_crowd_changed(cell, spec, base))
    is_stray = reasons == Reason.NOT_ITS_MACHINE.value  # which machine that is never changes
    is_conflict &= (reasons != Reason.UNKNOWN_MACHINE.value) & ~is_stray
    return Judged(
        reasons=reasons,
        is_conflict=is_conflict.astype(np.uint8),
        dimensions=dimensions,
        shortages=shortages,
        taken_at=np.where(is_job_reason | is_stray, np.int64(0), taken_at),
    )


def _judge_room(
    overlay: Overlay, spec: JobSpec, rows: NDArray[np.int64], reasons: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Judge the claims that no earlier reason refused: the first on a machine fit, as many as it has room for.

    Writes their ``reasons``, and returns dimensions and shortages of all claims.
    """
    dimensions = np.full(len(rows), -1, np.int32)
    shortages = np.zeros(len(rows), np.int64)
    judged = np.flatnonzero(reasons == Reason.NONE.value)
    on = rows[judged]
    if overlay.is_crowded(spec):
        crowded = overlay.find_crowded(spec, on)
        is_told = (crowded != Reason.NONE) & (crowded != Reason.LIMIT)
        reasons[judged[is_told]] = crowded[is_told]
        judged, on, fits = judged[~is_told], on[~is_told], crowded[~is_told] == Reason.NONE
    else:
        fits = overlay.fits_in_order(spec, on)
    refused = judged[~fits]
    if len(refused):
        after = overlay.fork()
        after.take(spec, on[fits])
        for place in refused.tolist():
            # rules about other tasks were judged in order above; what comes after a claim must not change its reason
            reason, dimension, shortage = after.find_lack(spec, int(rows[place]), is_alone=True)
            reasons[place], dimensions[place], shortages[place] = reason, dimension, shortage
    return dimensions, shortages


def _is_crowd_changed(cell: Cell, spec: JobSpec, base: Base) -> bool:
    """Whether anything that crowded rules read besides the machine and the job changed after the base."""
    if cell.effective_topology_at(floor=base.floor) > base.seen or cell.forgotten_at > base.seen:
        return True
    names = [each.job for each in spec.placement.neighbours if not each.weight]
    names += [spec.alloc] if spec.alloc else []
    names += [name for name, _ in cell.jobs.find_repelling(spec.name)]
    names += [spec.name] if cell.jobs.has_updates else []
    rows = [row for name in names for row in cell.jobs.rows_of_name(name)]
    return any(cell.jobs.effective_changed_at(row, floor=base.floor) > base.seen for row in rows)


def _judge_one_by_one(cell: Cell, overlay: Overlay, place: Place, *, job_row: int, base: Base) -> Judged:
    """Judge claims that may name a task twice; the slow way, for transactions that collide with themselves."""
    after = overlay.fork()
    offset = int(cell.jobs.offset[job_row])
    spec = cell.jobs.spec_of(job_row)
    parts: list[Judged] = []
    for at in range(len(place.indices)):
        one = Place(job=place.job, indices=place.indices[at : at + 1], machines=place.machines[at : at + 1])
        judged = _judge(cell, after, one, job_row=job_row, base=base)
        task_row = offset + int(place.indices[at])
        assert judged.reasons is not None, "a judged claim has a reason, if only NONE"
        reason = Reason(int(judged.reasons[0]))
        if (reason is Reason.NONE or reason > Reason.CLAIMED_TWICE) and after.is_claimed(task_row):
            judged = _CLAIMED_TWICE
        elif reason is Reason.NONE:
            after.take(spec, one.machines)
            after.claim_tasks(np.array([task_row], np.int64))
        parts.append(judged)
    return join_judged(parts)


def _single(reason: Reason) -> Judged:
    return Judged(
        reasons=np.array([reason], np.uint8),
        is_conflict=np.zeros(1, np.uint8),
        dimensions=np.full(1, -1, np.int32),
        shortages=np.zeros(1, np.int64),
        taken_at=np.zeros(1, np.int64),
    )


_CLAIMED_TWICE = _single(Reason.CLAIMED_TWICE)


def join_judged(parts: list[Judged]) -> Judged:
    """Put together what became of claims that were judged in parts, each of which has every column."""
    return Judged(
        reasons=np.concatenate([part.reasons for part in parts if part.reasons is not None]),
        is_conflict=np.concatenate([part.is_conflict for part in parts if part.is_conflict is not None]),
        dimensions=np.concatenate([part.dimensions for part in parts if part.dimensions is not None]),
        shortages=np.concatenate([part.shortages for part in parts if part.shortages is not None]),
        taken_at=np.concatenate([part.taken_at for part in parts if part.taken_at is not None]),
    )


class JudgedColumns(NamedTuple):
    """What became of each claim: the columns of `Judged`, all of them there."""

    reasons: NDArray[np.uint8]
    is_conflict: NDArray[np.uint8]
    dimensions: NDArray[np.int32]
    shortages: NDArray[np.int64]
    taken_at: NDArray[np.int64]

    @classmethod
    def of(cls, judged: Judged, count: int) -> "JudgedColumns":
        """Return all columns of ``count`` judged claims; those that say nothing are made."""
        zeros = np.zeros(count, np.int64)
        return cls(
            zeros.astype(np.uint8) if judged.reasons is None else judged.reasons,
            zeros.astype(np.uint8) if judged.is_conflict is None else judged.is_conflict,
            np.full(count, -1, np.int32) if judged.dimensions is None else judged.dimensions,
            zeros if judged.shortages is None else judged.shortages,
            zeros if judged.taken_at is None else judged.taken_at,
        )

    def take(self, places: NDArray[np.integer]) -> "JudgedColumns":
        """Return what became of some claims."""
        return JudgedColumns(*[column[places] for column in self])

    def judged(self) -> Judged:
        """Return them as what a check hands on."""
        return Judged(**self._asdict())
