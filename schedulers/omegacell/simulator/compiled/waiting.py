"""The jobs that wait for an instance: `schedulers.backlog` over records.

All jobs of a simulation have one priority, so its two heaps, by priority and by age, are one here. What another
instance of the same scheduler owns has no entry; that such a job is done still wakes the next of its queue, which is
found in the log of touched jobs.
"""

import numpy as np

from omegacell.core.kernels import Whole, count_room, part
from omegacell.simulator.compiled.jobheaps import BY_AGE, BY_DUE, NOBODY, add, drop_root
from omegacell.simulator.compiled.world import Records, Standing, World

QUEUES_PER_LOOK = 64

_UNKNOWN, _READY, _DECIDING = int(Standing.UNKNOWN), int(Standing.READY), int(Standing.DECIDING)
_DELAYED, _PARKED, _GONE = int(Standing.DELAYED), int(Standing.PARKED), int(Standing.GONE)


@part
def note_job(world: World, job: Whole) -> None:
    """Write a job into the log of touched jobs."""
    cell = world.cell[0]
    world.log[cell.log_count - cell.log_first] = job
    cell.log_count += 1


@part
def take_in_jobs(world: World, number: Whole) -> None:
    """Read the jobs that were touched since an instance last did (`Backlog.update`)."""
    instance, cell = world.instances[number], world.cell[0]
    begin, end = instance.log_place, cell.log_count
    instance.log_place = end
    cell.steps += 1
    for place in range(begin, end):
        row = world.log[place - cell.log_first]
        job = world.jobs[row]
        if job.queue != instance.queue:
            continue
        if job.pending == 0:
            was_known = job.submit_place < begin and job.done_place >= begin
            if was_known and job.mark != cell.steps:
                job.mark = cell.steps
                if job.owner == number:
                    _leave(instance, job)
                    job.standing = _GONE
                wake_next(world, number, row)
        elif job.owner == number and job.standing == _UNKNOWN:
            _stand_ready(world, number, row)


@part
def take(world: World, number: Whole, now_us: Whole) -> Whole:
    """Return the next job to decide on, now deciding, or -1."""
    instance, jobs = world.instances[number], world.jobs
    while instance.timer_root != NOBODY and jobs[instance.timer_root].due_us <= now_us:
        row = instance.timer_root
        instance.timer_root = drop_root(jobs, row, BY_DUE)
        if jobs[row].standing == _DELAYED:
            _leave(instance, jobs[row])
            _stand_ready(world, number, row)
    if instance.ready == 0:
        return NOBODY
    row = instance.ready_root
    instance.ready_root = drop_root(jobs, row, BY_AGE)
    while jobs[row].standing != _READY:
        row = instance.ready_root
        instance.ready_root = drop_root(jobs, row, BY_AGE)
    _leave(instance, jobs[row])
    jobs[row].standing = _DECIDING
    instance.deciding += 1
    return row


@part
def make_ready(world: World, number: Whole, row: Whole) -> None:
    """Make a job ready again at once (`Backlog.give_back`)."""
    if world.jobs[row].standing != _GONE:
        _leave(world.instances[number], world.jobs[row])
        _stand_ready(world, number, row)


@part
def delay(world: World, number: Whole, row: Whole, until_us: Whole, now_us: Whole) -> None:
    """Let a job wait until a time; what room it was woken for is the next one's."""
    if world.jobs[row].standing != _GONE:
        _stand_delayed(world, number, row, until_us)
        wake_next_at(world, number, row, now_us)


@part
def park(world: World, number: Whole, row: Whole, not_before_us: Whole) -> None:
    """Let a job wait until machines change."""
    instance, job = world.instances[number], world.jobs[row]
    if job.standing == _GONE:
        return
    _leave(instance, job)
    job.standing = _PARKED
    job.due_us = not_before_us
    instance.parked += 1
    line = world.lines[job.line]
    if not line.is_listed:
        _list_line(world, instance, job.line)
    job.sibling = line.tried
    line.tried = row


@part
def wake_next(world: World, number: Whole, row: Whole) -> None:
    """Wake the next job of a job's queue at the time at which this step began."""
    wake_next_at(world, number, row, world.instances[number].clock_us)


@part
def wake_next_at(world: World, number: Whole, row: Whole, now_us: Whole) -> None:
    """Wake the next job of a job's queue that was not tried since machines changed (`Backlog.wake_next`)."""
    instance = world.instances[number]
    if instance.parked == 0:
        return
    line = _find_line(world, instance, world.jobs[row].shape_id)
    if line != NOBODY:
        _wake_tasks(world, number, line, np.int64(1), now_us)


@part
def note_machine(world: World, number: Whole, row: Whole) -> None:
    """Remember a machine that changed, for `wake_fitting`."""
    if not world.is_changed[number, row]:
        instance = world.instances[number]
        world.is_changed[number, row] = 1
        world.changed_rows[number, instance.changed] = row
        instance.changed += 1


@part
def wake_fitting(world: World, number: Whole, now_us: Whole) -> bool:
    """Wake parked jobs for which machines that changed have room; true when there is more to look at."""
    instance = world.instances[number]
    is_looking = instance.looking_at < instance.looking_end
    if instance.is_noted and (is_looking or instance.listed):
        _note_changed_machines(world, number)
    instance.is_noted = 0
    if not is_looking and instance.changed:
        _begin_look(world, number)
    for _ in range(QUEUES_PER_LOOK):
        if instance.looking_at >= instance.looking_end:
            break
        line = world.looking[instance.looking_at]
        instance.looking_at += 1
        _wake_line(world, number, line, now_us)
    return instance.looking_at < instance.looking_end or instance.changed > 0


@part
def find_next_due(world: World, number: Whole) -> Whole:
    """Return when the first delayed job is due, or -1."""
    instance, jobs = world.instances[number], world.jobs
    while instance.timer_root != NOBODY and jobs[instance.timer_root].standing != _DELAYED:
        instance.timer_root = drop_root(jobs, instance.timer_root, BY_DUE)
    return jobs[instance.timer_root].due_us if instance.timer_root != NOBODY else NOBODY


@part
def _note_changed_machines(world: World, number: Whole) -> None:
    """Note the machines that changed since the instance looked before this step, newest first."""
    since = world.instances[number].noted_from
    row = world.cell[0].newest
    while row != NOBODY and world.changed_at[row] > since:
        note_machine(world, number, row)
        row = world.older[row]


@part
def _begin_look(world: World, number: Whole) -> None:
    """Turn to the machines that changed, and to all queues in the order in which they were first parked in."""
    instance = world.instances[number]
    for place in range(instance.changed):
        row = world.changed_rows[number, place]
        world.looking_rows[number, place] = row
        world.is_changed[number, row] = 0
    instance.looking_rows = instance.changed
    instance.changed = 0
    end = instance.first_line
    instance.looking_at = end
    line = instance.listed_first
    while line != NOBODY:
        world.looking[end] = line
        end += 1
        line = world.lines[line].after
    instance.looking_end = end


@part
def _wake_line(world: World, number: Whole, row: Whole, now_us: Whole) -> None:
    """Wake the jobs of a queue that the machines looked at have room for; a gang may use the other machines too."""
    line, jobs = world.lines[row], world.jobs
    if not line.is_listed:
        return
    job = line.tried
    line.tried = NOBODY
    while job != NOBODY:
        after = jobs[job].sibling
        if jobs[job].standing == _PARKED:
            line.waiting = add(jobs, line.waiting, job, BY_AGE)
        job = after
    first = _first_parked(world, row)
    if first == NOBODY:
        _unlist_line(world, world.instances[number], row)
        return
    room: Whole = np.int64(0)
    for place in range(world.instances[number].looking_rows):
        room += count_room(world.free, world.looking_rows[number, place], world.amounts[first])
    if room > 0 and jobs[first].is_gang:
        whole: Whole = 0
        for machine in range(world.cell[0].machines):
            whole += min(count_room(world.free, machine, world.amounts[first]), jobs[first].count)
        room = whole if whole >= jobs[first].count else 0
    _wake_tasks(world, number, row, room, now_us)


@part
def _wake_tasks(world: World, number: Whole, line: Whole, room: Whole, now_us: Whole) -> None:
    """Wake jobs of a queue in order until their tasks cover ``room``."""
    jobs = world.jobs
    while room > 0:
        row = _first_parked(world, line)
        if row == NOBODY:
            return
        room -= jobs[row].pending
        world.lines[line].waiting = drop_root(jobs, row, BY_AGE)
        if jobs[row].due_us > now_us:
            _stand_delayed(world, number, row, jobs[row].due_us)
        else:
            _leave(world.instances[number], jobs[row])
            _stand_ready(world, number, row)


@part
def _first_parked(world: World, line: Whole) -> Whole:
    record, jobs = world.lines[line], world.jobs
    while record.waiting != NOBODY and jobs[record.waiting].standing != _PARKED:
        record.waiting = drop_root(jobs, record.waiting, BY_AGE)
    return record.waiting


@part
def _find_line(world: World, instance: Records, shape: Whole) -> Whole:
    """Return an instance's queue of a shape, or -1: its queues ascend by shape."""
    low, high = instance.first_line, instance.first_line + instance.lines
    end = high
    while low < high:
        middle = (low + high) >> 1
        if world.lines[middle].shape_id < shape:
            low = middle + 1
        else:
            high = middle
    return low if low < end and world.lines[low].shape_id == shape else NOBODY


@part
def _list_line(world: World, instance: Records, row: Whole) -> None:
    line = world.lines[row]
    line.is_listed = 1
    line.before = instance.listed_last
    line.after = NOBODY
    if instance.listed_last == NOBODY:
        instance.listed_first = row
    else:
        world.lines[instance.listed_last].after = row
    instance.listed_last = row
    instance.listed += 1


@part
def _unlist_line(world: World, instance: Records, row: Whole) -> None:
    line = world.lines[row]
    line.is_listed = 0
    if line.before == NOBODY:
        instance.listed_first = line.after
    else:
        world.lines[line.before].after = line.after
    if line.after == NOBODY:
        instance.listed_last = line.before
    else:
        world.lines[line.after].before = line.before
    instance.listed -= 1


@part
def _stand_ready(world: World, number: Whole, row: Whole) -> None:
    instance, job = world.instances[number], world.jobs[row]
    job.standing = _READY
    instance.ready += 1
    instance.ready_root = add(world.jobs, instance.ready_root, row, BY_AGE)


@part
def _stand_delayed(world: World, number: Whole, row: Whole, until_us: Whole) -> None:
    instance, job = world.instances[number], world.jobs[row]
    _leave(instance, job)
    job.standing = _DELAYED
    job.due_us = until_us
    instance.delayed += 1
    instance.timer_root = add(world.jobs, instance.timer_root, row, BY_DUE)


@part
def _leave(instance: Records, job: Records) -> None:
    """Count a job out of where it stands."""
    if job.standing == _READY:
        instance.ready -= 1
    elif job.standing == _DECIDING:
        instance.deciding -= 1
    elif job.standing == _DELAYED:
        instance.delayed -= 1
    elif job.standing == _PARKED:
        instance.parked -= 1
