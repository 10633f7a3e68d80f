"""Judging and writing quotas and caps: the commands that set them, a submit under a quota, claims under a cap.

What they count is in `quotas` and `caps`. Both bind only what is asked for from then on: a limit that is lowered below
what is used stops nothing, and grants nothing more until use has fallen.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from omegacell.core.caps import Cap, find_held
from omegacell.core.cell import Cell
from omegacell.core.commands import Place
from omegacell.core.conflicts import Base, Judged, JudgedColumns
from omegacell.core.holds import count_asked
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.lives import Stamp
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.quotas import Quota, amounts_of, find_beyond, find_share, find_usage, is_counted
from omegacell.core.units import MAX_CAPS, MAX_QUOTAS, RESOURCE_COUNT, UNLIMITED
from omegacell.core.verdicts import Verdict, refuse

_MAX_SHORTAGE: Final = (1 << 63) - 1
"""An outcome has 64 bits for a shortage; a million tasks can ask for more."""


def judge_set_quota(cell: Cell, command: SetQuota, *, stamp: Stamp) -> Verdict:
    """Judge a `SetQuota`: granted, unless there are too many."""
    key = (command.owner, int(command.band))
    known = cell.quotas.rows.get(key)
    if all(amount == UNLIMITED for amount in command.amounts):
        return Verdict(write=None if known is None else partial(cell.quotas.rows.__delitem__, key))
    if known is None and len(cell.quotas.rows) >= MAX_QUOTAS:
        return refuse(Reason.LIMIT)
    if known is not None and known.amounts == command.amounts:
        return Verdict()
    return Verdict(write=partial(_write_quota, cell, command, stamp=stamp))


def _write_quota(cell: Cell, command: SetQuota, *, stamp: Stamp) -> None:
    key = (command.owner, int(command.band))
    quota = cell.quotas.rows.get(key)
    if quota is None:
        usage = find_usage(cell.jobs).get(key, [0] * RESOURCE_COUNT)
        quota = cell.quotas.rows[key] = Quota(amounts=command.amounts, usage=usage)
    quota.amounts = command.amounts
    quota.touch(revision=stamp.revision, floor=stamp.floor)


def judge_set_caps(cell: Cell, command: SetCaps, *, stamp: Stamp) -> Verdict:
    """Judge a `SetCaps`: granted, unless there are too many."""
    known = cell.caps.rows.get(command.scheduler)
    if known is None and len(cell.caps.rows) >= MAX_CAPS:
        return refuse(Reason.LIMIT)
    if command.amounts == (known.amounts if known is not None else (UNLIMITED,) * len(command.amounts)):
        return Verdict()
    return Verdict(write=partial(_write_caps, cell, command, stamp=stamp))


def _write_caps(cell: Cell, command: SetCaps, *, stamp: Stamp) -> None:
    cell.touched.uncapped[command.scheduler] = None
    if all(amount == UNLIMITED for amount in command.amounts):
        del cell.caps.rows[command.scheduler]
        return
    cap = cell.caps.rows.get(command.scheduler)
    if cap is None:
        usage = find_held(cell.jobs, command.scheduler)
        cap = cell.caps.rows[command.scheduler] = Cap(amounts=command.amounts, usage=usage)
    cap.amounts = command.amounts
    cap.touch(revision=stamp.revision, floor=stamp.floor)


class Swap(NamedTuple):
    """Job rows that a spec has to do with: those that count now, and those that then count beyond it."""

    now: Sequence[int] = ()
    then: Sequence[int] = ()


def find_quota_refusal(cell: Cell, spec: JobSpec, swap: Swap, *, stamp: Stamp, seen: int) -> Verdict | None:
    """Return the refusal of a spec that takes its owner above a quota, or None. Pure.

    What jobs of that name count already is given back first, if they are of the same owner and band. A template
    asks for nothing.
    """
    quota = cell.quotas.find(spec.owner, spec.band)
    if quota is None or spec.template_kind:
        return None
    more, jobs = amounts_of(spec, count_asked(cell, spec)), cell.jobs
    for row in swap.now:
        if (jobs.spec_of(row).owner, jobs.spec_of(row).band) == (spec.owner, spec.band):
            more = [asked - had for asked, had in zip(more, find_share(jobs, row), strict=True)]
    for row in swap.then:
        old = jobs.spec_of(row)
        if old.band == spec.band and is_counted(jobs, row):
            more = [asked + beyond for asked, beyond in zip(more, find_beyond(old, spec), strict=True)]
    excess = quota.find_excess(more)
    if excess is None:
        return None
    dimension, shortage = excess
    changed_at = quota.effective_changed_at(floor=stamp.floor)
    if spec.kind is Kind.SYSTEM:  # how many machines match is read too
        changed_at = max(changed_at, cell.effective_topology_at(floor=stamp.floor))
    return Verdict(
        reason=Reason.QUOTA_EXCEEDED,
        is_conflict=changed_at > seen,
        granted=0,
        value=min(shortage, _MAX_SHORTAGE),
        detail=dimension,
    )


def limit_claims(cell: Cell, overlay: Overlay, place: Place, judged: Judged, *, base: Base) -> Judged:
    """Judge the claims of one `Place` of a known job once more, now under the cap of its scheduler. Pure.

    Claims are judged in order. From the one on that the cap does not take, all are refused: they ask for the same. The
    cap comes before what a machine lacks, so they are refused for it even where no machine would have had room.
    """
    job_row = cell.jobs.row_of(place.job)
    assert job_row is not None, f"job {place.job} was judged and is not there"
    cap = cell.caps.rows.get(cell.jobs.spec_of(job_row).scheduler)
    if cap is None:
        return judged
    room = overlay.caps.room(job_row)
    count = len(place.indices)
    columns = JudgedColumns.of(judged, count)
    reasons = columns.reasons
    granted = np.flatnonzero(reasons == Reason.NONE)[:room]
    if len(granted) < room or not count:
        return judged
    first = int(granted[room - 1]) + 1 if room else 0
    is_capped = (reasons == Reason.NONE) | (reasons > Reason.CAP_EXCEEDED)
    is_capped[:first] = False
    earlier = set(place.indices[granted].tolist())
    for at in (np.flatnonzero(reasons[first:] == Reason.CLAIMED_TWICE) + first).tolist():
        index = int(place.indices[at])
        is_capped[at] = index not in earlier and not overlay.is_claimed(int(cell.jobs.offset[job_row]) + index)
    after = overlay.caps.fork()
    after.take(job_row, room)
    dimension, shortage = after.find_lack(job_row)
    is_changed = cap.effective_changed_at(floor=base.floor) > base.seen
    return Judged(
        reasons=np.where(is_capped, np.uint8(Reason.CAP_EXCEEDED), reasons),
        is_conflict=np.where(is_capped, np.uint8(is_changed), columns.is_conflict),
        dimensions=np.where(is_capped, np.int32(dimension), columns.dimensions),
        shortages=np.where(is_capped, np.int64(min(shortage, _MAX_SHORTAGE)), columns.shortages),
        taken_at=np.where(is_capped, np.int64(0), columns.taken_at),
    )
