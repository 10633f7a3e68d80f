"""How the slow twin submits, scales, replaces, stops and forgets jobs."""

from dataclasses import replace

from omegacell.core.commands import ForgetJob, StopJob, SubmitJob, Transaction
from omegacell.core.hold_commands import GrowSystemJob
from omegacell.core.jobs import JobSpec, StopCause, TaskState
from omegacell.core.outcomes import Change, Reason, Status
from tests.support.oracle_allocs import find_alloc_refusal
from tests.support.oracle_holds import find_awaited, is_held, is_held_by_jobs, predecessor
from tests.support.oracle_limits import find_quota_refusal, is_template, note_use
from tests.support.oracle_state import Job, State, Task, Verdict, changed_before
from tests.support.oracle_system import is_mismatch, is_system, sized
from tests.support.oracle_tasks import is_ended, scale_job, settle, stop_job, touch


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


def judge_submit(state: State, transaction: Transaction, command: SubmitJob) -> Verdict:
    """Create, scale, adjust, replace or leave alone."""
    spec = sized(state, command.spec)
    command = replace(command, spec=spec)
    job = state.jobs[state.names[spec.name]] if spec.name in state.names else None
    since = state.revision - 1 - transaction.position
    excess = find_quota_refusal(state, spec, [job] if job else [], seen=transaction.seen, since=since)
    unfit = find_alloc_refusal(state, spec, seen=transaction.seen, since=since)
    excess = excess or find_cycle_refusal(state, transaction, spec)
    if job is None:
        return unfit or excess or create(state, spec, command.submitted_at_us, Change.CREATED)
    is_same = replace(job.spec, count=spec.count, max_unavailable=spec.max_unavailable) == spec
    if command.replace and (not is_same or job.is_stopping or is_ended(job)):
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
    if (spec.count, spec.max_unavailable) == (job.count, job.spec.max_unavailable):
        return granted(state, job.id, Change.UNCHANGED)
    if job.is_stopping:
        return refuse(state, Reason.JOB_STOPPING, is_conflict=has_changed(state, transaction, job.changes))
    if spec.count > job.count and excess and excess.reason == Reason.QUOTA_EXCEEDED:
        return excess
    change = Change.ADJUSTED if spec.count == job.count else Change.SCALED
    job.spec = replace(job.spec, max_unavailable=spec.max_unavailable)
    scale_job(state, job, spec.count, state.revision, transaction.decided_to_us)
    return granted(state, job.id, change)


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
    if job.ended_elapsed is None:
        return refuse(state, Reason.JOB_ACTIVE, is_conflict=has_changed(state, transaction, job.changes))
    assert state.genesis is not None
    if state.elapsed < job.ended_elapsed + state.genesis.forget_after_us:
        return refuse(state, Reason.NOT_DUE)
    del state.jobs[job.id]
    if state.names.get(job.spec.name) == job.id:
        del state.names[job.spec.name]
    state.forgotten_at = state.revision
    return Verdict(state.revision, Status.COMMITTED, granted=1)
