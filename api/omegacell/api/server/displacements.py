"""What answers say of preemption: who gave way to whom, who waits for room, and why nobody gives way."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.views import name_of_job
from omegacell.core.cell import Cell
from omegacell.core.overlays import Overlay
from omegacell.core.preemption import MAX_CASCADE, AttemptKey
from omegacell.core.units import JobId
from omegacell.schedulers.levels import NEVER, find_ending, find_levels
from omegacell.schedulers.preempting import outranks_any


def view_displaced(cell: Cell, row: int, rows: NDArray[np.int64]) -> list[pb.Displacement]:
    """Return which attempts of some of a job's tasks gave way to other jobs, past ones and the last."""
    arena, offset = cell.tasks, int(cell.jobs.offset[row])
    found = []
    for task in rows.tolist():
        known = {past.attempt: (past.preempted_by, past.preempted_at) for past in arena.past.get(task, ())}
        last = arena.last_attempt(task)
        known[last.attempt] = (last.preempted_by, last.preempted_at)
        found += [
            pb.Displacement(
                index=task - offset, attempt=attempt, job=name_of_job(cell, JobId(job)), job_id=job, revision=revision
            )
            for attempt, (job, revision) in known.items()
            if job
        ]
    return found


def view_waits(cell: Cell, row: int, rows: NDArray[np.int64]) -> list[pb.TaskWaits]:
    """Return which of some of a job's tasks wait until others have ended."""
    offset, waits = int(cell.jobs.offset[row]), cell.tasks.waits
    return [
        pb.TaskWaits(index=task - offset, tasks=name_keys(cell, waits[task])) for task in rows.tolist() if task in waits
    ]


def name_keys(cell: Cell, keys: Iterable[AttemptKey]) -> list[str]:
    """Return attempts as the names of their tasks."""
    return [f"{name_of_job(cell, JobId(job))}/{index}" for job, index, _ in keys]


def word_preemption(cell: Cell, row: int, index: int | None) -> str:
    """Return why nobody gives way to a job's waiting tasks, in a sentence; empty when somebody may."""
    spec = cell.jobs.spec_of(row)
    band = spec.band.name.lower()
    known = None if index is None else cell.tasks.preempted.get(int(cell.jobs.offset[row]) + index)
    if known is not None and known.depth >= MAX_CASCADE:
        return f"nobody gives way: it was displaced itself, at the end of a chain of {known.depth}"
    if spec.alloc:
        return "nobody gives way: its tasks run inside allocs"
    if not outranks_any(cell, spec):
        number = f" with number {spec.priority}" if spec.priority else ""
        return f"nobody gives way: nothing runs that is less important than band {band}{number}"
    overlay = Overlay(cell)
    if (find_levels(cell, overlay, spec, ending=find_ending(cell, overlay, spec)) == NEVER).all():
        return "nobody gives way: no machine that may take it would have room without its less important tasks"
    return ""
