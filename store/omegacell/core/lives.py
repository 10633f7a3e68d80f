"""The lives of tasks: how an attempt begins and ends, and where its task goes then.

The writing half of every command that moves tasks; what may happen is `jobs.LIFE_CYCLE`, whether it may happen now is
judged before. All functions mutate the cell, take many tasks at once, and keep what is derived (machines' free, jobs'
counts, ports) true. Task rows given to one call are distinct.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omegacell.core.allocs import AllocLedger
from omegacell.core.caps import holds_any
from omegacell.core.cell import Cell
from omegacell.core.columns import Span, is_distinct, rows_of
from omegacell.core.jobs import STATE_COUNT, Kind, Stopping, TaskState
from omegacell.core.quotas import find_asked
from omegacell.core.units import PAST_ATTEMPTS_KEPT
from omegacell.core.waits import find_waiting, forget_displaced, forget_earlier, key_of, note_ends

Rows = NDArray[np.int64]

# plain integers: numpy asks an enum member for attributes that it does not have, at every use
_PENDING: Final = int(TaskState.PENDING)
_PLACED: Final = int(TaskState.PLACED)
_NOT_STOPPING: Final = int(Stopping.NO)


class Stamp(NamedTuple):
    """When something happens, and whose doing it is.

    Attributes:
        revision: of the transaction that is written.
        floor: the revision before the first transaction of its entry.
        at_us: wall stamp, for people.
        author: row of its author.
    """

    revision: int
    floor: int
    at_us: int
    author: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ends:
    """How attempts ended, as columns: the state they ended in, exit code, signal, note, and wall stamp."""

    states: NDArray[np.uint8]
    exit_codes: NDArray[np.int32]
    signals: NDArray[np.uint8]
    notes: NDArray[np.uint8]
    at_us: NDArray[np.int64]


def end_all_as(state: TaskState, count: int, *, at_us: int) -> Ends:
    """Return the ends of ``count`` attempts of which only the state is known."""
    return Ends(
        states=np.full(count, state, np.uint8),
        exit_codes=np.full(count, -1, np.int32),
        signals=np.zeros(count, np.uint8),
        notes=np.zeros(count, np.uint8),
        at_us=np.full(count, at_us, np.int64),
    )


def begin_attempts(cell: Cell, at: Span, *, job_row: int, machines: Rows, stamp: Stamp) -> None:
    """Place pending tasks of one job: the next attempt of each begins on its machine.

    Ports, devices and allocs are granted here; to those that wait, which the caller has noted, devices are promised.
    """
    arena, jobs = cell.tasks, cell.jobs
    count = len(machines)
    arena.state[at] = _PLACED
    arena.machine[at] = machines
    arena.last_machine[at] = machines
    arena.attempt[at] = arena.attempt[at] + 1
    arena.stopping[at] = _NOT_STOPPING
    arena.health[at] = 0
    arena.exit_code[at] = -1
    arena.signal[at] = 0
    arena.note[at] = 0
    arena.placed_at_us[at] = stamp.at_us
    arena.started_at_us[at] = 0
    arena.ended_at_us[at] = 0
    spec = jobs.spec_of(job_row)
    charge_all(cell, machines, band=int(spec.band), amounts=jobs.shape[job_row])
    if spec.ports:
        numbers = tuple(port.number for port in spec.ports)
        for task, machine in zip(rows_of(at).tolist(), machines.tolist(), strict=True):
            arena.ports[task] = cell.machines.grant_ports(machine, numbers, task)
    if spec.devices:
        for task, machine in zip(rows_of(at).tolist(), machines.tolist(), strict=True):
            if task in arena.waits:
                cell.machines.devices.promise(machine, spec.devices)
                arena.owed[task] = None
            else:
                arena.devices[task] = cell.machines.devices.grant(machine, spec.devices, task)
    if spec.alloc:
        ledger = AllocLedger(cell)
        granted = [ledger.grant(spec, machine) for machine in machines.tolist()]  # before any enters: both count
        for task, alloc in zip(rows_of(at).tolist(), granted, strict=True):
            arena.allocs.enter(task, alloc)
    counts = jobs.counts[job_row]
    if cell.caps.rows:
        cap = cell.caps.charge(spec, count, job_count=not holds_any(jobs, job_row))
        if cap is not None:
            cap.touch(revision=stamp.revision, floor=stamp.floor)
    counts[_PENDING] -= count
    counts[_PLACED] += count
    if not counts[_PENDING]:
        jobs.why[job_row] = None
    cell.machines.touch(machines, revision=stamp.revision, floor=stamp.floor)
    cell.machines.claimed_at[machines] = stamp.revision
    cell.machines.claimed_by[machines] = stamp.author
    touch_job(cell, job_row, stamp=stamp)
    cell.touched.tasks.append(at)
    cell.touched.machines.append(machines)


def charge_all(cell: Cell, machines: Rows, *, band: int, amounts: NDArray[np.int64]) -> None:
    """Take amounts ``(resources,)`` from each of some machines, which may stand several times."""
    if is_distinct(machines):
        cell.machines.charge_each(machines, band=band, amounts=amounts)
    else:
        cell.machines.charge(machines, bands=band, amounts=amounts)


def return_grants(cell: Cell, at: Span, machines: Rows) -> None:
    """Give back the ports and devices that tasks hold on their machines, and their room in allocs."""
    arena = cell.tasks
    if not arena.ports and not arena.devices and not arena.owed and not arena.allocs.of:
        return
    for task, machine in zip(rows_of(at).tolist(), machines.tolist(), strict=True):
        numbers = arena.ports.pop(task, None)
        if numbers is not None:
            cell.machines.return_ports(machine, numbers)
        granted = arena.devices.pop(task, None)
        if granted is not None:
            requests = cell.jobs.spec_of(int(arena.job[task])).devices
            cell.machines.devices.give_back(machine, requests, granted)
        elif task in arena.owed:
            del arena.owed[task]
            requests = cell.jobs.spec_of(int(arena.job[task])).devices
            cell.machines.devices.promise(machine, requests, is_withdrawn=True)
        arena.allocs.leave(task)


def start_attempts(cell: Cell, tasks: Rows, *, at_us: NDArray[np.int64], stamp: Stamp) -> None:
    """Mark placed tasks as running since ``at_us``."""
    move_tasks(cell, tasks, TaskState.RUNNING)
    cell.tasks.started_at_us[tasks] = at_us
    if cell.tasks.preempted:
        forget_earlier(cell, tasks)
    touch_jobs(cell, np.unique(cell.tasks.job[tasks]), stamp=stamp)
    if cell.jobs.has_alloc_sets:
        _touch_machines_of(cell, find_allocs(cell, tasks), stamp=stamp)


def ask_to_end(cell: Cell, tasks: Rows, how: Stopping, *, stamp: Stamp) -> None:
    """Ask placed or running tasks to end; those that wait for room end at once, because no machine knows of them.

    What runs inside an alloc that is asked is evicted, and its machine has less to offer. The caller marks the jobs of
    the tasks as changed, and keeps what they count for under quotas.
    """
    arena = cell.tasks
    if cell.jobs.has_alloc_sets:
        fresh = tasks[arena.stopping[tasks] == _NOT_STOPPING]
        _empty_allocs(cell, find_allocs(cell, fresh), stamp=stamp)
    is_waiting = find_waiting(cell, tasks)
    arena.stopping[tasks] = how.value
    waiting, tasks = tasks[is_waiting], tasks[~is_waiting]
    cell.touched.tasks.append(tasks)
    if len(waiting):
        state = TaskState.STOPPED if how is Stopping.STOP else TaskState.EVICTED
        ends = end_all_as(state, len(waiting), at_us=stamp.at_us)
        end_attempts(cell, waiting, ends, stamp=stamp, is_in_quota=False)


def _empty_allocs(cell: Cell, allocs: Rows, *, stamp: Stamp) -> None:
    """Evict what runs inside allocs that are asked to end."""
    arena = cell.tasks
    _touch_machines_of(cell, allocs, stamp=stamp)
    inside = np.array(arena.allocs.find_inside(allocs.tolist()), np.int64)
    inside = inside[arena.stopping[inside] == _NOT_STOPPING]
    if len(inside):
        arena.stopping[inside] = Stopping.EVICT.value
        cell.touched.tasks.append(inside)
        touch_jobs(cell, np.unique(arena.job[inside]), stamp=stamp)


def find_allocs(cell: Cell, tasks: Rows) -> Rows:
    """Return those of some tasks that are allocs."""
    allocs: Rows = tasks[cell.jobs.kind[cell.tasks.job[tasks]] == Kind.ALLOC.value]
    return allocs


def _touch_machines_of(cell: Cell, allocs: Rows, *, stamp: Stamp) -> None:
    """Mark the machines of allocs as changed: they take other tasks inside than before."""
    if len(allocs):
        machines = cell.tasks.machine[allocs].astype(np.int64)
        cell.machines.touch(machines, revision=stamp.revision, floor=stamp.floor)
        cell.touched.machines.append(machines)


def end_attempts(cell: Cell, tasks: Rows, ends: Ends, *, stamp: Stamp, is_in_quota: bool = True) -> None:
    """End the attempts of placed or running tasks: give back what they hold, and send each task where it goes next.

    What is still inside an alloc that ends is lost with it. Without ``is_in_quota`` the caller keeps what the jobs
    count for under quotas.
    """
    arena, jobs = cell.tasks, cell.jobs
    if arena.allocs.inside:
        _lose_inside(cell, tasks, ends, stamp=stamp)
    job_rows = arena.job[tasks].astype(np.int64)
    machines = arena.machine[tasks].astype(np.int64)
    cell.machines.charge(machines, bands=jobs.band[job_rows], amounts=-jobs.shape[job_rows])
    return_grants(cell, tasks, machines)
    arena.machine[tasks] = -1
    arena.exit_code[tasks] = ends.exit_codes
    arena.signal[tasks] = ends.signals
    arena.note[tasks] = ends.notes
    arena.ended_at_us[tasks] = ends.at_us
    arena.ended_elapsed[tasks] = cell.elapsed
    nexts, restarts = _find_nexts(cell, tasks, ends.states)
    move_tasks(cell, tasks, ends.states)
    if arena.preempted:
        forget_displaced(cell, tasks, ends.states)
    _remember(cell, tasks[nexts == TaskState.PENDING.value])
    move_tasks(cell, tasks, nexts)
    arena.restarts[tasks] = restarts
    arena.stopping[tasks] = Stopping.NO.value
    cell.machines.touch(machines, revision=stamp.revision, floor=stamp.floor)
    cell.touched.machines.append(machines)
    touch_jobs(cell, np.unique(job_rows), stamp=stamp)
    if cell.caps.rows or cell.quotas.rows:
        rows, counts = np.unique(job_rows, return_counts=True)
        for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
            give_back(cell, row, count, stamp=stamp, is_in_quota=is_in_quota)
    if arena.waits:
        note_ends(cell, tasks)


def _lose_inside(cell: Cell, tasks: Rows, ends: Ends, *, stamp: Stamp) -> None:
    """End as LOST what is inside allocs that end, when they do, but for what ends by itself in the same step."""
    own = dict.fromkeys(tasks.tolist())
    lost: dict[int, int] = {}
    for alloc, at_us in zip(own, ends.at_us.tolist(), strict=True):
        inside = cell.tasks.allocs.find_inside([alloc])
        lost.update((task, at_us) for task in inside if task not in own)
    if lost:
        rows = np.array(sorted(lost), np.int64)
        ending = end_all_as(TaskState.LOST, len(rows), at_us=0)
        at = np.array([lost[row] for row in rows.tolist()], np.int64)
        end_attempts(cell, rows, replace(ending, at_us=at), stamp=stamp)


def keep_promises(cell: Cell, *, stamp: Stamp) -> None:
    """Give devices to those that were promised some and wait no more, in the order of their jobs and indices.

    One whose machine came back with fewer of them meanwhile is evicted; no machine knows of it yet.
    """
    arena = cell.tasks
    due = [task for task in arena.owed if task not in arena.waits]
    failed = []
    for task in sorted(due, key=lambda task: key_of(cell, task)):
        del arena.owed[task]
        requests = cell.jobs.spec_of(int(arena.job[task])).devices
        granted = cell.machines.devices.keep_promise(int(arena.machine[task]), requests, task)
        if granted is None:
            failed.append(task)
        else:
            arena.devices[task] = granted
    if failed:
        ends = end_all_as(TaskState.EVICTED, len(failed), at_us=stamp.at_us)
        end_attempts(cell, np.array(failed, np.int64), ends, stamp=stamp)


def give_back(cell: Cell, job_row: int, count: int, *, stamp: Stamp, is_in_quota: bool = True) -> None:
    """Count the ended attempts of a job out of its scheduler's cap, and the job out of its quota once it rests."""
    jobs = cell.jobs
    spec = jobs.spec_of(job_row)
    cap = cell.caps.charge(spec, -count, job_count=-(not holds_any(jobs, job_row)))
    if cap is not None:
        cap.touch(revision=stamp.revision, floor=stamp.floor)
        cell.touched.uncapped[spec.scheduler] = None
    if is_in_quota and not jobs.stopping[job_row] and not jobs.is_active(job_row):
        less = [-amount for amount in find_asked(jobs, job_row)]
        cell.quotas.charge((spec.owner, int(spec.band)), less, revision=stamp.revision, floor=stamp.floor)


def move_tasks(cell: Cell, tasks: Rows, states: NDArray[np.uint8] | TaskState) -> None:
    """Set the states of tasks and keep their jobs' counts true."""
    arena = cell.tasks
    counts = cell.jobs.flat_counts
    at = arena.job[tasks].astype(np.int64) * STATE_COUNT
    np.subtract.at(counts, at + arena.state[tasks], 1)
    arena.state[tasks] = states
    np.add.at(counts, at + arena.state[tasks], 1)
    cell.touched.tasks.append(tasks)


def touch_jobs(cell: Cell, job_rows: NDArray[np.integer], *, stamp: Stamp) -> None:
    """Mark distinct jobs as changed, and note whether their last task came to rest."""
    jobs = cell.jobs
    jobs.touch(job_rows, revision=stamp.revision, floor=stamp.floor)
    is_active = jobs.counts[job_rows, : TaskState.SUCCEEDED].any(axis=1)
    ended = jobs.ended_elapsed[job_rows]
    jobs.ended_elapsed[job_rows] = np.where(is_active, -1, np.where(ended < 0, cell.elapsed, ended))
    for job in jobs.id[job_rows].tolist():
        cell.touched.jobs[job] = None


def touch_job(cell: Cell, row: int, *, stamp: Stamp) -> None:
    """Do for one job what `touch_jobs` does for many, without the cost of arrays."""
    jobs = cell.jobs
    before = jobs.changed_at[row]
    if before <= stamp.floor:
        jobs.changed_before[row] = before
    jobs.changed_at[row] = stamp.revision
    if jobs.is_active(row):
        jobs.ended_elapsed[row] = -1
    elif jobs.ended_elapsed[row] < 0:
        jobs.ended_elapsed[row] = cell.elapsed
    cell.touched.jobs[int(jobs.id[row])] = None


def _find_nexts(cell: Cell, tasks: Rows, states: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return where each task goes after its attempt ended in ``states``, and its restart count then."""
    arena, jobs = cell.tasks, cell.jobs
    job_rows = arena.job[tasks]
    indices = tasks - jobs.offset[job_rows]
    is_wanted = (indices < jobs.count_wanted[job_rows]) & (jobs.stopping[job_rows] == 0)
    if jobs.has_updates:  # what an update stops, its successor follows
        is_wanted &= (jobs.successor[job_rows] == 0) | (arena.stopping[tasks] != Stopping.STOP.value)
    restarts = arena.restarts[tasks]
    limit = jobs.max_restarts[job_rows]
    may_restart = (limit < 0) | (restarts < limit)
    is_endless = jobs.kind[job_rows] != Kind.BATCH.value
    is_failure = (states == TaskState.FAILED.value) | ((states == TaskState.SUCCEEDED.value) & is_endless)
    is_counted = is_wanted & is_failure & may_restart
    is_displaced = (states == TaskState.LOST.value) | (states == TaskState.EVICTED.value)
    is_again = is_wanted & (is_displaced | (states == TaskState.STOPPED.value))
    nexts = np.where(is_displaced, np.uint8(TaskState.STOPPED.value), states)
    nexts = np.where(is_counted | is_again, np.uint8(TaskState.PENDING.value), nexts)
    return nexts, np.where(is_counted, restarts + 1, restarts).astype(np.int32)


def _remember(cell: Cell, tasks: Rows) -> None:
    for task in tasks.tolist():
        cell.tasks.remember(task, cell.tasks.last_attempt(task), limit=PAST_ATTEMPTS_KEPT)
