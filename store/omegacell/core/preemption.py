"""Preemption: who gives way to whom, how a claim names its victims, and how far one eviction may lead to the next.

A claim that finds no room may name *victims*: tasks on its machine that are to give way to it, each with its attempt,
so that a newer one is not hit. Priority decides (Borg, section 2.5): work gives way to any higher band, and inside the
two lowest bands to a higher number. Inside production and inside monitoring nobody gives way to anybody, so that there
is no ping-pong among services. Each displacement goes strictly down in (band, number); and a task that was displaced
itself displaces others only so often (`MAX_CASCADE`), until it runs again.

The words and the rule only; claims with victims are judged in `apply_preempt`, and what waits for room is in `lives`.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import Int32s, Int64s
from omegacell.core.quick import quick
from omegacell.core.units import Band

MAX_VICTIMS: Final = 64
"""Tasks that one claim may name."""

MAX_CASCADE: Final = 3
"""A task that was displaced by one displaced by one ... this many deep displaces nobody until it has run again."""

_NUMBERED: Final = (int(Band.BEST_EFFORT), int(Band.BATCH))
"""Bands inside which the number decides."""

AttemptKey: TypeAlias = tuple[int, int, int]
"""Job id, task index and attempt: one attempt for ever, whatever becomes of rows."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Victims:
    """Tasks that are to give way to the claims of one `Place`: columns of equal length, ascending by claim.

    Of one claim they are taken in this order, and only as many as it needs when it is judged.

    Attributes:
        claims: place of the claim among those of the `Place`, int32.
        jobs: ids of their jobs, int64.
        indices: task indices, int32.
        attempts: the attempts meant, int32.
    """

    claims: Int32s
    jobs: Int64s
    indices: Int32s
    attempts: Int32s

    def __len__(self) -> int:
        return len(self.claims)


NO_VICTIMS: Final = Victims(
    claims=np.empty(0, np.int32),
    jobs=np.empty(0, np.int64),
    indices=np.empty(0, np.int32),
    attempts=np.empty(0, np.int32),
)


class Preempted(NamedTuple):
    """That a task was displaced: kept until the attempt after it runs.

    Attributes:
        attempt: its attempt that gave way.
        by_job, by_index: to which task.
        revision: when that was granted.
        depth: how many displacements led to this one, itself included.
    """

    attempt: int
    by_job: int
    by_index: int
    revision: int
    depth: int


def may_preempt(band: int, priority: int, victim_band: int, victim_priority: int) -> bool:
    """Tell whether a task of one band and number makes one of another give way.

    >>> may_preempt(Band.PRODUCTION, 0, Band.BATCH, 9), may_preempt(Band.PRODUCTION, 9, Band.PRODUCTION, 0)
    (True, False)
    >>> may_preempt(Band.BATCH, 9, Band.BATCH, 0), may_preempt(Band.BATCH, 0, Band.BATCH, 0)
    (True, False)
    """
    if band != victim_band:
        return band > victim_band
    return band in _NUMBERED and priority > victim_priority


def find_preemptible(
    band: int, priority: int, victim_bands: NDArray[np.integer], victim_priorities: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Return which of several tasks give way to one of this band and number: what `may_preempt` says of each.

    >>> find_preemptible(Band.BATCH, 5, np.array([0, 1, 1, 2]), np.array([9, 4, 5, 0])).tolist()
    [True, True, False, False]
    """
    gives_way: NDArray[np.bool_] = victim_bands < band
    if band in _NUMBERED:
        gives_way |= (victim_bands == band) & (victim_priorities < priority)
    return gives_way
