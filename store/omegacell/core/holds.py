"""What holds a task: what it waits for besides a machine, and how long.

A held task is in no scheduler's sight. Whoever proposes to release it, and the judge, ask here, so both say the same.
Once released a task stays released, whatever becomes of what held it.
"""

from omegacell.core.budgets import find_available
from omegacell.core.cell import Cell
from omegacell.core.conflicts import Base
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.jobs import JobSpec, TaskState


def is_met(cell: Cell, dependency: Dependency) -> bool:
    """Tell whether what a job waits for has happened. Cost: O(the other job's tasks) for AVAILABLE, else O(1)."""
    row = find_predecessor(cell, dependency)
    if row is None:
        return False
    jobs = cell.jobs
    if dependency.condition is Condition.AVAILABLE:
        return not jobs.stopping[row] and bool(find_available(cell, row).all())
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
    if cell.forgotten_at > base.seen:
        return True
    rows = [find_predecessor(cell, each) for each in spec.after]
    changed = cell.jobs.effective_changed_at
    return any(row is not None and changed(row, floor=base.floor) > base.seen for row in rows)


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
