"""The queues in which jobs wait for room: `Parked` for machines, `CappedJobs` for their scheduler's cap.

Jobs of one queue find room together, so one look at the first of each queue tells whether any of them may be tried.
They are woken in order of priority until their tasks cover the room. The cap is asked through the core's `CapUse`, as
the loop and the judge ask it. Items whose entry moved on are dropped when they are met.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TypeAlias

from omegacell.core.caps import CapUse, holds_any
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.units import JobId

Item: TypeAlias = tuple[tuple[int, int, int], int]
"""An entry of the backlog in a heap: its order, the job last, and its stamp when it was put there."""

CapQueue: TypeAlias = tuple[int, int, int, bool]
"""What a job asks of a cap: CPU and memory of a task, how many at once, and whether it holds any already."""


@dataclass(slots=True, eq=False)
class Parked:
    """One queue of parked jobs: those that a machine that changed may help, and those tried since the last look."""

    waiting: list[Item] = field(default_factory=list)
    tried: list[Item] = field(default_factory=list)

    def renew(self) -> None:
        """Let all of them wait again, because machines changed."""
        for item in self.tried:
            heappush(self.waiting, item)
        self.tried.clear()


class CappedJobs:
    """Queues of jobs that a cap holds back, by what they ask of it."""

    def __init__(self) -> None:
        """Begin with no jobs."""
        self._queues: dict[CapQueue, list[Item]] = {}

    def add(self, cell: Cell, item: Item, spec: JobSpec, *, least: int) -> None:
        """Put a job of which ``least`` tasks must be placed at once into its queue."""
        row = cell.jobs.row_of(JobId(item[0][2]))
        is_holding = row is not None and holds_any(cell.jobs, row)
        queue = (spec.charged[0], spec.charged[1], least, is_holding)
        heappush(self._queues.setdefault(queue, []), item)

    def take_fitting(self, cell: Cell, *, count_of: Callable[[Item], int]) -> list[JobId]:
        """Take out the jobs that the cap takes now, the most important first, and return them.

        ``count_of`` gives the pending tasks of an item's job, 0 when the item no longer counts.
        Cost: O(queues log(queues) + items taken or dropped).
        """
        use = CapUse(cell.caps, cell.jobs)
        heads = [(heap[0], queue) for queue, heap in self._queues.items()]
        heads.sort()
        taken: list[JobId] = []
        while heads:
            item, queue = heappop(heads)
            heap = self._queues[queue]
            count, row = count_of(item), cell.jobs.row_of(JobId(item[0][2]))
            if count and row is not None:
                room = use.room(row)
                if room < queue[2]:
                    continue
                use.take(row, min(room, count))
                taken.append(JobId(item[0][2]))
            heappop(heap)
            if heap:
                heappush(heads, (heap[0], queue))
            else:
                del self._queues[queue]
        return taken
