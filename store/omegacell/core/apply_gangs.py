"""Judging the claims of a gang: group by group, each of them granted enough or nothing. What a group is: `gangs`."""

import numpy as np

from omegacell.core.apply_limits import limit_claims
from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s, Int64s, span_of
from omegacell.core.commands import Place
from omegacell.core.conflicts import ALL_GRANTED, Base, Claims, Judged, JudgedColumns, find_refusals, join_judged
from omegacell.core.gangs import groups_of
from omegacell.core.jobs import Gang
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay


def find_order(gang: Gang, indices: Int32s) -> Int64s | None:
    """Return in which order claims on tasks of a gang are judged, None for the order in which they stand."""
    groups = groups_of(gang, indices)
    is_ascending = not gang.size or bool((groups[1:] >= groups[:-1]).all())
    return None if is_ascending else np.argsort(groups, kind="stable")


def reorder(place: Place, order: Int64s) -> Place:
    """Return the claims in another order."""
    return Place(job=place.job, indices=place.indices[order], machines=place.machines[order])


def judge_groups(cell: Cell, overlay: Overlay, claims: Claims, *, base: Base) -> Judged:
    """Judge the claims of one `Place` of a known gang, which stand in the order in which they are judged.

    Pure. Cost: that of `find_refusals` when all is granted, or the claims are of one group; else that of each group
    alone, and O(machines) once.
    """
    place, job_row, _ = claims
    gang = cell.jobs.spec_of(job_row).gang
    assert gang is not None, f"job {place.job} is no gang"
    groups = groups_of(gang, place.indices)
    judged = judge_claims(cell, overlay, claims, base=base)
    if groups[0] == groups[len(groups) - 1]:
        return judge_group(cell, overlay, place, judged, base=base)
    if judged is ALL_GRANTED and are_enough(overlay, job_row, groups):
        return judged
    return _judge_one_by_one(cell, overlay, place, groups, base=base)


def judge_claims(cell: Cell, overlay: Overlay, claims: Claims, *, base: Base) -> Judged:
    """Judge claims of one `Place` of a known job each by itself, and under the cap of its scheduler."""
    judged = find_refusals(cell, overlay, claims, base=base)
    return limit_claims(cell, overlay, claims.place, judged, base=base) if cell.caps.rows else judged


def are_enough(overlay: Overlay, job_row: int, groups: Int64s) -> bool:
    """Tell whether no group is short once all its claims are granted."""
    named, counts = np.unique(groups, return_counts=True)
    pairs = zip(named.tolist(), counts.tolist(), strict=True)
    return all(overlay.gangs.find_short(job_row, group) <= count for group, count in pairs)


def judge_group(cell: Cell, overlay: Overlay, place: Place, judged: Judged, *, base: Base) -> Judged:
    """Refuse what was granted of one group when that is too little."""
    job_row = cell.jobs.row_of(place.job)
    assert job_row is not None, f"job {place.job} was judged and is not there"
    gang = cell.jobs.spec_of(job_row).gang
    assert gang is not None, f"job {place.job} is no gang"
    count = len(place.indices)
    columns = JudgedColumns.of(judged, count)
    is_granted = columns.reasons == Reason.NONE.value
    granted = int(np.count_nonzero(is_granted))
    group = int(groups_of(gang, place.indices[:1])[0])
    if not granted or granted >= overlay.gangs.find_short(job_row, group):
        return judged
    reason, is_conflict = Reason.GANG_PARTNER, bool(columns.is_conflict.any())
    if granted == count:
        reason = Reason.GANG_INCOMPLETE
        is_conflict = cell.jobs.effective_changed_at(job_row, floor=base.floor) > base.seen
    return Judged(
        reasons=np.where(is_granted, np.uint8(reason), columns.reasons),
        is_conflict=np.where(is_granted, np.uint8(is_conflict), columns.is_conflict),
        dimensions=columns.dimensions,
        shortages=columns.shortages,
        taken_at=np.where(is_granted, np.int64(0), columns.taken_at),
    )


def _judge_one_by_one(cell: Cell, overlay: Overlay, place: Place, groups: Int64s, *, base: Base) -> Judged:
    """Judge each group after those before it that were granted enough; claims stand in ascending order of groups."""
    job_row = cell.jobs.row_of(place.job)
    assert job_row is not None, f"job {place.job} was judged and is not there"
    spec, offset = cell.jobs.spec_of(job_row), int(cell.jobs.offset[job_row])
    after = overlay.fork()
    cuts = (np.flatnonzero(groups[1:] != groups[:-1]) + 1).tolist()
    parts: list[Judged] = []
    for first, end in zip([0, *cuts], [*cuts, len(groups)], strict=True):
        one = Place(job=place.job, indices=place.indices[first:end], machines=place.machines[first:end])
        claims = Claims(one, job_row, span_of(offset, one.indices))
        judged = judge_group(cell, after, one, judge_claims(cell, after, claims, base=base), base=base)
        columns = JudgedColumns.of(judged, end - first)
        is_granted = columns.reasons == Reason.NONE.value
        after.take(spec, one.machines[is_granted])
        after.claim_tasks(one.indices[is_granted] + offset)
        if cell.caps.rows:
            after.caps.take(job_row, int(np.count_nonzero(is_granted)))
        parts.append(columns.judged())
    return join_judged(parts)


def restore_order(judged: Judged, order: Int64s) -> Judged:
    """Return what became of claims in the order in which they stand, from that in which they were judged."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order), dtype=np.int64)
    return JudgedColumns.of(judged, len(order)).take(places).judged()
