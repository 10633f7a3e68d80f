"""What can be asked of a cell: the closed union of commands, and the transaction that carries them.

Rules: every value is frozen; what several tasks share is columns (numpy arrays, one row a task), never one object a
task; nothing here decides anything (see ``apply``). A transaction holds either scheduling commands (`Place`, `Evict`,
`Unplaced`, in any number) or exactly one other command; `OpenSession` may stand before either.
"""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from omegacell.core.columns import Int32s
from omegacell.core.drains import EvictCause, SetEligibility
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.jobs import JobSpec, StopCause
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.machine_commands import Inventory, LoseMachines, RegisterMachine, Report, SetTaints, Tick
from omegacell.core.preemption import NO_VICTIMS, Victims
from omegacell.core.quick import quick
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.units import Atomicity, Detection, JobId, Revision, Role, SessionId
from omegacell.core.updates import FinishUpdate, RevertUpdate, StopTasks


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
    """Bring a job in, scale it, or put another spec in its place, at once (``replace``) or step by step (``update``).

    The same spec again changes nothing; another count scales, what touches no task (`jobs.is_same_job`) counts from now
    on; anything else is refused unless ``replace``, which stops the old job's tasks and begins a new job under the same
    name, or ``update``, which makes a new service the successor of the one that runs (see `updates`). Not both.
    """

    spec: JobSpec
    submitted_at_us: int
    replace: bool = False
    update: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopJob:
    """Stop a job: pending tasks at once, the others when their machine says that they ended.

    With `StopCause.DEADLINE` it is the claim that the job's deadline has passed.
    """

    job: JobId
    cause: StopCause = StopCause.ASKED


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
        victims: tasks that are to give way; `NO_VICTIMS` for none, as in nearly every `Place`.
    """

    job: JobId
    indices: Int32s
    machines: Int32s
    victims: Victims = NO_VICTIMS


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
        dimension: index of the resource for RESOURCES and ALLOC_FULL, of the job's device for the reasons about
            devices, of `units.CAP_NAMES` for CAP_EXCEEDED, else -1.
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
    | ReleaseTasks
    | StopTasks
    | RevertUpdate
    | FinishUpdate
    | SpawnJob
    | HoldTasks
    | GrowSystemJob
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
