"""Judging and writing the commands about jobs: submit, stop, forget.

Each ``judge_...`` is pure and returns a `Verdict`; the private ``_write_...`` beside it performs it.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np

from omegacell.core.apply_limits import Swap, find_quota_refusal
from omegacell.core.arena import TaskArena
from omegacell.core.cell import Cell
from omegacell.core.commands import ForgetJob, StopJob, SubmitJob
from omegacell.core.dependencies import Dependency
from omegacell.core.holds import find_cycle, find_predecessor, find_unmet
from omegacell.core.jobs import JobSpec, Stopping, TaskState, is_same_job
from omegacell.core.lives import Rows, Stamp, move_tasks, touch_job
from omegacell.core.outcomes import Change, Reason
from omegacell.core.quotas import QuotaKey, find_share
from omegacell.core.units import PAST_ATTEMPTS_KEPT, RESOURCE_COUNT
from omegacell.core.updates import Updating
from omegacell.core.verdicts import Verdict, refuse

MAX_TASK_ROWS = 50_000_000


def judge_submit(cell: Cell, command: SubmitJob, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `SubmitJob`: create, change nothing, scale, adjust, replace, or refuse."""
    jobs, spec = cell.jobs, command.spec
    is_too_many = cell.tasks.count + spec.count > MAX_TASK_ROWS
    job = jobs.by_name(spec.name)
    if job is None:
        write = partial(_write_create, cell, command, stamp=stamp)
        verdict = Verdict(value=jobs.next_id, detail=Change.CREATED, write=write)
        excess = find_quota_refusal(cell, spec, Swap(), stamp=stamp, seen=seen)
        excess = excess or find_cycle_refusal(cell, spec, stamp=stamp, seen=seen)
        return refuse(Reason.LIMIT) if is_too_many else excess or verdict
    row = jobs.row_of(job)
    assert row is not None, f"job {job} has a name and no row"
    is_same, group = is_same_job(jobs.spec_of(row), spec), [row, *jobs.predecessors_of(row)]
    is_over = bool(jobs.stopping[row]) or not jobs.is_active(row)
    if command.replace and (not is_same or is_over):
        write = partial(_write_replace, cell, command, row=row, stamp=stamp)
        verdict = Verdict(value=jobs.next_id, detail=Change.REPLACED, write=write)
        excess = find_quota_refusal(cell, spec, Swap(now=group), stamp=stamp, seen=seen)
        excess = excess or find_cycle_refusal(cell, spec, stamp=stamp, seen=seen)
        return refuse(Reason.LIMIT) if is_too_many else excess or verdict
    is_changed = jobs.effective_changed_at(row, floor=stamp.floor) > seen
    if not is_same:
        return refuse(Reason.JOB_EXISTS, is_conflict=is_changed)
    if spec == jobs.spec_of(row):
        return Verdict(value=job, detail=Change.UNCHANGED)
    if jobs.stopping[row]:
        return refuse(Reason.JOB_STOPPING, is_conflict=is_changed)
    if is_too_many and spec.count > jobs.extent[row]:
        return refuse(Reason.LIMIT)
    change, excess = Change.ADJUSTED if spec.count == jobs.count_wanted[row] else Change.SCALED, None
    if spec.count > jobs.count_wanted[row]:
        excess = find_quota_refusal(cell, spec, Swap(now=group, then=group[1:]), stamp=stamp, seen=seen)
    write = partial(_write_scale, cell, spec, row=row, stamp=stamp)
    return excess or Verdict(value=job, detail=change, write=write)


def find_cycle_refusal(cell: Cell, spec: JobSpec, *, stamp: Stamp, seen: int) -> Verdict | None:
    """Return the refusal of a job that would wait for itself by way of others; None when it would not."""
    if not spec.after:
        return None
    cycle = find_cycle(cell, spec)
    if not cycle:
        return None
    rows = [find_predecessor(cell, Dependency(job=name)) for name in cycle]
    changed = [cell.jobs.effective_changed_at(row, floor=stamp.floor) for row in rows if row is not None]
    return refuse(Reason.DEPENDENCY_CYCLE, is_conflict=any(at > seen for at in changed))


def judge_stop(cell: Cell, command: StopJob, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `StopJob`."""
    row = cell.jobs.row_of(command.job)
    if row is None:
        return refuse(Reason.UNKNOWN_JOB, is_conflict=is_forgotten_since(cell, command.job, seen))
    if cell.jobs.stopping[row]:
        return Verdict()
    return Verdict(write=partial(_write_stop, cell, row, stamp=stamp))


def judge_forget(cell: Cell, command: ForgetJob, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `ForgetJob`: the job must be at rest, and long enough."""
    jobs = cell.jobs
    row = jobs.row_of(command.job)
    if row is None:
        return refuse(Reason.UNKNOWN_JOB, is_conflict=is_forgotten_since(cell, command.job, seen))
    assert cell.genesis is not None, "commands are judged after genesis"
    partners = _find_partners(cell, row)
    if jobs.is_active(row) or partners:
        changed = [jobs.effective_changed_at(each, floor=stamp.floor) for each in (row, *partners)]
        return refuse(Reason.JOB_ACTIVE, is_conflict=any(at > seen for at in changed))
    if cell.elapsed < int(jobs.ended_elapsed[row]) + cell.genesis.forget_after_us:
        return refuse(Reason.NOT_DUE)
    return Verdict(write=partial(_write_forget, cell, row, stamp=stamp))


def _find_partners(cell: Cell, row: int) -> list[int]:
    """Return the rows of jobs that an update or its revert may still need a job for, itself left out."""
    jobs = cell.jobs
    current = jobs.current_of(row)
    if current != row:
        return [current] if jobs.updating[current] else []
    return [each for each in jobs.predecessors_of(row) if jobs.updating[row] or jobs.is_active(each)]


def is_forgotten_since(cell: Cell, job: int, seen: int) -> bool:
    """Tell whether a job that the cell does not hold may have been there at revision ``seen``."""
    return 1 <= job < cell.jobs.next_id and cell.forgotten_at > seen


def _write_create(cell: Cell, command: SubmitJob, *, stamp: Stamp) -> None:
    row = create_job(cell, command, is_held=bool(find_unmet(cell, command.spec)), stamp=stamp)
    reshape(cell, [row], asked={}, stamp=stamp)


def create_job(cell: Cell, command: SubmitJob, *, is_held: bool, stamp: Stamp) -> int:
    """Bring a job in and return its row; its quota is not charged yet. Mutates."""
    jobs, spec = cell.jobs, command.spec
    offset = cell.tasks.allocate(spec.count)
    row = jobs.add(spec)
    jobs.offset[row] = offset
    jobs.extent[row] = spec.count
    jobs.submitted_at_us[row] = command.submitted_at_us
    jobs.created_at[row] = stamp.revision
    state = TaskState.HELD if is_held else TaskState.PENDING
    jobs.counts[row, state] = spec.count
    cell.tasks.job[offset : offset + spec.count] = row
    if state is not TaskState.PENDING:
        cell.tasks.state[offset : offset + spec.count] = state
    return row


def _write_replace(cell: Cell, command: SubmitJob, *, row: int, stamp: Stamp) -> None:
    if not cell.jobs.stopping[row]:
        _write_stop(cell, row, stamp=stamp)
    _write_create(cell, command, stamp=stamp)


def _write_stop(cell: Cell, row: int, *, stamp: Stamp) -> None:
    jobs = cell.jobs
    group = [each for each in (row, *jobs.predecessors_of(row)) if not jobs.stopping[each]]
    asked = note_asked(cell, group)
    jobs.updating[row] = Updating.NO
    for each in group:
        jobs.stopping[each] = 1
        jobs.why[each] = None
        first = int(jobs.offset[each])
        stop_tasks(cell, np.arange(first, first + int(jobs.extent[each]), dtype=np.int64))
    reshape(cell, group, asked=asked, stamp=stamp)


def _write_forget(cell: Cell, row: int, *, stamp: Stamp) -> None:
    jobs = cell.jobs
    job = int(jobs.id[row])
    cell.tasks.release(int(jobs.offset[row]), int(jobs.extent[row]))
    jobs.remove(row)
    cell.forgotten_at = stamp.revision
    cell.touched.jobs[job] = None
    cell.touched.reshaped[job] = None


def _write_scale(cell: Cell, spec: JobSpec, *, row: int, stamp: Stamp) -> None:
    jobs, arena = cell.jobs, cell.tasks
    before, group = int(jobs.count_wanted[row]), [row, *jobs.predecessors_of(row)]
    asked = note_asked(cell, group)
    jobs.count_wanted[row] = spec.count
    jobs.max_restarts[row] = spec.max_restarts
    jobs.specs[row] = spec
    if spec.count > int(jobs.extent[row]):
        _enlarge(cell, row, spec.count)
    first = int(jobs.offset[row])
    if spec.count < before:
        stop_tasks(cell, np.arange(first + spec.count, first + int(jobs.extent[row]), dtype=np.int64))
    else:
        added = np.arange(first + before, first + spec.count, dtype=np.int64)
        is_held = bool(jobs.counts[row, TaskState.HELD] or jobs.updating[row])
        begin_again(cell, added[arena.state[added] == TaskState.STOPPED], TaskState.PENDING)
        if is_held:  # what is added waits with the others, or for the task that it follows
            move_tasks(cell, added[arena.state[added] == TaskState.PENDING], TaskState.HELD)
    if not jobs.counts[row, TaskState.PENDING]:
        jobs.why[row] = None
    reshape(cell, [row], asked=asked, stamp=stamp)


def begin_again(cell: Cell, tasks: Rows, state: TaskState) -> None:
    """Let stopped tasks wait again, in a state; what they rested on is remembered. Mutates."""
    arena = cell.tasks
    for task in tasks[arena.attempt[tasks] > 0].tolist():
        arena.remember(task, arena.last_attempt(task), limit=PAST_ATTEMPTS_KEPT)
    move_tasks(cell, tasks, state)


def _enlarge(cell: Cell, row: int, count: int) -> None:
    """Move a job's tasks to a longer extent; the added ones are fresh, thus pending."""
    jobs, arena = cell.jobs, cell.tasks
    old, length = int(jobs.offset[row]), int(jobs.extent[row])
    new = arena.allocate(count)
    arena.move(old, new, length)
    arena.job[new : new + count] = row
    _rename_rows(cell, arena, old=old, new=new, length=length)
    arena.release(old, length)
    jobs.offset[row] = new
    jobs.extent[row] = count
    jobs.counts[row, TaskState.PENDING] += count - length


def _rename_rows(cell: Cell, arena: TaskArena, *, old: int, new: int, length: int) -> None:
    for row in [row for row in arena.past if old <= row < old + length]:
        arena.past[row - old + new] = arena.past[row]
    for row in [row for row in arena.ports if old <= row < old + length]:
        numbers = arena.ports.pop(row)
        arena.ports[row - old + new] = numbers
        used = cell.machines.ports[int(arena.machine[row])]
        used.update((number, row - old + new) for number in numbers)
    for row in [row for row in arena.devices if old <= row < old + length]:
        at = row - old + new
        arena.devices[at] = arena.devices.pop(row)
        requests = cell.jobs.spec_of(int(arena.job[row])).devices
        cell.machines.devices.rename(int(arena.machine[row]), requests, arena.devices[at], task_row=at)


def stop_tasks(cell: Cell, tasks: Rows) -> None:
    """Stop tasks: waiting ones at once, the others when their machine says that they ended. Mutates."""
    arena = cell.tasks
    is_waiting = (arena.state[tasks] == TaskState.PENDING) | (arena.state[tasks] == TaskState.HELD)
    move_tasks(cell, tasks[is_waiting], TaskState.STOPPED)
    is_active = (arena.state[tasks] == TaskState.PLACED) | (arena.state[tasks] == TaskState.RUNNING)
    arena.stopping[tasks[is_active]] = Stopping.STOP
    cell.touched.tasks.append(tasks[is_active])


def note_asked(cell: Cell, rows: Iterable[int]) -> dict[int, list[int]]:
    """Return what jobs count for under quotas, by row, for `reshape`; nothing where there are none."""
    return {row: find_share(cell.jobs, row) for row in rows} if cell.quotas.rows else {}


def reshape(cell: Cell, rows: Iterable[int], *, asked: dict[int, list[int]], stamp: Stamp) -> None:
    """Mark jobs as changed in shape, and charge what all jobs that were noted or changed count for now. Mutates.

    ``asked`` is what they counted for before; nothing for those that are not in it.
    """
    more: dict[QuotaKey, list[int]] = {}
    jobs = cell.jobs
    for row in rows:
        touch_job(cell, row, stamp=stamp)
        cell.touched.reshaped[int(jobs.id[row])] = None
    if not cell.quotas.rows:
        return
    nothing = [0] * RESOURCE_COUNT
    for row in dict.fromkeys([*asked, *rows]):
        spec = jobs.spec_of(row)
        key = (spec.owner, int(spec.band))
        pairs = zip(more.get(key, nothing), find_share(jobs, row), asked.get(row, nothing), strict=True)
        more[key] = [sum_ + now - before for sum_, now, before in pairs]
    for key, amounts in more.items():
        cell.quotas.charge(key, amounts, revision=stamp.revision, floor=stamp.floor)
