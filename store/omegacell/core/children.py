"""Who is whose child: the jobs that were made of a template, found in the job table."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.jobtable import JobTable


def find_children(jobs: JobTable, template: int) -> NDArray[np.int64]:
    """Return the rows of a template's children that the cell still holds, ascending. Cost: O(jobs)."""
    return np.flatnonzero((jobs.parent == template) & (jobs.id > 0))


def find_child_of_instant(jobs: JobTable, template: int, instant_us: int) -> int:
    """Return the id of the child that was made for an instant, 0 when there is none or no instant. Cost: O(jobs)."""
    if not instant_us:
        return 0
    rows = find_children(jobs, template)
    found = rows[jobs.instant_us[rows] == instant_us]
    return int(jobs.id[found[0]]) if len(found) else 0


def find_active_children(jobs: JobTable, template: int) -> NDArray[np.int64]:
    """Return the rows of those children that are not at rest, ascending. Cost: O(jobs)."""
    rows = find_children(jobs, template)
    active: NDArray[np.int64] = rows[jobs.counts[rows, : TaskState.SUCCEEDED].any(axis=1)]
    return active


def spec_of_child(template: JobSpec, *, name: str, payload: bytes) -> JobSpec:
    """Return the spec of a child: its template's, under another name, with another payload if there is one."""
    return replace(template, name=name, schedule=None, parameters=None, payload=payload or template.payload)
