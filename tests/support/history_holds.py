"""Random jobs that wait for others, and what is worth releasing then, read off the slow twin's state."""

import random

import numpy as np

from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.hold_commands import ReleaseTasks
from omegacell.core.jobs import TaskState
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
