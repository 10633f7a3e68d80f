"""What the loop is told and what it asks for: closed unions, and the clock it is given.

The loop never performs anything. A shell (`runner`, or a simulator with a virtual clock) folds the log, performs the
action, and tells the loop what happened.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from omegacell.core.cell import Cell
from omegacell.core.commands import Transaction
from omegacell.core.deltas import Delta
from omegacell.core.outcomes import Outcome
from omegacell.core.quick import quick


class Clock(Protocol):
    """Time as the shell has it: real, or virtual in a simulation."""

    def wall_us(self) -> int:
        """Return microseconds since the epoch; stamps for people and counters."""
        ...

    def monotonic_us(self) -> int:
        """Return microseconds on a clock that never goes back; back-off and deadlines."""
        ...


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folded:
    """The cell was folded up to the head of the log.

    Attributes:
        delta: what was touched since the last event.
        outcomes: what became of the transactions of the last `Append`, in order; None for one that nobody remembers.
            Empty when there was none.
    """

    delta: Delta
    outcomes: tuple[Outcome | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reloaded:
    """The copy of the cell was replaced by another, as after a jump over a checkpoint or a new incarnation.

    Attributes:
        cell: the copy from now on.
        outcomes: as in `Folded`.
    """

    cell: Cell
    outcomes: tuple[Outcome | None, ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Append:
    """Append transactions as one entry, fold up to them and further to the head, and report with `Folded`."""

    transactions: tuple[Transaction, ...]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Wait until the log grows or the time is over, fold, and report with `Folded`.

    Attributes:
        timeout_us: at most so long, 0 for not at all; None for as long as the log rests.
    """

    timeout_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Nothing is left to do; the loop has halted."""


Event: TypeAlias = Folded | Reloaded
Action: TypeAlias = Append | Wait | Done
