"""Preemption in the slow twin: who may be made to give way, what is promised of it, and who waits for whom.

A machine's room is counted as what it has less what every attempt placed there asks for, waiting ones too. What ending
attempts ask for may be promised to a claim with victims, which then waits until all of them have ended.
"""

from typing import TYPE_CHECKING, NamedTuple

from omegacell.core.commands import Place, Transaction
from omegacell.core.jobs import JobSpec, Stopping, TaskState
from omegacell.core.outcomes import Reason
from omegacell.core.units import RESOURCE_COUNT, Band
from tests.support.oracle_state import Job, Key, Machine, State, Task, charged
from tests.support.oracle_tasks import ACTIVE, Ending, end_attempt, settle, touch

if TYPE_CHECKING:
    from tests.support.oracle_claims import Judging

DEEPEST = 3


class Relief(NamedTuple):
    """What those give back who end: of each resource, and devices by name."""

    amounts: list[int]
    devices: dict[str, int]


def victims_of(command: Place, claim: int) -> list[Key]:
    """Give the victims that one claim names, in order."""
    named = command.victims
    columns = zip(
        named.claims.tolist(), named.jobs.tolist(), named.indices.tolist(), named.attempts.tolist(), strict=True
    )
    return [(job, index, attempt) for place, job, index, attempt in columns if place == claim]


def find_attempt(state: State, key: Key) -> Task | None:
    """Give the task of an attempt that is placed or running, None when it is not."""
    job = state.jobs.get(key[0])
    if job is None or key[1] >= len(job.tasks):
        return None
    task = job.tasks[key[1]]
    return task if task.attempt == key[2] and task.state in ACTIVE else None


def gives_way(victim: JobSpec, to: JobSpec) -> bool:
    """Say whether tasks of one job give way to those of another."""
    if to.band == victim.band:
        return to.band in (Band.BEST_EFFORT, Band.BATCH) and to.priority > victim.priority
    return to.band > victim.band


def find_victim_refusal(judging: "Judging", job: Job, index: int, row: int, keys: list[Key]) -> tuple[Reason, bool]:
    """Say why a claim may not name these victims: the first reason of any, and whether it is a conflict."""
    refusals = [refuse_victim(judging, job, index, row, key) for key in keys]
    first = min((reason for reason, _ in refusals if reason), default=Reason.NONE)
    return first, any(is_conflict for reason, is_conflict in refusals if reason == first)


def refuse_victim(judging: "Judging", job: Job, index: int, row: int, key: Key) -> tuple[Reason, bool]:
    """Say why a claim may not name one victim."""
    state = judging.state
    task = find_attempt(state, key)
    if task is None:
        its_job = state.jobs.get(key[0])
        if its_job is None:
            return Reason.VICTIM_GONE, 1 <= key[0] < state.next_job and state.forgotten_at > judging.seen
        return Reason.VICTIM_GONE, judging.has_changed(its_job.changes)
    if task.machine != row:
        return Reason.VICTIM_ELSEWHERE, False
    if task.stopping != Stopping.NO or key in judging.displaced_before:
        return Reason.NONE, False
    if not gives_way(state.jobs[key[0]].spec, job.spec):
        return Reason.VICTIM_PROTECTED, False
    displaced = job.tasks[index].displaced
    if displaced is not None and displaced.depth >= DEEPEST:
        return Reason.CASCADE_TOO_DEEP, judging.has_changed(job.changes)
    return Reason.NONE, False


def ending_on(judging: "Judging", row: int) -> list[Key]:
    """Give the attempts on a machine that end by and by: asked before, or by an earlier claim of this transaction."""
    return [
        (job.id, index, task.attempt)
        for job in judging.state.jobs.values()
        for index, task in enumerate(job.tasks)
        if task.machine == row
        and not task.waits
        and (task.stopping != Stopping.NO or (job.id, index, task.attempt) in judging.displaced)
    ]


def total_of(state: State, keys: list[Key]) -> list[int]:
    """Sum up what attempts hold."""
    specs = [state.jobs[job].spec for job, _, _ in keys]
    return [sum(charged(spec)[dimension] for spec in specs) for dimension in range(RESOURCE_COUNT)]


def displace(judging: "Judging", row: int, keys: list[Key]) -> None:
    """Note who gives way to a claim; what only waited gives its room back at once."""
    for key in keys:
        task = find_attempt(judging.state, key)
        assert task is not None
        judging.displaced.append(key)
        judging.evicted.append(key[:2])
        if task.waits:
            taken = judging.taken.setdefault(row, [0] * RESOURCE_COUNT)
            for dimension, amount in enumerate(total_of(judging.state, [key])):
                taken[dimension] -= amount
            for name, count in devices_of(judging.state, row, [key]).items():
                judging.devices[row, name] = judging.devices.get((row, name), 0) - count


def devices_of(state: State, row: int, keys: list[Key]) -> dict[str, int]:
    """Count the devices of a machine that attempts hold, of those it still offers, or were promised, by name."""
    found: dict[str, int] = {}
    for key in keys:
        spec, task = state.jobs[key[0]].spec, state.jobs[key[0]].tasks[key[1]]
        for place, request in enumerate(spec.devices):
            offered = state.machines[row].offered(request.name)
            count = request.count if task.waits else len([each for each in task.devices[place] if each < offered])
            found[request.name] = found.get(request.name, 0) + count
    return found


def count_promised(state: State, row: int, name: str) -> int:
    """Count the devices of a machine that were promised to attempts that wait."""
    return sum(
        request.count
        for job in state.jobs.values()
        for request in job.spec.devices
        for task in job.tasks
        if request.name == name and task.machine == row and task.waits
    )


def keep_promises(state: State, transaction: Transaction) -> None:
    """Give devices to attempts that were promised some and wait no more; one whose machine has too few is evicted."""
    for job in [state.jobs[each] for each in sorted(state.jobs)]:
        for index, task in enumerate(job.tasks):
            is_due = task.state == TaskState.PLACED and not task.waits and not task.devices and job.spec.devices
            if not is_due or give_devices(state.machines[task.machine], job, index):
                continue
            end_attempt(state, job, index, Ending(TaskState.EVICTED, transaction.decided_to_us))
            touch(job.changes, state.revision)
            settle(state, job)


def give_devices(machine: Machine, job: Job, index: int) -> bool:
    """Give a task the lowest devices that nobody holds; say whether there were enough."""
    granted = [
        [each for each in range(machine.offered(request.name)) if (request.name, each) not in machine.held]
        for request in job.spec.devices
    ]
    if any(len(free) < request.count for free, request in zip(granted, job.spec.devices, strict=True)):
        return False
    task = job.tasks[index]
    task.devices = [free[: request.count] for free, request in zip(granted, job.spec.devices, strict=True)]
    for request, indices in zip(job.spec.devices, task.devices, strict=True):
        machine.held |= {(request.name, each): (job.id, index) for each in indices}
    return True
