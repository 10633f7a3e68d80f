"""How one task moves, in the slow twin: granted, started, ended, asked to stop; and when its job has ended."""

from dataclasses import dataclass, replace

from omegacell.core.jobs import Kind, Stopping, TaskState
from omegacell.core.machine_commands import ExitNote
from omegacell.core.units import PAST_ATTEMPTS_KEPT
from omegacell.core.updates import Updating
from tests.support.oracle_allocs import inside
from tests.support.oracle_state import NOWHERE, Job, State, Task, charged

ACTIVE = (TaskState.PLACED, TaskState.RUNNING)
WAITING = (TaskState.PENDING, TaskState.HELD)
ALIVE = (*WAITING, *ACTIVE)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, and when by the wall clock."""

    state: TaskState
    at_us: int
    exit_code: int = -1
    signal: int = 0
    note: int = 0


def is_ended(job: Job) -> bool:
    """Whether no task of a job can still do anything."""
    return not any(task.state in ALIVE for task in job.tasks)


def serves(job: Job, index: int) -> bool:
    """Say whether a task is wanted, and available; what rests in a batch job is no loss."""
    task = job.tasks[index]
    if index >= job.count:
        return False
    if job.spec.kind == Kind.BATCH and task.state not in ALIVE:
        return True
    if job.spec.kind == Kind.SYSTEM and task.state == TaskState.HELD:
        return True
    is_fit = task.health == 1 if job.spec.is_health_checked else task.health != 2
    return task.state == TaskState.RUNNING and task.stopping == Stopping.NO and is_fit


def settle(state: State, job: Job) -> None:
    """Note that a job ended, or that it lives again; it needs no reason for waiting when nothing waits."""
    if not is_ended(job):
        job.ended_elapsed = None
    elif job.ended_elapsed is None:
        job.ended_elapsed = state.elapsed
    if not any(task.state == TaskState.PENDING for task in job.tasks):
        job.why = None


def touch(changes: list[int], revision: int) -> None:
    """Note a change, once for each revision."""
    if changes[-1] != revision:
        changes.append(revision)


def stop_task(state: State, job: Job, index: int, at_us: int) -> None:
    """Ask a task to stop: at once when no machine knows of it, else when its machine says so."""
    task = job.tasks[index]
    if task.state in WAITING:
        task.state = TaskState.STOPPED
    elif task.waits:
        task.stopping = Stopping.STOP
        end_attempt(state, job, index, Ending(TaskState.STOPPED, at_us))
    elif task.state in ACTIVE:
        if task.stopping == Stopping.NO:
            close_alloc(state, job, index)
        task.stopping = Stopping.STOP


def close_alloc(state: State, job: Job, index: int) -> None:
    """Let what runs inside a task that was told to end be evicted, if it is an alloc; it takes no more."""
    if job.spec.kind != Kind.ALLOC:
        return
    touch(state.machines[job.tasks[index].machine].changes, state.revision)
    for guest, _, task in inside(state, (job.id, index)):
        if task.stopping == Stopping.NO:
            task.stopping = Stopping.EVICT
            touch(guest.changes, state.revision)


def stop_job(state: State, job: Job, revision: int, at_us: int) -> None:
    """Stop all tasks of a job; stopping twice changes nothing."""
    if job.is_stopping:
        return
    job.updating = Updating.NO
    for each in (job, *state.olds(job)):
        if each.is_stopping:
            continue
        each.is_stopping = True
        for index in range(len(each.tasks)):
            stop_task(state, each, index, at_us)
        touch(each.changes, revision)
        settle(state, each)


def scale_job(state: State, job: Job, count: int, revision: int, at_us: int) -> None:
    """Give a job another count: new or stopped tasks wait again, surplus ones stop."""
    is_held = job.updating or any(task.state == TaskState.HELD for task in job.tasks)
    before, job.count = job.count, count
    fresh = TaskState.HELD if is_held else TaskState.PENDING
    for index, task in enumerate(job.tasks):
        if before <= index < count and task.state == TaskState.STOPPED:
            remember_stopped(task)
            task.state = fresh
        elif index >= count:
            stop_task(state, job, index, at_us)
    while len(job.tasks) < count:
        job.tasks.append(Task(state=fresh))
    job.spec = replace(job.spec, count=count)
    touch(job.changes, revision)
    settle(state, job)


def remember_stopped(task: Task) -> None:
    """Keep the attempt that a stopped task rests on, before another follows; once only."""
    if task.attempt and (not task.past or task.past[-1][0] != task.attempt):
        past = (
            task.attempt, task.last_machine, TaskState.STOPPED, task.exit_code, task.signal, task.note,
            task.placed_at_us, task.started_at_us, task.ended_at_us, *preemptor_of(task),
        )  # fmt: skip
        task.past = [*task.past, past][-PAST_ATTEMPTS_KEPT:]


def preemptor_of(task: Task) -> tuple[int, int]:
    """Give the job that a task's last attempt gave way to, and when; zeros when it ended otherwise."""
    if task.displaced is None or task.displaced.attempt != task.attempt:
        return 0, 0
    return task.displaced.job, task.displaced.revision


def end_of_exit(job: Job, task: Task, exit_code: int, signal: int, note: int) -> TaskState:
    """Say as what a reported exit counts."""
    is_clean = exit_code == 0 and signal == 0 and note == ExitNote.NONE
    if task.stopping != Stopping.NO:
        if job.spec.kind == Kind.BATCH and is_clean:
            return TaskState.SUCCEEDED
        return TaskState.STOPPED if task.stopping == Stopping.STOP else TaskState.EVICTED
    if note == ExitNote.FENCED:
        return TaskState.LOST
    return TaskState.SUCCEEDED if is_clean else TaskState.FAILED


def end_attempt(state: State, job: Job, index: int, ending: Ending) -> None:
    """End the running attempt of a task: give back what it held, and decide where the task goes.

    The caller settles the job and notes its change; the machine's change is noted here. What is still inside an alloc
    that ends is lost with it.
    """
    for guest, place, _ in inside(state, (job.id, index)):
        end_attempt(state, guest, place, Ending(TaskState.LOST, ending.at_us))
        touch(guest.changes, state.revision)
        settle(state, guest)
    task = job.tasks[index]
    machine = state.machines[task.machine]
    for dimension, demand in enumerate(charged(job.spec)):
        machine.allocated[job.spec.band][dimension] -= demand
    for number in task.ports:
        del machine.ports[number]
    for request, indices in zip(job.spec.devices, task.devices, strict=False):
        for device in indices:
            del machine.held[request.name, device]
    touch(machine.changes, state.revision)
    if ending.state != TaskState.EVICTED:
        task.displaced = None
    past = (
        task.attempt, task.machine, ending.state, ending.exit_code, ending.signal, ending.note,
        task.placed_at_us, task.started_at_us, ending.at_us, *preemptor_of(task),
    )  # fmt: skip
    was_stopped = task.stopping == Stopping.STOP
    task.waits = []
    was_stopped = task.stopping == Stopping.STOP
    for waiting in [each for other in state.jobs.values() for each in other.tasks]:
        waiting.waits = [key for key in waiting.waits if key != (job.id, index, task.attempt)]
    task.machine = NOWHERE
    task.ports, task.devices, task.alloc = [], [], None
    task.stopping = Stopping.NO
    task.exit_code, task.signal, task.note = ending.exit_code, ending.signal, ending.note
    task.ended_at_us = ending.at_us
    task.ended_elapsed = state.elapsed
    task.state = next_state(job, index, ending.state, was_stopped=was_stopped)
    if task.state == TaskState.PENDING:
        task.past = [*task.past, past][-PAST_ATTEMPTS_KEPT:]


def next_state(job: Job, index: int, end: TaskState, *, was_stopped: bool) -> TaskState:
    """Say where a task goes whose attempt ended; count the restart when it goes back to PENDING by itself."""
    task, spec = job.tasks[index], job.spec
    if index >= job.count or job.is_stopping or (job.successor is not None and was_stopped):
        return TaskState.STOPPED if end in (TaskState.LOST, TaskState.EVICTED) else end
    if end in (TaskState.LOST, TaskState.EVICTED, TaskState.STOPPED):
        return TaskState.PENDING
    if end == TaskState.SUCCEEDED and spec.kind == Kind.BATCH:
        return end
    if spec.max_restarts == -1 or task.restarts < spec.max_restarts:
        task.restarts += 1
        return TaskState.PENDING
    return end


def covers(state: State, job: Job, index: int) -> bool:
    """Say whether a task of an index is available: the job's own, or one that it takes the place of."""
    return any(serves(each, index) for each in (job, *state.olds(job)) if index < len(each.tasks))
