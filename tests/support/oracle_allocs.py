"""Allocs in the slow twin: what is inside one is found by asking every task, whenever somebody asks."""

from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import RESOURCE_COUNT
from tests.support.oracle_state import Job, State, Task, Verdict, changed_before

Alloc = tuple[int, int]
"""Job id and index of an alloc."""

Entered = list[tuple[Alloc, JobSpec]]
"""What a transaction was granted inside allocs so far."""


def find_set(state: State, name: str) -> Job | None:
    """Give the alloc set that has a name now, if it is one."""
    job = state.jobs[state.names[name]] if name in state.names else None
    return job if job is not None and job.spec.kind == Kind.ALLOC else None


def open_allocs(state: State, name: str, row: int, evicted: list[Alloc]) -> list[Alloc]:
    """Give the allocs of a set on a machine that take tasks, by index; those that a transaction evicted do not."""
    job = find_set(state, name)
    if job is None:
        return []
    return [
        (job.id, index)
        for index, task in enumerate(job.tasks)
        if task.machine == row
        and task.state == TaskState.RUNNING
        and task.stopping == Stopping.NO
        and (job.id, index) not in evicted
    ]


def inside(state: State, alloc: Alloc) -> list[tuple[Job, int, Task]]:
    """Give the tasks that run inside an alloc."""
    jobs = state.jobs.values()
    return [(job, index, task) for job in jobs for index, task in enumerate(job.tasks) if task.alloc == alloc]


def left_in(state: State, alloc: Alloc, entered: Entered) -> list[int]:
    """Give what an alloc has left, after what a transaction was granted in it."""
    specs = [job.spec for job, _, _ in inside(state, alloc)] + [spec for other, spec in entered if other == alloc]
    size = state.jobs[alloc[0]].spec.resources
    return [size[each] - sum(spec.resources[each] for spec in specs) for each in range(RESOURCE_COUNT)]


def first_lack(spec: JobSpec, left: list[int]) -> tuple[int, int]:
    """Say in which dimension a task does not fit first, and by how much; beyond the last when it fits."""
    short = [(each, spec.resources[each] - left[each]) for each in range(RESOURCE_COUNT)]
    return next(((each, amount) for each, amount in short if amount > 0), (RESOURCE_COUNT, 0))


def choose(state: State, spec: JobSpec, allocs: list[Alloc], entered: Entered) -> Alloc | None:
    """Give the alloc with the fewest tasks of the same job that has room for one more, the first among equals."""
    fitting = [each for each in allocs if first_lack(spec, left_in(state, each, entered)) == (RESOURCE_COUNT, 0)]
    return min(fitting, key=lambda each: names_in(state, each, entered).count(spec.name), default=None)


def names_in(state: State, alloc: Alloc, entered: Entered) -> list[str]:
    """Give the name of the job of each task inside an alloc, after what a transaction was granted in it."""
    held = [job.spec.name for job, _, _ in inside(state, alloc)]
    return held + [spec.name for other, spec in entered if other == alloc]


def nearest_lack(state: State, spec: JobSpec, allocs: list[Alloc], entered: Entered) -> tuple[int, int]:
    """Say what the alloc lacks that gets furthest: the latest dimension, then the least of it."""
    lacks = [first_lack(spec, left_in(state, each, entered)) for each in allocs]
    return max(lacks, key=lambda lack: (lack[0], -lack[1]))


def find_alloc_refusal(state: State, spec: JobSpec, *, seen: int, since: int) -> Verdict | None:
    """Say why a new job has no set to run in, or does not fit into its allocs, or why a set is too small."""
    if spec.alloc:
        known = state.names.get(spec.alloc)
        if known is None:
            is_conflict = state.forgotten_at > seen
            return Verdict(state.revision, Status.REFUSED, Reason.UNKNOWN_ALLOC_SET, is_conflict=is_conflict)
        job = state.jobs[known]
        if job.spec.kind != Kind.ALLOC or job.is_stopping:
            is_conflict = changed_before(job.changes, since) > seen
            return Verdict(state.revision, Status.REFUSED, Reason.UNKNOWN_ALLOC_SET, is_conflict=is_conflict)
        pairs = [(job, job.spec, spec)]
    elif spec.kind == Kind.ALLOC:
        guests = [each for each in state.jobs.values() if each.spec.alloc == spec.name]
        living = [each for each in guests if not each.is_stopping and each.ended_elapsed is None]
        pairs = [(each, spec, each.spec) for each in living]
    else:
        pairs = []
    for other, box, task in pairs:
        for dimension in range(RESOURCE_COUNT):
            if task.resources[dimension] > box.resources[dimension]:
                is_conflict = changed_before(other.changes, since) > seen
                return Verdict(
                    state.revision, Status.REFUSED, Reason.ALLOC_TOO_SMALL, is_conflict=is_conflict,
                    value=other.id, detail=dimension,
                )  # fmt: skip
    return None
