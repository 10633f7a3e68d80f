"""What is asked about machines, and what they say: they join, report, are lost, are marked; and the cell's time passes.

Part of the closed union of `commands`, under the same rules.
"""

from dataclasses import dataclass
from enum import IntEnum

from omegacell.core.columns import Bytes, Int32s, Int64s
from omegacell.core.devices import DeviceOffer
from omegacell.core.placement import Taint
from omegacell.core.quick import quick


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMachine:
    """A machine joins or comes back: its epoch is bumped, and it takes work only after its `Inventory`.

    Attributes:
        name: the machine's name.
        boot_id: identity of this run of the machine; another one while contact is fresh is refused.
        capacity: what it has, ``(resources,)`` base units.
        drivers: the drivers it offers.
        attributes: name and value pairs, names in ascending order.
        port_first: first port that `apply` may grant.
        port_last: last of them; below ``port_first`` when there are none.
        devices: the devices it has, names in ascending order, each once.
    """

    name: str
    boot_id: str
    capacity: tuple[int, ...]
    drivers: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...] = ()
    port_first: int = 0
    port_last: int = -1
    devices: tuple[DeviceOffer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inventory:
    """What a machine that registered really holds: running attempts that it does not list are lost.

    Attributes:
        machine: machine row.
        epoch: the epoch that its registration got.
        jobs: ``(attempts,)`` int64; indices: ``(attempts,)`` int32; attempts: ``(attempts,)`` int32.
    """

    machine: int
    epoch: int
    jobs: Int64s
    indices: Int32s
    attempts: Int32s


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseMachines:
    """Claim that machines are lost: silent for three ticks, and not too many at once (unless an operator says so).

    Attributes:
        machines: machine rows, ascending.
        by_operator: a person decided; neither rule holds then.
    """

    machines: tuple[int, ...]
    by_operator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTaints:
    """Mark machines, or take marks away; the same again changes nothing.

    Attributes:
        machines: machine rows, ascending.
        add: taints to put on each; one of a key and effect takes the place of another of the same.
        remove: keys whose taints are taken off first.
    """

    machines: tuple[int, ...]
    add: tuple[Taint, ...] = ()
    remove: tuple[str, ...] = ()


class ReportKind(IntEnum):
    """What a machine says of an attempt."""

    STARTED = 0
    EXITED = 1
    HEALTHY = 2
    UNHEALTHY = 3


class ExitNote(IntEnum):
    """What else is known of how an attempt ended."""

    NONE = 0
    UNKNOWN = 1
    """It ended while nobody watched: no exit code is known."""
    OUT_OF_MEMORY = 2
    START_FAILED = 3
    UNHEALTHY = 4
    """Killed because its health checks failed."""
    FENCED = 5
    """Killed by its machine because the machine's lease on it ran out: counts as lost."""
    TIME_LIMIT = 6
    """Ended by its machine because it had run for as long as its job allows."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """What machines say of attempts, as columns of equal length.

    Attributes:
        machines: machine rows, int32.
        epochs: epochs of their registrations, int32.
        jobs: job ids, int64.
        indices: task indices, int32.
        attempts: attempt numbers, int32.
        kinds: values of `ReportKind`, uint8.
        exit_codes: exit codes, int32; -1 when there is none.
        signals: signals that ended them, uint8; 0 for none.
        notes: values of `ExitNote`, uint8.
        at_us: when it happened by the machine's wall clock, int64.
    """

    machines: Int32s
    epochs: Int32s
    jobs: Int64s
    indices: Int32s
    attempts: Int32s
    kinds: Bytes
    exit_codes: Int32s
    signals: Bytes
    notes: Bytes
    at_us: Int64s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tick:
    """Time passed, and which machines this server's session gained or lost contact with.

    Attributes:
        after: the last tick that its author folded; accepted only when it still is the last.
        dt_us: monotonic time since then.
        gained: machine rows, int32, and gained_epochs: their epochs, int32.
        lost_contact: machine rows, int32; ignored for a machine that another session holds.
    """

    after: int
    dt_us: int
    gained: Int32s
    gained_epochs: Int32s
    lost_contact: Int32s
