"""Judging and writing the commands about jobs: submit, grow, stop, forget.

Each ``judge_...`` is pure and returns a `Verdict`; the private ``_write_...`` beside it performs it.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from omegacell.core.apply_allocs import find_alloc_refusal
from omegacell.core.apply_limits import Swap, find_quota_refusal
from omegacell.core.arena import TaskArena
from omegacell.core.cell import Cell
from omegacell.core.children import find_children
from omegacell.core.commands import ForgetJob, StopJob, SubmitJob
from omegacell.core.dependencies import Dependency
from omegacell.core.hold_commands import GrowSystemJob
from omegacell.core.holds import find_all_awaited, find_awaited, find_mismatches, find_predecessor, is_held
from omegacell.core.jobs import JobSpec, Kind, StopCause, Stopping, TaskState, is_same_job
from omegacell.core.lives import Rows, Stamp, ask_to_end, move_tasks, touch_job, touch_jobs
from omegacell.core.outcomes import Change, Reason
from omegacell.core.quotas import QuotaKey, find_share
from omegacell.core.units import PAST_ATTEMPTS_KEPT, RESOURCE_COUNT
from omegacell.core.updates import Updating
from omegacell.core.verdicts import Verdict, refuse

MAX_TASK_ROWS = 50_000_000


def judge_submit(cell: Cell, command: SubmitJob, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `SubmitJob`: create, change nothing, scale, adjust, replace, or refuse."""
    jobs = cell.jobs
    command = _count_machines(cell, command)
    spec = command.spec
    job = jobs.by_name(spec.name)
    if job is None:
        write = partial(_write_submit, cell, command, stamp=stamp)
        verdict = Verdict(value=jobs.next_id, detail=Change.CREATED, write=write)
        return _find_new_refusal(cell, spec, Swap(), stamp=stamp, seen=seen) or verdict
    row = jobs.row_of(job)
    assert row is not None, f"job {job} has a name and no row"
    is_same, group = is_same_job(jobs.spec_of(row), spec), [row, *jobs.predecessors_of(row)]
    is_over = bool(jobs.stopping[row]) or not jobs.is_active(row)
    if command.replace and (not is_same or is_over):
        write = partial(_write_replace, cell, command, row=row, stamp=stamp)
        verdict = Verdict(value=jobs.next_id, detail=Change.REPLACED, write=write)
        return _find_new_refusal(cell, spec, Swap(now=group), stamp=stamp, seen=seen) or verdict
    is_changed = jobs.effective_changed_at(row, floor=stamp.floor) > seen
    if spec.kind is Kind.SYSTEM:  # it grows by a command of its own, not because it is submitted again
        spec = replace(spec, count=int(jobs.count_wanted[row]))
    if not is_same:
        return refuse(Reason.JOB_EXISTS, is_conflict=is_changed)
    if spec == jobs.spec_of(row):
        return Verdict(value=job, detail=Change.UNCHANGED)
    if jobs.stopping[row]:
        return refuse(Reason.JOB_STOPPING, is_conflict=is_changed)
    if cell.tasks.count + spec.count > MAX_TASK_ROWS and spec.count > jobs.extent[row]:
        return refuse(Reason.LIMIT)
    change, excess = Change.ADJUSTED if spec.count == jobs.count_wanted[row] else Change.SCALED, None
    if spec.count > jobs.count_wanted[row]:
        excess = find_quota_refusal(cell, spec, Swap(now=group, then=group[1:]), stamp=stamp, seen=seen)
    write = partial(_write_scale, cell, spec, row=row, stamp=stamp)
    return excess or Verdict(value=job, detail=change, write=write)


def _find_new_refusal(cell: Cell, spec: JobSpec, swap: Swap, *, stamp: Stamp, seen: int) -> Verdict | None:
    """Return why a new job is refused, in order of precedence; ``swap`` is what it replaces."""
    unfit = find_alloc_refusal(cell, spec, stamp=stamp, seen=seen) if cell.jobs.has_guests or spec.alloc else None
    if unfit is not None:
        return unfit
    if cell.tasks.count + spec.count > MAX_TASK_ROWS:
        return refuse(Reason.LIMIT)
    excess = find_quota_refusal(cell, spec, swap, stamp=stamp, seen=seen)
    return excess or find_cycle_refusal(cell, spec, stamp=stamp, seen=seen)


def _count_machines(cell: Cell, command: SubmitJob) -> SubmitJob:
    """Return a submit with the number of tasks that it means: of a system job one for each machine, at least one."""
    if command.spec.kind is not Kind.SYSTEM:
        return command
    return replace(command, spec=replace(command.spec, count=max(1, cell.machines.count)))


def judge_grow(cell: Cell, command: GrowSystemJob, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `GrowSystemJob`: a system job that is not over, and fewer tasks than machines."""
    jobs = cell.jobs
    row = jobs.row_of(command.job)
    if row is None:
        return refuse(Reason.UNKNOWN_JOB, is_conflict=is_forgotten_since(cell, command.job, seen))
    is_conflict = jobs.effective_changed_at(row, floor=stamp.floor) > seen
    if jobs.stopping[row]:
        return refuse(Reason.JOB_STOPPING, is_conflict=is_conflict)
    spec, count = jobs.spec_of(row), cell.machines.count
    if spec.kind is not Kind.SYSTEM or not jobs.is_active(row) or count <= spec.count:
        return refuse(Reason.NOT_DUE, is_conflict=is_conflict)
    if cell.tasks.count + count > MAX_TASK_ROWS:
        return refuse(Reason.LIMIT)
    return Verdict(value=count, write=partial(_write_grow, cell, row, stamp=stamp))


def find_cycle_refusal(cell: Cell, spec: JobSpec, *, stamp: Stamp, seen: int) -> Verdict | None:
    """Return the refusal of a job that would wait for itself by way of others; None when it would not."""
    if not spec.after:
        return None
    names = find_all_awaited(cell, spec)
    if spec.name not in names:
        return None
    rows = [find_predecessor(cell, Dependency(job=name)) for name in names]
    changed = [cell.jobs.effective_changed_at(row, floor=stamp.floor) for row in rows if row is not None]
    return refuse(Reason.DEPENDENCY_CYCLE, is_conflict=any(at > seen for at in changed))


def judge_stop(cell: Cell, command: StopJob, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `StopJob`. For its deadline a job that is at rest is left alone."""
    row = cell.jobs.row_of(command.job)
    if row is None:
        return refuse(Reason.UNKNOWN_JOB, is_conflict=is_forgotten_since(cell, command.job, seen))
    is_for_deadline = command.cause is StopCause.DEADLINE
    if is_for_deadline and not 0 <= int(cell.jobs.deadline[row]) <= cell.elapsed:
        return refuse(Reason.NOT_DUE)
    if cell.jobs.stopping[row] or (is_for_deadline and not cell.jobs.is_active(row)):
        return Verdict()
    return Verdict(write=partial(write_stop, cell, row, cause=command.cause, stamp=stamp))


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


def write_create(cell: Cell, spec: JobSpec, *, submitted_at_us: int, stamp: Stamp) -> int:
    """Bring a new job in and return its row; from now on its name means it. Mutates."""
    is_waiting = is_held(cell, spec)
    row = create_job(cell, spec, is_held=is_waiting, submitted_at_us=submitted_at_us, stamp=stamp)
    reshape(cell, [row], asked={}, stamp=stamp)
    return row


def create_job(cell: Cell, spec: JobSpec, *, is_held: bool, submitted_at_us: int, stamp: Stamp) -> int:
    """Bring a job in and return its row; its quota is not charged yet. Mutates."""
    jobs = cell.jobs
    offset = cell.tasks.allocate(spec.count)
    row = jobs.add(spec)
    jobs.offset[row] = offset
    jobs.extent[row] = spec.count
    jobs.submitted_at_us[row] = submitted_at_us
    jobs.created_at[row] = stamp.revision
    if spec.deadline_us and not spec.template_kind:
        jobs.deadline[row] = cell.elapsed + spec.deadline_us
    if spec.schedule is not None:
        jobs.instant_us[row] = submitted_at_us  # what was before it is none of its instants
    state = TaskState.HELD if is_held else TaskState.PENDING
    jobs.counts[row, state] = spec.count
    cell.tasks.job[offset : offset + spec.count] = row
    if state is not TaskState.PENDING:
        cell.tasks.state[offset : offset + spec.count] = state
    elif spec.kind is Kind.SYSTEM:
        _hold_mismatches(cell, row, first=0)
    return row


def _write_submit(cell: Cell, command: SubmitJob, *, stamp: Stamp) -> None:
    write_create(cell, command.spec, submitted_at_us=command.submitted_at_us, stamp=stamp)


def _hold_mismatches(cell: Cell, row: int, *, first: int) -> None:
    """Hold the fresh tasks of a system job, from index ``first`` on, whose machines do not match."""
    indices = np.arange(first, int(cell.jobs.count_wanted[row]), dtype=np.int64)
    held = indices[find_mismatches(cell, cell.jobs.spec_of(row), indices) != Reason.NONE]
    move_tasks(cell, held + int(cell.jobs.offset[row]), TaskState.HELD)


def _write_grow(cell: Cell, row: int, *, stamp: Stamp) -> None:
    jobs = cell.jobs
    asked, before, count = note_asked(cell, [row]), int(jobs.count_wanted[row]), cell.machines.count
    is_awaiting = bool(find_awaited(cell, row))
    jobs.count_wanted[row] = count
    jobs.specs[row] = replace(jobs.spec_of(row), count=count)
    _enlarge(cell, row, count)
    if is_awaiting:
        added = np.arange(before, count, dtype=np.int64) + int(jobs.offset[row])
        move_tasks(cell, added, TaskState.HELD)
    else:
        _hold_mismatches(cell, row, first=before)
    reshape(cell, [row], asked=asked, stamp=stamp)


def _write_replace(cell: Cell, command: SubmitJob, *, row: int, stamp: Stamp) -> None:
    jobs, old = cell.jobs, int(cell.jobs.id[row])
    if not jobs.stopping[row]:
        write_stop(cell, row, stamp=stamp)
    _write_submit(cell, command, stamp=stamp)
    if jobs.template[row] and command.spec.template_kind:
        heirs = find_children(jobs, old)  # a template in another's place has its children, too
        jobs.parent[heirs] = jobs.next_id - 1
        touch_jobs(cell, heirs, stamp=stamp)


def write_stop(cell: Cell, row: int, *, stamp: Stamp, cause: StopCause = StopCause.ASKED) -> None:
    """Stop a job that was not asked to stop before, and those that it takes the place of in an update. Mutates."""
    jobs = cell.jobs
    group = [each for each in (row, *jobs.predecessors_of(row)) if not jobs.stopping[each]]
    asked = note_asked(cell, group)
    jobs.updating[row] = Updating.NO
    jobs.stop_cause[row] = cause
    for each in group:
        jobs.stopping[each] = 1
        first = int(jobs.offset[each])
        stop_tasks(cell, np.arange(first, first + int(jobs.extent[each]), dtype=np.int64), stamp=stamp)
        jobs.why[each] = None
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
        surplus = np.arange(first + spec.count, first + int(jobs.extent[row]), dtype=np.int64)
        stop_tasks(cell, surplus, stamp=stamp)
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
    for kept in (arena.waits, arena.owed, arena.preempted):
        for row in [row for row in kept if old <= row < old + length]:
            kept[row - old + new] = kept.pop(row)  # type: ignore[assignment]
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
    arena.allocs.rename(old, new, length)


def stop_tasks(cell: Cell, tasks: Rows, *, stamp: Stamp) -> None:
    """Stop tasks: waiting ones at once, the others when their machine says that they ended. Mutates."""
    arena = cell.tasks
    is_waiting = (arena.state[tasks] == TaskState.PENDING) | (arena.state[tasks] == TaskState.HELD)
    move_tasks(cell, tasks[is_waiting], TaskState.STOPPED)
    is_active = (arena.state[tasks] == TaskState.PLACED) | (arena.state[tasks] == TaskState.RUNNING)
    ask_to_end(cell, tasks[is_active], Stopping.STOP, stamp=stamp)


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
