"""What the check of a command hands to `apply`: what it grants, what it refuses, and how to write it.

Every check is pure and returns a `Verdict`; its ``write`` runs only after all commands of the transaction were
checked, so that a refused transaction leaves no trace.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from omegacell.core.conflicts import Judged
from omegacell.core.outcomes import NO_REFUSALS, Reason, Refusals


class Verdict(NamedTuple):
    """The result of checking one command.

    Attributes:
        reason: why all of it is refused, NONE when not.
        is_conflict: whether that refusal is a conflict.
        asked, granted: rows (claims, evictions, reports) asked for and granted; 1 for any other command.
        value, detail: see `Outcome`.
        refusals: the refused rows, positions from 0 within the command.
        write: performs the grant; None when there is nothing to write.
        evicted: task rows that give way to granted claims.
    """

    reason: Reason = Reason.NONE
    is_conflict: bool = False
    asked: int = 1
    granted: int = 1
    value: int = 0
    detail: int = 0
    refusals: Refusals = NO_REFUSALS
    write: Callable[[], None] | None = None
    evicted: tuple[int, ...] = ()


def refuse(reason: Reason, *, is_conflict: bool = False) -> Verdict:
    """Return the verdict that refuses a command as a whole."""
    return Verdict(reason=reason, is_conflict=is_conflict, granted=0)


def refuse_rows(judged: Judged) -> Refusals:
    """Return the refused rows of a judged command; `NO_REFUSALS` when all is granted."""
    if judged.reasons is None or not judged.reasons.any():
        return NO_REFUSALS
    positions = np.flatnonzero(judged.reasons)
    count = len(positions)
    return Refusals(
        positions=positions.astype(np.int32),
        reasons=judged.reasons[positions],
        is_conflict=np.zeros(count, np.uint8) if judged.is_conflict is None else judged.is_conflict[positions],
        dimensions=np.full(count, -1, np.int32) if judged.dimensions is None else judged.dimensions[positions],
        shortages=np.zeros(count, np.int64) if judged.shortages is None else judged.shortages[positions],
        taken_at=np.zeros(count, np.int64) if judged.taken_at is None else judged.taken_at[positions],
    )


def refuse_all_rows(count: int, reason: Reason, *, is_conflict: bool) -> Judged:
    """Return every row of a command as refused for one reason."""
    return Judged(reasons=np.full(count, reason, np.uint8), is_conflict=np.full(count, is_conflict, np.uint8))
