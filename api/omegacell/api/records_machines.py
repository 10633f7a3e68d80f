"""What the client gives about machines: frozen values, under the rules of `records`."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from omegacell.api.records import At, Resources
from omegacell.core.drains import Eligibility
from omegacell.core.jobs import TaskState
from omegacell.core.units import Band, JobId


class MachineState(IntEnum):
    """Whether a machine takes work."""

    JOINING = 0
    UP = 1
    DOWN = 2


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
    INSIDE = 4
    """They run inside allocs, and go with these."""
    STRANDED = 5
    """As BUDGET, and the unavailable tasks wait for machines that drain or are cordoned."""


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
