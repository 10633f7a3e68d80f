"""The order in which the old simulator takes events of one time: none of its own, but that of its heap.

Its events are compared by time alone, in a binary heap as Scala 2.11 builds it. Which of two events at one time comes
out first follows from all that was entered before. Retries, offers and task ends do fall on one time, most of all with
offers; so the heap is built here as it is there. The lab itself orders by (time, number).
"""

from collections.abc import Callable
from typing import Any

from omegacell.simulator.agenda import Agenda


class HeapAgenda(Agenda[float]):
    """An agenda whose ties fall as in the old simulator.

    >>> seen = []
    >>> agenda = HeapAgenda(0.0)
    >>> for name in "abc":
    ...     agenda.enter(1.0, seen.append, name)
    >>> agenda.run()
    >>> seen
    ['a', 'c', 'b']
    """

    __slots__ = ("_items",)

    def __init__(self, start: float) -> None:
        """Begin at ``start`` with nothing to do."""
        super().__init__(start)
        self._items: list[tuple[float, Callable[[Any], None], Any]] = []

    def __len__(self) -> int:
        return len(self._items)

    def enter(self, time: float, act: Callable[[Any], None], subject: Any = None) -> None:
        """Let ``act(subject)`` happen at a time: put it last, and up past everything later."""
        items, place = self._items, len(self._items)
        item = (time, act, subject)
        items.append(item)
        while place:
            parent = place - 1 >> 1
            if items[parent][0] <= time:
                break
            items[place] = items[parent]
            place = parent
        items[place] = item

    def run(self, *, until: float | None = None) -> None:
        """Let things happen until nothing is left, or until the first event after ``until`` has happened.

        The event beyond the end does happen there, and its time is taken for the length of the run.
        """
        while self._items and (until is None or self.now <= until):
            self.now, act, subject = self._take()
            self.executed += 1
            act(subject)

    def _take(self) -> tuple[float, Callable[[Any], None], Any]:
        """Take the first: put the last in its place, and down past everything earlier."""
        items = self._items
        last = items.pop()
        if not items:
            return last
        first, place, count = items[0], 0, len(items)
        while (child := 2 * place + 1) < count:
            # of two equal children the left one goes up
            if child + 1 < count and items[child][0] > items[child + 1][0]:
                child += 1
            if last[0] <= items[child][0]:
                break
            items[place] = items[child]
            place = child
        items[place] = last
        return first
