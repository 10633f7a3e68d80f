"""One waiting job in a `Backlog`: where it stands, and with which others it finds room."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.overlays import Overlay
from omegacell.core.units import JobId
from omegacell.schedulers.feasibility import Shape, shape_of, shape_on

Queue: TypeAlias = tuple[Shape, int]
"""Jobs that find room together: their shape, and how many tasks of a gang need it at once, 0 for others."""


class Standing(IntEnum):
    """Where an entry stands."""

    READY = 0
    DECIDING = 1
    DELAYED = 2
    PARKED = 3
    ELSEWHERE = 4
    CAPPED = 5


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """A job that has pending tasks.

    Attributes:
        job, spec: which.
        count: its pending tasks as last read.
        least: how many of them must find room at once for any to be placed: 1 unless it is a gang.
        standing: where it stands; stamp: changes with it, so that old heap items are known.
        due_us: until when it is DELAYED, or when PARKED the earliest time to try again.
        queue: the one in which it was last parked.
        again_us: when PARKED nevertheless the time to try again, None for none: when the next task of a system job
            comes due that is held back after a failure. Of other jobs it would find no room either.
        conflicts, misses, failures: attempts in a row that conflicted, found no room, or raised.
        said_at_us: when the reason of its waiting was last appended, 0 for never.
    """

    job: JobId
    spec: JobSpec
    count: int
    least: int = 1
    standing: Standing = Standing.READY
    stamp: int = 0
    due_us: int = 0
    queue: Queue | None = None
    again_us: int | None = None
    conflicts: int = 0
    misses: int = 0
    failures: int = 0
    said_at_us: int = 0

    @property
    def is_system(self) -> bool:
        """Whether each of its tasks is for a machine of its own, so that one may fit where another does not."""
        return self.spec.kind is Kind.SYSTEM

    @property
    def order(self) -> tuple[int, int, int]:
        """Priority first, then age: the smallest goes first."""
        return -self.spec.band, -self.spec.priority, self.job


def queue_of(entry: Entry) -> Queue:
    """Return the queue in which a job is parked."""
    return shape_of(entry.spec), entry.least if entry.spec.is_gang else 0


def queue_on(overlay: Overlay, entry: Entry) -> Queue:
    """Return the queue of a job as the cell is now: a job from which another must stay apart has one of its own."""
    return shape_on(overlay, entry.spec), entry.least if entry.spec.is_gang else 0
