"""Judging what a submit has to do with allocs: whether a job's tasks have a set to run in, and fit into its allocs."""

from omegacell.core.allocs import find_set
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.lives import Stamp
from omegacell.core.outcomes import Reason
from omegacell.core.verdicts import Verdict, refuse


def find_alloc_refusal(cell: Cell, spec: JobSpec, *, stamp: Stamp, seen: int) -> Verdict | None:
    """Return the refusal of a new job for want of an alloc set that is large enough, or of a set too small, or None.

    The value of a refusal for size is the other job's id, of the set or of the first job inside that is too large, its
    detail the dimension. Pure.
    """
    if spec.alloc:
        return _refuse_inside(cell, spec, stamp=stamp, seen=seen)
    if spec.kind is Kind.ALLOC:
        for row in cell.jobs.find_guests(spec.name):
            is_over = bool(cell.jobs.stopping[row]) or not cell.jobs.is_active(row)
            dimension = -1 if is_over else _find_excess(spec, cell.jobs.spec_of(row))
            if dimension >= 0:
                return _refuse_size(cell, dimension, other=row, stamp=stamp, seen=seen)
    return None


def _refuse_inside(cell: Cell, spec: JobSpec, *, stamp: Stamp, seen: int) -> Verdict | None:
    job = cell.jobs.by_name(spec.alloc)
    row = None if job is None else cell.jobs.row_of(job)
    if row is None:
        return refuse(Reason.UNKNOWN_ALLOC_SET, is_conflict=cell.forgotten_at > seen)
    if find_set(cell, spec.alloc) is None or cell.jobs.stopping[row]:
        is_changed = cell.jobs.effective_changed_at(row, floor=stamp.floor) > seen
        return refuse(Reason.UNKNOWN_ALLOC_SET, is_conflict=is_changed)
    dimension = _find_excess(cell.jobs.spec_of(row), spec)
    return None if dimension < 0 else _refuse_size(cell, dimension, other=row, stamp=stamp, seen=seen)


def _find_excess(box: JobSpec, task: JobSpec) -> int:
    """Return the first dimension in which a task is larger than an alloc, -1 when it is in none."""
    for dimension, (size, asked) in enumerate(zip(box.resources, task.resources, strict=True)):
        if asked > size:
            return dimension
    return -1


def _refuse_size(cell: Cell, dimension: int, *, other: int, stamp: Stamp, seen: int) -> Verdict:
    is_changed = cell.jobs.effective_changed_at(other, floor=stamp.floor) > seen
    too_small = refuse(Reason.ALLOC_TOO_SMALL, is_conflict=is_changed)
    return too_small._replace(value=int(cell.jobs.id[other]), detail=dimension)
