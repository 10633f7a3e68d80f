"""Which task runs inside which alloc: two dicts over task rows, of placed and running tasks only.

An alloc is a task itself, of a job of kind ALLOC. What allocs still have room for is in `allocs`; who may write here is
the same as for the columns of the `arena`, beside which this is kept. A cell without jobs inside allocs keeps nothing.
"""

from collections.abc import Iterable
from typing import Self


class AllocTable:
    """Tasks by the alloc that they run in, and the other way round.

    Attributes:
        of: task row to the task row of its alloc.
        inside: task row of an alloc to the task rows inside, in no order that means anything; derived.
    """

    def __init__(self) -> None:
        """Begin with nothing inside of anything."""
        self.of: dict[int, int] = {}
        self.inside: dict[int, dict[int, None]] = {}

    def enter(self, task_row: int, alloc_row: int) -> None:
        """Note that a task runs inside an alloc. Mutates."""
        self.of[task_row] = alloc_row
        self.inside.setdefault(alloc_row, {})[task_row] = None

    def leave(self, task_row: int) -> None:
        """Note that a task no longer runs, if it ran inside an alloc. Mutates."""
        alloc_row = self.of.pop(task_row, None)
        if alloc_row is not None:
            tasks = self.inside[alloc_row]
            del tasks[task_row]
            if not tasks:
                del self.inside[alloc_row]

    def find_inside(self, alloc_rows: Iterable[int]) -> list[int]:
        """Return the rows of the tasks inside some tasks, ascending; nothing is inside a task that is no alloc."""
        return sorted([task for alloc_row in alloc_rows for task in self.inside.get(alloc_row, ())])

    def rename(self, old: int, new: int, length: int) -> None:
        """Note that an extent of tasks stands elsewhere now, whether they are allocs or run inside. Mutates."""
        for task_row in [row for row in self.of if old <= row < old + length]:
            alloc_row = self.of[task_row]
            self.leave(task_row)
            self.enter(task_row - old + new, alloc_row)
        for alloc_row in [row for row in self.inside if old <= row < old + length]:
            for task_row in list(self.inside[alloc_row]):
                self.leave(task_row)
                self.enter(task_row, alloc_row - old + new)

    def restore(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Set what a snapshot kept: pairs of a task's row and its alloc's. Mutates."""
        for task_row, alloc_row in pairs:
            self.enter(task_row, alloc_row)

    def copy(self) -> Self:
        """Return an equal, independent table. Cost: O(tasks inside)."""
        other = type(self)()
        other.of = dict(self.of)
        other.inside = {alloc_row: dict(tasks) for alloc_row, tasks in self.inside.items()}
        return other
