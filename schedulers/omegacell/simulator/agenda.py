"""Events in virtual time, in the order of (time, number).

The number is given when an event is entered, so that of two events at one time the one entered first happens first:
nothing is left to the heap. Time is whatever the simulation counts in: integer microseconds for the product, seconds
as floats for the compatibility mode. An agenda knows nothing of cells.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

Time = TypeVar("Time", int, float)


class Agenda(Generic[Time]):
    """What is going to happen, and the time until which everything has.

    >>> seen = []
    >>> agenda = Agenda(0)
    >>> agenda.enter(5, seen.append, "second")
    >>> agenda.enter(5, seen.append, "third")
    >>> agenda.enter(2, seen.append, "first")
    >>> agenda.run()
    >>> seen, agenda.now
    (['first', 'second', 'third'], 5)
    """

    __slots__ = ("_heap", "_number", "executed", "now")

    def __init__(self, start: Time) -> None:
        """Begin at ``start`` with nothing to do."""
        self.now: Time = start
        self.executed = 0
        self._number = 0
        self._heap: list[tuple[Time, int, Callable[[Any], None], Any]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def enter(self, time: Time, act: Callable[[Any], None], subject: Any = None) -> None:
        """Let ``act(subject)`` happen at a time, which must not lie in the past."""
        assert time >= self.now, f"an event at {time} is entered at {self.now}"
        heappush(self._heap, (time, self._number, act, subject))
        self._number += 1

    def run(self, *, until: Time | None = None) -> None:
        """Let things happen until nothing is left, or until a time; nothing beyond it happens, and it is now then."""
        heap = self._heap
        while heap and (until is None or heap[0][0] <= until):
            self.now, _, act, subject = heappop(heap)
            self.executed += 1
            act(subject)
        if until is not None:
            self.now = until
