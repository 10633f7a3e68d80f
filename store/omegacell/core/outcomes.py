"""What `apply` made of a transaction: values, in order of precedence.

Rules: an outcome is never an exception; `Reason` lists refusals in the order in which they are judged, and
``docs/reference/refusals.md`` lists the same in the same order; the bytes of an outcome are part of the log's chain,
so `encode` changes only with the format.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from omegacell.core.columns import Bytes, Int32s, Int64s
from omegacell.core.jobs import JobSpec
from omegacell.core.quick import quick
from omegacell.core.units import CAP_NAMES, RESOURCE_NAMES, Revision


class Status(IntEnum):
    """The whole transaction's fate."""

    COMMITTED = 0
    """Everything asked for was granted."""
    PARTIAL = 1
    """Some claims or reports were refused, the rest granted."""
    REFUSED = 2
    """Nothing was granted; the cell is as before, but for the author's counters and session."""
    DUPLICATE = 3
    """This session and number were judged before; nothing was done, the first outcome stands."""
    MALFORMED = 4
    """The bytes or the commands break the format; nothing was done at all."""


class Reason(IntEnum):
    """Why something was refused, in order of precedence."""

    NONE = 0
    # the transaction
    DEFECT = 1
    NO_GENESIS = 2
    SESSION_UNKNOWN = 3
    SESSION_GAP = 4
    SEEN_AHEAD = 5
    SUSPENDED = 6
    # the command
    RULES_UNKNOWN = 7
    NOT_DUE = 8
    STALE_TICK = 9
    UNKNOWN_JOB = 10
    NOT_A_TEMPLATE = 11
    JOB_EXISTS = 12
    JOB_STOPPING = 13
    ALREADY_SPAWNED = 14
    JOB_ACTIVE = 15
    NOT_UPDATING = 16
    UPDATE_GOES_ON = 17
    UNKNOWN_MACHINE = 18
    STALE_EPOCH = 19
    MACHINE_ELSEWHERE = 20
    MACHINE_HEARD = 21
    TOO_MANY_LOST = 22
    UNKNOWN_ALLOC_SET = 23
    ALLOC_TOO_SMALL = 24
    LIMIT = 25
    QUOTA_EXCEEDED = 26
    DEPENDENCY_CYCLE = 27
    # the claim, the eviction or the report
    UNKNOWN_TASK = 28
    NOT_ITS_MACHINE = 29
    TASK_NOT_PENDING = 30
    TASK_NOT_HELD = 31
    STILL_HELD = 32
    NOTHING_HOLDS = 33
    STALE_ATTEMPT = 34
    NOT_DRAINING = 35
    JOB_DISRUPTED = 36
    CLAIMED_TWICE = 37
    CAP_EXCEEDED = 38
    VICTIM_GONE = 39
    VICTIM_ELSEWHERE = 40
    VICTIM_PROTECTED = 41
    CASCADE_TOO_DEEP = 42
    MACHINE_CHANGED = 43
    MACHINE_NOT_UP = 44
    DRIVER_MISSING = 45
    MACHINE_CORDONED = 46
    NO_ALLOC = 47
    CONSTRAINT = 48
    TAINTED = 49
    NEIGHBOUR = 50
    TOO_MANY_ON_MACHINE = 51
    SPREAD_SKEWED = 52
    DEVICE_MISSING = 53
    PORT_IN_RANGE = 54
    PORT_TAKEN = 55
    PORTS_EXHAUSTED = 56
    DEVICES_EXHAUSTED = 57
    ALLOC_FULL = 58
    RESOURCES = 59
    GANG_INCOMPLETE = 60
    GANG_PARTNER = 61
    # only from proposers, in `Unplaced`
    PLUGIN_FAILED = 62


REASON_COUNT = len(Reason)


def name_dimension(reason: int, dimension: int, spec: JobSpec | None) -> str:
    """Return what a refusal lacks: a resource, what a cap counts, or a device that the job asks for; empty for nothing.

    ``spec`` is the job's; without it a device has no name but its number.

    >>> name_dimension(Reason.RESOURCES, 1, None), name_dimension(Reason.CAP_EXCEEDED, 2, None)
    ('memory_bytes', 'jobs')
    """
    if dimension < 0:
        return ""
    if reason in (Reason.DEVICE_MISSING, Reason.DEVICES_EXHAUSTED):
        known = dimension < len(spec.devices) if spec is not None else False
        return spec.devices[dimension].name if spec is not None and known else f"device {dimension}"
    names = CAP_NAMES if reason == Reason.CAP_EXCEEDED else RESOURCE_NAMES
    return names[dimension] if dimension < len(names) else f"resource {dimension}"


class Change(IntEnum):
    """What a granted `SubmitJob` did."""

    NONE = 0
    CREATED = 1
    UNCHANGED = 2
    SCALED = 3
    REPLACED = 4
    ADJUSTED = 5
    """Nothing that touches its tasks (see `jobs.is_same_job`)."""
    UPDATED = 6
    """A new job takes the place of the one that runs, step by step."""


class Spawning(IntEnum):
    """What a granted `SpawnJob` did."""

    NONE = 0
    MADE = 1
    SKIPPED = 2
    """No child was made: another one is not at rest, and the schedule does not let them overlap."""
    EXISTED = 3
    """The template has a child of that name already."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Refusals:
    """Refused claims, evictions or reports of one transaction, as columns of equal length, ascending by position.

    Attributes:
        positions: places among all claims (evictions, reports) of the transaction, in order of its commands, int32.
        reasons: values of `Reason`, uint8.
        is_conflict: 1 when what the reason reads changed after the base, 0 for a disagreement, uint8.
        dimensions: index of the resource for RESOURCES and ALLOC_FULL, of the job's device for the reasons about
            devices, of `CAP_NAMES` for CAP_EXCEEDED, else -1, int32.
        shortages: how much was missing of it, base units or devices, int64.
        taken_at: revision of the last granted claim on the machine, 0 where no machine matters, int64.
    """

    positions: Int32s
    reasons: Bytes
    is_conflict: Bytes
    dimensions: Int32s
    shortages: Int64s
    taken_at: Int64s

    def __len__(self) -> int:
        return len(self.positions)


NO_REFUSALS = Refusals(
    positions=np.empty(0, np.int32),
    reasons=np.empty(0, np.uint8),
    is_conflict=np.empty(0, np.uint8),
    dimensions=np.empty(0, np.int32),
    shortages=np.empty(0, np.int64),
    taken_at=np.empty(0, np.int64),
)


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What became of one transaction.

    Attributes:
        revision: its revision.
        status: its fate.
        reason: why all of it was refused; NONE when only some claims were, or nothing was.
        granted: how many claims, evictions or reports were granted; 1 for any other granted command.
        value: the job id of a submit or of a child, the machine row of a registration, what a quota lacks, else 0; of
            ALLOC_TOO_SMALL the id of the other job: of the set, or of the job inside.
        detail: the `Change` of a submit, the `Spawning` of a `SpawnJob`, the epoch of a registration, the resource that
            a quota or alloc lacks, else 0.
        is_conflict: the whole was refused because what its reason reads changed after the base.
        refusals: the refused ones.
    """

    revision: Revision
    status: Status
    reason: Reason = Reason.NONE
    granted: int = 0
    value: int = 0
    detail: int = 0
    is_conflict: bool = False
    refusals: Refusals = field(default=NO_REFUSALS)


_HEAD = struct.Struct("<QBBBQqqI")


def encode(outcome: Outcome) -> bytes:
    """Return the bytes of an outcome: what the chain takes in, and what snapshots keep. Cost: O(refusals)."""
    refusals = outcome.refusals
    head = _HEAD.pack(
        outcome.revision,
        outcome.status,
        outcome.reason,
        outcome.is_conflict,
        outcome.granted,
        outcome.value,
        outcome.detail,
        len(refusals),
    )
    if not len(refusals):
        return head
    return b"".join(
        (
            head,
            refusals.positions.astype("<i4").tobytes(),
            refusals.reasons.astype(np.uint8).tobytes(),
            refusals.is_conflict.astype(np.uint8).tobytes(),
            refusals.dimensions.astype("<i4").tobytes(),
            refusals.shortages.astype("<i8").tobytes(),
            refusals.taken_at.astype("<i8").tobytes(),
        )
    )


def decode(data: bytes) -> Outcome:
    """Return the outcome that `encode` wrote.

    >>> again = decode(encode(Outcome(revision=Revision(7), status=Status.COMMITTED, granted=3)))
    >>> again.revision, again.status.name, again.granted
    (7, 'COMMITTED', 3)
    """
    revision, status, reason, is_conflict, granted, value, detail, count = _HEAD.unpack_from(data)
    at = _HEAD.size
    columns = []
    for dtype, width in (("<i4", 4), ("u1", 1), ("u1", 1), ("<i4", 4), ("<i8", 8), ("<i8", 8)):
        columns.append(np.frombuffer(data, dtype, count, at).astype(np.dtype(dtype).newbyteorder("="), copy=True))
        at += count * width
    return Outcome(
        revision=Revision(revision),
        status=Status(status),
        reason=Reason(reason),
        is_conflict=bool(is_conflict),
        granted=granted,
        value=value,
        detail=detail,
        refusals=Refusals(
            positions=columns[0],
            reasons=columns[1],
            is_conflict=columns[2],
            dimensions=columns[3],
            shortages=columns[4],
            taken_at=columns[5],
        ),
    )
