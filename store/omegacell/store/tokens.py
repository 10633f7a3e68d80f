"""A token bucket: how fast a proposer may append.

The log is shared: one author that appends in a loop fills it and keeps every follower busy. The bucket is the author's
own restraint; ``apply`` suspends who is refused too often, whatever its restraint.
"""

import time
from collections.abc import Callable
from typing import Final

DEFAULT_RATE_PER_S: Final = 20_000.0
DEFAULT_BURST: Final = 20_000


class TokenBucket:
    """Tokens that come back at a steady rate, one for each transaction. One thread's own.

    >>> now = 0.0
    >>> bucket = TokenBucket(rate_per_s=10.0, burst=2, clock=lambda: now)
    >>> bucket.reserve(2), bucket.reserve(1)
    (0.0, 0.1)
    >>> now = 1.0
    >>> bucket.reserve(1)
    0.0

    Args:
        rate_per_s: Tokens that come back in a second.
        burst: How many there can be.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        rate_per_s: float = DEFAULT_RATE_PER_S,
        burst: int = DEFAULT_BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()

    def reserve(self, count: int) -> float:
        """Take ``count`` tokens, in debt if need be, and return for how many seconds to wait before using them."""
        now = self._clock()
        self._tokens = min(float(self._burst), self._tokens + (now - self._at) * self._rate_per_s)
        self._at = now
        self._tokens -= count
        return max(0.0, -self._tokens / self._rate_per_s)
