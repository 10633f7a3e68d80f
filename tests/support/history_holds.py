"""Random jobs that wait for others, or for machines, and what is worth holding or releasing then.

Read off the slow twin's state.
"""

import random
from dataclasses import replace

import numpy as np

from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.jobs import JobSpec, Kind, TaskState
from omegacell.core.placement import NO_RULES
from omegacell.core.units import JobId
from tests.support.oracle_state import State


def draw_after(rng: random.Random, names: tuple[str, ...]) -> tuple[Dependency, ...]:
    """Draw what a job waits for: nothing mostly, itself now and then by way of others."""
    chosen = rng.sample(names, rng.choice((1, 1, 2))) if rng.random() < 0.12 else []
    return tuple(Dependency(job=name, condition=rng.choice(list(Condition))) for name in sorted(chosen))


def draw_release(rng: random.Random, state: State, job_id: JobId) -> ReleaseTasks:
    """Draw tasks to release, held ones mostly, whether or not they may be."""
    held = [
        (job.id, [index for index, task in enumerate(job.tasks) if task.state == TaskState.HELD])
        for job in state.jobs.values()
    ]
    held = [each for each in held if each[1]]
    if not held or rng.random() < 0.1:
        return ReleaseTasks(job=job_id, indices=np.array([rng.randint(0, 5)], np.int32))
    job, indices = rng.choice(held)
    chosen = indices if rng.random() < 0.6 else [rng.choice(indices), rng.randint(0, 6)]
    return ReleaseTasks(job=JobId(job), indices=np.array(chosen, np.int32))


def as_system(rng: random.Random, spec: JobSpec) -> JobSpec:
    """Make a system job of a job, without what such a job must not say; now and then with some of it."""
    if rng.random() < 0.03:
        return replace(spec, kind=Kind.SYSTEM)
    rules = replace(spec.placement, max_per_machine=0, neighbours=(), spreads=(), affinities=())
    placement = rules if rules != NO_RULES else NO_RULES
    return replace(spec, kind=Kind.SYSTEM, count=1, gang=None, placement=placement)


def draw_hold(rng: random.Random, state: State, job_id: JobId) -> HoldTasks:
    """Draw tasks to hold, pending ones of system jobs mostly, whether or not anything holds them."""
    pending = [
        (job.id, [index for index, task in enumerate(job.tasks) if task.state == TaskState.PENDING])
        for job in state.jobs.values()
        if job.spec.kind == Kind.SYSTEM or rng.random() < 0.2
    ]
    pending = [each for each in pending if each[1]]
    if not pending or rng.random() < 0.1:
        return HoldTasks(job=job_id, indices=np.array([rng.randint(0, 5)], np.int32))
    job, indices = rng.choice(pending)
    chosen = indices if rng.random() < 0.6 else [rng.choice(indices), rng.randint(0, 6)]
    return HoldTasks(job=JobId(job), indices=np.array(chosen, np.int32))


def draw_grow(rng: random.Random, state: State, job_id: JobId) -> GrowSystemJob:
    """Draw a system job to be counted anew, one that machines joined mostly."""
    short = [job.id for job in state.jobs.values() if job.spec.kind == Kind.SYSTEM and job.count < len(state.machines)]
    return GrowSystemJob(job=JobId(rng.choice(short)) if short and rng.random() < 0.9 else job_id)
