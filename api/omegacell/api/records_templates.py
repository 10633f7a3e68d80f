"""What the client tells of templates and their children."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegacell.core.units import JobId

if TYPE_CHECKING:
    from omegacell.api.records import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStatus:
    """How it is with a template: what its schedule will do and did, and its newest children.

    Attributes:
        next_us: the next instants of its schedule, wall stamps; none without one, and none once it was stopped.
        last_us: the last instant that is over, whatever became of it; 0 for none yet.
        made_count: children made, by the schedule and by hand.
        skipped_count: instants without a child, because another one had not ended.
        missed_count: instants that passed while nobody could make one, and that nobody made up for.
        due_us: an instant that is due and was not made yet, 0 for none.
        hindrance: why not, as a sentence; empty for nothing.
        child_count: children that the cell still knows; active_child_count: of them, those that have not ended.
        children: the newest of them, newest first.
    """

    next_us: tuple[int, ...] = ()
    last_us: int = 0
    made_count: int = 0
    skipped_count: int = 0
    missed_count: int = 0
    due_us: int = 0
    hindrance: str = ""
    child_count: int = 0
    active_child_count: int = 0
    children: "tuple[Job, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """A child that was made because somebody asked.

    Attributes:
        name: its name. job_id: its id.
        revision: the transaction that made it, or found it.
        existed: it was there already, under the same token.
    """

    name: str
    job_id: JobId
    revision: int
    existed: bool = False
