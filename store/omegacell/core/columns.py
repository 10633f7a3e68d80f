"""Growable columns: the one way in which the core holds many things of a kind.

A `Table` owns numpy columns of equal length. Each attribute named in ``COLUMNS`` is a view of the used rows; the
buffers behind the views grow by doubling. Rows are never removed: what is freed is reused by its owner. The small
array functions that both the judge and the schedulers need stand here too. No meaning of any column belongs here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Bytes: TypeAlias = NDArray[np.uint8]


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
        self._buffers = dict(other._buffers)
        self._reserve(max(16, other.count))
        self._show()

    def _reserve(self, room: int) -> None:
        """Make room for so many rows; what there is stays."""
        for name, column in self.COLUMNS.items():
            buffer = np.full((room, *column.tail), column.fresh, column.dtype)
            if self.count and name in self._buffers:
                used = min(self.count, len(self._buffers[name]))
                buffer[:used] = self._buffers[name][:used]
            self._buffers[name] = buffer
        self._room = room

    def _show(self) -> None:
        """Let the attributes be views of the used rows. Every submit does this twice, so no ``setattr``."""
        attributes, used = vars(self), slice(self.count)
        for name, buffer in self._buffers.items():
            attributes[name] = buffer[used]


_FEW: Final = 64
"""Values that Python looks at faster than numpy, whose every call costs a microsecond whatever it is given."""

_RUNS: Final = np.arange(1 << 16, dtype=np.int32)
"""What consecutive numbers look like."""


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
    """Return the highest of at least one value.

    >>> find_highest(np.array([3, 9, 4])), find_highest(np.array([5]))
    (9, 5)
    """
    return max(values.tolist()) if len(values) <= _FEW else int(values.max())


def find_lowest(values: NDArray[np.integer]) -> int:
    """Return the lowest of at least one value.

    >>> find_lowest(np.array([3, 9, 4]))
    3
    """
    return min(values.tolist()) if len(values) <= _FEW else int(values.min())


def is_distinct(values: NDArray[np.integer]) -> bool:
    """Tell whether no value stands twice; quick when they ascend.

    >>> is_distinct(np.array([1, 4, 2])), is_distinct(np.array([1, 4, 1]))
    (True, False)
    """
    if len(values) <= _FEW:
        return len(set(values.tolist())) == len(values)
    if bool((values[1:] > values[:-1]).all()):
        return True
    ordered = np.sort(values, kind="stable")
    return not bool((ordered[1:] == ordered[:-1]).any())


def is_run(values: NDArray[np.integer]) -> bool:
    """Tell whether a value is followed by the next higher ones: the task indices of most claims are. Nothing is none.

    >>> is_run(np.array([3, 4, 5], np.int32)), is_run(np.array([3, 5, 4], np.int32))
    (True, False)
    """
    count = len(values)
    if not count:
        return False
    first = int(values[0])
    if int(values[count - 1]) - first != count - 1:
        return False
    if first >= 0 and first + count <= len(_RUNS) and values.itemsize == _RUNS.itemsize:
        return values.tobytes() == _RUNS[first : first + count].tobytes()
    return bool((values[1:] > values[:-1]).all())


Span: TypeAlias = slice | NDArray[np.integer]
"""Rows of a table: a slice when they are consecutive, else a column of their numbers."""


def span_of(offset: int, indices: NDArray[np.integer]) -> Span:
    """Return the rows ``offset + indices``: as a slice when they are a run, which numpy takes several times faster.

    >>> span_of(100, np.array([3, 4, 5], np.int32)), span_of(100, np.array([5, 3], np.int32)).tolist()
    (slice(103, 106, None), [105, 103])
    """
    if is_run(indices):
        first = offset + int(indices[0])
        return slice(first, first + len(indices))
    return indices + np.int64(offset)


def rows_of(span: Span) -> NDArray[np.integer]:
    """Return the rows that a span stands for.

    >>> rows_of(slice(103, 106)).tolist()
    [103, 104, 105]
    """
    return np.arange(span.start, span.stop, dtype=np.int64) if isinstance(span, slice) else span


def unite(parts: Sequence[Span]) -> NDArray[np.int64]:
    """Return the rows of several spans, ascending, each once, int64.

    >>> unite([slice(2, 4), np.array([3, 1])]).tolist()
    [1, 2, 3]
    """
    if not parts:
        return np.empty(0, np.int64)
    return np.unique(np.concatenate([rows_of(part) for part in parts]).astype(np.int64))


def find_set(column: Bytes) -> NDArray[np.int64]:
    """Return the places of a column of bytes that are not zero, ascending, int64; quick when they are few.

    Eight are looked at together, and one by one only where any of them is set.

    >>> find_set(np.array([0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0], np.uint8)).tolist()
    [3, 9]
    """
    whole = len(column) // 8 * 8
    words = np.flatnonzero(column[:whole].view(np.uint64) != 0)
    places = (words[:, None] * 8 + np.arange(8, dtype=np.int64)).reshape(-1)
    places = np.concatenate((places, np.arange(whole, len(column), dtype=np.int64)))
    is_set: NDArray[np.bool_] = column.take(places) != 0
    return places[is_set]


def is_zero(column: NDArray[np.integer]) -> bool:
    """Tell whether a column holds nothing but zeros; see `are_equal`.

    >>> is_zero(np.zeros(3, np.int32)), is_zero(np.array([0, 1]))
    (True, False)
    """
    return column.tobytes() == bytes(column.nbytes)


def are_equal(first: NDArray[np.integer], second: NDArray[np.integer]) -> bool:
    """Tell whether two columns are of one dtype and hold the same; False says nothing when the dtypes differ.

    Their bytes are compared, which is done in a fifth of the time of ``(first == second).all()``.

    >>> are_equal(np.array([1, 2]), np.array([1, 2])), are_equal(np.array([1, 2]), np.array([1, 3]))
    (True, False)
    """
    return first.dtype == second.dtype and first.tobytes() == second.tobytes()
