"""What the client takes and gives: frozen values, without numpy, pydantic or the wire.

Times named ``*_at_us`` are wall stamps in microseconds, 0 for "not yet". Names of reasons, statuses and command kinds
are strings here, because a newer server may know more of them than this client; those a program decides on are enums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from omegacell.api.records_templates import TemplateStatus
from omegacell.api.records_updates import UpdateProgress
from omegacell.core.dependencies import Condition
from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState
from omegacell.core.units import JobId

NO_JOB: Final = JobId(0)


class JobState(IntEnum):
    """A job in one word, from the states of its tasks."""

    PENDING = 0
    """No task is placed yet."""
    RUNNING = 1
    STOPPING = 2
    HELD = 3
    """Every task that waits waits for something other than a machine."""
    SUCCEEDED = 4
    FAILED = 5
    STOPPED = 6

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
    UPDATED = 6


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
    TIME_LIMIT = 6
    """Its machine ended it: it had run for as long as its job allows."""


class LogStream(IntEnum):
    """Which output of a task."""

    STDOUT = 0
    STDERR = 1


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
        place: where it stands, ``FILE:LINE``, for messages; empty when it came from no file.
    """

    spec: JobSpec
    payload: bytes
    replace: bool = False
    place: str = field(default="", compare=False)


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
        note: why it did what it did, where that may surprise, as in ``it was stopped, and runs again``.
    """

    name: str
    job_id: JobId
    change: Change
    revision: int
    reason: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()
    note: str = ""

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
class JobWait:
    """One job that another waits for.

    Attributes:
        job: its name. job_id: its id now; 0 when there is none of that name.
        condition: what must become of it.
        done_count: of its ``wanted_count`` tasks, those that are as they shall be.
        is_stuck: it has come, or will come, to its end without that.
        summary: the same as a clause, as in ``'extract': 3 of 10 tasks succeeded``.
    """

    job: str
    job_id: JobId
    condition: Condition
    done_count: int
    wanted_count: int
    is_stuck: bool
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReason:
    """What held tasks wait for besides a machine: as a sentence, and each job that is not there yet.

    Of a system job ``lacks`` counts the machines that do not match, by reason.
    """

    summary: str
    task_count: int
    waits: tuple[JobWait, ...]
    is_stuck: bool
    lacks: tuple["Lack", ...] = ()


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
        update: while it takes the place of others, how far that is.
        successor: id of the job that takes its place in an update, or took it; 0 for none.
        parent_id: the template that it was made of, 0 for none; parent: its name, empty when that left the cell.
        instant_us: the instant of the schedule that it was made for, wall stamp; 0 for none.
        held: what its held tasks wait for, as of the answer; None when it has none.
        deadline_left_us: of the cell's time until its deadline, as of the answer, 0 when it has passed; -1 for none.
        is_stopped_late: it was stopped because its deadline had passed.
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
    update: UpdateProgress | None = None
    successor: int = 0
    parent_id: JobId = NO_JOB
    parent: str = ""
    instant_us: int = 0
    held: HeldReason | None = None
    deadline_left_us: int = -1
    is_stopped_late: bool = False

    @property
    def name(self) -> str:
        """The job's name."""
        return self.spec.name

    @property
    def wanted_count(self) -> int:
        """Tasks that are to run now: all; of a system job those whose machine matches, the others being held."""
        held = self.counts.get(TaskState.HELD, 0) if self.spec.kind is Kind.SYSTEM else 0
        return self.spec.count - held

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
    """One run of a task. ``exit_code`` is -1 and ``signal`` 0 when there is none.

    ``preempted_by`` is the job to which it gave way, at the revision ``preempted_at``; empty when it did not.
    """

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
    preempted_by: str = ""
    preempted_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideTask:
    """A task inside an alloc."""

    job: str
    job_id: JobId
    index: int
    state: TaskState
    stopping: Stopping

    @property
    def name(self) -> str:
        """The task in one word, ``JOB/INDEX``."""
        return f"{self.job}/{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocContents:
    """What is inside an alloc, and what is left of it."""

    free: Resources
    tasks: tuple[InsideTask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task: its state, its last attempt (None: never placed) and the ended ones before it, oldest first.

    Attributes:
        alloc: the alloc that it runs in, ``SET/INDEX``; else empty.
        contents: of an alloc that is on a machine, what is inside; else None.
        waits_for: tasks on its machine that must end before it begins: they give way to it, or end anyway.
        own_machine: of a system job, the machine that it belongs to; mismatch: why that is none for a held task.
    """

    index: int
    state: TaskState
    stopping: Stopping
    health: Health
    restarts: int
    last: Attempt | None
    past: tuple[Attempt, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    alloc: str = ""
    contents: AllocContents | None = None
    waits_for: tuple[str, ...] = ()
    own_machine: str = ""
    mismatch: str = ""


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
    template: TemplateStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """A piece of a task's output; ``offset`` is that of its first byte since the attempt started."""

    data: bytes
    offset: int
    attempt: int
    machine: str
