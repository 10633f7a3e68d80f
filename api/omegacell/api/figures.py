"""The figures of a cell that the client gives and offline tools compute: schedulers, history, conflicts, status.

As in `records`: frozen values; names of reasons, statuses and command kinds are strings, because a newer server may
know more of them than this client.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from omegacell.api.records import At, Resources
from omegacell.api.records_machines import MachineDevice, MachineState
from omegacell.core.jobs import TaskState
from omegacell.core.outcomes import Status

KINDS: Final = (
    "genesis",
    "reincarnate",
    "rules",
    "open",
    "renew",
    "close",
    "expire",
    "submit",
    "stop",
    "forget",
    "stop-tasks",
    "revert",
    "finish",
    "spawn",
    "quota",
    "caps",
    "place",
    "evict",
    "unplaced",
    "release",
    "hold",
    "grow",
    "register",
    "inventory",
    "lose",
    "taint",
    "eligibility",
    "report",
    "tick",
    "malformed",
)
"""What a transaction can be, by its main command."""
STATUSES: Final = tuple(status.name.lower() for status in Status)
"""What can become of a transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Which transactions to show, newest first; empty fields do not filter.

    Attributes:
        before: only revisions below this; 0 for the newest.
        limit: how many at most.
        author: of the transaction.
        job: the name of a job it is about.
        kind: of its main command, one of `KINDS`.
        status: one of `STATUSES`.
        with_ticks: whether ticks and session renewals are shown too.
    """

    before: int = 0
    limit: int = 100
    author: str = ""
    job: str = ""
    kind: str = ""
    status: str = ""
    with_ticks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictQuery:
    """Which refused claims to show, newest first; empty fields do not filter.

    Attributes:
        before: only revisions below this; 0 for the newest.
        limit: how many at most.
        author: who was refused.
        job: whose claims.
        with_disagreements: whether refusals that no change explains are shown too.
    """

    before: int = 0
    limit: int = 100
    author: str = ""
    job: str = ""
    with_disagreements: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStatistics:
    """What one instance of a scheduler did since the cell began, from the log alone (Omega, section 4).

    Attributes:
        author: the instance (``batch-0``).
        scheduler: the scheduler it is an instance of; empty when no session of it is remembered.
        is_live: whether it holds a session.
        decisions: transactions with claims, or that say that there is no room.
        committed: transactions with every claim granted.
        conflicted: transactions with at least one conflict.
        disagreed: transactions with at least one refusal that no change explains.
        no_fit: decisions that found no room.
        placements: claims granted.
        claims_conflicted: claims refused as conflicts; claims_disagreed: as disagreements.
        busy_us: time spent deciding, by its own word.
        wait_us: from submission to the first attempt, over the ``wait_count`` jobs it tried first.
        refusals: claims refused, by reason.
        conflict_fraction: conflicts per successful transaction, as in the paper.
        busy_fraction: of the cell's elapsed time.
        mean_wait_s: submission to the start of the first attempt.
        last_at_us: wall stamp of its last transaction, renewals of its session too.
    """

    author: str
    scheduler: str
    is_live: bool
    decisions: int
    committed: int
    conflicted: int
    disagreed: int
    no_fit: int
    placements: int
    claims_conflicted: int
    claims_disagreed: int
    busy_us: int
    wait_us: int
    wait_count: int
    refusals: Mapping[str, int]
    conflict_fraction: float
    busy_fraction: float
    mean_wait_s: float
    last_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerList:
    """Every author of scheduling transactions, by name."""

    at: At
    schedulers: tuple[SchedulerStatistics, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """A transaction and what became of it.

    Attributes:
        kind: of its main command: place, submit, report, tick, ...; ``malformed`` when it could not be decoded.
        jobs: names of the jobs it is about.
        summary: what it asked for, in words.
        seen: the revision its author had seen; the space between is where a conflict can come from.
        conflicts: refused claims that were conflicts, out of ``refused``.
        at_us: when its author had decided, or the job was submitted; 0 when it does not say.
    """

    revision: int
    author: str
    seq: int
    seen: int
    kind: str
    jobs: tuple[str, ...]
    summary: str
    status: str
    reason: str
    granted: int
    refused: int
    conflicts: int
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictRow:
    """A refused claim.

    Attributes:
        machine: empty when the reason is not about a machine.
        dimension: what lacked, for RESOURCES and CAP_EXCEEDED; shortage: how much, base units.
        seen: the revision its author had seen.
        taken_at: revision of the last claim granted on the machine, 0 when no machine matters; taken_by: its author.
        is_conflict: false for a disagreement.
    """

    revision: int
    author: str
    job: str
    index: int
    machine: str
    reason: str
    dimension: str
    shortage: int
    seen: int
    taken_at: int
    taken_by: str
    is_conflict: bool
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Transactions, newest first; nothing below ``oldest_revision`` can be answered."""

    at: At
    oldest_revision: int
    rows: tuple[HistoryRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictPage:
    """Refused claims, newest first; nothing below ``oldest_revision`` can be answered."""

    at: At
    oldest_revision: int
    rows: tuple[ConflictRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFigures:
    """What the store takes on its disk."""

    engine: str
    path: str
    byte_count: int
    wal_byte_count: int
    disk_free_byte_count: int
    entry_count: int
    checkpoint_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStatus:
    """The cell at a glance; resources are those of machines that are up.

    ``silent_count`` machines that are not down were not heard for a tick or more; ``waiting_count`` of them are given
    up only by an operator, because too many are silent at once; ``waiting`` names the first 20. ``devices``
    are those of all machines that are up, without attributes.
    """

    at: At
    name: str
    version: str
    chain: bytes
    elapsed_us: int
    tick: int
    rules: int
    machine_counts: Mapping[MachineState, int]
    task_counts: Mapping[TaskState, int]
    job_count: int
    active_job_count: int
    capacity: Resources
    allocated: Resources
    schedulers: tuple[SchedulerStatistics, ...]
    session_count: int
    store: StoreFigures
    started_at_us: int
    can_write: bool
    silent_count: int
    waiting_count: int
    waiting: tuple[str, ...]
    devices: tuple[MachineDevice, ...]
