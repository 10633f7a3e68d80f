"""What holds tasks in the slow twin: other jobs, looked up by name whenever asked, and machines that do not match."""

from omegacell.core.commands import Transaction
from omegacell.core.dependencies import Condition
from omegacell.core.hold_commands import HoldTasks, ReleaseTasks
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import Atomicity
from tests.support.oracle_state import Job, Machine, Row, State, Verdict, changed_before
from tests.support.oracle_system import is_begun, is_mismatch, is_system
from tests.support.oracle_tasks import ALIVE, serves, settle, touch


def predecessor(state: State, name: str) -> Job | None:
    """Give the job that a name means now."""
    return state.jobs[state.names[name]] if name in state.names else None


def is_held_by_jobs(state: State, job: Job) -> bool:
    """Say whether other jobs still hold the held tasks of a job; those of a system job only until one was released."""
    return not (is_system(job.spec) and is_begun(job)) and is_held(state, job.spec)


def has_unmet(state: State, spec: JobSpec) -> bool:
    """Say whether a job of this spec still waits for another."""
    return any(not is_met(predecessor(state, each.job), each.condition) for each in spec.after)


def is_held(state: State, spec: JobSpec) -> bool:
    """Say whether anything holds the tasks of a job of this spec."""
    return spec.schedule is not None or spec.parameters is not None or has_unmet(state, spec)


def is_met(job: Job | None, condition: Condition) -> bool:
    """Say whether what is waited for has happened to a job."""
    if job is None:
        return False
    if condition == Condition.AVAILABLE and is_system(job.spec) and not is_running_somewhere(job):
        return False
    if condition == Condition.AVAILABLE:
        return not job.is_stopping and all(serves(job, index) for index in range(job.count))
    if any(task.state in ALIVE for task in job.tasks):
        return False
    succeeded = sum(task.state == TaskState.SUCCEEDED for task in job.tasks)
    return condition == Condition.ENDED or succeeded >= job.count


def is_running_somewhere(job: Job) -> bool:
    """Say whether any task of a job runs."""
    return any(task.state == TaskState.RUNNING for task in job.tasks)


def find_awaited(state: State, spec: JobSpec) -> list[str]:
    """Give the names of all jobs that one waits for: those it names, those that they name, and so on."""
    names = [each.job for each in spec.after]
    while True:
        jobs = [predecessor(state, name) for name in names]
        more = {each.job for job in jobs if job is not None for each in job.spec.after} - set(names)
        if not more:
            return names
        names += sorted(more)


def judge_holds(state: State, transaction: Transaction, command: ReleaseTasks | HoldTasks) -> Verdict:
    """Let tasks become pending that nothing holds any more, or hold those that something holds, index by index."""
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
            after = TaskState.PENDING if isinstance(command, ReleaseTasks) else TaskState.HELD
            job.tasks[int(command.indices[at])].state = after
    if isinstance(command, ReleaseTasks):
        job.progressed = state.elapsed
    touch(job.changes, state.revision)
    settle(state, job)
    return Verdict(state.revision, Status.PARTIAL if rows else Status.COMMITTED, granted=count, rows=tuple(rows))


def find_refusal(  # noqa: PLR0911 -- one return a reason
    state: State, transaction: Transaction, command: ReleaseTasks | HoldTasks, at: int
) -> Row | None:
    """Say why one task is not released, or not held."""

    def has_changed(one: Job | Machine | None) -> bool:
        since = state.revision - 1 - transaction.position
        return one is not None and changed_before(one.changes, since) > transaction.seen

    job = state.jobs.get(command.job)
    index = int(command.indices[at])
    was_forgotten = state.forgotten_at > transaction.seen
    if job is None:
        was_there = 1 <= command.job < state.next_job
        return (at, Reason.UNKNOWN_JOB, was_there and was_forgotten, -1, 0, 0)
    if index >= len(job.tasks):
        return (at, Reason.UNKNOWN_TASK, has_changed(job), -1, 0, 0)
    machine = state.machine(index) if is_system(job.spec) else None
    is_release = isinstance(command, ReleaseTasks)
    if not is_release and job.tasks[index].state != TaskState.PENDING:
        return (at, Reason.TASK_NOT_PENDING, has_changed(job), -1, 0, 0)
    if not is_release and not is_mismatch(state, job.spec, index):
        return (at, Reason.NOTHING_HOLDS, has_changed(job) or has_changed(machine), -1, 0, 0)
    if not is_release:
        return None
    if job.tasks[index].state != TaskState.HELD:
        return (at, Reason.TASK_NOT_HELD, has_changed(job), -1, 0, 0)
    if is_mismatch(state, job.spec, index) and not is_held_by_jobs(state, job):
        return (at, Reason.STILL_HELD, has_changed(job) or has_changed(machine), -1, 0, 0)
    if is_held_by_jobs(state, job):
        others = [predecessor(state, each.job) for each in job.spec.after]
        is_conflict = (was_forgotten and bool(others)) or has_changed(job) or any(has_changed(each) for each in others)
        return (at, Reason.STILL_HELD, is_conflict, -1, 0, 0)
    olds = state.olds(job)
    if any(index < len(old.tasks) and old.tasks[index].state in ALIVE for old in olds):
        return (at, Reason.STILL_HELD, any(has_changed(each) for each in (job, *olds)), -1, 0, 0)
    return None
