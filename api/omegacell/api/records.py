"""What the client takes and gives: frozen values, without numpy, pydantic or the wire.

Times named ``*_at_us`` are wall stamps in microseconds, 0 for "not yet". Names of reasons, statuses and command kinds
are strings here, because a newer server may know more of them than this client; those a program decides on are enums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from omegacell.core.drains import Eligibility
from omegacell.core.jobs import JobSpec, Stopping, TaskState
from omegacell.core.units import Band, JobId


class JobState(IntEnum):
    """A job in one word, from the states of its tasks."""

    PENDING = 0
    """No task is placed yet."""
    RUNNING = 1
    STOPPING = 2
    SUCCEEDED = 3
    FAILED = 4
    STOPPED = 5

    @property
    def is_ended(self) -> bool:
        """Whether nothing of the job will run again by itself."""
        return self >= JobState.SUCCEEDED


class Change(IntEnum):
    """What a submit did."""

    NONE = 0
    CREATED = 1
    UNCHANGED = 2
    SCALED = 3
    REPLACED = 4
    ADJUSTED = 5


class Health(IntEnum):
    """What the last health checks of a task said."""

    UNKNOWN = 0
    HEALTHY = 1
    UNHEALTHY = 2


class ExitNote(IntEnum):
    """What else is known of how an attempt ended."""

    NONE = 0
    UNKNOWN = 1
    OUT_OF_MEMORY = 2
    START_FAILED = 3
    UNHEALTHY = 4
    FENCED = 5


class LogStream(IntEnum):
    """Which output of a task."""

    STDOUT = 0
    STDERR = 1


class MachineState(IntEnum):
    """Whether a machine takes work."""

    JOINING = 0
    UP = 1
    DOWN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Which state an answer shows: a revision of one incarnation of the cell."""

    revision: int
    incarnation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job to submit: `omegacell.api.spec` makes them from job files.

    Attributes:
        spec: what the cell must know; its ``payload`` is empty, as the server salts and hashes.
        payload: what the tasks run, canonical JSON.
        replace: put this in the place of another spec of that name.
    """

    spec: JobSpec
    payload: bytes
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What became of a submit.

    Attributes:
        name: the job's.
        job_id: 0 when it was refused.
        change: what it did; NONE when it was refused.
        revision: the transaction that did it; 0 when it never reached the log.
        reason: why it was refused, else empty.
        message: the same as a sentence.
        warnings: what the job asks for that no machine has, a sentence each.
    """

    name: str
    job_id: JobId
    change: Change
    revision: int
    reason: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether the cell did not take the job."""
        return bool(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Amounts in base units."""

    cpu_milli: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job and how its tasks are.

    Attributes:
        job_id: never used again.
        spec: without payload; its ``count`` is what is wanted now.
        state: in one word.
        counts: tasks by `TaskState`.
        healthy_count: running tasks whose health checks pass, without those that are being stopped.
        changed_at: revision of its last change.
        submitted_at_us: wall stamp.
        first_decided_at_us: wall stamp of its scheduler's first attempt; 0 for not yet.
        is_current: whether the name means this job; false for one that was replaced and has not left yet.
        stopping_count: of the placed and running tasks, those that are being stopped.
    """

    job_id: JobId
    spec: JobSpec
    state: JobState
    counts: Mapping[TaskState, int]
    healthy_count: int
    changed_at: int
    submitted_at_us: int
    first_decided_at_us: int
    is_current: bool
    stopping_count: int

    @property
    def name(self) -> str:
        """The job's name."""
        return self.spec.name

    @property
    def active_count(self) -> int:
        """Tasks that are placed or running, and not being stopped."""
        active = self.counts.get(TaskState.PLACED, 0) + self.counts.get(TaskState.RUNNING, 0)
        return active - self.stopping_count


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """Jobs as of one revision."""

    at: At
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChanges:
    """One step of a watch: the newest state of each job that changed; resume after ``at``."""

    at: At
    jobs: tuple[Job, ...]
    forgotten: tuple[JobId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a task. ``exit_code`` is -1 and ``signal`` 0 when there is none."""

    attempt: int
    machine: str
    state: TaskState
    exit_code: int
    signal: int
    note: ExitNote
    placed_at_us: int
    started_at_us: int
    ended_at_us: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task: its state, its last attempt (None: never placed) and the ended ones before it, oldest first."""

    index: int
    state: TaskState
    stopping: Stopping
    health: Health
    restarts: int
    last: Attempt | None
    past: tuple[Attempt, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """How many machines cannot take a task for one reason; ``dimension`` is what lacks, if it is an amount."""

    reason: str
    dimension: str
    machine_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingReason:
    """Why tasks are pending: the dominant reason as a sentence, and machines counted per reason."""

    summary: str
    task_count: int
    lacks: tuple[Lack, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail:
    """A job with a range of its tasks."""

    at: At
    job: Job
    pending: PendingReason | None
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """A piece of a task's output; ``offset`` is that of its first byte since the attempt started."""

    data: bytes
    offset: int
    attempt: int
    machine: str


class DrainHold(IntEnum):
    """Why tasks are still on a draining machine."""

    ENDING = 0
    """They were told to end, and have their grace period."""
    TURN = 1
    """They may leave; evictions go at a bounded rate."""
    BUDGET = 2
    """Their job has as many unavailable tasks as it allows."""
    SILENT = 3
    """The machine is not heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainBlock:
    """Tasks of one job that are still on a draining machine for one reason.

    Attributes:
        hold: the reason. summary: the same as a sentence.
        job, job_id: whose tasks; task_count: how many.
        is_forever: the drain never finishes unless somebody does something.
    """

    hold: DrainHold
    job: str
    job_id: JobId
    task_count: int
    is_forever: bool
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainProgress:
    """How far a drain has come.

    Attributes:
        task_count: tasks that are still there; ending_count: those of them that were told to end.
        left_us: of the cell's time until the deadline; 0 when it has passed, -1 when there is none.
        blocks: why they are there: first what lasts for ever, then what waits, last what goes on.
    """

    task_count: int
    ending_count: int
    left_us: int
    blocks: tuple[DrainBlock, ...]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left there."""
        return not self.task_count

    @property
    def is_forever(self) -> bool:
        """Whether all that is left stays for ever: waiting for the drain is in vain."""
        return bool(self.blocks) and all(block.is_forever for block in self.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDevice:
    """Devices of one kind on a machine, and how many of them nobody holds."""

    name: str
    count: int
    free: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine, what it has and what is taken of it.

    ``eligibility`` is whether it is offered new work; ``drain`` is there while it is DRAINING.
    """

    row: int
    name: str
    state: MachineState
    epoch: int
    capacity: Resources
    allocated: Resources
    allocated_by_band: Mapping[Band, Resources]
    drivers: tuple[str, ...]
    attributes: Mapping[str, str]
    is_connected: bool
    silent_ticks: int
    changed_at: int
    port_first: int
    port_last: int
    port_free: int
    eligibility: Eligibility
    drain: DrainProgress | None = None
    taints: tuple[str, ...] = ()
    devices: tuple[MachineDevice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineTask:
    """A task that is placed or runs on a machine."""

    job: str
    job_id: JobId
    index: int
    attempt: int
    state: TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineList:
    """Machines as of one revision."""

    at: At
    machines: tuple[Machine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDetail:
    """A machine with what it runs."""

    at: At
    machine: Machine
    tasks: tuple[MachineTask, ...]
