"""Preemption in the slow twin: who may be made to give way, what is promised of it, and who waits for whom.

A machine's room is counted as what it has less what every attempt placed there asks for, waiting ones too. What ending
attempts ask for may be promised to a claim with victims, which then waits until all of them have ended.
"""

from typing import TYPE_CHECKING

from omegacell.core.commands import Place
from omegacell.core.jobs import JobSpec, Stopping
from omegacell.core.outcomes import Reason
from omegacell.core.units import RESOURCE_COUNT, Band
from tests.support.oracle_state import Job, Key, State, Task, charged
from tests.support.oracle_tasks import ACTIVE

if TYPE_CHECKING:
    from tests.support.oracle_claims import Judging

DEEPEST = 3


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
    if task.stopping != Stopping.NO:
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
