"""Growable columns: the one way in which the core holds many things of a kind.

A `Table` owns numpy columns of equal length. Each attribute named in ``COLUMNS`` is a view of the used rows; the
buffers behind the views grow by doubling. Rows are never removed: what is freed is reused by its owner. The small
array functions that both the judge and the schedulers need stand here too. No meaning of any column belongs here.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Column:
    """How one column is made: its dtype, what a fresh row holds, and the shape of one row."""

    dtype: type[np.generic]
    fresh: int = 0
    tail: tuple[int, ...] = ()


class Table:
    """Columns of equal length; subclasses name them in ``COLUMNS`` and annotate an attribute for each."""

    COLUMNS: ClassVar[dict[str, Column]] = {}

    def __init__(self) -> None:
        """Begin with no rows."""
        self.count = 0
        self._buffers: dict[str, NDArray[np.generic]] = {}
        self._room = 0
        self._reserve(16)
        self._show()

    def extend(self, rows: int) -> int:
        """Add fresh rows at the end and return the first of them. Mutates; views taken before are of the old rows."""
        first = self.count
        self.count += rows
        if self.count > self._room:
            self._reserve(max(self.count, self._room * 2))
        self._show()
        return first

    def refresh(self, first: int, end: int) -> None:
        """Set rows ``[first, end)`` of every column to what a fresh row holds. Mutates."""
        for name, column in self.COLUMNS.items():
            self._buffers[name][first:end] = column.fresh

    def move(self, source: int, target: int, rows: int) -> None:
        """Copy ``rows`` rows from ``source`` on to ``target`` on; the two must not overlap. Mutates."""
        for buffer in self._buffers.values():
            buffer[target : target + rows] = buffer[source : source + rows]

    def copy_columns(self, other: Self) -> None:
        """Become an equal, independent copy of the columns of ``other``. Cost: O(rows)."""
        self.count = other.count
        self._room = max(16, other.count)
        self._buffers = {}
        for name, column in self.COLUMNS.items():
            buffer = np.full((self._room, *column.tail), column.fresh, column.dtype)
            buffer[: other.count] = other._buffers[name][: other.count]
            self._buffers[name] = buffer
        self._show()

    def _reserve(self, room: int) -> None:
        for name, column in self.COLUMNS.items():
            buffer = np.full((room, *column.tail), column.fresh, column.dtype)
            if self.count and name in self._buffers:
                used = min(self.count, len(self._buffers[name]))
                buffer[:used] = self._buffers[name][:used]
            self._buffers[name] = buffer
        self._room = room

    def _show(self) -> None:
        for name in self.COLUMNS:
            setattr(self, name, self._buffers[name][: self.count])


def find_ranks(values: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return for each element how many equal ones stand before it.

    >>> find_ranks(np.array([7, 3, 7, 7, 3])).tolist()
    [0, 0, 1, 2, 1]
    """
    count = len(values)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    is_first = np.empty(count, np.bool_)
    is_first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    places = np.arange(count, dtype=np.int64)
    ranks = np.empty(count, np.int64)
    ranks[order] = places - np.maximum.accumulate(np.where(is_first, places, 0))
    return ranks


def find_highest(values: NDArray[np.integer]) -> int:
    """Return the highest of at least one value; a single one without the cost of a reduction.

    >>> find_highest(np.array([3, 9, 4])), find_highest(np.array([5]))
    (9, 5)
    """
    return int(values[0]) if len(values) == 1 else int(values.max())


def is_distinct(values: NDArray[np.integer]) -> bool:
    """Tell whether no value stands twice; quick when they ascend.

    >>> is_distinct(np.array([1, 4, 2])), is_distinct(np.array([1, 4, 1]))
    (True, False)
    """
    if len(values) < 2 or bool((values[1:] > values[:-1]).all()):
        return True
    ordered = np.sort(values, kind="stable")
    return not bool((ordered[1:] == ordered[:-1]).any())
