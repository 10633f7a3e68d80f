"""The kernels of the judge against the judge: the same verdicts on claims, and the same columns after them."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.commands import OpenSession, Place, Transaction
from omegacell.core.jobs import JobSpec, Kind, TaskState
from omegacell.core.kernels import (
    Charge,
    Claims,
    MachineColumns,
    Moment,
    Terms,
    count_room,
    give_back,
    grant_claims,
    judge_claims,
    refuse_all,
)
from omegacell.core.outcomes import Outcome, Reason, Status
from omegacell.core.overlays import Overlay
from omegacell.core.units import Atomicity, Band, Detection, JobId, Revision, Role, SessionId
from omegacell.simulator.labcell import LabCell, find_task_ends
from omegacell.simulator.machines import DRIVER, amounts_of, equal_machines

MACHINES, TASKS, ENTRIES = 5, 12, 12
BAND = Band.BATCH


def columns_of(cell: Cell) -> MachineColumns:
    """Return copies of a cell's columns."""
    return MachineColumns(**{name: getattr(cell.machines, name).copy() for name in MachineColumns._fields})


def claims_on(machines: NDArray[np.integer]) -> Claims:
    """Return claims that nobody has judged."""
    count = len(machines)
    return Claims(machines.astype(np.int64), np.zeros(count, np.uint8), np.zeros(count, np.uint8))


class Contest:
    """Two schedulers that claim at random, each on a copy that is out of date, and tasks that end in between."""

    def __init__(self, seed: int, detection: Detection, atomicity: Atomicity) -> None:
        self.rng = random.Random(seed)
        self.modes = (detection, atomicity)
        self.lab = LabCell(equal_machines(MACHINES, amounts_of(4.0, 16.0)))
        self.seqs = [1, 1]
        for author in range(2):
            opening = OpenSession(author=f"s-{author}", role=Role.SCHEDULER, scheduler="s")
            self.lab.apply([self.make_transaction(author, 1, 0, opening)])
        self.jobs = [self.submit(f"job-{number}") for number in range(4)]
        self.taken = np.zeros(MACHINES, np.int64)
        self.reasons: set[int] = set()

    def submit(self, name: str) -> JobId:
        """Submit a job whose tasks ask for half a machine at most."""
        resources = amounts_of(self.rng.choice([0.0, 0.5, 1.0, 2.0]), self.rng.choice([0.0, 1.0, 6.0]))
        return self.lab.submit(
            JobSpec(
                name=name, owner="lab", kind=Kind.BATCH, scheduler="s", band=BAND, priority=0, count=TASKS,
                resources=resources, driver=DRIVER,
            )
        )  # fmt: skip

    def make_transaction(self, author: int, seq: int, position: int, command: Place | OpenSession) -> Transaction:
        """Return a transaction of an author that has seen some of the last revisions."""
        head = self.lab.cell.revision - position
        return Transaction(
            session=SessionId(50 + author),
            seq=seq,
            seen=Revision(head - self.rng.choice([0, 0, 1, 2, 4])),
            detection=self.modes[0],
            atomicity=self.modes[1],
            commands=(command,),
            position=position,
        )

    def pending_of(self, job: JobId) -> NDArray[np.int32]:
        """Return the tasks of a job that wait."""
        cell = self.lab.cell
        row = cell.jobs.row_of(job)
        assert row is not None
        first = int(cell.jobs.offset[row])
        return np.flatnonzero(cell.tasks.state[first : first + TASKS] == TaskState.PENDING).astype(np.int32)

    def claim(self) -> None:
        """Append an entry of some transactions, and compare each with the kernels."""
        author = self.rng.randrange(2)
        for position, job in enumerate(self.rng.sample(self.jobs, self.rng.randint(1, 3))):
            pending = self.pending_of(job)[: self.rng.randint(1, 9)]
            if not len(pending):
                return
            machines = np.array([self.rng.randrange(MACHINES) for _ in pending], np.int32)
            self.seqs[author] += 1
            place = Place(job=job, indices=pending, machines=machines)
            transaction = self.make_transaction(author, self.seqs[author], position, place)
            before = columns_of(self.lab.cell)
            outcome = apply(self.lab.cell, transaction)
            self.compare(transaction, place, outcome, before)

    def compare(self, transaction: Transaction, place: Place, outcome: Outcome, columns: MachineColumns) -> None:
        """Judge the same claims with the kernels on the columns as they were, write, and compare everything."""
        cell = self.lab.cell
        row = cell.jobs.row_of(place.job)
        assert row is not None
        amounts = cell.jobs.shape[row].copy()
        every = np.arange(MACHINES, dtype=np.int64)
        claims = claims_on(place.machines)
        floor = outcome.revision - 1 - transaction.position
        terms = Terms(int(transaction.seen), floor, int(self.modes[0]), int(self.modes[1]))
        granted = judge_claims(columns, claims, amounts, terms, self.taken)
        if granted:
            charge = Charge(amounts, int(BAND), cell.sessions[transaction.session].author)
            grant_claims(columns, claims, charge, Moment(int(outcome.revision), floor))
        expected = claims_on(place.machines)
        expected.reasons[outcome.refusals.positions] = outcome.refusals.reasons
        expected.is_conflict[outcome.refusals.positions] = outcome.refusals.is_conflict
        assert granted == outcome.granted
        assert (granted == 0) == (outcome.status is Status.REFUSED)
        assert claims.reasons.tolist() == expected.reasons.tolist()
        assert claims.is_conflict.tolist() == expected.is_conflict.tolist()
        self.same_columns(columns)
        assert not self.taken.any()
        room = Overlay(cell).room(cell.jobs.spec_of(row), every)
        assert [int(count_room(columns.free, machine, amounts)) for machine in range(MACHINES)] == room.tolist()
        self.reasons |= set(expected.reasons.tolist())

    def end(self) -> None:
        """Let some tasks of a job end, and compare what is given back."""
        cell = self.lab.cell
        row = cell.jobs.row_of(self.rng.choice(self.jobs))
        assert row is not None
        first = int(cell.jobs.offset[row])
        placed = np.flatnonzero(cell.tasks.state[first : first + TASKS] == TaskState.PLACED).astype(np.int32)[:3]
        if len(placed):
            columns, machines = columns_of(cell), cell.tasks.machine[first + placed].copy()
            self.lab.end_tasks(find_task_ends(cell, JobId(int(cell.jobs.id[row])), placed, machines))
            charge = Charge(cell.jobs.shape[row].copy(), int(BAND), 0)
            for machine in machines.tolist():
                give_back(columns, machine, charge, Moment(int(cell.revision), int(cell.revision) - 1))
            self.same_columns(columns)

    def same_columns(self, columns: MachineColumns) -> None:
        """Compare columns with those of the cell."""
        for name in MachineColumns._fields:
            assert getattr(columns, name).tolist() == getattr(self.lab.cell.machines, name).tolist(), name


@pytest.mark.timeout(600)  # the first calls compile
@pytest.mark.parametrize("detection", Detection)
@pytest.mark.parametrize("atomicity", Atomicity)
def test_kernels_judge_and_write_as_apply_does(detection: Detection, atomicity: Atomicity) -> None:
    """Verdicts, conflicts, what is granted, and every column of the machines are the same, in all four modes."""
    reasons: set[int] = set()
    for seed in range(25):
        contest = Contest(seed, detection, atomicity)
        for _ in range(ENTRIES):
            contest.claim()
            contest.end()
        reasons |= contest.reasons
    expected = {Reason.NONE, Reason.RESOURCES}
    expected |= {Reason.MACHINE_CHANGED} if detection is Detection.COARSE else set()
    expected |= {Reason.GANG_PARTNER} if atomicity is Atomicity.ALL_OR_NOTHING else set()
    assert reasons == expected


def test_all_claims_are_refused_for_one_reason() -> None:
    """A job that is stopping refuses every claim, a conflict or not."""
    claims = claims_on(np.array([2, 0, 2], np.int32))
    refuse_all(claims, int(Reason.JOB_STOPPING), 1)
    assert (claims.reasons.tolist(), claims.is_conflict.tolist()) == ([Reason.JOB_STOPPING] * 3, [1] * 3)
