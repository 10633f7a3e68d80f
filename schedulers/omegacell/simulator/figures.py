"""Plain statistics: percentiles, means, medians with their spread, counters by day."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from statistics import median
from typing import Final

DAY_S: Final = 86_400


def find_percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value below or at which a share of all lies, an actual one of them; None of nothing.

    >>> find_percentile([5.0, 1.0, 3.0], 0.5)
    3.0
    """
    return sorted(values)[int((len(values) - 1) * share)] if values else None


def find_mean(values: Sequence[float]) -> float | None:
    """Return the mean; None of nothing. Values are added one after the other, as ``sum`` no longer does in Python 3.12.

    >>> find_mean([1e16, 1.0, -1e16])
    0.0
    """
    return reduce(add, values, 0.0) / len(values) if values else None


def find_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the median absolute deviation from it, which is what the paper's bars show.

    >>> find_spread([1.0, 2.0, 9.0])
    (2.0, 1.0)
    """
    if not values:
        return 0.0, 0.0
    middle = float(median(values))
    return middle, float(median(abs(value - middle) for value in values))
