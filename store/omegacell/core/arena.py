"""The task arena: one set of columns for all tasks of the cell, a contiguous extent for each job.

Never one object a task. Extents are handed out first fit by offset and come back coalesced, so that every
participant lays tasks out alike. What a state means is in `jobs`; who may change it is in `apply`.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from omegacell.core.alloctable import AllocTable
from omegacell.core.columns import Column, Table
from omegacell.core.devices import Granted
from omegacell.core.preemption import AttemptKey, Preempted


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An attempt that ended and was followed by another, as far as a cell remembers it.

    ``preempted_by`` is the job that it gave way to, at the revision ``preempted_at``; 0 when it ended otherwise.
    """

    attempt: int
    machine: int
    state: int
    exit_code: int
    signal: int
    note: int
    placed_at_us: int
    started_at_us: int
    ended_at_us: int
    preempted_by: int = 0
    preempted_at: int = 0


class TaskArena(Table):
    """Columns over task rows.

    Attributes:
        job: job row, int32, -1 in a free extent.
        machine: machine row, int32, -1 when the task is not active; last_machine: the last it was on.
        state: `TaskState`, uint8; stopping: `Stopping`, uint8; health: 0 unknown, 1 healthy, 2 not, uint8.
        attempt: number of the last attempt, int32, 0 for none; restarts: restarts counted against the limit, int32.
        exit_code: int32, -1 for none; signal: uint8, 0 for none; note: `ExitNote`, uint8; all of the last attempt.
        placed_at_us, started_at_us, ended_at_us: wall stamps of the last attempt, int64, 0 for not yet.
        ended_elapsed: elapsed when the last attempt ended, int64.
        ports: task row to granted ports. devices: task row to granted devices. allocs: which task runs inside which
            alloc. past: task row to earlier attempts, oldest first.
        waits: task row of a placed task to the attempts on its machine that must have ended before it may begin; only
            of those whose room is still held by others. preempted: task row to its last displacement.
        owed: task rows of placed tasks that were promised devices, and get them when they wait no more.
    """

    COLUMNS: ClassVar[dict[str, Column]] = {
        "job": Column(np.int32, fresh=-1),
        "machine": Column(np.int32, fresh=-1),
        "last_machine": Column(np.int32, fresh=-1),
        "state": Column(np.uint8),
        "stopping": Column(np.uint8),
        "health": Column(np.uint8),
        "attempt": Column(np.int32),
        "restarts": Column(np.int32),
        "exit_code": Column(np.int32, fresh=-1),
        "signal": Column(np.uint8),
        "note": Column(np.uint8),
        "placed_at_us": Column(np.int64),
        "started_at_us": Column(np.int64),
        "ended_at_us": Column(np.int64),
        "ended_elapsed": Column(np.int64),
    }
    job: NDArray[np.int32]
    machine: NDArray[np.int32]
    last_machine: NDArray[np.int32]
    state: NDArray[np.uint8]
    stopping: NDArray[np.uint8]
    health: NDArray[np.uint8]
    attempt: NDArray[np.int32]
    restarts: NDArray[np.int32]
    exit_code: NDArray[np.int32]
    signal: NDArray[np.uint8]
    note: NDArray[np.uint8]
    placed_at_us: NDArray[np.int64]
    started_at_us: NDArray[np.int64]
    ended_at_us: NDArray[np.int64]
    ended_elapsed: NDArray[np.int64]

    def __init__(self) -> None:
        """Begin with no tasks."""
        super().__init__()
        self.ports: dict[int, tuple[int, ...]] = {}
        self.devices: dict[int, Granted] = {}
        self.allocs = AllocTable()
        self.past: dict[int, tuple[PastAttempt, ...]] = {}
        self.waits: dict[int, tuple[AttemptKey, ...]] = {}
        self.owed: dict[int, None] = {}
        self.preempted: dict[int, Preempted] = {}
        self.free_extents: list[tuple[int, int]] = []

    def allocate(self, length: int) -> int:
        """Return the offset of a fresh extent: the first free one that is long enough, else at the end. Mutates."""
        for place, (offset, free) in enumerate(self.free_extents):
            if free >= length:
                if free == length:
                    del self.free_extents[place]
                else:
                    self.free_extents[place] = (offset + length, free - length)
                self.refresh(offset, offset + length)
                return offset
        return self.extend(length)

    def release(self, offset: int, length: int) -> None:
        """Take an extent back, joined with free neighbours. Mutates."""
        self.refresh(offset, offset + length)
        for row in [row for row in self.past if offset <= row < offset + length]:
            del self.past[row]
        for row in [row for row in self.preempted if offset <= row < offset + length]:
            del self.preempted[row]
        place = bisect_left(self.free_extents, (offset, 0))
        if place < len(self.free_extents) and self.free_extents[place][0] == offset + length:
            length += self.free_extents.pop(place)[1]
        if place and sum(self.free_extents[place - 1]) == offset:
            offset, before = self.free_extents.pop(place - 1)
            length += before
            place -= 1
        self.free_extents.insert(place, (offset, length))

    def remember(self, row: int, ended: PastAttempt, *, limit: int) -> None:
        """Keep an ended attempt of a task, once, the oldest dropped beyond ``limit``. Mutates."""
        known = self.past.get(row, ())
        if not known or known[len(known) - 1].attempt != ended.attempt:
            self.past[row] = (*known, ended)[-limit:]

    def last_attempt(self, row: int) -> PastAttempt:
        """Return the last attempt of a task as a value; its state is the task's."""
        attempt = int(self.attempt[row])
        displaced = self.preempted.get(row)
        is_displaced = displaced is not None and displaced.attempt == attempt
        return PastAttempt(
            attempt=attempt,
            machine=int(self.last_machine[row]),
            state=int(self.state[row]),
            exit_code=int(self.exit_code[row]),
            signal=int(self.signal[row]),
            note=int(self.note[row]),
            placed_at_us=int(self.placed_at_us[row]),
            started_at_us=int(self.started_at_us[row]),
            ended_at_us=int(self.ended_at_us[row]),
            preempted_by=displaced.by_job if displaced is not None and is_displaced else 0,
            preempted_at=displaced.revision if displaced is not None and is_displaced else 0,
        )

    def copy(self) -> Self:
        """Return an equal, independent arena. Cost: O(tasks)."""
        other = type(self)()
        other.copy_columns(self)
        other.ports = dict(self.ports)
        other.devices = dict(self.devices)
        other.allocs = self.allocs.copy()
        other.past = dict(self.past)
        other.waits = dict(self.waits)
        other.owed = dict(self.owed)
        other.preempted = dict(self.preempted)
        other.free_extents = list(self.free_extents)
        return other
