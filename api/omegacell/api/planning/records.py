"""What the client gives of plans and explanations: frozen values, as in `omegacell.api.records`.

Names of reasons and kinds are strings, because a newer server may know more of them than this client.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from omegacell.api.figures import ConflictRow
from omegacell.api.records import At, Change, HeldReason, Lack, PendingReason
from omegacell.core.jobs import TaskState


class PlanAction(IntEnum):
    """What a plan does with a task."""

    KEPT = 0
    ADDED = 1
    MOVED = 2
    """It ends on one machine and begins on another."""
    RESTARTED = 3
    """It ends and begins again on the same machine."""
    STOPPED = 4
    EVICTED = 5
    """It gives way to another job."""
    PENDING = 6
    """It waits for a place after all."""
    HELD = 7
    """It waits for something other than a machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field of a job file that differs, as text; empty where it is not there."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """A task in a plan.

    Attributes:
        before, after: its machine, empty for none.
        waits: it is placed only once tasks that the plan ends have ended.
    """

    index: int
    action: PlanAction
    before: str
    after: str
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """What submitting a job would do.

    Attributes:
        change: NONE when the cell would refuse it; ``reason`` and ``message`` say why then.
        fields: in what it differs from the job of that name.
        scheduler: that the job names.
        planned_by: whose decisions these are; empty when nobody was asked.
        counts: its tasks by what is done with them.
        tasks: those tasks, by index.
        pending: why tasks of it would wait for a place.
        held: what its held tasks would wait for.
        is_cut_off: time was over before all of its tasks were decided on.
        warnings: what it asks for that no machine has, a sentence each.
        max_parallel: of an update, how many indices it takes at a time; else 0.
    """

    name: str
    change: Change
    reason: str
    message: str
    fields: tuple[FieldChange, ...]
    scheduler: str
    planned_by: str
    counts: Mapping[PlanAction, int]
    tasks: tuple[PlannedTask, ...]
    pending: PendingReason | None
    is_cut_off: bool
    warnings: tuple[str, ...] = ()
    max_parallel: int = 0
    held: HeldReason | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the cell would not take it."""
        return bool(self.reason)

    @property
    def is_change(self) -> bool:
        """Whether the cell would be another one after it."""
        return self.change not in (Change.NONE, Change.UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictedTask:
    """A task that would give way."""

    job: str
    job_id: int
    index: int
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What submitting jobs would do, as of one revision; ``evicted`` are tasks of other jobs."""

    at: At
    jobs: tuple[PlannedJob, ...]
    evicted: tuple[EvictedTask, ...]

    @property
    def is_change(self) -> bool:
        """Whether submitting them changes anything."""
        return any(job.is_change for job in self.jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A resource that a machine has too little of, base units."""

    dimension: str
    asked: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A machine that comes near to taking the task, and what it lacks."""

    machine: str
    reason: str
    message: str
    shortages: tuple[Shortage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStep:
    """One thing that is given up: its kind, what it is about, and amounts before and after."""

    kind: str
    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FittingChange:
    """A change that makes a task fit.

    Attributes:
        message: in words.
        steps: what is given up.
        fit_count: how many of the pending tasks would find room then.
        fields: what it changes in the job file; empty when it is not about the job.
    """

    message: str
    steps: tuple[ChangeStep, ...]
    fit_count: int
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOrigin:
    """Where an attempt comes from; ``author`` is empty when the log does not reach back to it.

    ``preempted_by`` is the job to which it gave way, empty when it did not; ``end`` how it ended, in words.
    """

    attempt: int
    machine: str
    state: TaskState
    author: str
    revision: int
    seen: int
    placed_at_us: int
    preempted_by: str = ""
    preempted_at: int = 0
    end: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineChoice:
    """Which machines had room for the task at a revision.

    Attributes:
        fitting_count: machines with room, that of the task counted in.
        lighter_count: those of them that were less loaded than that of the task.
        others: up to ten of them, the least loaded first, without that of the task.
    """

    revision: int
    machine_count: int
    fitting_count: int
    lighter_count: int
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LostClaim:
    """A refused claim; ``taken_count`` tasks of ``taken_by_job`` had been placed on the machine before."""

    conflict: ConflictRow
    taken_by_job: str
    taken_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a task waits, or why it is where it is.

    Attributes:
        index: the task; None for the job as a whole.
        state: of the task; of a job as a whole PENDING when any of its tasks waits, else RUNNING when any runs.
        counts: the job's tasks by state.
        summary: the answer in a sentence.
        fitting_count: machines with room for one more task now.
        lacks: the other machines by reason, the nearest first.
        misses: the machines that come nearest.
        changes: what makes it fit now, the smallest first.
        is_cut_off: time was over before every change was tried.
        planned_on: the machine that its scheduler would take now, planned by ``planned_by``.
        evicted: what would give way then.
        preemption: why nobody gives way to a task that waits; empty when somebody does, or nobody has to.
        waits_for: tasks that must end before the placed one begins.
        attempts: the newest first.
        then: when the attempt that runs was decided; None when it is not known, and ``then_unknown`` says why.
        now: the same now; None for a task that is on no machine.
        conflicts: claims for the task, or for any task of the job, that were refused; the newest first.
        oldest_revision: how far back ``attempts`` and ``conflicts`` reach.
        machines: where the job's tasks are, the most first.
        held: what the job's held tasks wait for.
    """

    at: At
    job: str
    job_id: int
    index: int | None
    state: TaskState
    counts: Mapping[TaskState, int]
    summary: str
    pending_count: int
    machine_count: int
    fitting_count: int
    lacks: tuple[Lack, ...]
    misses: tuple[NearMiss, ...]
    changes: tuple[FittingChange, ...]
    is_cut_off: bool
    planned_on: str
    planned_by: str
    evicted: tuple[EvictedTask, ...]
    attempts: tuple[AttemptOrigin, ...]
    then: MachineChoice | None
    then_unknown: str
    now: MachineChoice | None
    conflicts: tuple[LostClaim, ...]
    oldest_revision: int
    machines: Mapping[str, int]
    held: HeldReason | None = None
    preemption: str = ""
    waits_for: tuple[str, ...] = ()
