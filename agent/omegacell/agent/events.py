"""What can happen to an agent, and what it can decide to do: the words of `reconcile`, and nothing but data.

Messages from the API are events as they are; see `messages`.
"""

from dataclasses import dataclass

from omegacell.agent.messages import (
    AttemptKey,
    HeldState,
    Lease,
    Registered,
    Rejected,
    ReportKind,
    Reports,
    ReportsFolded,
    Wanted,
    WantedTask,
)

# --- events


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOpened:
    """A link to the API is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkClosed:
    """It broke."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an attempt ended; a kind of `messages.ENDS`."""

    kind: ReportKind
    code: int
    at_us: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One attempt in an inventory.

    Attributes:
        key: which.
        task: what was wanted of it when it was started, if that is still known.
        started_at_us: wall stamp.
        end: how it ended, if it has.
    """

    key: AttemptKey
    task: WantedTask | None
    started_at_us: int
    end: End | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All attempts that the supervisor has on record, said when the agent has (re)connected to it."""

    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorLost:
    """The supervisor is gone; an inventory follows when there is one again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The command of an attempt runs."""

    key: AttemptKey
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt has ended, or could not be started."""

    key: AttemptKey
    end: End


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChanged:
    """A running attempt's health check has a new verdict."""

    key: AttemptKey
    is_healthy: bool
    at_us: int
    message: str = ""


Event = (
    LinkOpened
    | LinkClosed
    | Inventory
    | SupervisorLost
    | Started
    | Ended
    | HealthChanged
    | Registered
    | Rejected
    | Wanted
    | Lease
    | ReportsFolded
)

# --- actions


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What outlives the agent; to be durable before any later action.

    Attributes:
        incarnation: of the log this machine belongs to; empty before the first.
        revision: of the newest wanted state seen.
        retired: incarnations that may never come back.
    """

    incarnation: str = ""
    revision: int = 0
    retired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRegister:
    """Register, with what is held."""

    held: tuple[tuple[AttemptKey, HeldState], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReports:
    """Send reports."""

    reports: Reports


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAttempt:
    """Start an attempt; `Started` or `Ended` follows."""

    task: WantedTask


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAttempt:
    """End an attempt: SIGTERM, and SIGKILL after the grace; `Ended` follows."""

    key: AttemptKey
    grace_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetAttempt:
    """Drop all that is known of an ended attempt but its output."""

    key: AttemptKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Persist:
    """Make this durable before going on."""

    remembered: Remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewDeadline:
    """Move the supervisor's fencing deadline; None lifts it."""

    deadline_boot_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropLink:
    """Close the link and try again later."""

    reason: str


Action = SendRegister | SendReports | StartAttempt | StopAttempt | ForgetAttempt | Persist | RenewDeadline | DropLink
