"""What a job asks for: the part of its spec that `apply` reads, and the life of a task as a table.

A `JobSpec` is immutable and shared by every copy of a cell. What a task runs (command, environment, files) is its
payload: it stands beside the log under a salted hash, and nothing here looks into it. The columns that hold the state
of each task are in `arena`, those of each job in `jobtable`.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from omegacell.core.dependencies import Dependency
from omegacell.core.devices import DeviceRequest
from omegacell.core.placement import NO_RULES, PlacementRules
from omegacell.core.quick import quick
from omegacell.core.templates import Parameters, Schedule, TemplateKind
from omegacell.core.units import RESOURCE_COUNT, Band
from omegacell.core.updates import UpdatePolicy


class Kind(IntEnum):
    """What a job is, and how it ends: a batch job when its tasks have, the others never by themselves."""

    BATCH = 0
    SERVICE = 1
    SYSTEM = 2
    """A service with one task for each machine: task i belongs to machine row i, and the cell keeps the count."""
    ALLOC = 3
    """An alloc set: its tasks are reservations, in which tasks of other jobs run. It never ends by itself."""


class TaskState(IntEnum):
    """Where a task is in its life; from SUCCEEDED on, how an attempt ended."""

    PENDING = 0
    PLACED = 1
    RUNNING = 2
    HELD = 3
    """It waits for something other than a machine (see `holds`); no scheduler sees it."""
    SUCCEEDED = 4
    FAILED = 5
    STOPPED = 6
    LOST = 7
    EVICTED = 8


STATE_COUNT: Final = len(TaskState)
ACTIVE_STATES: Final = (TaskState.PLACED, TaskState.RUNNING)
"""States in which a task holds resources on a machine."""
TERMINAL_STATES: Final = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.STOPPED)
"""States in which a task rests; LOST and EVICTED only describe attempts: their tasks are pending again."""


NO_LIMIT: Final = -1

NOTHING: Final = (0,) * RESOURCE_COUNT
"""Resources: none of any."""


class Event(IntEnum):
    """What can happen to a task."""

    PLACED = 0
    STARTED = 1
    SUCCEEDED = 2
    FAILED = 3
    LOST = 4
    EVICTED = 5
    STOPPED = 6
    STOP_ASKED = 7
    RELEASED = 8
    HELD = 9


LIFE_CYCLE: Final[dict[tuple[TaskState, Event], TaskState]] = {
    (TaskState.PENDING, Event.PLACED): TaskState.PLACED,
    (TaskState.PENDING, Event.STOP_ASKED): TaskState.STOPPED,
    (TaskState.PENDING, Event.HELD): TaskState.HELD,
    (TaskState.HELD, Event.RELEASED): TaskState.PENDING,
    (TaskState.HELD, Event.STOP_ASKED): TaskState.STOPPED,
    (TaskState.PLACED, Event.STARTED): TaskState.RUNNING,
    (TaskState.PLACED, Event.SUCCEEDED): TaskState.SUCCEEDED,
    (TaskState.PLACED, Event.FAILED): TaskState.FAILED,
    (TaskState.PLACED, Event.LOST): TaskState.LOST,
    (TaskState.PLACED, Event.EVICTED): TaskState.EVICTED,
    (TaskState.PLACED, Event.STOPPED): TaskState.STOPPED,
    (TaskState.RUNNING, Event.SUCCEEDED): TaskState.SUCCEEDED,
    (TaskState.RUNNING, Event.FAILED): TaskState.FAILED,
    (TaskState.RUNNING, Event.LOST): TaskState.LOST,
    (TaskState.RUNNING, Event.EVICTED): TaskState.EVICTED,
    (TaskState.RUNNING, Event.STOPPED): TaskState.STOPPED,
}
"""Every move there is. A placed or running task that is asked to stop keeps its state and its resources, with its
`stopping` mark set, until its machine says that it ended. A task whose attempt ended LOST or EVICTED, or FAILED with
restarts left, or a service's task whose attempt SUCCEEDED with restarts left, returns to PENDING in the same step."""


class Stopping(IntEnum):
    """Whether a placed or running task has been asked to end, and as what its attempt will count."""

    NO = 0
    STOP = 1
    EVICT = 2


class StopCause(IntEnum):
    """Why a job is stopped."""

    ASKED = 0
    """Somebody asked for it, or put another job in its place."""
    DEADLINE = 1
    """Its deadline has passed."""


class OnPartition(IntEnum):
    """What the machine does with a task when the machine loses the cell for longer than its lease."""

    STOP = 0
    CONTINUE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A named port of a task: granted by `apply` when ``number`` is 0, asked for by number otherwise."""

    name: str
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """That tasks of a job are placed together or not at all; `gangs` judges it.

    Attributes:
        size: tasks with consecutive indices that are one group, the last group perhaps fewer; 0: all are one group.
        least: tasks of a group that must have a place for any to get one; 0: all of the group.

    >>> pairs = Gang(size=4, least=3)
    >>> [pairs.length_of(group, 10) for group in range(3)], [pairs.least_of(length) for length in (4, 2)]
    ([4, 4, 2], [3, 2])
    """

    size: int = 0
    least: int = 0

    def length_of(self, group: int, wanted: int) -> int:
        """Return how many tasks a group has when so many are wanted of the job; none when there is no such group."""
        size = self.size or wanted
        return max(0, min(size, wanted - group * size))

    def least_of(self, length: int) -> int:
        """Return how many of a group of so many tasks must have a place."""
        return min(self.least or length, length)


WHOLE_JOB: Final = Gang()
"""All tasks of the job, or none."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What the core must know of a job; specs that differ only in what touches no task are one job (`is_same_job`).

    Attributes:
        name: lower-case name, unique among the cell's current jobs.
        owner: who answers for it; for people and quotas.
        kind: batch, service, system or alloc set.
        scheduler: the name of the scheduler that places it.
        band: Borg's priority band.
        priority: the integer inside the band, higher first.
        count: how many tasks; of a system job as many as there are machines, which `apply` keeps so.
        resources: what one task asks for, ``(resources,)`` integers in base units.
        driver: the driver that runs its tasks; a machine must offer it.
        ports: the ports of one task.
        gang: which tasks are placed together or not at all; None when each is placed alone.
        max_restarts: failed attempts a task may have and still be tried again; -1 for no limit.
        restart_delay_us: base of the back-off between attempts, a hint to proposers.
        grace_us: time between SIGTERM and SIGKILL.
        on_partition: what happens to its tasks on a machine that lost the cell.
        placement: rules and wishes about where its tasks may run.
        payload: hash of what its tasks run, 32 bytes; empty when there is none.
        devices: the devices of one task, names in ascending order, each once.
        max_unavailable: wanted tasks that may be unavailable when a drain takes one more away (see `budgets`); with 0
            none is taken; `NO_LIMIT` for any.
        is_health_checked: its tasks have a health check: they are available once it was passed.
        alloc: name of the alloc set inside whose allocs its tasks run; empty for tasks on machines of their own.
        max_run_us: how long one attempt may run before its machine ends it, which counts as a failure; 0: for ever.
        deadline_us: how long after its submission, in the cell's elapsed time, it is to be stopped; 0: never.
        after: the jobs that its tasks wait for, names in ascending order, each once.
        update: how it is updated while it runs; None for `updates.DEFAULT_POLICY`.
        schedule: when children of it are made; it is a template then, and its own tasks never run.
        parameters: what those who dispatch it may say; likewise.
    """

    name: str
    owner: str
    kind: Kind
    scheduler: str
    band: Band
    priority: int
    count: int
    resources: tuple[int, ...]
    driver: str
    ports: tuple[Port, ...] = ()
    gang: Gang | None = None
    max_restarts: int = 0
    restart_delay_us: int = 1_000_000
    grace_us: int = 5_000_000
    on_partition: OnPartition = OnPartition.STOP
    placement: PlacementRules = NO_RULES
    payload: bytes = b""
    devices: tuple[DeviceRequest, ...] = ()
    max_unavailable: int = NO_LIMIT
    is_health_checked: bool = False
    alloc: str = ""
    after: tuple[Dependency, ...] = ()
    update: UpdatePolicy | None = None
    max_run_us: int = 0
    deadline_us: int = 0
    schedule: Schedule | None = None
    parameters: Parameters | None = None

    @property
    def template_kind(self) -> TemplateKind:
        """What it is a template for."""
        if self.schedule is not None:
            return TemplateKind.SCHEDULED
        return TemplateKind.NONE if self.parameters is None else TemplateKind.PARAMETERISED

    @property
    def charged(self) -> tuple[int, ...]:
        """What one task takes of its machine: nothing inside an alloc, which was taken of the machine already."""
        return NOTHING if self.alloc else self.resources

    @property
    def is_gang(self) -> bool:
        """Whether tasks of it are placed together or not at all."""
        return self.gang is not None


def is_same_job(before: JobSpec, after: JobSpec) -> bool:
    """Tell whether two specs of one name are one job: what differs then is adjusted in place, and touches no task.

    That is how many tasks there are, and what is only read when something happens to one: budgets, restarts, updates.
    """
    return (
        replace(
            before,
            count=after.count,
            max_unavailable=after.max_unavailable,
            max_restarts=after.max_restarts,
            restart_delay_us=after.restart_delay_us,
            update=after.update,
        )
        == after
    )
