"""How the slow twin submits, scales, replaces, stops and forgets jobs."""

from dataclasses import replace

from omegacell.core.commands import ForgetJob, StopJob, SubmitJob, Transaction
from omegacell.core.hold_commands import GrowSystemJob
from omegacell.core.jobs import JobSpec, Kind, StopCause, TaskState
from omegacell.core.outcomes import Change, Reason, Status
from omegacell.core.updates import Updating
from tests.support.oracle_allocs import find_alloc_refusal
from tests.support.oracle_holds import find_awaited, is_held, is_held_by_jobs, predecessor
from tests.support.oracle_limits import find_quota_refusal, is_template, note_use
from tests.support.oracle_state import Job, State, Task, Verdict, changed_before
from tests.support.oracle_system import is_mismatch, is_system, sized
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


def is_updatable(spec: JobSpec) -> bool:
    """Say whether a job is of the kind that can be updated."""
    return spec.kind == Kind.SERVICE and not spec.alloc and not is_template(spec)


def judge_submit(  # noqa: PLR0911 -- one return each
    state: State, transaction: Transaction, command: SubmitJob
) -> Verdict:
    """Create, scale, adjust, replace, update or leave alone."""
    spec = sized(state, command.spec)
    command = replace(command, spec=spec)
    job = state.jobs[state.names[spec.name]] if spec.name in state.names else None
    group = [] if job is None else [job, *state.olds(job)]
    seen, since = transaction.seen, state.revision - 1 - transaction.position
    excess = find_quota_refusal(state, spec, (group, []), seen=seen, since=since)
    unfit = find_alloc_refusal(state, spec, seen=seen, since=since)
    excess = excess or find_cycle_refusal(state, transaction, spec)
    if job is None:
        return unfit or excess or create(state, spec, command.submitted_at_us, Change.CREATED)
    is_same = adjusted(job.spec, spec) == spec
    is_gone = job.is_stopping or is_ended(job)
    is_ours = job.spec.owner == spec.owner and is_updatable(job.spec) and is_updatable(spec)
    if command.update and not is_same and is_ours and not is_gone:
        excess = find_quota_refusal(state, spec, (group, group), seen=seen, since=since)
        excess = excess or find_cycle_refusal(state, transaction, spec)
        return excess or update(state, transaction, command, group)
    is_anew = command.replace or (command.update and not is_same and is_ours)
    if is_anew and (not is_same or is_gone):
        refused = unfit or excess
        if refused:
            return refused
        stop_job(state, job, state.revision, transaction.decided_to_us)
        note_use(state)
        verdict = create(state, spec, command.submitted_at_us, Change.REPLACED)
        adopt(state, job, state.jobs[verdict.value])
        return verdict
    if is_system(spec):
        spec = replace(spec, count=job.count)
    if not is_same:
        return refuse(state, Reason.JOB_EXISTS, is_conflict=has_changed(state, transaction, job.changes))
    if spec == job.spec:
        return granted(state, job.id, Change.UNCHANGED)
    if job.is_stopping:
        return refuse(state, Reason.JOB_STOPPING, is_conflict=has_changed(state, transaction, job.changes))
    excess = find_quota_refusal(state, spec, (group, group[1:]), seen=seen, since=since)
    if spec.count > job.count and excess:
        return excess
    change = Change.ADJUSTED if spec.count == job.count else Change.SCALED
    job.spec = replace(adjusted(job.spec, spec), count=job.count)
    scale_job(state, job, spec.count, state.revision, transaction.decided_to_us)
    return granted(state, job.id, change)


def adjusted(before: JobSpec, after: JobSpec) -> JobSpec:
    """Take over from another spec what can change without touching a task."""
    values = {name: getattr(after, name) for name in ADJUSTABLE}
    return replace(before, **values)


def find_cycle_refusal(state: State, transaction: Transaction, spec: JobSpec) -> Verdict | None:
    """Refuse a job that would wait for itself."""
    names = find_awaited(state, spec)
    if spec.name not in names:
        return None
    awaited = [predecessor(state, name) for name in names]
    is_conflict = any(has_changed(state, transaction, job.changes) for job in awaited if job is not None)
    return refuse(state, Reason.DEPENDENCY_CYCLE, is_conflict=is_conflict)


def granted(state: State, job: int, change: int) -> Verdict:
    """Grant a submit, or a child."""
    return Verdict(state.revision, Status.COMMITTED, granted=1, value=job, detail=change)


def adopt(state: State, old: Job, new: Job) -> None:
    """Give the children of a template to the one in its place."""
    if is_template(old.spec) and is_template(new.spec):
        for child in state.jobs.values():
            if child.parent == old.id:
                child.parent = new.id
                touch(child.changes, state.revision)


def create(state: State, spec: JobSpec, at_us: int, change: int) -> Verdict:
    """Bring a new job in; from now on its name means it."""
    job = Job(
        id=state.next_job,
        spec=spec,
        count=spec.count,
        submitted_at_us=at_us,
        tasks=[fresh_task(state, spec, index, is_waiting=is_held(state, spec)) for index in range(spec.count)],
        changes=[state.revision],
        instant_us=at_us if spec.schedule is not None else 0,
        deadline=state.elapsed + spec.deadline_us if spec.deadline_us and not spec.template_kind else None,
    )
    state.next_job += 1
    state.jobs[job.id] = job
    state.names[spec.name] = job.id
    settle(state, job)
    return granted(state, job.id, change)


def update(state: State, transaction: Transaction, command: SubmitJob, group: list[Job]) -> Verdict:
    """Bring a new job in that takes the place of others, all its tasks held."""
    verdict = create(state, command.spec, command.submitted_at_us, Change.UPDATED)
    job = state.jobs[verdict.value]
    for task in job.tasks:
        task.state = TaskState.HELD
    succeed(state, job, group, Updating.FORWARD)
    for old in group:
        for index, task in enumerate(old.tasks):
            if task.state == TaskState.HELD:
                stop_task(state, old, index, transaction.decided_to_us)
        touch(old.changes, state.revision)
        settle(state, old)
    settle(state, job)
    return verdict


def fresh_task(state: State, spec: JobSpec, index: int, *, is_waiting: bool) -> Task:
    """Make a task of a job; it is held when its job waits for another, or its machine does not match."""
    is_held = is_waiting or is_mismatch(state, spec, index)
    return Task(state=TaskState.HELD if is_held else TaskState.PENDING)


def judge_grow(state: State, transaction: Transaction, command: GrowSystemJob) -> Verdict:
    """Give a system job a task for each machine that has none."""
    job = state.jobs.get(command.job)
    if job is None:
        return refuse_unknown(state, transaction, command.job)
    is_conflict = has_changed(state, transaction, job.changes)
    if job.is_stopping:
        return refuse(state, Reason.JOB_STOPPING, is_conflict=is_conflict)
    if not is_system(job.spec) or is_ended(job) or job.count >= len(state.machines):
        return refuse(state, Reason.NOT_DUE, is_conflict=is_conflict)
    is_waiting = is_held_by_jobs(state, job)
    while len(job.tasks) < len(state.machines):
        job.tasks.append(fresh_task(state, job.spec, len(job.tasks), is_waiting=is_waiting))
    job.count = len(job.tasks)
    job.spec = replace(job.spec, count=job.count)
    touch(job.changes, state.revision)
    settle(state, job)
    return Verdict(state.revision, Status.COMMITTED, granted=1, value=job.count)


def judge_stop(state: State, transaction: Transaction, command: StopJob) -> Verdict:
    """Stop a job."""
    job = state.jobs.get(command.job)
    if job is None:
        return refuse_unknown(state, transaction, command.job)
    if command.cause == StopCause.DEADLINE:
        if job.deadline is None or state.elapsed < job.deadline:
            return refuse(state, Reason.NOT_DUE)
        if is_ended(job):
            return Verdict(state.revision, Status.COMMITTED, granted=1)
        job.is_late = job.is_late or not job.is_stopping
    stop_job(state, job, state.revision, transaction.decided_to_us)
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
