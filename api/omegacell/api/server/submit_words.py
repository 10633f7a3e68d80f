"""Why the cell did not take a job, where the reason alone says too little."""

from omegacell.api.server.alloc_views import word_refusal
from omegacell.api.server.hold_words import word_cycle
from omegacell.api.server.limit_words import word_quota
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Outcome, Reason


def word_refused_submit(cell: Cell, spec: JobSpec, outcome: Outcome) -> str:
    """Return what to say of a refused submit instead of what is usually said of its reason; empty for nothing more."""
    match outcome.reason:
        case Reason.QUOTA_EXCEEDED:
            return word_quota(cell, spec, outcome)
        case Reason.DEPENDENCY_CYCLE:
            return word_cycle(cell, spec)
        case Reason.UNKNOWN_ALLOC_SET | Reason.ALLOC_TOO_SMALL:
            return word_refusal(cell, spec, outcome)
        case _:
            return ""
