"""What the slow twin knows of a cell: plain objects in plain lists and dicts, one object a task.

Rules: no numpy, no cleverness, nothing shared with the core but its enums and constants. Where the core keeps one
number that is overwritten (``changed_at``), the twin keeps the list of all of them and looks back.
"""

from dataclasses import dataclass, field

from omegacell.core.commands import Genesis, Lack
from omegacell.core.devices import DeviceOffer
from omegacell.core.drains import Eligibility
from omegacell.core.jobs import JobSpec, Stopping, TaskState
from omegacell.core.outcomes import Reason, Status
from omegacell.core.placement import Taint
from omegacell.core.units import BAND_COUNT, RESOURCE_COUNT, Role
from omegacell.core.updates import Updating

UP, JOINING, DOWN = "UP", "JOINING", "DOWN"
NOWHERE = -1

Row = tuple[int, Reason, bool, int, int, int]
"""A refused row: position, reason, is_conflict, dimension, shortage, taken_at."""

PastRow = tuple[int, int, TaskState, int, int, int, int, int, int, int, int]
"""An ended attempt: attempt, machine, end state, exit code, signal, note, placed, started, ended (wall stamps), and the
job that it gave way to and when, 0 for none."""

Key = tuple[int, int, int]
"""An attempt: job id, task index, attempt."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a transaction, in plain values; equal verdicts are equal outcomes."""

    revision: int
    status: Status
    reason: Reason = Reason.NONE
    granted: int = 0
    value: int = 0
    detail: int = 0
    is_conflict: bool = False
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Displaced:
    """That an attempt gave way to a task of a job, at a revision; and how many such led to it."""

    attempt: int
    job: int
    index: int
    revision: int
    depth: int


@dataclass(slots=True)
class Task:
    """One task: the state of its current or last attempt; ``waits``: the attempts that must end before it begins."""

    state: TaskState = TaskState.PENDING
    machine: int = NOWHERE
    last_machine: int = NOWHERE
    stopping: Stopping = Stopping.NO
    health: int = 0
    attempt: int = 0
    restarts: int = 0
    exit_code: int = -1
    signal: int = 0
    note: int = 0
    placed_at_us: int = 0
    started_at_us: int = 0
    ended_at_us: int = 0
    ended_elapsed: int = 0
    ports: list[int] = field(default_factory=list)
    devices: list[list[int]] = field(default_factory=list)
    alloc: tuple[int, int] | None = None  # job id and index of the alloc that it runs in
    past: list[PastRow] = field(default_factory=list)
    waits: list[Key] = field(default_factory=list)
    displaced: Displaced | None = None


@dataclass(slots=True)
class Job:
    """One job: its spec, and every task it ever had (``tasks`` never shrinks; ``count`` may)."""

    id: int
    spec: JobSpec
    count: int
    submitted_at_us: int
    tasks: list[Task]
    changes: list[int]
    deadline: int | None = None
    is_stopping: bool = False
    is_late: bool = False
    ended_elapsed: int | None = None
    was_decided: bool = False
    why: tuple[int, tuple[Lack, ...], str] | None = None
    successor: int | None = None
    updating: Updating = Updating.NO
    progressed: int = 0
    parent: int = 0  # the template that it was made of
    instant_us: int = 0  # of a child: what it was made for; of a template: the last one that is over
    tallies: list[int] = field(default_factory=lambda: [0, 0, 0])  # children made, instants skipped, instants missed


@dataclass(slots=True)
class Machine:
    """One machine; ``ports`` tells which task holds a port, ``held`` which one holds a device, by name and index."""

    name: str
    boot_id: str
    epoch: int
    capacity: tuple[int, ...]
    drivers: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    port_first: int
    port_last: int
    port_next: int
    devices: tuple[DeviceOffer, ...]
    changes: list[int]
    state: str = JOINING
    claimed_at: int = 0
    claimed_by: str | None = None
    contact: int = 0
    silent_ticks: int = 0
    lost_elapsed: int = -1  # never
    taints: tuple[Taint, ...] = ()
    eligibility: Eligibility = Eligibility.OPEN
    drain_deadline: int = -1  # never
    ports: dict[int, tuple[int, int]] = field(default_factory=dict)
    held: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    allocated: list[list[int]] = field(default_factory=lambda: [[0] * RESOURCE_COUNT for _ in range(BAND_COUNT)])

    def free(self, dimension: int) -> int:
        """Give what no band has allocated of one resource; negative when the capacity shrank below the use."""
        return self.capacity[dimension] - sum(band[dimension] for band in self.allocated)

    def device(self, name: str) -> DeviceOffer | None:
        """Give what it offers under a name, None when nothing."""
        return next((each for each in self.devices if each.name == name), None)

    def offered(self, name: str) -> int:
        """Give how many devices it offers under a name."""
        offer = self.device(name)
        return 0 if offer is None else offer.count


@dataclass(slots=True)
class Session:
    """One open session and the outcomes that it may ask for again."""

    author: str
    role: Role
    scheduler: str
    last_seq: int = 0
    deadline: int = 0
    verdicts: dict[int, Verdict] = field(default_factory=dict)


@dataclass(slots=True)
class Author:
    """Counters of one author; they survive its sessions."""

    decisions: int = 0
    busy_us: int = 0
    committed: int = 0
    conflicted: int = 0
    disagreed: int = 0
    no_fit: int = 0
    placements: int = 0
    claims_conflicted: int = 0
    claims_disagreed: int = 0
    wait_us: int = 0
    wait_count: int = 0
    refused_in_a_row: int = 0
    suspended_until: int = 0
    refusals: dict[Reason, int] = field(default_factory=dict)


@dataclass(slots=True)
class Limit:
    """A quota or a cap: its amounts, when it changed, and what was used of it when last looked at."""

    amounts: tuple[int, ...]
    changes: list[int]
    seen_use: list[int]


@dataclass(slots=True)
class State:
    """A whole cell."""

    revision: int = 0
    elapsed: int = 0
    tick: int = 0
    rules: int = 0
    incarnation: str = ""
    genesis: Genesis | None = None
    machines: list[Machine] = field(default_factory=list)
    drivers: list[str] = field(default_factory=list)  # every one that was ever offered
    kinds: list[str] = field(default_factory=list)  # of devices, likewise
    jobs: dict[int, Job] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    next_job: int = 1
    forgotten_at: int = 0
    topology: list[int] = field(default_factory=lambda: [0])  # changes of which machines there are, and what they are
    sessions: dict[int, Session] = field(default_factory=dict)
    authors: dict[str, Author] = field(default_factory=dict)
    quotas: dict[tuple[str, int], Limit] = field(default_factory=dict)
    caps: dict[str, Limit] = field(default_factory=dict)

    def olds(self, job: Job) -> list[Job]:
        """Give the jobs that a job takes the place of in an update, or took."""
        return [each for each in self.jobs.values() if each.successor == job.id]

    def current(self, job: Job) -> Job:
        """Give the job that takes the place of a job, itself when none does."""
        return job if job.successor is None else self.jobs[job.successor]

    def machine(self, row: int) -> Machine | None:
        """Give the machine of a row, None when there is none."""
        return self.machines[row] if row < len(self.machines) else None


def charged(spec: JobSpec) -> tuple[int, ...]:
    """Give what a task takes of its machine: inside an alloc nothing."""
    return spec.resources if not spec.alloc else (0,) * RESOURCE_COUNT


def changed_before(changes: list[int], revision: int) -> int:
    """Give the last change at or before a revision: what stood before an entry's own transactions began."""
    return max((each for each in changes if each <= revision), default=0)
