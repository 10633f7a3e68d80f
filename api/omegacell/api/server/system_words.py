"""System jobs in words: which machine each task belongs to, and why a machine is none for its task.

Every function reads the cell and changes nothing; the caller must not await between two reads of one answer.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.api.planning.misses import describe_miss
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.reasons import nearest_first, view_lacks, word_lack
from omegacell.core.cell import Cell
from omegacell.core.commands import Lack
from omegacell.core.holds import find_awaited, find_mismatches
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.outcomes import Reason
from omegacell.schedulers.explaining import Miss


def view_mismatches(cell: Cell, row: int) -> pb.HeldReason | None:
    """Return why machines do not match the held tasks of a system job; None when it is none, or waits for other jobs.

    Cost: O(its tasks).
    """
    if cell.jobs.kind[row] != Kind.SYSTEM or find_awaited(cell, row):
        return None
    spec, count = cell.jobs.spec_of(row), int(cell.jobs.counts[row, TaskState.HELD])
    reasons = find_mismatches(cell, spec, _find_held(cell, row))
    kinds, counts = np.unique(reasons[reasons != Reason.NONE], return_counts=True)
    lacks = nearest_first(
        [
            Lack(reason=reason, dimension=0 if reason == Reason.DEVICE_MISSING else -1, machine_count=each)
            for reason, each in zip(kinds.tolist(), counts.tolist(), strict=True)
            if reason != Reason.UNKNOWN_MACHINE
        ]
    )
    if not lacks:
        is_empty = not cell.machines.count
        summary = "waits for a machine to join" if is_empty else "goes on in a moment: its machines match by now"
        return pb.HeldReason(summary=summary, task_count=count)
    number = sum(lack.machine_count for lack in lacks)
    words = f"{number} machine{' does' if number == 1 else 's do'} not match"
    summary = f"{words}: {', '.join(f'{lack.machine_count} {word_lack(lack, spec)}' for lack in lacks)}"
    return pb.HeldReason(summary=summary, task_count=count, lacks=view_lacks(lacks, spec))


def find_own_names(cell: Cell, row: int, tasks: NDArray[np.int64]) -> list[str]:
    """Return the machine to which each of some tasks of a system job belongs, by arena row; nothing for other jobs."""
    if cell.jobs.kind[row] != Kind.SYSTEM:
        return []
    names = cell.machines.names
    return [names[index] if index < len(names) else "" for index in (tasks - cell.jobs.offset[row]).tolist()]


def word_mismatches(cell: Cell, row: int, tasks: NDArray[np.int64]) -> list[str]:
    """Return for each of some tasks of a system job, by arena row, why its machine is none for it.

    Empty for a task that is not held for its machine; nothing for other jobs.
    """
    if cell.jobs.kind[row] != Kind.SYSTEM:
        return []
    spec = cell.jobs.spec_of(row)
    if find_awaited(cell, row):
        return [""] * len(tasks)
    indices = tasks - int(cell.jobs.offset[row])
    reasons = find_mismatches(cell, spec, indices)
    reasons[cell.tasks.state[tasks] != TaskState.HELD] = Reason.NONE
    words = []
    for index, reason in zip(indices.tolist(), reasons.tolist(), strict=True):
        if reason == Reason.NONE:
            words.append("")
        elif reason == Reason.UNKNOWN_MACHINE:
            words.append("waits for a machine to join")
        else:
            miss = Miss(machine=index, reason=Reason(reason), shortages=(), is_silent=False)
            words.append(describe_miss(cell, spec, miss))
    return words


def _find_held(cell: Cell, row: int) -> NDArray[np.int64]:
    first, extent = int(cell.jobs.offset[row]), int(cell.jobs.extent[row])
    return np.flatnonzero(cell.tasks.state[first : first + extent] == TaskState.HELD)
