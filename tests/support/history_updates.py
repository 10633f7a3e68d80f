"""Random updates: policies, and the steps that are worth trying, read off the slow twin's state."""

import random

import numpy as np

from omegacell.core.units import JobId
from omegacell.core.updates import FinishUpdate, OnFailure, RevertCause, RevertUpdate, StopTasks, UpdatePolicy
from tests.support.oracle_state import State
from tests.support.oracle_tasks import ALIVE


def draw_policy(rng: random.Random) -> UpdatePolicy | None:
    """Draw how a job is updated: by the default mostly."""
    if rng.random() < 0.5:
        return None
    return UpdatePolicy(
        max_parallel=rng.choice((1, 1, 2, 3)),
        min_healthy_us=rng.choice((0, 1_000_000)),
        deadline_us=rng.choice((1, 2_000_000, 10_000_000)),
        on_failure=rng.choice(list(OnFailure)),
    )


def draw_step(rng: random.Random, state: State, job_id: JobId) -> StopTasks | RevertUpdate | FinishUpdate:
    """Draw a step of an update, most often of one under way; whether or not it may be taken."""
    updating = [job for job in state.jobs.values() if job.updating]
    chance = rng.random()
    if chance < 0.25:
        named = JobId(rng.choice(updating).id) if updating and rng.random() < 0.8 else job_id
        return RevertUpdate(job=named, cause=rng.choice(list(RevertCause)))
    if chance < 0.4:
        return FinishUpdate(job=JobId(rng.choice(updating).id) if updating and rng.random() < 0.9 else job_id)
    olds = [old for job in updating for old in state.olds(job)]
    if not olds or rng.random() < 0.1:
        return StopTasks(job=job_id, indices=np.array([rng.randint(0, 5)], np.int32))
    old = rng.choice(olds)
    alive = [index for index, task in enumerate(old.tasks) if task.state in ALIVE]
    chosen = rng.sample(alive, rng.randint(0, len(alive))) if rng.random() < 0.8 else []
    return StopTasks(job=JobId(old.id), indices=np.array([*chosen, rng.randint(0, 6)], np.int32))
