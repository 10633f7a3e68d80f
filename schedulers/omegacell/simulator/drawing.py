"""Random numbers that depend on a seed and on nothing else: what is drawn today is drawn the same in ten years.

They are raw bits of PCG64, which numpy promises to keep, and tables of quantiles instead of a library's distributions.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Table: TypeAlias = tuple[tuple[float, float], ...]
"""A distribution: quantiles, ascending from 0 to 1, each with its value."""


class Draws:
    """Numbers that depend on a seed and on nothing else, ever.

    >>> Draws(1).share() == Draws(1).share()
    True
    """

    def __init__(self, seed: int) -> None:
        """Begin at a seed."""
        self._bits = np.random.PCG64(seed)

    def share(self) -> float:
        """Draw a number from 0 up to 1."""
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def below(self, bound: int) -> int:
        """Draw a whole number from 0 up to ``bound``."""
        return int(self._bits.random_raw()) * bound >> 64

    def pick(self, choices: Sequence[tuple[float, object]]) -> int:
        """Draw the place of a choice, each as likely as its number says; they sum up to 1."""
        share = self.share()
        for place, (likely, _) in enumerate(choices):
            share -= likely
            if share < 0:
                return place
        return len(choices) - 1

    def of(self, table: Table) -> float:
        """Draw from a table of quantiles, evenly between two of them."""
        share = self.share()
        place = bisect_right([quantile for quantile, _ in table], share)
        (low, first), (high, last) = table[place - 1], table[place]
        return first + (last - first) * (share - low) / (high - low)

    def shuffled(self, count: int) -> list[int]:
        """Return the numbers up to ``count`` in a random order."""
        order = list(range(count))
        for place in range(count - 1, 0, -1):
            other = self.below(place + 1)
            order[place], order[other] = order[other], order[place]
        return order
