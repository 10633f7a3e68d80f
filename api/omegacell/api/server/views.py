"""What answers show of jobs: the cell's columns as messages.

Every function reads the cell and changes nothing; the caller must not await between two reads of one answer.
"""

from collections.abc import Sequence
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from omegacell.api import wire
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.hold_words import view_held
from omegacell.api.server.job_states import find_job_state
from omegacell.api.server.system_words import find_own_names, word_mismatches
from omegacell.api.server.update_words import view_progress
from omegacell.core.cell import Cell
from omegacell.core.jobs import StopCause, Stopping, TaskState
from omegacell.core.units import JobId

HEALTHY: Final = 1
_MAX_ID_DIGITS: Final = 18
_TROUBLE: Final = (TaskState.FAILED, TaskState.PENDING, TaskState.HELD, TaskState.PLACED, TaskState.RUNNING)
_URGENCY: Final = np.array(
    [_TROUBLE.index(state) if state in _TROUBLE else len(_TROUBLE) for state in TaskState], np.int8
)
"""By `TaskState`: which tasks are shown first when not all can be."""


def view_at(cell: Cell) -> pb.At:
    """Return which state an answer shows."""
    return pb.At(revision=cell.revision, incarnation=cell.incarnation)


def view_resources(amounts: Sequence[int] | NDArray[np.int64]) -> pb.Resources:
    """Return amounts of resources."""
    return pb.Resources(cpu_milli=int(amounts[0]), memory_bytes=int(amounts[1]), disk_bytes=int(amounts[2]))


def view_job(cell: Cell, row: int) -> pb.Job:
    """Return a job. Cost: O(its tasks) while one of them is active, in numpy, else O(1); and what `view_held` costs."""
    jobs = cell.jobs
    spec = jobs.spec_of(row)
    counts = jobs.counts[row].tolist()
    state = find_job_state(cell, row)
    job_id = int(jobs.id[row])
    tasks = slice(int(jobs.offset[row]), int(jobs.offset[row] + jobs.extent[row]))
    message = pb.Job(
        job_id=job_id,
        spec=wire.write_spec(spec),
        state=cast("pb.JobState", state),
        counts=counts,
        changed_at=int(jobs.changed_at[row]),
        submitted_at_us=int(jobs.submitted_at_us[row]),
        first_decided_at_us=int(jobs.first_decided_at_us[row]),
        is_current=jobs.by_name(spec.name) == job_id,
        update=view_progress(cell, row) if jobs.updating[row] else None,
        successor=int(jobs.successor[row]),
    )
    parent = int(jobs.parent[row])
    if parent:
        message.parent_id, message.parent = parent, name_of_job(cell, JobId(parent))
        message.instant_us = int(jobs.instant_us[row])
    message.spec.count = int(jobs.count_wanted[row])
    deadline = int(jobs.deadline[row])
    message.deadline_left_us = max(0, deadline - cell.elapsed) if deadline >= 0 else -1
    message.is_stopped_late = jobs.stop_cause[row] == StopCause.DEADLINE
    held = view_held(cell, row) if counts[TaskState.HELD] else None
    if held is not None:
        message.held.CopyFrom(held)
    if counts[TaskState.PLACED] or counts[TaskState.RUNNING]:
        states = cell.tasks.state[tasks]
        is_ending = cell.tasks.stopping[tasks] != Stopping.NO
        is_active = (states == TaskState.PLACED) | (states == TaskState.RUNNING)
        message.stopping_count = int(np.count_nonzero(is_active & is_ending))
        if spec.kind:
            is_healthy = (cell.tasks.health[tasks] == HEALTHY) & (states == TaskState.RUNNING) & ~is_ending
            message.healthy_count = int(np.count_nonzero(is_healthy))
    return message


def find_tasks(cell: Cell, row: int, *, first_index: int, limit: int) -> NDArray[np.int64]:
    """Return the arena rows of up to ``limit`` of a job's tasks from an index on, ascending."""
    first, end = _range_of(cell, row, first_index, limit)
    return np.arange(first, end, dtype=np.int64)


def find_trouble(cell: Cell, row: int, *, first_index: int, limit: int) -> NDArray[np.int64]:
    """Return the arena rows of up to ``limit`` of a job's tasks, ascending, those in trouble before the others.

    Cost: O(tasks of the job), in numpy: 20 ms for a million.
    """
    first, end = _range_of(cell, row, first_index, int(cell.jobs.extent[row]))
    order = np.argsort(_URGENCY[cell.tasks.state[first:end]], kind="stable")
    return first + np.sort(order[:limit])


def view_tasks(cell: Cell, row: int, rows: NDArray[np.int64]) -> pb.Tasks:
    """Return some of a job's tasks, by their arena rows, as columns."""
    tasks = cell.tasks
    names = cell.machines.names
    offset = int(cell.jobs.offset[row])
    return pb.Tasks(
        indices=(rows - offset).tolist(),
        states=tasks.state[rows].tolist(),
        stopping=tasks.stopping[rows].tolist(),
        health=tasks.health[rows].tolist(),
        attempts=tasks.attempt[rows].tolist(),
        restarts=tasks.restarts[rows].tolist(),
        machines=[names[machine] if machine >= 0 else "" for machine in tasks.last_machine[rows].tolist()],
        exit_codes=tasks.exit_code[rows].tolist(),
        signals=tasks.signal[rows].tolist(),
        notes=tasks.note[rows].tolist(),
        placed_at_us=tasks.placed_at_us[rows].tolist(),
        started_at_us=tasks.started_at_us[rows].tolist(),
        ended_at_us=tasks.ended_at_us[rows].tolist(),
        own_machines=find_own_names(cell, row, rows),
        mismatches=word_mismatches(cell, row, rows),
    )


def view_past(cell: Cell, row: int, rows: NDArray[np.int64]) -> list[pb.PastAttempt]:
    """Return the ended attempts of some of a job's tasks, but for the last of tasks that rest."""
    offset = int(cell.jobs.offset[row])
    names = cell.machines.names
    return [
        pb.PastAttempt(
            index=task - offset,
            attempt=past.attempt,
            machine=names[past.machine] if past.machine >= 0 else "",
            state=cast("pb.TaskState", past.state),
            exit_code=past.exit_code,
            signal=past.signal,
            note=cast("pb.ExitNote", past.note),
            placed_at_us=past.placed_at_us,
            started_at_us=past.started_at_us,
            ended_at_us=past.ended_at_us,
        )
        for task in rows.tolist()
        for past in cell.tasks.past.get(task, ())
    ]


def view_ports(cell: Cell, row: int, rows: NDArray[np.int64]) -> list[pb.TaskPorts]:
    """Return the ports granted to some of a job's tasks."""
    spec = cell.jobs.spec_of(row)
    if not spec.ports:
        return []
    offset = int(cell.jobs.offset[row])
    found = []
    for task in rows.tolist():
        numbers = cell.tasks.ports.get(task)
        if numbers:
            ports = [pb.Port(name=port.name, number=number) for port, number in zip(spec.ports, numbers, strict=True)]
            found.append(pb.TaskPorts(index=task - offset, ports=ports))
    return found


def view_devices(cell: Cell, row: int, rows: NDArray[np.int64]) -> list[pb.TaskDevices]:
    """Return the devices granted to some of a job's tasks."""
    spec = cell.jobs.spec_of(row)
    if not spec.devices:
        return []
    offset = int(cell.jobs.offset[row])
    found = []
    for task in rows.tolist():
        granted = cell.tasks.devices.get(task)
        if granted:
            pairs = zip(spec.devices, granted, strict=True)
            devices = [pb.TaskDevice(name=request.name, indices=indices) for request, indices in pairs]
            found.append(pb.TaskDevices(index=task - offset, devices=devices))
    return found


def find_job(cell: Cell, name: str) -> int | None:
    """Return the row of the newest job of a name, else of the job of an id (``#6`` or ``6``), or None."""
    job = cell.jobs.by_name(name)
    if job is None:
        digits = name.removeprefix("#")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_ID_DIGITS):
            return None
        job = JobId(int(digits))
    return cell.jobs.row_of(job)


def find_task(cell: Cell, row: int, index: int) -> int | None:
    """Return the arena row of a task of a job, or None when the job never had one of that index."""
    return int(cell.jobs.offset[row]) + index if index < int(cell.jobs.extent[row]) else None


def name_of_job(cell: Cell, job: JobId) -> str:
    """Return a job's name, or its number when it left the cell."""
    row = cell.jobs.row_of(job)
    return f"#{job}" if row is None else cell.jobs.spec_of(row).name


def _range_of(cell: Cell, row: int, first_index: int, limit: int) -> tuple[int, int]:
    offset, extent = int(cell.jobs.offset[row]), int(cell.jobs.extent[row])
    first = min(first_index, extent)
    return offset + first, offset + min(first + limit, extent)
