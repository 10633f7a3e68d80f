"""How the slow twin submits, scales, replaces, stops and forgets jobs."""

from dataclasses import replace

from omegacell.core.commands import ForgetJob, StopJob, SubmitJob, Transaction
from omegacell.core.jobs import JobSpec, Kind, TaskState
from omegacell.core.outcomes import Change, Reason, Status
from omegacell.core.updates import Updating
from tests.support.oracle_holds import find_circle, has_unmet, predecessor
from tests.support.oracle_limits import find_quota_refusal, note_use
from tests.support.oracle_state import Job, State, Task, Verdict, changed_before
from tests.support.oracle_tasks import is_ended, scale_job, settle, stop_job, stop_task, touch
from tests.support.oracle_updates import succeed

ADJUSTABLE = ("count", "max_unavailable", "max_restarts", "restart_delay_us", "update")


def refuse(state: State, reason: Reason, *, is_conflict: bool = False) -> Verdict:
    """Refuse a command as a whole."""
    return Verdict(state.revision, Status.REFUSED, reason, is_conflict=is_conflict)


def has_changed(state: State, transaction: Transaction, changes: list[int]) -> bool:
    """Say whether something changed after the transaction's base."""
    return changed_before(changes, state.revision - 1 - transaction.position) > transaction.seen


def refuse_unknown(state: State, transaction: Transaction, job: int) -> Verdict:
    """Refuse a job that is not there; a conflict when it may have been forgotten since."""
    was_forgotten = 1 <= job < state.next_job and state.forgotten_at > transaction.seen
    return refuse(state, Reason.UNKNOWN_JOB, is_conflict=was_forgotten)


def judge_submit(  # noqa: PLR0911 -- one return each
    state: State, transaction: Transaction, command: SubmitJob
) -> Verdict:
    """Create, scale, adjust, replace, update or leave alone."""
    spec = command.spec
    job = state.jobs[state.names[spec.name]] if spec.name in state.names else None
    group = [] if job is None else [job, *state.olds(job)]
    excess = find_quota_refusal(state, transaction, spec, group, [])
    excess = excess or find_cycle_refusal(state, transaction, spec)
    if job is None:
        return excess or create(state, command, Change.CREATED)
    is_same = adjusted(job.spec, spec) == spec
    is_gone = job.is_stopping or is_ended(job)
    is_ours = job.spec.owner == spec.owner and job.spec.kind == spec.kind == Kind.SERVICE
    if command.update and not is_same and is_ours and not is_gone:
        excess = find_quota_refusal(state, transaction, spec, group, group)
        return excess or find_cycle_refusal(state, transaction, spec) or update(state, command, group)
    is_anew = command.replace or (command.update and not is_same and is_ours)
    if is_anew and (not is_same or is_gone):
        if excess:
            return excess
        stop_job(state, job, state.revision)
        note_use(state)
        return create(state, command, Change.REPLACED)
    if not is_same:
        return refuse(state, Reason.JOB_EXISTS, is_conflict=has_changed(state, transaction, job.changes))
    if spec == job.spec:
        return granted(state, job.id, Change.UNCHANGED)
    if job.is_stopping:
        return refuse(state, Reason.JOB_STOPPING, is_conflict=has_changed(state, transaction, job.changes))
    excess = find_quota_refusal(state, transaction, spec, group, group[1:])
    if spec.count > job.count and excess:
        return excess
    change = Change.ADJUSTED if spec.count == job.count else Change.SCALED
    job.spec = replace(adjusted(job.spec, spec), count=job.count)
    scale_job(state, job, spec.count, state.revision)
    return granted(state, job.id, change)


def adjusted(before: JobSpec, after: JobSpec) -> JobSpec:
    """Take over from another spec what can change without touching a task."""
    values = {name: getattr(after, name) for name in ADJUSTABLE}
    return replace(before, **values)


def find_cycle_refusal(state: State, transaction: Transaction, spec: JobSpec) -> Verdict | None:
    """Refuse a job that would wait for itself."""
    circle = [predecessor(state, name) for name in sorted(find_circle(state, spec))]
    if not spec.after or not find_circle(state, spec):
        return None
    is_conflict = any(has_changed(state, transaction, job.changes) for job in circle if job is not None)
    return refuse(state, Reason.DEPENDENCY_CYCLE, is_conflict=is_conflict)


def granted(state: State, job: int, change: Change) -> Verdict:
    """Grant a submit."""
    return Verdict(state.revision, Status.COMMITTED, granted=1, value=job, detail=change)


def create(state: State, command: SubmitJob, change: Change) -> Verdict:
    """Bring a new job in; from now on its name means it."""
    spec: JobSpec = command.spec
    job = Job(
        id=state.next_job,
        spec=spec,
        count=spec.count,
        submitted_at_us=command.submitted_at_us,
        tasks=[Task(state=TaskState.HELD if has_unmet(state, spec) else TaskState.PENDING) for _ in range(spec.count)],
        changes=[state.revision],
    )
    state.next_job += 1
    state.jobs[job.id] = job
    state.names[spec.name] = job.id
    settle(state, job)
    return granted(state, job.id, change)


def update(state: State, command: SubmitJob, group: list[Job]) -> Verdict:
    """Bring a new job in that takes the place of others, all its tasks held."""
    verdict = create(state, command, Change.UPDATED)
    job = state.jobs[verdict.value]
    for task in job.tasks:
        task.state = TaskState.HELD
    succeed(state, job, group, Updating.FORWARD)
    for old in group:
        for task in old.tasks:
            if task.state == TaskState.HELD:
                stop_task(task)
        touch(old.changes, state.revision)
        settle(state, old)
    settle(state, job)
    return verdict


def judge_stop(state: State, transaction: Transaction, command: StopJob) -> Verdict:
    """Stop a job."""
    job = state.jobs.get(command.job)
    if job is None:
        return refuse_unknown(state, transaction, command.job)
    stop_job(state, job, state.revision)
    return Verdict(state.revision, Status.COMMITTED, granted=1)


def judge_forget(state: State, transaction: Transaction, command: ForgetJob) -> Verdict:
    """Let a job leave the cell that ended long enough ago."""
    job = state.jobs.get(command.job)
    if job is None:
        return refuse_unknown(state, transaction, command.job)
    partners = [each for each in state.olds(job) if job.updating or not is_ended(each)]
    if job.successor is not None and state.jobs[job.successor].updating:
        partners = [state.jobs[job.successor]]
    if job.ended_elapsed is None or partners:
        is_conflict = any(has_changed(state, transaction, each.changes) for each in (job, *partners))
        return refuse(state, Reason.JOB_ACTIVE, is_conflict=is_conflict)
    assert state.genesis is not None
    if state.elapsed < job.ended_elapsed + state.genesis.forget_after_us:
        return refuse(state, Reason.NOT_DUE)
    for old in state.olds(job):
        old.successor = None
    del state.jobs[job.id]
    if state.names.get(job.spec.name) == job.id:
        del state.names[job.spec.name]
    state.forgotten_at = state.revision
    return Verdict(state.revision, Status.COMMITTED, granted=1)
