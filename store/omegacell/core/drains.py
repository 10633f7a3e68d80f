"""The words of taking machines out of service: whether one takes new work, and why a task is taken off its machine.

What they do to a cell is judged in `apply_machines` and `apply_tasks`; how much of a job may be taken away at once
stands in `budgets`. Who proposes evictions, and how fast, is no business of the core.
"""

from dataclasses import dataclass
from enum import IntEnum


class Eligibility(IntEnum):
    """Whether a machine is offered new work, as an operator wants it; it says nothing of whether the machine is up."""

    OPEN = 0
    CORDONED = 1
    """No new work; what runs there goes on."""
    DRAINING = 2
    """No new work, and what runs there is evicted, within the budgets of its jobs."""


class EvictCause(IntEnum):
    """Why tasks are taken off their machines; only DRAIN is held to the budget of the job."""

    OPERATOR = 0
    """Somebody wants it who answers for it."""
    UNHEALTHY = 1
    DRAIN = 2
    """To empty a draining machine: granted on such a machine only, and within the job's ``max_unavailable``."""


NO_DEADLINE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEligibility:
    """Say whether machines are offered new work; what they are already changes nothing.

    Attributes:
        machines: machine rows, ascending.
        eligibility: what they shall be.
        deadline_us: elapsed from which evictions for a drain are held to no budget; `NO_DEADLINE` for never, and always
            that unless they are to drain.
    """

    machines: tuple[int, ...]
    eligibility: Eligibility
    deadline_us: int = NO_DEADLINE
