"""What a job may run after: another job, by name, and what must have become of it.

The name means the newest job of it at the time when the question is asked; `holds` says what follows.
"""

from dataclasses import dataclass
from enum import IntEnum


class Condition(IntEnum):
    """What must have become of the other job."""

    SUCCEEDED = 0
    """All its wanted tasks have succeeded."""
    ENDED = 1
    """All its tasks are at rest, however they ended."""
    AVAILABLE = 2
    """All its wanted tasks are available (see `budgets`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A job waits for another one.

    Attributes:
        job: the other job's name; it need not be in the cell yet.
        condition: what must have become of it.
    """

    job: str
    condition: Condition = Condition.SUCCEEDED
