"""A log in memory with real copies of the cell that follow it, in virtual time: what tests of schedulers stand on.

The judge is the real core; only the disk, the network and the clock are left out. Entries are kept as transactions,
not as bytes, because this layer does not know the format. For experiments and plug-ins' tests, not for production.
"""

from collections.abc import Sequence

import numpy as np

from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.commands import Command, Genesis, OpenSession, Transaction
from omegacell.core.deltas import Delta
from omegacell.core.devices import DeviceOffer
from omegacell.core.errors import InvariantError
from omegacell.core.machine_commands import Inventory, RegisterMachine, Tick
from omegacell.core.outcomes import Outcome
from omegacell.core.units import (
    FORMAT,
    RESOURCE_NAMES,
    RULES,
    SECOND_US,
    SESSION_TTL_US,
    TICK_PERIOD_US,
    MachineRow,
    Role,
    SessionId,
)

_EPOCH_US = 1_700_000_000 * SECOND_US
_OPERATOR = SessionId(1)


class ManualClock:
    """A clock that stands still until it is moved.

    >>> clock = ManualClock()
    >>> clock.advance(5)
    >>> clock.monotonic_us()
    5
    """

    def __init__(self) -> None:
        """Begin at zero, and for people at a date in 2023."""
        self._now_us = 0

    def advance(self, duration_us: int) -> None:
        """Let time pass."""
        self._now_us += duration_us

    def wall_us(self) -> int:
        """Return microseconds since the epoch."""
        return _EPOCH_US + self._now_us

    def monotonic_us(self) -> int:
        """Return microseconds since the clock was made."""
        return self._now_us


class MemoryLog:
    """Entries in order; everybody who holds the log may append."""

    def __init__(self) -> None:
        """Begin with no entries."""
        self.entries: list[tuple[Transaction, ...]] = []

    def append(self, transactions: Sequence[Transaction]) -> int:
        """Append one entry and return its place."""
        self.entries.append(tuple(transactions))
        return len(self.entries) - 1


class MemoryPort:
    """A private copy of the cell that follows a `MemoryLog`: the `Port` of a runner."""

    def __init__(self, log: MemoryLog) -> None:
        """Begin with an empty cell; `catch_up` folds the log."""
        self.cell = Cell()
        self._log = log
        self._place = 0

    @property
    def is_behind(self) -> bool:
        """Whether the log has entries that are not folded yet."""
        return self._place < len(self._log.entries)

    def catch_up(self) -> Delta:
        """Fold everything up to the head; return what was touched since the last call."""
        while self.is_behind:
            self._fold_one()
        return self.cell.drain_delta()

    def append(self, transactions: Sequence[Transaction]) -> Sequence[Outcome | None]:
        """Append one entry, fold up to it and return its outcomes."""
        place = self._log.append(transactions)
        while self._place < place:
            self._fold_one()
        return self._fold_one()

    def wait(self, timeout_us: int) -> None:
        """Return at once: time passes only when its owner moves the clock."""

    def _fold_one(self) -> list[Outcome]:
        outcomes = [apply(self.cell, transaction) for transaction in self._log.entries[self._place]]
        self._place += 1
        return outcomes


class Operator:
    """Begins a cell on a log and does what API servers and agents do: machines, jobs, ticks."""

    def __init__(self, log: MemoryLog, clock: ManualClock) -> None:
        """Write genesis and open a session."""
        self.port = MemoryPort(log)
        self._clock = clock
        self._seq = 0
        genesis = Genesis(
            format=FORMAT,
            rules=RULES,
            features=(),
            resource_names=RESOURCE_NAMES,
            cell="test",
            incarnation="0" * 32,
            tick_period_us=TICK_PERIOD_US,
            session_ttl_us=SESSION_TTL_US,
            forget_after_us=3_600 * SECOND_US,
        )
        self._append(Transaction(session=_OPERATOR, seq=1, seen=self.cell.revision, commands=(genesis,)))
        self.do(OpenSession(author="operator", role=Role.API))

    @property
    def cell(self) -> Cell:
        """The operator's copy of the cell."""
        return self.port.cell

    def do(self, command: Command) -> Outcome:
        """Append one command and return its outcome, whatever it is."""
        self.port.catch_up()
        self._seq += 1
        now_us = self._clock.wall_us()
        return self._append(
            Transaction(
                session=_OPERATOR,
                seq=self._seq,
                seen=self.cell.revision,
                decided_from_us=now_us,
                decided_to_us=now_us,
                commands=(command,),
            )
        )

    def must(self, command: Command) -> Outcome:
        """Append one command that has to be granted.

        Raises:
            InvariantError: it was refused.
        """
        outcome = self.do(command)
        if not outcome.granted or len(outcome.refusals):
            raise InvariantError(f"{command} was not granted: {outcome.status.name} {outcome.reason.name}")
        return outcome

    def add_machine(
        self,
        name: str,
        *,
        capacity: tuple[int, ...],
        drivers: tuple[str, ...] = ("exec",),
        attributes: tuple[tuple[str, str], ...] = (),
        devices: tuple[DeviceOffer, ...] = (),
    ) -> MachineRow:
        """Register a machine with ports 20000 to 20999 to grant and report an empty inventory, so that it is up."""
        registered = self.must(
            RegisterMachine(
                name=name,
                boot_id=name,
                capacity=capacity,
                drivers=drivers,
                attributes=attributes,
                port_first=20_000,
                port_last=20_999,
                devices=devices,
            )
        )
        nothing = np.empty(0, np.int32)
        self.must(
            Inventory(
                machine=registered.value,
                epoch=registered.detail,
                jobs=np.empty(0, np.int64),
                indices=nothing,
                attempts=nothing,
            )
        )
        return MachineRow(registered.value)

    def tick(
        self, duration_us: int = TICK_PERIOD_US, *, gained: Sequence[int] = (), lost_contact: Sequence[int] = ()
    ) -> None:
        """Let the clock and the cell's own time go on by at most two tick periods; contact with machines changes."""
        self._clock.advance(duration_us)
        self.port.catch_up()
        gained_rows = np.array(gained, np.int32)
        self.must(
            Tick(
                after=self.cell.tick,
                dt_us=duration_us,
                gained=gained_rows,
                gained_epochs=self.cell.machines.epoch[gained_rows].astype(np.int32),
                lost_contact=np.array(lost_contact, np.int32),
            )
        )

    def _append(self, transaction: Transaction) -> Outcome:
        [outcome] = self.port.append([transaction])
        assert outcome is not None, "a memory port knows every outcome"
        return outcome
