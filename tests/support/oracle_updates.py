"""How the slow twin updates services: pairs of jobs, judged task by task and counted anew whenever asked."""

from omegacell.core.commands import Transaction
from omegacell.core.jobs import Stopping, TaskState
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import Atomicity
from omegacell.core.updates import (
    FinishUpdate,
    OnFailure,
    RevertCause,
    RevertUpdate,
    StopTasks,
    UpdatePolicy,
    Updating,
)
from tests.support.oracle_holds import find_awaited, has_unmet, predecessor
from tests.support.oracle_limits import find_quota_refusal
from tests.support.oracle_state import Job, Row, State, Verdict, changed_before
from tests.support.oracle_tasks import (
    ACTIVE,
    ALIVE,
    WAITING,
    covers,
    is_ended,
    remember_stopped,
    serves,
    settle,
    stop_task,
    touch,
)


def policy_of(job: Job) -> UpdatePolicy:
    """Give how a job is updated."""
    return job.spec.update or UpdatePolicy()


def succeed(state: State, job: Job, olds: list[Job], updating: Updating) -> None:
    """Let a name mean a job that takes the place of others."""
    for old in olds:
        old.successor = job.id
        old.updating = Updating.NO
    job.successor = None
    job.updating = updating
    job.progressed = state.elapsed
    state.names[job.spec.name] = job.id


def has_any_changed(state: State, transaction: Transaction, jobs: list[Job]) -> bool:
    """Say whether one of several jobs changed after the transaction's base."""
    since = state.revision - 1 - transaction.position
    return any(changed_before(job.changes, since) > transaction.seen for job in jobs)


def judge_stop_tasks(state: State, transaction: Transaction, command: StopTasks) -> Verdict:
    """Stop old tasks, index by index, as far as few enough are unavailable."""
    judged: list[Row | None] = []
    taken: set[int] = set()
    for at in range(len(command.indices)):
        judged.append(find_refusal(state, transaction, command, at, taken))
    rows = [each for each in judged if each is not None]
    count = len(judged) - len(rows)
    if rows and transaction.atomicity == Atomicity.ALL_OR_NOTHING:
        is_conflict = any(each[2] for each in rows)
        rows = [each or (at, Reason.GANG_PARTNER, is_conflict, -1, 0, 0) for at, each in enumerate(judged)]
        count = 0
    if not count:
        return Verdict(state.revision, Status.REFUSED, rows=tuple(rows))
    job = state.jobs[command.job]
    current = state.current(job)
    for at, refused in enumerate(judged):
        task = job.tasks[int(command.indices[at])] if refused is None else None
        if task is not None and task.state in ALIVE and task.stopping != Stopping.STOP:
            stop_task(state, job, int(command.indices[at]), transaction.decided_to_us)
            current.progressed = state.elapsed
            touch(job.changes, state.revision)
            touch(current.changes, state.revision)
    settle(state, job)
    return Verdict(state.revision, Status.PARTIAL if rows else Status.COMMITTED, granted=count, rows=tuple(rows))


def find_refusal(state: State, transaction: Transaction, command: StopTasks, at: int, taken: set[int]) -> Row | None:
    """Say why one task is not stopped; ``taken`` are the available ones that were before it."""
    job, index = state.jobs.get(command.job), int(command.indices[at])
    was_forgotten = state.forgotten_at > transaction.seen
    if job is None:
        return (at, Reason.UNKNOWN_JOB, 1 <= command.job < state.next_job and was_forgotten, -1, 0, 0)
    current = state.current(job)
    is_changed = has_any_changed(state, transaction, [job, current, *state.olds(current)])
    if current is job or not current.updating:
        return (at, Reason.NOT_UPDATING, is_changed, -1, 0, 0)
    if index >= len(job.tasks):
        return (at, Reason.UNKNOWN_TASK, is_changed, -1, 0, 0)
    if has_unmet(state, current.spec) and job.tasks[index].state in ACTIVE:
        others = [each for name in current.spec.after if (each := predecessor(state, name.job)) is not None]
        is_conflict = is_changed or was_forgotten or has_any_changed(state, transaction, others)
        return (at, Reason.STILL_HELD, is_conflict, -1, 0, 0)
    if not serves(job, index) or index >= current.count or index in taken:
        return None
    gang = current.spec.gang
    group = 0 if gang is None else min(gang.size or current.count, current.count)
    limit = max(policy_of(current).max_parallel, group)
    wanted = max(each.count for each in state.olds(current))
    away = sum(not covers(state, current, each) for each in range(min(wanted, current.count)))
    if away + len(taken) >= limit:
        return (at, Reason.JOB_DISRUPTED, is_changed, -1, 0, 0)
    taken.add(index)
    return None


def find_target(state: State, job: Job) -> Job | None:
    """Give the job that a revert brings back."""
    olds = [old for old in state.olds(job) if not old.is_stopping]
    for old in sorted(olds, key=lambda each: each.id):
        if any(task.state in ACTIVE and task.stopping == Stopping.NO for task in old.tasks):
            return old
    return max(olds, key=lambda each: each.id, default=None)


def judge_revert(state: State, transaction: Transaction, command: RevertUpdate) -> Verdict:
    """Bring an older job of a name back."""
    job = state.jobs.get(command.job)
    if job is None:
        return refuse_unknown(state, transaction, command.job)
    group = [job, *state.olds(job)]
    target = find_target(state, job)
    if job.successor is not None or job.is_stopping or target is None:
        return refuse(state, Reason.NOT_UPDATING, is_conflict=has_any_changed(state, transaction, group))
    if command.cause == RevertCause.STUCK:
        is_late = state.elapsed >= job.progressed + policy_of(job).deadline_us
        if job.updating != Updating.FORWARD or policy_of(job).on_failure != OnFailure.REVERT or not is_late:
            return refuse(state, Reason.NOT_DUE)
    others = [each for each in group if each is not target]
    since = state.revision - 1 - transaction.position
    excess = find_quota_refusal(state, target.spec, (group, others), seen=transaction.seen, since=since)
    if excess:
        return excess
    names = find_awaited(state, target.spec)
    if target.spec.name in names:
        circle = [each for name in names if (each := predecessor(state, name)) is not None]
        return refuse(state, Reason.DEPENDENCY_CYCLE, is_conflict=has_any_changed(state, transaction, circle))
    succeed(state, target, others, Updating.BACK)
    for old in others:
        for index, task in enumerate(old.tasks):
            if task.state in WAITING:
                stop_task(state, old, index, transaction.decided_to_us)
    for task in target.tasks[: target.count]:
        if task.state == TaskState.STOPPED:
            remember_stopped(task)
            task.state = TaskState.HELD
    for each in group:
        touch(each.changes, state.revision)
        settle(state, each)
    return Verdict(state.revision, Status.COMMITTED, granted=1, value=target.id)


def judge_finish(state: State, transaction: Transaction, command: FinishUpdate) -> Verdict:
    """Note that an update is over."""
    job = state.jobs.get(command.job)
    if job is None:
        return refuse_unknown(state, transaction, command.job)
    if not job.updating:
        return refuse(state, Reason.NOT_UPDATING, is_conflict=has_any_changed(state, transaction, [job]))
    olds = state.olds(job)
    if any(not is_ended(old) for old in olds) or not all(serves(job, index) for index in range(job.count)):
        return refuse(state, Reason.UPDATE_GOES_ON, is_conflict=has_any_changed(state, transaction, [job, *olds]))
    job.updating = Updating.NO
    touch(job.changes, state.revision)
    return Verdict(state.revision, Status.COMMITTED, granted=1)


def refuse(state: State, reason: Reason, *, is_conflict: bool = False) -> Verdict:
    """Refuse a command as a whole."""
    return Verdict(state.revision, Status.REFUSED, reason, is_conflict=is_conflict)


def refuse_unknown(state: State, transaction: Transaction, job: int) -> Verdict:
    """Refuse a job that is not there; a conflict when it may have been forgotten since."""
    was_forgotten = 1 <= job < state.next_job and state.forgotten_at > transaction.seen
    return refuse(state, Reason.UNKNOWN_JOB, is_conflict=was_forgotten)
