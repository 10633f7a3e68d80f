"""Asks "what if" of a cell: real commands on a private copy, judged by the real `apply`, placed by a real scheduler.

    fork = Fork(cell.clone(), clock=clock)
    fork.do(SubmitJob(spec=spec, submitted_at_us=0))
    fork.decide(job, BatchScheduler(), until_us=clock.monotonic_us() + 10_000_000)

Nothing here is a second spelling of a rule: what fits, who is evicted and what is refused follows from the code that
judges the log. One seed gives one answer. The fork is the caller's own; the log never hears of it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.apply import apply
from omegacell.core.caps import CapUse
from omegacell.core.cell import Cell
from omegacell.core.commands import Command, Evict, OpenSession, StopJob, Transaction, Unplaced
from omegacell.core.errors import InvariantError
from omegacell.core.jobs import Kind, Stopping, TaskState
from omegacell.core.machine_commands import Inventory, RegisterMachine, Report, ReportKind, Tick
from omegacell.core.machines import MachineState
from omegacell.core.outcomes import Outcome, Status
from omegacell.core.units import Atomicity, Detection, JobId, Role, SessionId
from omegacell.core.waits import find_waiting, key_of
from omegacell.schedulers.actions import Clock
from omegacell.schedulers.deciding import Decider, Result, describe_oversize, most_claims
from omegacell.schedulers.entries import Entry
from omegacell.schedulers.feasibility import find_silent
from omegacell.schedulers.grouping import Asked, find_groups
from omegacell.schedulers.interface import Scheduler, TaskGroup, Traits, atomicity_of
from omegacell.schedulers.loop import Limits
from omegacell.schedulers.view import Tentative

AUTHOR: Final = "what-if"
SIGKILL: Final = 9

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far a scheduler came with one job.

    Attributes:
        unplaced: what it said of the tasks it found no place for; None when it placed all that were due.
        held_us: in how long the next task comes due that is held back after a failure; None when none is.
        is_cut_off: time was over before it had decided on all of them.
    """

    unplaced: Unplaced | None
    held_us: int | None
    is_cut_off: bool


class Fork:
    """A copy of a cell that may be changed."""

    def __init__(self, cell: Cell, *, clock: Clock, seed: int = 0) -> None:
        """Take over a copy of a cell; it is written from now on, and nobody else may hold it."""
        self.cell = cell
        self._clock = clock
        self._seed = seed
        free = (number for number in range(1, len(cell.sessions) + 2) if number not in cell.sessions)
        self._session = SessionId(next(free))
        self._seq = 0
        self.do(OpenSession(author=AUTHOR, role=Role.API))

    def do(
        self,
        *commands: Command,
        atomicity: Atomicity = Atomicity.INCREMENTAL,
        detection: Detection = Detection.FINE,
    ) -> Outcome:
        """Apply one transaction to the fork and return what became of it."""
        self._seq += 1
        now_us = self._clock.wall_us()
        return apply(
            self.cell,
            Transaction(
                session=self._session,
                seq=self._seq,
                seen=self.cell.revision,
                detection=detection,
                atomicity=atomicity,
                decided_from_us=now_us,
                decided_to_us=now_us,
                commands=commands,
            ),
        )

    def decide(self, job: JobId, scheduler: Scheduler, *, until_us: int) -> Verdict:
        """Let a scheduler place the pending tasks of a job, until it places no more or the time is over.

        Raises:
            InvariantError: the judge refused what nobody else could have taken.
        """
        limits, traits = Limits(), Traits.of(scheduler)
        decider = Decider(scheduler, clock=self._clock, rng=np.random.default_rng(self._seed))
        while True:
            groups, held_us = self._groups_of(job, limits)
            if not groups:
                return Verdict(unplaced=None, held_us=held_us, is_cut_off=False)
            group = groups[0]
            entry = Entry(job=job, spec=group.spec, count=self.count_pending(job))
            oversize = describe_oversize(entry, group, gang_claims=limits.gang_claims)
            tentative = Tentative(self.cell)
            lack = tentative.find_cap_lack(job, group.least)
            if oversize:
                decision = decider.give_up(entry, entry.count, oversize)
            elif lack >= 0:
                decision = decider.hold_back(entry, group.count, lack, cell=self.cell)
            elif len(groups) > 1:
                decision = decider.decide_gang(entry, groups, tentative, cell=self.cell, deadline_us=until_us)
            else:
                [decision] = decider.decide([entry], [group], tentative, cell=self.cell, deadline_us=until_us)
            if decision.commands:
                atomicity = atomicity_of(group.spec, traits)
                outcome = self.do(*decision.commands, atomicity=atomicity, detection=traits.detection)
                if len(outcome.refusals) or outcome.reason:
                    raise InvariantError(f"job {group.spec.name!r}: the judge refused a claim on a fork: {outcome}")
            if decision.result is not Result.PLACED:
                return Verdict(unplaced=self._why(job), held_us=held_us, is_cut_off=False)
            if self._clock.monotonic_us() >= until_us:
                return Verdict(unplaced=None, held_us=held_us, is_cut_off=bool(self.count_pending(job)))

    def count_pending(self, job: JobId) -> int:
        """Return how many tasks of a job are pending; 0 when the cell does not hold it."""
        row = self.cell.jobs.row_of(job)
        return 0 if row is None else int(self.cell.jobs.counts[row, TaskState.PENDING])

    def start_tasks(self, job: JobId) -> None:
        """Let all placed tasks of a job start and be healthy, as their machines would report it."""
        row = self.cell.jobs.row_of(job)
        assert row is not None, f"job {job} is not on the fork"
        first, tasks = int(self.cell.jobs.offset[row]), self.cell.tasks
        states = tasks.state[first : first + int(self.cell.jobs.extent[row])]
        rows = first + np.flatnonzero(states == TaskState.PLACED)
        if not len(rows):
            return
        self.do(self._report(rows, ReportKind.STARTED))
        if self.cell.jobs.spec_of(row).is_health_checked:
            self.do(self._report(rows, ReportKind.HEALTHY))

    def end_tasks(self, task_rows: Rows) -> None:
        """Let placed and running tasks end by a signal, as their machines would report it.

        Those that wait for room no machine knows of: they are evicted, which ends them at once.
        """
        is_waiting = find_waiting(self.cell, task_rows)
        for task in task_rows[is_waiting].tolist():
            job, index, attempt = key_of(self.cell, task)
            one = np.array([index], np.int32)
            self.do(Evict(job=JobId(job), indices=one, attempts=np.array([attempt], np.int32)))
        task_rows = task_rows[~is_waiting]
        if not len(task_rows):
            return
        is_alloc = self.cell.jobs.kind[self.cell.tasks.job[task_rows]] == Kind.ALLOC
        task_rows = np.concatenate([task_rows[~is_alloc], task_rows[is_alloc]])  # what is inside them ends first
        outcome = self.do(self._report(task_rows, ReportKind.EXITED, signal=SIGKILL))
        if outcome.granted != len(task_rows):
            raise InvariantError(f"{len(task_rows)} tasks were to end on a fork, {outcome.granted} did")

    def _report(self, task_rows: Rows, kind: ReportKind, *, signal: int = 0) -> Report:
        """Return what the machines of tasks report of them."""
        tasks, jobs, count = self.cell.tasks, self.cell.jobs, len(task_rows)
        job_rows, machines = tasks.job[task_rows], tasks.machine[task_rows]
        return Report(
            machines=machines.astype(np.int32),
            epochs=self.cell.machines.epoch[machines].astype(np.int32),
            jobs=jobs.id[job_rows].astype(np.int64),
            indices=(task_rows - jobs.offset[job_rows]).astype(np.int32),
            attempts=tasks.attempt[task_rows].astype(np.int32),
            kinds=np.full(count, kind, np.uint8),
            exit_codes=np.full(count, -1, np.int32),
            signals=np.full(count, signal, np.uint8),
            notes=np.zeros(count, np.uint8),
            at_us=np.full(count, self._clock.wall_us(), np.int64),
        )

    def end_job(self, job: JobId) -> None:
        """Let a job end: what it waits for is dropped, and what it holds is given back."""
        row = self.cell.jobs.row_of(job)
        assert row is not None, f"job {job} is not in the cell"
        self.do(StopJob(job=job))
        first, extent = int(self.cell.jobs.offset[row]), int(self.cell.jobs.extent[row])
        self.end_tasks(find_active(self.cell, first, first + extent))

    def bring_back(self) -> Rows:
        """Let every machine that is not up, or is silent, come back as it was; return the rows of those machines."""
        machines = self.cell.machines
        is_away = machines.state != MachineState.UP
        away = np.flatnonzero(is_away | find_silent(self.cell))
        for row in np.flatnonzero(is_away).tolist():
            self._register(row)
        heard = np.arange(machines.count, dtype=np.int32)
        if len(heard):
            nobody = np.empty(0, np.int32)
            epochs = machines.epoch[heard].astype(np.int32)
            self.do(Tick(after=self.cell.tick, dt_us=0, gained=heard, gained_epochs=epochs, lost_contact=nobody))
        return away

    def _register(self, row: int) -> None:
        machines = self.cell.machines
        bits = int(machines.drivers[row])
        drivers = tuple(name for place, name in enumerate(machines.driver_names) if bits >> place & 1)
        outcome = self.do(
            RegisterMachine(
                name=machines.names[row],
                boot_id=machines.boot_ids[row],
                capacity=tuple(machines.capacity[row].tolist()),
                drivers=drivers,
                attributes=machines.attributes[row],
                port_first=int(machines.port_first[row]),
                port_last=int(machines.port_last[row]),
                devices=tuple(offer for offer, _ in machines.devices.offers(row)),
            )
        )
        if outcome.status is not Status.COMMITTED:
            return  # the cell would not take it back now: it stays away, and nothing is promised of it
        none = np.empty(0, np.int32)
        self.do(Inventory(machine=row, epoch=outcome.detail, jobs=np.empty(0, np.int64), indices=none, attempts=none))

    def _groups_of(self, job: JobId, limits: Limits) -> tuple[list[TaskGroup], int | None]:
        """Return the pending tasks of a job that are due, and when the next one is."""
        row = self.cell.jobs.row_of(job)
        if row is None or not self.count_pending(job):
            return [], None
        entry = Entry(job=job, spec=self.cell.jobs.spec_of(row), count=self.count_pending(job))
        most = most_claims(entry.spec, limits.claims, limits.gang_claims)
        room = most if not self.cell.caps.rows else CapUse(self.cell.caps, self.cell.jobs).room(row)
        limit = max(1, min(most, room))
        return find_groups(
            self.cell, entry, Asked(elapsed=self.cell.elapsed, wall_us=self._clock.wall_us(), limit=limit)
        )

    def _why(self, job: JobId) -> Unplaced | None:
        row = self.cell.jobs.row_of(job)
        return None if row is None else self.cell.jobs.why[row]


def find_active(cell: Cell, first: int, end: int) -> Rows:
    """Return which of the task rows ``[first, end)`` are placed or running."""
    return first + np.flatnonzero(cell.tasks.machine[first:end] >= 0)


def find_stopping(cell: Cell) -> Rows:
    """Return the task rows of the cell that hold resources and have been asked to end. Cost: O(tasks)."""
    return np.flatnonzero((cell.tasks.machine >= 0) & (cell.tasks.stopping != Stopping.NO))
