"""The numbers of ``java.util.Random``: a linear congruence of 48 bits, as its documentation specifies it."""

from typing import Final

MULTIPLIER: Final = 0x5DEECE66D
INCREMENT: Final = 0xB
MASK: Final = (1 << 48) - 1
"""Whoever draws in a hot loop writes ``next`` out with these: ``state * MULTIPLIER + INCREMENT & MASK``."""


class JavaRandom:
    """One generator.

    >>> random = JavaRandom(0)
    >>> [random.next_int(10) for _ in range(5)]
    [0, 8, 9, 7, 5]
    """

    __slots__ = ("state",)

    def __init__(self, seed: int) -> None:
        """Begin as ``new java.util.Random(seed)`` does."""
        self.state = (seed ^ MULTIPLIER) & MASK

    def next_bits(self, count: int) -> int:
        """Return the next ``count`` bits, 32 at most, not negative."""
        self.state = self.state * MULTIPLIER + INCREMENT & MASK
        return self.state >> 48 - count

    def next_int(self, bound: int) -> int:
        """Return the next number from 0 to below ``bound``, all equally likely.

        Raises:
            ValueError: the bound is not above 0.
        """
        if bound <= 0:
            raise ValueError(f"the bound is {bound}, expected more than 0")
        if bound & bound - 1 == 0:
            return bound * self.next_bits(31) >> 31
        while True:
            bits = self.next_bits(31)
            value = bits % bound
            if bits - value + bound - 1 < 1 << 31:
                return value

    def next_float(self) -> float:
        """Return the next number from 0 to below 1, of 24 bits."""
        return self.next_bits(24) / (1 << 24)
