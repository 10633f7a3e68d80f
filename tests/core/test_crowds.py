"""Large transactions: hundreds of claims, evictions and reports, judged in columns by one and in loops by the other."""

import random

import numpy as np
import pytest

from omegacell.core import invariants
from omegacell.core.cell import Cell
from omegacell.core.commands import Command, Evict, Place, Transaction
from omegacell.core.jobs import TaskState
from omegacell.core.machine_commands import Report
from omegacell.core.units import Atomicity, Detection, JobId, Revision, SessionId
from tests.support.histories import Entry
from tests.support.oracle_duel import find_difference, fold_entries
from tests.support.transcript_commands import read_command, report_of

MACHINES = 12
TASKS = 150
SETUP = (
    "submit plain count=150 cpu=2 memory=1",
    "submit ports count=150 cpu=1 ports=http,admin restarts=-1",
    "submit gpus count=150 cpu=1 devices=gpu*2@model:t4,nic*1 restarts=-1",
    "submit fixed count=150 cpu=1 ports=http:80 service restarts=2",
    "submit zero count=150",
)


class Crowd:
    """Writes the log of a crowd: a few machines, and jobs of many tasks that never all fit."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.cell = Cell()
        self.entries: list[Entry] = []
        self._add("genesis", session=1)
        self._add("open batch-0")
        for row in range(MACHINES):
            last = rng.choice((7999, 8003, 8030))
            devices = rng.choice(("gpu*40@model:t4,nic*9", "gpu*8@model:a100,nic*9", "gpu*16@model:t4,nic*30"))
            amounts = f"cpu={rng.randint(5, 60)} memory={rng.randint(5, 40)}"
            self._add(f"register m{row} {amounts} ports=8000-{last} devices={devices}")
            self._add(f"inventory {row}:1")
        for line in SETUP:
            self._add(line)

    def _add(self, *commands: str | Command, session: int = 2) -> None:
        known = self.cell.sessions.get(SessionId(session))
        made = tuple(read_command(each) if isinstance(each, str) else each for each in commands)
        transaction = Transaction(
            session=SessionId(session),
            seq=known.last_seq + 1 if known else 1,
            seen=Revision(max(0, self.cell.revision - self.rng.choice((0, 0, 1, 3)))),
            detection=self.rng.choice((Detection.FINE, Detection.FINE, Detection.COARSE)),
            atomicity=self.rng.choice((Atomicity.INCREMENTAL,) * 4 + (Atomicity.ALL_OR_NOTHING,)),
            commands=made,
        )
        entry = Entry(transactions=(transaction,))
        self.entries.append(entry)
        fold_entries(self.cell, [entry])

    def step(self) -> None:
        """Add one large transaction."""
        draw = self.rng.random()
        if draw < 0.6:
            self._add(*(self._place() for _ in range(self.rng.choice((1, 1, 1, 2)))))
        elif draw < 0.75:
            self._add(self._evict(), self._place())
        else:
            self._add(self._report())

    def _place(self) -> Place:
        rng = self.rng
        job = rng.randint(1, len(SETUP))
        count = rng.choice((20, 60, TASKS))
        indices = rng.sample(range(TASKS), count) if rng.random() < 0.7 else rng.choices(range(TASKS + 1), k=count)
        rows = [rng.randrange(MACHINES + (rng.random() < 0.01)) for _ in indices]
        if rng.random() < 0.2:
            indices, rows = sorted(indices), [rows[0]] * count
        return Place(job=JobId(job), indices=np.array(indices, np.int32), machines=np.array(rows, np.int32))

    def _evict(self) -> Evict:
        indices = self.rng.choices(range(TASKS), k=40)
        attempts = [self.rng.choice((1, 1, 2, 3)) for _ in indices]
        job = JobId(self.rng.randint(1, len(SETUP)))
        return Evict(job=job, indices=np.array(indices, np.int32), attempts=np.array(attempts, np.int32))

    def _report(self) -> Report:
        rng, tasks, jobs = self.rng, self.cell.tasks, self.cell.jobs
        active = np.flatnonzero((tasks.state == TaskState.PLACED) | (tasks.state == TaskState.RUNNING)).tolist()
        rows = []
        for task in rng.choices(active or [0], k=80):
            job_row = int(tasks.job[task])
            attempt = int(tasks.attempt[task]) - (rng.random() < 0.05)
            kind = rng.choice((0, 0, 1, 1, 2, 3))
            end = rng.choice(((0, 0, 0), (1, 0, 0), (-1, 9, 5), (-1, 9, 0)))
            index = task - int(jobs.offset[job_row])
            rows.append(
                (max(0, int(tasks.machine[task])), 1, int(jobs.id[job_row]), index, max(0, attempt), kind, *end, 1)
            )
        return report_of(rows)


@pytest.mark.parametrize("seed", range(20))
def test_core_and_twin_agree_on_crowds(seed: int) -> None:
    """On large transactions the two give the same outcomes and hold the same state."""
    crowd = Crowd(random.Random(seed))
    for _ in range(16):
        crowd.step()
    invariants.check(crowd.cell)
    assert crowd.cell.authors.rows[0].placements > 20
    assert find_difference(crowd.entries, every=5) == ""
