"""What happens on agents' streams, and what is to be done about it: the closed unions of `links`."""

from dataclasses import dataclass
from typing import TypeAlias

from omegacell.agent import messages as agent
from omegacell.core.commands import Command
from omegacell.core.deltas import Delta
from omegacell.core.outcomes import Outcome

# --- events


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A stream begins."""

    stream: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A stream is gone."""

    stream: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An agent said something; ``can_append`` is whether this server reaches the log."""

    stream: int
    message: agent.Register | agent.Heartbeat | agent.Reports
    can_append: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a proposal: an outcome for each command, or None, and why, when it could not be appended."""

    token: int
    outcomes: tuple[Outcome, ...] | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFolded:
    """The cell changed; None when it was loaded anew."""

    delta: Delta | None


Event: TypeAlias = Opened | Closed | Said | Settled | CellFolded


# --- actions


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Send a message on a stream."""

    stream: int
    message: agent.Down


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """Append commands, a transaction each, and answer with `Settled`."""

    token: int
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear:
    """Note that machines were heard: ``(row, epoch)`` of each."""

    machines: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Close a stream; the agent comes back."""

    stream: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Nothing of these jobs will be told any more."""

    jobs: tuple[int, ...]


Action: TypeAlias = Tell | Propose | Hear | Drop | Forget
