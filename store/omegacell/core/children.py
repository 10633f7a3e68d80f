"""Who is whose child: the jobs that were made of a template, found in the job table."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.jobtable import JobTable
from omegacell.core.units import MAX_DEPENDENCIES


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


def spec_of_child(template: JobSpec, *, name: str, payload: bytes, replaced: Sequence[str] = ()) -> JobSpec:
    """Return the spec of a child: its template's, under another name, with another payload if there is one.

    It is to run after the children that it replaces, ``replaced`` oldest first; of too many, after the newest ones.
    """
    known = {each.job: each for each in template.after}
    others = [each for each in replaced if each not in known]
    for other in others[max(0, len(known) + len(others) - MAX_DEPENDENCIES) :]:
        known[other] = Dependency(job=other, condition=Condition.ENDED)
    after = tuple([known[job] for job in sorted(known)])
    return replace(
        template, name=name, schedule=None, parameters=None, payload=payload or template.payload, after=after
    )
