"""What answers show and say of allocs: what is inside which, and why a job does not fit into a set.

Every function reads the cell and changes nothing; the caller must not await between two reads of one answer.
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from omegacell.api.limit_text import word_amount
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.views import view_resources
from omegacell.core.allocs import find_set
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.outcomes import Outcome, Reason
from omegacell.core.units import RESOURCE_NAMES


def view_allocs(cell: Cell, row: int, rows: NDArray[np.int64]) -> list[pb.TaskAlloc]:
    """Return in which allocs some of a job's tasks run."""
    offset, of = int(cell.jobs.offset[row]), cell.tasks.allocs.of
    inside = [task for task in rows.tolist() if task in of]
    return [pb.TaskAlloc(index=task - offset, alloc=name_task(cell, of[task])) for task in inside]


def view_contents(cell: Cell, row: int, rows: NDArray[np.int64]) -> list[pb.AllocContents]:
    """Return what is inside some of an alloc set's allocs, and what is left of each; nothing of other jobs."""
    spec = cell.jobs.spec_of(row)
    if spec.kind is not Kind.ALLOC:
        return []
    offset = int(cell.jobs.offset[row])
    found = []
    for alloc in rows.tolist():
        if cell.tasks.machine[alloc] < 0:
            continue
        tasks = cell.tasks.allocs.find_inside([alloc])
        free = np.array(spec.resources, np.int64)
        for task in tasks:
            free -= np.array(cell.jobs.spec_of(int(cell.tasks.job[task])).resources, np.int64)
        inside = [_view_inside(cell, task) for task in tasks]
        found.append(pb.AllocContents(index=alloc - offset, free=view_resources(free), tasks=inside))
    return found


def _view_inside(cell: Cell, task: int) -> pb.InsideTask:
    row = int(cell.tasks.job[task])
    return pb.InsideTask(
        job=cell.jobs.spec_of(row).name,
        job_id=int(cell.jobs.id[row]),
        index=task - int(cell.jobs.offset[row]),
        state=cast("pb.TaskState", int(cell.tasks.state[task])),
        stopping=int(cell.tasks.stopping[task]),
    )


def name_task(cell: Cell, task: int) -> str:
    """Return a task as people write it, ``JOB/INDEX``."""
    row = int(cell.tasks.job[task])
    return f"{cell.jobs.spec_of(row).name}/{task - int(cell.jobs.offset[row])}"


def word_refusal(cell: Cell, spec: JobSpec, outcome: Outcome) -> str:
    """Say why a job was refused for its alloc set, or a set for the jobs inside."""
    if outcome.reason is Reason.UNKNOWN_ALLOC_SET:
        return _word_unknown(cell, spec)
    other = cell.jobs.row_of(outcome.value)
    name = RESOURCE_NAMES[outcome.detail]
    if other is None:
        return f"an alloc has less {name} than a task inside asks for"
    known = cell.jobs.spec_of(other)
    box, task = (known, spec) if spec.alloc else (spec, known)
    size, asked = (word_amount(name, each.resources[outcome.detail]) for each in (box, task))
    words = f"an alloc of {box.name!r} has {size}, a task of {task.name!r} asks for {asked}"
    return f"{words}; ask for no more than the alloc has, or submit a larger set with --replace"


def _word_unknown(cell: Cell, spec: JobSpec) -> str:
    job = cell.jobs.by_name(spec.alloc)
    row = None if job is None else cell.jobs.row_of(job)
    if row is None:
        return f"there is no alloc set {spec.alloc!r}; submit it first, in one file before the jobs inside it"
    if find_set(cell, spec.alloc) is None:
        kind = cell.jobs.spec_of(row).kind.name.lower()
        return f"{spec.alloc!r} is a {kind} job, not an alloc set (`kind: alloc`)"
    return f"the alloc set {spec.alloc!r} is stopping; submit it again first"
