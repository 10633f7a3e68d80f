"""How long a job waits after an attempt that did not work out: doubled each time, to a limit, and jittered.

Jitter keeps two schedulers that lost to each other from meeting again. Numbers are microseconds.
"""

from dataclasses import dataclass

import numpy as np

from omegacell.core.units import SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays after attempts in a row: nothing for the first ``free`` ones, then doubled from ``first_us``."""

    first_us: int
    limit_us: int
    free: int = 0

    def delay_us(self, attempts: int, rng: np.random.Generator) -> int:
        """Return the delay after so many attempts in a row: between half and all of the doubled first.

        >>> Backoff(first_us=100, limit_us=1_000, free=1).delay_us(1, np.random.default_rng(0))
        0
        """
        if attempts <= self.free:
            return 0
        whole = min(self.limit_us, self.first_us << min(attempts - self.free - 1, 40))
        return whole // 2 + int(rng.integers(0, whole - whole // 2 + 1))


AFTER_CONFLICT = Backoff(first_us=2_000, limit_us=SECOND_US, free=1)
"""The first retry is at once: the loser has just resynced, as in Omega, section 3.4."""

AFTER_MISS = Backoff(first_us=10_000, limit_us=SECOND_US, free=1)
"""On top of waiting for machines to change."""

AFTER_FAILURE = Backoff(first_us=SECOND_US, limit_us=60 * SECOND_US)
"""After a plug-in that raised or claimed nonsense."""

LONG_WAIT_US = 60 * SECOND_US
"""After so many conflicts in a row that trying on would be of no use."""
