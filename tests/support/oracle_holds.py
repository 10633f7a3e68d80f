"""What holds tasks in the slow twin: other jobs, looked up by name whenever asked."""

from omegacell.core.commands import Transaction
from omegacell.core.dependencies import Condition
from omegacell.core.hold_commands import ReleaseTasks
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import Atomicity
from tests.support.oracle_state import Job, Row, State, Verdict, changed_before
from tests.support.oracle_tasks import ALIVE, serves, settle, touch


def predecessor(state: State, name: str) -> Job | None:
    """Give the job that a name means now."""
    return state.jobs[state.names[name]] if name in state.names else None


def has_unmet(state: State, spec: JobSpec) -> bool:
    """Say whether a job of this spec still waits for another."""
    return any(not is_met(predecessor(state, each.job), each.condition) for each in spec.after)


def is_met(job: Job | None, condition: Condition) -> bool:
    """Say whether what is waited for has happened to a job."""
    if job is None:
        return False
    if condition == Condition.AVAILABLE:
        return not job.is_stopping and all(serves(job, index) for index in range(job.count))
    if any(task.state in ALIVE for task in job.tasks):
        return False
    succeeded = sum(task.state == TaskState.SUCCEEDED for task in job.tasks)
    return condition == Condition.ENDED or succeeded >= job.count


def find_circle(state: State, spec: JobSpec) -> set[str]:
    """Give the names of jobs that would wait for each other with this one, by trying every way; empty when none."""

    def search(name: str, seen: tuple[str, ...]) -> set[str]:
        if name == spec.name:
            return {*seen, name}
        job = predecessor(state, name)
        if job is None or name in seen:
            return set()
        for each in job.spec.after:
            found = search(each.job, (*seen, name))
            if found:
                return found
        return set()

    return next((found for each in spec.after if (found := search(each.job, ()))), set())


def judge_release(state: State, transaction: Transaction, command: ReleaseTasks) -> Verdict:
    """Let tasks become pending that nothing holds any more, index by index."""
    judged = [find_refusal(state, transaction, command, at) for at in range(len(command.indices))]
    rows = [each for each in judged if each is not None]
    count = len(judged) - len(rows)
    if rows and transaction.atomicity == Atomicity.ALL_OR_NOTHING:
        is_conflict = any(each[2] for each in rows)
        rows = [each or (at, Reason.GANG_PARTNER, is_conflict, -1, 0, 0) for at, each in enumerate(judged)]
        count = 0
    if not count:
        return Verdict(state.revision, Status.REFUSED, rows=tuple(rows))
    job = state.jobs[command.job]
    for at, refused in enumerate(judged):
        if refused is None:
            job.tasks[int(command.indices[at])].state = TaskState.PENDING
    job.progressed = state.elapsed
    touch(job.changes, state.revision)
    settle(state, job)
    return Verdict(state.revision, Status.PARTIAL if rows else Status.COMMITTED, granted=count, rows=tuple(rows))


def find_refusal(state: State, transaction: Transaction, command: ReleaseTasks, at: int) -> Row | None:
    """Say why one task is not released."""

    def has_changed(job: Job | None) -> bool:
        since = state.revision - 1 - transaction.position
        return job is not None and changed_before(job.changes, since) > transaction.seen

    job = state.jobs.get(command.job)
    index = int(command.indices[at])
    was_forgotten = state.forgotten_at > transaction.seen
    if job is None:
        was_there = 1 <= command.job < state.next_job
        return (at, Reason.UNKNOWN_JOB, was_there and was_forgotten, -1, 0, 0)
    if index >= len(job.tasks):
        return (at, Reason.UNKNOWN_TASK, has_changed(job), -1, 0, 0)
    if job.tasks[index].state != TaskState.HELD:
        return (at, Reason.TASK_NOT_HELD, has_changed(job), -1, 0, 0)
    if has_unmet(state, job.spec):
        others = [predecessor(state, each.job) for each in job.spec.after]
        is_conflict = was_forgotten or has_changed(job) or any(has_changed(each) for each in others)
        return (at, Reason.STILL_HELD, is_conflict, -1, 0, 0)
    olds = state.olds(job)
    if any(index < len(old.tasks) and old.tasks[index].state in ALIVE for old in olds):
        return (at, Reason.STILL_HELD, any(has_changed(each) for each in (job, *olds)), -1, 0, 0)
    return None
