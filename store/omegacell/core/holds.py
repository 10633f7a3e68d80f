"""What holds a task: what it waits for besides a machine, and how long.

A held task is in no scheduler's sight. Whoever proposes to release it, and the judge, ask here, so both say the same.
Two things hold tasks:

- other jobs hold a whole job, until it is released for the first time: then it stays released, whatever becomes of
  them;
- of a system job each task is held for as long as its machine does not match: is not there, not up, cordoned or
  draining, without the driver or the devices, or against the constraints, or with a taint that is not tolerated. What
  matches may cease to: a pending task is then held again, while one that runs is left alone.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.core.budgets import find_available
from omegacell.core.cell import Cell
from omegacell.core.conflicts import Base
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.jobs import JobSpec, Kind, TaskState
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay


def is_met(cell: Cell, dependency: Dependency) -> bool:
    """Tell whether what a job waits for has happened.

    Cost: O(1); O(the other job's tasks) for AVAILABLE once enough of them run.
    """
    row = find_predecessor(cell, dependency)
    if row is None:
        return False
    jobs = cell.jobs
    if dependency.condition is Condition.AVAILABLE:
        counts, wanted = jobs.counts[row], int(jobs.count_wanted[row])
        standing = int(counts[TaskState.RUNNING] + counts[TaskState.SUCCEEDED :].sum())
        if jobs.kind[row] == Kind.SYSTEM:  # where machines match, and on one at least
            standing += int(counts[TaskState.HELD]) if counts[TaskState.RUNNING] else 0
        is_possible = standing >= wanted
        return is_possible and not jobs.stopping[row] and bool(find_available(cell, row).all())
    if jobs.is_active(row):
        return False
    is_whole = int(jobs.counts[row, TaskState.SUCCEEDED]) >= int(jobs.count_wanted[row])
    return is_whole or dependency.condition is Condition.ENDED


def find_predecessor(cell: Cell, dependency: Dependency) -> int | None:
    """Return the row of the job that a dependency means now, None when there is none of its name."""
    job = cell.jobs.by_name(dependency.job)
    return None if job is None else cell.jobs.row_of(job)


def find_unmet(cell: Cell, spec: JobSpec) -> tuple[Dependency, ...]:
    """Return what a job of this spec still waits for."""
    return tuple(each for each in spec.after if not is_met(cell, each)) if spec.after else ()


def is_dependency_changed(cell: Cell, spec: JobSpec, base: Base) -> bool:
    """Tell whether any job that one of this spec waits for changed after the base, or may have left the cell since."""
    if cell.forgotten_at > base.seen and spec.after:
        return True
    rows = [find_predecessor(cell, each) for each in spec.after]
    changed = cell.jobs.effective_changed_at
    return any(row is not None and changed(row, floor=base.floor) > base.seen for row in rows)


def is_held(cell: Cell, spec: JobSpec) -> bool:
    """Tell whether anything holds the tasks of a job of this spec now; a template's are held for ever."""
    return bool(spec.template_kind or find_unmet(cell, spec))


def find_all_awaited(cell: Cell, spec: JobSpec) -> tuple[str, ...]:
    """Return the names of all jobs that a job of this spec waits for, by whatever way. Cost: O(their dependencies)."""
    names = dict.fromkeys([each.job for each in spec.after])
    waits = list(names)
    while waits:
        row = find_predecessor(cell, Dependency(job=waits.pop()))
        for each in () if row is None else cell.jobs.spec_of(row).after:
            if each.job not in names:
                names[each.job] = None
                waits.append(each.job)
    return tuple(names)


def find_awaited(cell: Cell, job_row: int) -> tuple[Dependency, ...]:
    """Return for which other jobs the held tasks of a job still wait. Cost: O(1) for most, at most O(its tasks)."""
    spec = cell.jobs.spec_of(job_row)
    if not spec.after or (spec.kind is Kind.SYSTEM and _is_begun(cell, job_row)):
        return ()
    return find_unmet(cell, spec)


def _is_begun(cell: Cell, job_row: int) -> bool:
    """Tell whether any task of a job was released before: then those held now wait for machines, not for jobs."""
    jobs = cell.jobs
    first, extent = int(jobs.offset[job_row]), int(jobs.extent[job_row])
    if int(jobs.counts[job_row, TaskState.HELD]) < extent:
        return True
    return bool(cell.tasks.attempt[first : first + extent].any())


def find_mismatches(cell: Cell, spec: JobSpec, indices: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return why machines do not match the tasks of a system job that belong to them: values of `Reason`, by task.

    NONE where the machine matches, and for every task of a job of another kind. Cost: O(indices).
    """
    if spec.kind is not Kind.SYSTEM:
        return np.zeros(len(indices), np.uint8)
    reasons = np.full(len(indices), Reason.UNKNOWN_MACHINE, np.uint8)
    is_machine = indices < cell.machines.count
    reasons[is_machine] = Overlay(cell).find_mismatches(spec, indices[is_machine].astype(np.int64))
    return reasons


def count_asked(cell: Cell, spec: JobSpec) -> int:
    """Return for how many tasks a job of this spec would need room now: of a system job one a matching machine."""
    if spec.kind is not Kind.SYSTEM:
        return spec.count
    every = np.arange(cell.machines.count, dtype=np.int64)
    return int(np.count_nonzero(find_mismatches(cell, spec, every) == Reason.NONE))


def find_cycle(cell: Cell, spec: JobSpec) -> tuple[str, ...]:
    """Return the names along a circle of jobs that would wait for each other with this one, itself first and last.

    Empty when there is none, as always for a job that waits for nothing. Cost: O(jobs that it waits for, by whatever
    way).
    """
    waits: list[tuple[str, ...]] = [(spec.name, each.job) for each in spec.after]
    known = {each.job: None for each in spec.after}
    while waits:
        path = waits.pop()
        if path[len(path) - 1] == spec.name:
            return path
        row = find_predecessor(cell, Dependency(job=path[len(path) - 1]))
        for each in () if row is None else cell.jobs.spec_of(row).after:
            if each.job not in known:
                known[each.job] = None
                waits.append((*path, each.job))
    return ()
