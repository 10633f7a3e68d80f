"""What can be asked of a cell: the closed union of commands, and the transaction that carries them.

Rules: every value is frozen; what several tasks share is columns (numpy arrays, one row a task), never one object a
task; nothing here decides anything (see ``apply``). A transaction holds either scheduling commands (`Place`, `Evict`,
`Unplaced`, in any number) or exactly one other command; `OpenSession` may stand before either.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.devices import DeviceOffer
from omegacell.core.drains import EvictCause, SetEligibility
from omegacell.core.jobs import JobSpec
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.placement import Taint
from omegacell.core.quick import quick
from omegacell.core.units import Atomicity, Detection, JobId, Revision, Role, SessionId

Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Bytes: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """Begin a cell: the first command of every log, and only there.

    Attributes:
        format: number of the persistent format.
        rules: number of the rules that `apply` follows until `ActivateRules`.
        features: names of optional features in use.
        resource_names: the dimensions of every resource vector, in order.
        cell: the cell's name.
        incarnation: random id, 32 hex digits; a restored log gets another.
        tick_period_us: nominal time between ticks; a tick adds at most two periods.
        session_ttl_us: elapsed time after which a silent session may be expired.
        forget_after_us: elapsed time after which an ended job may be forgotten.
    """

    format: int
    rules: int
    features: tuple[str, ...]
    resource_names: tuple[str, ...]
    cell: str
    incarnation: str
    tick_period_us: int
    session_ttl_us: int
    forget_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reincarnate:
    """Give the log a new incarnation after a restore or a move; every other session ends."""

    incarnation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateRules:
    """Switch the rules that `apply` follows from the next transaction on; they never go back."""

    rules: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """Begin the session of the transaction that carries it; its number must be 1.

    Attributes:
        author: the instance's name, for people and counters (``batch-0``).
        role: what kind of proposer it is.
        scheduler: the scheduler it is an instance of (``batch``); empty for other roles.
    """

    author: str
    role: Role
    scheduler: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """Keep the session alive: every transaction does, this one does nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSession:
    """End the session of this transaction; contacts it holds are gone with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireSession:
    """Claim that a session's deadline has passed; refused when it has not."""

    session: SessionId


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitJob:
    """Bring a job in, scale it, or (``replace``) put another spec in its place.

    The same spec again changes nothing; another count scales, another ``max_unavailable`` counts from now on; anything
    else is refused unless ``replace``, which stops the old job's tasks and begins a new job under the same name.
    """

    spec: JobSpec
    submitted_at_us: int
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopJob:
    """Stop a job: pending tasks at once, the others when their machine says that they ended."""

    job: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetJob:
    """Claim that a job ended long enough ago to leave the cell."""

    job: JobId


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """Claims: put tasks of one job on machines.

    Attributes:
        job: whose tasks.
        indices: task indices, ``(claims,)`` int32.
        machines: machine rows, ``(claims,)`` int32.
    """

    job: JobId
    indices: Int32s
    machines: Int32s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evict:
    """Take tasks of one job off their machines; each named with its attempt, so that a newer one is not hit.

    Attributes:
        job: whose tasks.
        indices: task indices, ``(tasks,)`` int32.
        attempts: the attempts meant, ``(tasks,)`` int32.
        cause: why; with DRAIN the job's budget is kept.
    """

    job: JobId
    indices: Int32s
    attempts: Int32s
    cause: EvictCause = EvictCause.OPERATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """How many machines cannot take a task for one reason.

    Attributes:
        reason: a value of `outcomes.Reason`, the first that holds for the machine.
        dimension: index of the resource for RESOURCES, of the job's device for the reasons about devices, of
            `units.CAP_NAMES` for CAP_EXCEEDED, else -1.
        machine_count: how many machines.
    """

    reason: int
    dimension: int
    machine_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """An attempt that found no room, or could not be made: why tasks of a job are still pending.

    Attributes:
        job: whose tasks.
        task_count: how many found no place.
        lacks: why not, by machines.
        note: a sentence for people when machines are not the reason (a plug-in that raised); at most 1,024 characters.
    """

    job: JobId
    task_count: int
    lacks: tuple[Lack, ...] = ()
    note: str = ""


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


Scheduling: TypeAlias = Place | Evict | Unplaced
SCHEDULING: Final = (Place, Evict, Unplaced)
"""The same as a tuple, which ``isinstance`` takes in half the time of a union."""
Command: TypeAlias = (
    Genesis
    | Reincarnate
    | ActivateRules
    | OpenSession
    | Renew
    | CloseSession
    | ExpireSession
    | SubmitJob
    | StopJob
    | ForgetJob
    | SetQuota
    | SetCaps
    | Place
    | Evict
    | Unplaced
    | RegisterMachine
    | Inventory
    | LoseMachines
    | SetTaints
    | SetEligibility
    | Report
    | Tick
)

NO_CHAIN = b"\x00" * 16


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transaction:
    """Commands of one author, committed together.

    Attributes:
        session: whose it is.
        seq: its number in the session, dense from 1.
        seen: the revision of the author's copy when it decided.
        seen_chain: the author's chain value at ``seen``, 16 bytes; zeros when it does not say.
        detection: what makes a claim conflict.
        atomicity: what a conflict does to the rest.
        decided_from_us: wall stamp at which the author began to decide; for people and counters.
        decided_to_us: wall stamp at which it had decided.
        commands: what it asks for, in order.
        position: its place among the transactions of its entry, from 0: the author's own earlier transactions in
            the same append never count as changes. Not stored; the codec counts it.
    """

    session: SessionId
    seq: int
    seen: Revision
    seen_chain: bytes = NO_CHAIN
    detection: Detection = Detection.FINE
    atomicity: Atomicity = Atomicity.INCREMENTAL
    decided_from_us: int = 0
    decided_to_us: int = 0
    commands: tuple[Command, ...] = field(default=())
    position: int = 0

    @property
    def last_command(self) -> Command:
        """The last command, which tells what kind of transaction it is; there is always one once it was checked."""
        return self.commands[len(self.commands) - 1]
