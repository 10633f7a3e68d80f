"""What random commands are about: sessions, jobs, machines and tasks, drawn from what is there."""

import random

from omegacell.core.units import JobId, SessionId
from tests.support.oracle_state import Job, State, Task
from tests.support.oracle_tasks import ACTIVE


class Draws:
    """Draws things of a state."""

    def __init__(self, rng: random.Random, state: State) -> None:
        self.rng = rng
        self.state = state

    def session(self) -> SessionId:
        """Name a session, most often one that is there."""
        known = list(self.state.sessions)
        return SessionId(self.rng.choice(known) if known and self.rng.random() < 0.9 else 12_345)

    def job_id(self) -> JobId:
        """Name a job, most often one that is there."""
        known = list(self.state.jobs)
        if known and self.rng.random() < 0.93:
            return JobId(self.rng.choice(known))
        return JobId(self.rng.randint(1, self.state.next_job + 1))

    def row(self) -> int:
        """Name a machine row, most often one that is there."""
        count = len(self.state.machines)
        return self.rng.randrange(count) if count and self.rng.random() < 0.97 else count + self.rng.randint(0, 1)

    def active(self) -> list[tuple[Job, int, Task]]:
        """Give the tasks that hold something on a machine."""
        jobs = self.state.jobs.values()
        return [(job, index, task) for job in jobs for index, task in enumerate(job.tasks) if task.state in ACTIVE]
