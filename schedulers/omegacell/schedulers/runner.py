"""The thin shell around a loop: performs its actions on a `Port` and reports what happened, until it is halted.

One process per scheduler instance runs this; nothing here decides. Whoever wires it (`omegacell.api`) gives a port onto
the log. A plug-in that hangs is fenced by killing the process from outside: the cell notices nothing but a session
that expires, and another instance takes the same jobs.
"""

import time
from collections.abc import Sequence
from typing import Final, Protocol

from omegacell.core.cell import Cell
from omegacell.core.commands import Transaction
from omegacell.core.deltas import Delta
from omegacell.core.errors import AnswerLostError, StoreError, StoreFullError, StoreLockedError
from omegacell.core.outcomes import Outcome, Status
from omegacell.schedulers.actions import Action, Append, Done, Folded, Reloaded, Wait
from omegacell.schedulers.loop import Loop

LONGEST_WAIT_US: Final = 5_000_000
"""A wait without end is cut into waits of this length, so that a halt is never far."""

APPEND_TRIES: Final = 60
"""Times that one append is tried while the store says that it cannot for now."""

FIRST_PAUSE_US: Final = 10_000
LONGEST_PAUSE_US: Final = 1_000_000


class Port(Protocol):
    """What the shell needs of the world: a private copy of the cell that follows the log, and a way to append."""

    @property
    def cell(self) -> Cell:
        """The copy as last folded; another object when it had to be replaced."""
        ...

    def catch_up(self) -> Delta:
        """Fold everything up to the head of the log; return what was touched since the last call."""
        ...

    def append(self, transactions: Sequence[Transaction]) -> Sequence[Outcome | None]:
        """Append one entry, fold up to it, and return the outcomes in order.

        Appending the same transactions again must be safe: it is, by session and number. ``seen_chain`` is the port's
        to fill in.

        Raises:
            AnswerLostError: it may have been appended or not.
            StoreLockedError, StoreFullError: it was not appended, and may be later.
        """
        ...

    def wait(self, timeout_us: int) -> None:
        """Return when the log has grown, when the time is over, or when it is woken."""
        ...


class SystemClock:
    """The clock of this machine."""

    def wall_us(self) -> int:
        """Return microseconds since the epoch."""
        return time.time_ns() // 1_000

    def monotonic_us(self) -> int:
        """Return microseconds on a clock that never goes back."""
        return time.monotonic_ns() // 1_000


class Runner:
    """Drives one loop on one port; `halt` may be called from a signal handler or another thread."""

    def __init__(self, loop: Loop, port: Port) -> None:
        """Drive ``loop`` on ``port``, whose cell is the loop's."""
        self.loop = loop
        self._port = port
        self._is_halted = False

    def halt(self) -> None:
        """Ask for a clean stop; whoever calls it also wakes the port."""
        self._is_halted = True

    def run(self) -> None:
        """Run until halted.

        Raises:
            StoreError: the store failed for good, or for longer than is worth waiting; the process should end.
        """
        action = self.loop.step(Folded(delta=self._port.catch_up()))
        while not isinstance(action, Done):
            action = self.perform(action)

    def perform(self, action: Append | Wait) -> Action:
        """Perform one action and return what the loop wants next."""
        outcomes: tuple[Outcome | None, ...] = ()
        match action:
            case Append(transactions=transactions):
                outcomes = self._append(transactions)
            case Wait(timeout_us=timeout_us):
                if timeout_us != 0 and not self._is_halted:
                    self._port.wait(LONGEST_WAIT_US if timeout_us is None else min(timeout_us, LONGEST_WAIT_US))
        delta = self._port.catch_up()
        if self._is_halted:
            self.loop.halt()
        if self._port.cell is self.loop.cell:
            return self.loop.step(Folded(delta=delta, outcomes=outcomes))
        return self.loop.step(Reloaded(cell=self._port.cell, outcomes=outcomes))

    def _append(self, transactions: tuple[Transaction, ...]) -> tuple[Outcome | None, ...]:
        """Append until an answer is known; the same transactions each time, so that each happens once."""
        pause_us = FIRST_PAUSE_US
        for tries_left in range(APPEND_TRIES - 1, -1, -1):
            try:
                outcomes = self._port.append(transactions)
            except (AnswerLostError, StoreLockedError, StoreFullError) as error:
                if not tries_left:
                    raise StoreError(f"gave up after {APPEND_TRIES} appends: {error}") from error
            else:
                return tuple(self._first_outcome(*each) for each in zip(transactions, outcomes, strict=True))
            self._port.wait(pause_us)
            pause_us = min(2 * pause_us, LONGEST_PAUSE_US)
        raise AssertionError("unreachable")

    def _first_outcome(self, transaction: Transaction, outcome: Outcome | None) -> Outcome | None:
        """Return the outcome that counts: of a transaction that got into the log twice, the first."""
        if outcome is not None and outcome.status is not Status.DUPLICATE:
            return outcome
        return self._port.cell.outcome_of(transaction.session, transaction.seq)
