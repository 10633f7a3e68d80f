"""What became of a submitted job, where the change or the reason for its refusal alone says too little."""

from omegacell.api.records import JobState
from omegacell.api.server.alloc_views import word_refusal
from omegacell.api.server.hold_words import word_cycle
from omegacell.api.server.job_states import find_job_state
from omegacell.api.server.limit_words import word_quota
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Change, Outcome, Reason


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


def word_change(cell: Cell, row: int, outcome: Outcome, *, is_again: bool) -> str:
    """Return why a submit changed nothing of a job that ended by itself, or that it runs one again that was stopped.

    Empty where nothing is to be said. ``is_again``: it was put in its own place because it had been stopped.
    """
    if outcome.detail == Change.REPLACED and is_again:
        return "it was stopped, and runs again"
    if outcome.detail != Change.UNCHANGED:
        return ""
    words = {JobState.SUCCEEDED: "it has succeeded", JobState.FAILED: "it has failed"}
    found = words.get(find_job_state(cell, row))
    return f"{found}; --replace runs it again" if found else ""
