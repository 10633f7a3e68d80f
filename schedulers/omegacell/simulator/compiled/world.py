"""The columns on which a compiled run works: one record for each job, task, instance and queue, the judge's columns.

A `World` is everything that a run reads and writes, so that a kernel takes one argument and a run can stop and go on.
Rows are numbers: a job's row is its id less one (prefill first, then in order of arrival), a task's row is that of the
arena, an instance's row is its place in ``Simulation.instances``, with the prefill's after them. -1 stands for none.
Times are integer microseconds. Records hold what the objects of the production path hold, under the same names where
there is one; what differs is written down where it does.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

Records: TypeAlias = Any
"""An array of records. mypy knows no fields of a dtype; numba types them when it compiles."""


class Standing(IntEnum):
    """Where a job stands in its instance's backlog (`backlog.Standing`, and before and after)."""

    UNKNOWN = 0
    READY = 1
    DECIDING = 2
    DELAYED = 3
    PARKED = 4
    GONE = 5


class Act(IntEnum):
    """What happens at an event of the agenda."""

    ARRIVE = 0
    TICK = 1
    END = 2
    PERFORM = 3
    TURN = 4
    RING = 5


class Flight(IntEnum):
    """What an instance has appended and not yet read the outcome of."""

    NOTHING = 0
    ALONE = 1
    DECISIONS = 2


class Result(IntEnum):
    """What a decision came to (`deciding.Result`; built-in schedulers do not fail, and no gang is too large here)."""

    PLACED = 0
    SHORT = 1


class Stop(IntEnum):
    """Why a run came back."""

    DONE = 0
    AGENDA_FULL = 1
    LOG_FULL = 2
    SPINS = 3


def _of(kind: str, names: str) -> list[tuple[str, str]]:
    return [(name, kind) for name in names.split()]


CELL: Final = np.dtype(
    _of(
        "i8",
        """now_us end_us revision elapsed tick number executed events jobs arrived log_first log_count newest machines
        instances queues_end tasks_placed cpu_held cpu_time_low cpu_time_high cpu_since_us hopeless steps last_stamp_us
        lab_stamp_us detection""",
    ),
    align=True,
)
"""One row: the cell's own scalars, the agenda's, the log's of touched jobs, the books of CPU. ``newest`` is the machine
that changed last."""

JOB: Final = np.dtype(
    _of(
        "i8",
        """arrives_us duration_us submitted_us created_at changed_at changed_before first_decided_at_us ended_elapsed
        first_us scheduled_us due_us said_at_us submit_place done_place offset mark
        queue kind owner line shape_id count pending placed succeeded stopped attempts conflicts misses child sibling
        why_count why_cpu why_memory why_note_count why_note_room is_gang stopping is_abandoned standing has_why""",
    ),
    align=True,
)
"""A job: its row of the `JobTable`, its `JobRecord`, its `Entry` in its owner's backlog, and its last `Unplaced`.

``child`` and ``sibling`` are its links in the one heap or list in which it stands. ``submit_place`` and ``done_place``
are where the log of touched jobs first names it, and where it has nothing pending any more. ``kind`` is a place in
`workloads.Kind`; ``queue`` is the scheduler's name as a number.
"""

TASK: Final = np.dtype(
    [*_of("i8", "placed_at_us ended_elapsed"), *_of("i4", "machine next"), *_of("u1", "state stopping")], align=True
)
"""A task: ``machine`` is the last it was on, ``next`` the next of those that began with it."""

LINE: Final = np.dtype(_of("i8", "owner shape_id waiting tried before after is_listed"), align=True)
"""A queue of parked jobs of one instance (`backlog.Queue`): a heap, a list, and its neighbours in order of parking."""

INSTANCE: Final = np.dtype(
    _of(
        "i8",
        """clock_us timer wait_us idle_turns paused_until_us deadline seen log_place seen_machines noted_from
        ready deciding delayed parked ready_root timer_root first_line lines listed_first listed_last listed
        looking_at looking_end looking_rows changed decisions flight queue author
        attempts no_room claims granted
        refused_in_a_row suspended_until decided committed conflicted disagreed no_fit placements claims_conflicted
        claims_disagreed busy_us waited_us waited last_at_us stopping_refused changed_refused room_refused
        partner_refused is_open is_resting is_noted""",
    )
    + _of("f8", "job_s_0 task_s_0 job_s_1 task_s_1"),
    align=True,
)
"""An instance: its turns, its loop and backlog, its `Tally`, its author's counters. ``job_s_1`` is for services."""

DECISION: Final = np.dtype(
    _of(
        "i8",
        """from_us to_us job first claims result has_left_room says left lack_cpu lack_memory note_count note_room
        granted refused any_conflict suspended head""",
    ),
    align=True,
)
"""One decision (`deciding.Decision`), its `Unplaced`, and then its outcome; ``head`` is the first task that began."""

EVENT: Final = np.dtype(_of("i8", "time number act subject more"), align=True)
DAY: Final = np.dtype(_of("i8", "busy_us successes conflicts is_known"), align=True)


class World(NamedTuple):
    """All columns of a run.

    Attributes:
        cell: `CELL`, one row.
        free, allocated, changed_at, changed_before, claimed_at, claimed_by: the judge's (`kernels.MachineColumns`).
        capacity: ``(machines, resources)`` int64.
        newer, older: ``(machines,)`` int64, neighbours in the order in which machines changed.
        jobs, tasks, instances, lines: the records of these names.
        amounts: ``(jobs, resources)`` int64, what one task asks for.
        decisions: ``(instances, 64)``, `DECISION`: what is in flight.
        claim_tasks, claim_machines, reasons, is_conflict: ``(instances, claims)``: what is claimed, and the answer.
        events: a heap of `EVENT` by (time, number).
        days: ``(instances, days)``, `DAY`.
        draws: ``(2 * instances, 6)`` uint64, for each instance its plug-ins' generator and that of its jitter.
        log: int64, jobs in the order in which they were touched.
        looking: ``(lines,)`` int64: for each instance the queues that it is looking at.
        looking_rows, changed_rows: ``(instances, machines)`` int64, machines looked at, and those to look at next;
            is_changed: uint8, whether a machine is among the latter.
        hopeless: int64, jobs to give up.
        order, rooms, held, shares, keys: room for what a kernel works out and nobody keeps, ``(machines,)`` int64 and
            float64: machines in the order in which a scheduler takes them. counts: ``(machines,)`` int32, all zero
            between uses; levels: int64, likewise.
    """

    cell: Records
    free: Any
    allocated: Any
    changed_at: Any
    changed_before: Any
    claimed_at: Any
    claimed_by: Any
    capacity: Any
    newer: Any
    older: Any
    jobs: Records
    tasks: Records
    instances: Records
    lines: Records
    amounts: Any
    decisions: Records
    claim_tasks: Any
    claim_machines: Any
    reasons: Any
    is_conflict: Any
    events: Records
    days: Records
    draws: Any
    log: Any
    looking: Any
    looking_rows: Any
    changed_rows: Any
    is_changed: Any
    hopeless: Any
    order: Any
    rooms: Any
    held: Any
    shares: Any
    keys: Any
    counts: Any
    levels: Any
