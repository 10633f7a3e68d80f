"""The old simulator's cell: floats by machine, sequence numbers, and commits with its faults.

The faults, each of which shows in its outcomes (the page about the lab says what the product does instead):

* a claim bumps its machine's sequence number, taking it back does not: a rolled-back transaction leaves numbers bumped;
* the end of a task bumps nothing;
* all-or-nothing stops at the first conflict, and later claims are neither committed nor conflicted;
* by sequence numbers, incremental: the number moves on with the claims of the transaction itself, so that a claim
  after one that conflicted may meet the number that it expects, and is accepted though it may over-commit the machine.
  Where it does, an assertion ends the old simulator; this goes on, as that one does with assertions off. Mended, it
  conflicts.

Sums are kept by adding and subtracting in the order of events, as there: their last bits decide what fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omegacell.simulator.compat.faults import Fault
from omegacell.simulator.compat.scenario import ConflictMode, TransactionMode
from omegacell.simulator.settings import CellShape
from omegacell.simulator.workloads import SimulatedJob


@dataclass(slots=True, eq=False)
class JobRun:
    """What became of a job so far."""

    spec: SimulatedJob
    scheduler: int
    unscheduled: int
    enqueued_s: float = 0.0
    wait_first_s: float = 0.0
    wait_full_s: float = 0.0
    attempts: int = 0
    task_attempts: int = 0
    useful_s: float = 0.0
    wasted_s: float = 0.0

    def note_wait(self, now_s: float) -> None:
        """Count the time since it was queued; a decision on it begins."""
        self.wait_full_s += now_s - self.enqueued_s
        if not self.attempts:
            self.wait_first_s += now_s - self.enqueued_s

    def is_hopeless(self, *, is_patient: bool) -> bool:
        """Whether it is given up: after 1,000 attempts, or, unless ``is_patient``, 100 with nothing placed."""
        is_unplaced = self.unscheduled == self.spec.task_count
        return self.attempts > 1_000 or (self.attempts > 100 and is_unplaced and not is_patient)


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """Room for one task on a machine, with the sequence number that its author saw there."""

    job: JobRun
    machine: int
    seen: int


@dataclass(frozen=True, slots=True, eq=False)
class Lock:
    """All that was free on a machine, held while an offer is out."""

    scheduler: int
    machine: int
    cpus: float
    memory_gb: float


class CellState:
    """The common state, or a private copy of it.

    Attributes:
        cpus, memory: allocated by machine.
        numbers: sequence numbers by machine.
        held_cpus, held_memory: allocated by scheduler, locks not counted; the last entry is the prefill's.
        occupied_cpus, occupied_memory, locked_cpus, locked_memory: sums over the cell.
    """

    __slots__ = (
        "cpus",
        "held_cpus",
        "held_memory",
        "locked_cpus",
        "locked_memory",
        "memory",
        "numbers",
        "occupied_cpus",
        "occupied_memory",
        "shape",
    )

    def __init__(self, shape: CellShape, scheduler_count: int) -> None:
        """Begin with empty machines."""
        self.shape = shape
        self.cpus = [0.0] * shape.machines
        self.memory = [0.0] * shape.machines
        self.numbers = [0] * shape.machines
        self.held_cpus = [0.0] * (scheduler_count + 1)
        self.held_memory = [0.0] * (scheduler_count + 1)
        self.occupied_cpus = self.occupied_memory = self.locked_cpus = self.locked_memory = 0.0

    def copy(self) -> "CellState":
        """Return a private copy. Cost: O(machines)."""
        twin = CellState.__new__(CellState)
        twin.shape = self.shape
        twin.cpus, twin.memory, twin.numbers = self.cpus[:], self.memory[:], self.numbers[:]
        twin.held_cpus, twin.held_memory = self.held_cpus[:], self.held_memory[:]
        twin.occupied_cpus, twin.occupied_memory = self.occupied_cpus, self.occupied_memory
        twin.locked_cpus, twin.locked_memory = self.locked_cpus, self.locked_memory
        return twin

    @property
    def free_cpus(self) -> float:
        """What nobody holds or has locked, CPUs."""
        return self.shape.machines * self.shape.cpus - (self.occupied_cpus + self.locked_cpus)

    @property
    def free_memory(self) -> float:
        """What nobody holds or has locked, gigabytes."""
        return self.shape.machines * self.shape.memory_gb - (self.occupied_memory + self.locked_memory)

    def take(self, claim: Claim) -> None:
        """Give a claim its room, whether or not there is any."""
        job, machine = claim.job, claim.machine
        cpus, memory = job.spec.cpus, job.spec.memory_gb
        self.held_cpus[job.scheduler] += cpus
        self.held_memory[job.scheduler] += memory
        self.occupied_cpus += cpus
        self.occupied_memory += memory
        self.cpus[machine] += cpus
        self.memory[machine] += memory
        self.numbers[machine] += 1

    def give_back(self, claim: Claim) -> None:
        """Take a claim's room back: its task ended, or it was rolled back. Its sequence number stays."""
        job, machine = claim.job, claim.machine
        cpus, memory = job.spec.cpus, job.spec.memory_gb
        self.held_cpus[job.scheduler] -= cpus
        self.held_memory[job.scheduler] -= memory
        self.occupied_cpus -= cpus
        self.occupied_memory -= memory
        self.cpus[machine] -= cpus
        self.memory[machine] -= memory

    def give_back_bumped(self, claim: Claim) -> None:
        """Take a claim's room back and bump the sequence number, as the end of a task should."""
        self.give_back(claim)
        self.numbers[claim.machine] += 1

    def lock_all(self, scheduler: int) -> list[Lock]:
        """Lock everything that is free, for an offer."""
        locks: list[Lock] = []
        for machine in range(self.shape.machines):
            cpus = self.shape.cpus - self.cpus[machine]
            memory = self.shape.memory_gb - self.memory[machine]
            if cpus > 0.0 or memory > 0.0:
                self.locked_cpus += cpus
                self.locked_memory += memory
                self.cpus[machine] += cpus
                self.memory[machine] += memory
                self.numbers[machine] += 1
                locks.append(Lock(scheduler, machine, cpus, memory))
        return locks

    def unlock(self, locks: Sequence[Lock]) -> None:
        """Release what an offer locked."""
        for lock in locks:
            self.locked_cpus -= lock.cpus
            self.locked_memory -= lock.memory_gb
            self.cpus[lock.machine] -= lock.cpus
            self.memory[lock.machine] -= lock.memory_gb


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the common state judges transactions."""

    conflict: ConflictMode
    atomicity: TransactionMode
    mended: frozenset[Fault] = frozenset()


def commit(cell: CellState, claims: Sequence[Claim], rules: Rules) -> tuple[list[Claim], list[Claim]]:
    """Commit claims as far as they do not conflict; return the committed and the conflicted.

    Of a rolled-back transaction the claim that conflicted comes first, then those that were taken back; those after
    it are in neither list.
    """
    committed: list[Claim] = []
    conflicted: list[Claim] = []
    untried: list[Claim] = []
    spoilt: set[int] = set()
    is_whole = rules.atomicity is TransactionMode.ALL_OR_NOTHING
    for place, claim in enumerate(claims):
        if not (claim.machine in spoilt or _conflicts(cell, claim, rules.conflict)):
            cell.take(claim)
            committed.append(claim)
            continue
        conflicted.append(claim)
        if Fault.OWN_CLAIMS_MOVE_NUMBERS in rules.mended:
            spoilt.add(claim.machine)
        if is_whole:
            untried = list(claims[place + 1 :]) if Fault.STOPS_AT_FIRST in rules.mended else []
            break
    if not (is_whole and conflicted):
        return committed, conflicted
    for taken in committed:
        cell.give_back(taken)
        if Fault.ROLLBACK_KEEPS_NUMBERS in rules.mended:
            cell.numbers[taken.machine] -= 1
    return [], conflicted + committed + untried


def _conflicts(cell: CellState, claim: Claim, mode: ConflictMode) -> bool:
    machine = claim.machine
    if mode is ConflictMode.SEQUENCE:
        return claim.seen != cell.numbers[machine]
    spec, shape = claim.job.spec, cell.shape
    return shape.cpus - cell.cpus[machine] < spec.cpus or shape.memory_gb - cell.memory[machine] < spec.memory_gb
