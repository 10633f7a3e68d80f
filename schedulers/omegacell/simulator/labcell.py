"""The one cell of a simulation, changed by the real judge, and the lab as its operator.

Every participant of a real cell folds the log into a copy of its own. Here all read one cell: a loop decides at once,
at the time at which it has synced, and what it decided is applied when the time for deciding is over. So a decision
sees the state of its beginning, as with copies, and nothing has to be folded twice. What was touched in between is kept
for each follower until it asks.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s, span_of
from omegacell.core.commands import (
    Command,
    Genesis,
    OpenSession,
    StopJob,
    SubmitJob,
    Transaction,
)
from omegacell.core.deltas import Delta, join
from omegacell.core.errors import InvariantError
from omegacell.core.jobs import JobSpec
from omegacell.core.machine_commands import Inventory, RegisterMachine, Report, ReportKind, SetTaints, Tick
from omegacell.core.outcomes import Outcome
from omegacell.core.units import FORMAT, RESOURCE_NAMES, RULES, SECOND_US, JobId, Role, SessionId
from omegacell.simulator.machines import DRIVER, Machine

TICK_US: Final = 60 * SECOND_US
"""Ticks are far apart: here nothing depends on them but the end of suspensions."""

SESSION_TTL_US: Final = 3_600 * SECOND_US
OPERATOR: Final = SessionId(1)
_EXITED: Final = int(ReportKind.EXITED)


def find_task_ends(cell: Cell, job: JobId, indices: Int32s, machines: Int32s) -> Report:
    """Return the report that tasks of a job have ended well, for the attempts that they are on now."""
    row = cell.jobs.row_of(job)
    assert row is not None, f"job {job} has tasks and is not in the cell"
    count = len(indices)
    jobs, kinds = np.empty(count, np.int64), np.empty(count, np.uint8)
    jobs.fill(job)
    kinds.fill(_EXITED)
    return Report(
        machines=machines,
        epochs=cell.machines.epoch.take(machines),
        jobs=jobs,
        indices=indices,
        attempts=cell.tasks.attempt[span_of(int(cell.jobs.offset[row]), indices)].copy(),
        kinds=kinds,
        exit_codes=np.zeros(count, np.int32),
        signals=np.zeros(count, np.uint8),
        notes=np.zeros(count, np.uint8),
        at_us=np.zeros(count, np.int64),
    )


class Follower:
    """Somebody who wants to know what was touched since it last asked."""

    __slots__ = ("_lab", "place")

    def __init__(self, lab: "LabCell", place: int) -> None:
        self._lab = lab
        self.place = place

    def catch_up(self) -> Delta:
        """Return what was touched since the last call."""
        return self._lab.deltas_since(self)

    def leave(self) -> None:
        """Ask no more."""
        self._lab.forget(self)


class LabCell:
    """A cell of machines, all up, on which the lab submits, reports and stops."""

    def __init__(self, machines: Sequence[Machine], *, tick_us: int = TICK_US) -> None:
        """Begin a cell whose time ticks so often, and register its machines. Cost: O(machines)."""
        self.cell = Cell()
        self.wall_us = 0
        self._seq = 0
        self._deltas: list[Delta] = []
        self._first = 0
        self._followers: list[Follower] = []
        self._begin(tick_us)
        for machine in machines:
            self._add_machine(machine)
        self.cell.drain_delta()

    def follow(self) -> Follower:
        """Return a follower that begins now."""
        follower = Follower(self, self._first + len(self._deltas))
        self._followers.append(follower)
        return follower

    def forget(self, follower: Follower) -> None:
        """Keep nothing for a follower any more."""
        self._followers.remove(follower)

    def apply(self, transactions: Sequence[Transaction]) -> tuple[Outcome, ...]:
        """Judge the transactions of one entry."""
        return tuple([apply(self.cell, transaction) for transaction in transactions])

    def submit(self, spec: JobSpec) -> JobId:
        """Submit a job and return its id."""
        return JobId(self.must(SubmitJob(spec=spec, submitted_at_us=self.wall_us)).value)

    def end_tasks(self, report: Report) -> None:
        """Let tasks end as reported."""
        self.must(report)

    def stop(self, job: JobId) -> None:
        """Stop a job: what waits of it is given up."""
        self.must(StopJob(job=job))

    def tick(self) -> None:
        """Let the cell's own time go on."""
        nothing = np.empty(0, np.int32)
        self.must(
            Tick(after=self.cell.tick, dt_us=TICK_US, gained=nothing, gained_epochs=nothing, lost_contact=nothing)
        )

    def pending_of(self, job: JobId) -> int:
        """Return how many tasks of a job wait."""
        row = self.cell.jobs.row_of(job)
        return 0 if row is None else int(self.cell.jobs.counts[row, 0])

    def deltas_since(self, follower: Follower) -> Delta:
        """Return what was touched since a follower last asked, and forget what all have seen."""
        self._deltas.append(self.cell.drain_delta())
        delta = join(self._deltas[follower.place - self._first :])
        follower.place = self._first + len(self._deltas)
        seen = min([each.place for each in self._followers])
        if seen > self._first:
            del self._deltas[: seen - self._first]
            self._first = seen
        return delta

    def free(self) -> NDArray[np.int64]:
        """Return what machines have free, ``(machines, resources)`` int64, a copy."""
        free: NDArray[np.int64] = self.cell.machines.free.copy()
        return free

    def _begin(self, tick_us: int) -> None:
        genesis = Genesis(
            format=FORMAT,
            rules=RULES,
            features=(),
            resource_names=RESOURCE_NAMES,
            cell="lab",
            incarnation="0" * 32,
            tick_period_us=tick_us,
            session_ttl_us=SESSION_TTL_US,
            forget_after_us=SESSION_TTL_US,
        )
        self.apply([Transaction(session=OPERATOR, seq=1, seen=self.cell.revision, commands=(genesis,))])
        self.must(OpenSession(author="lab", role=Role.API))

    def _add_machine(self, machine: Machine) -> None:
        register = RegisterMachine(
            name=machine.name,
            boot_id=machine.name,
            capacity=machine.capacity,
            drivers=(DRIVER,),
            attributes=machine.attributes,
            port_first=machine.ports[0],
            port_last=machine.ports[1],
            devices=machine.devices,
        )
        registered = self.must(register)
        nothing = np.empty(0, np.int32)
        inventory = Inventory(
            machine=registered.value,
            epoch=registered.detail,
            jobs=np.empty(0, np.int64),
            indices=nothing,
            attempts=nothing,
        )
        self.must(inventory)
        if machine.taints:
            self.must(SetTaints(machines=(registered.value,), add=machine.taints))

    def propose(self, command: Command) -> Outcome:
        """Apply one command of the lab's own session and return its outcome, whatever it is."""
        self._seq += 1
        return apply(
            self.cell,
            Transaction(
                session=OPERATOR,
                seq=self._seq,
                seen=self.cell.revision,
                decided_from_us=self.wall_us,
                decided_to_us=self.wall_us,
                commands=(command,),
            ),
        )

    def must(self, command: Command) -> Outcome:
        """Apply one command of the lab's own session, which has to be granted.

        Raises:
            InvariantError: it was refused: the lab or the core is wrong.
        """
        outcome = self.propose(command)
        if not outcome.granted or len(outcome.refusals):
            said = f"{outcome.status.name} {outcome.reason.name}"
            raise InvariantError(f"{type(command).__name__} of the lab was not granted: {said}")
        return outcome
