"""Random cordons and drains, and what is worth evicting then, read off the slow twin's state."""

import random

from omegacell.core.drains import Eligibility, SetEligibility
from omegacell.core.jobs import TaskState
from tests.support.oracle_state import Job, State, Task

Held = tuple[Job, int, Task]


def find_drained(state: State) -> list[Held]:
    """Give the tasks that run on draining machines."""
    jobs = state.jobs.values()
    running = [(job, index, task) for job in jobs for index, task in enumerate(job.tasks) if is_running(task)]
    return [each for each in running if state.machines[each[2].machine].eligibility == Eligibility.DRAINING]


def is_running(task: Task) -> bool:
    """Say whether a task runs."""
    return task.state == TaskState.RUNNING


def write_eligibility(rng: random.Random, state: State, rows: set[int]) -> SetEligibility:
    """Cordon, drain or open machines, most often one that has work; with a deadline now and then, soon or passed."""
    busy = [task.machine for job in state.jobs.values() for task in job.tasks if is_running(task)]
    if busy and rng.random() < 0.8:
        rows = {rng.choice(busy)}
    eligibility = rng.choices(list(Eligibility), (3, 1, 4))[0]
    is_timed = eligibility == Eligibility.DRAINING and rng.random() < 0.3
    deadline_us = max(0, state.elapsed + rng.choice((-1, 0, 1_000_000, 4_000_000))) if is_timed else -1
    return SetEligibility(machines=tuple(sorted(rows)), eligibility=eligibility, deadline_us=deadline_us)
