"""When a process that died is started again: at once the first time, then later and later, never given up.

Pure: it is told the time and holds no clock.
"""

from dataclasses import dataclass
from typing import Final

FIRST_DELAY_S: Final = 0.1
LAST_DELAY_S: Final = 15.0
VITAL_LAST_DELAY_S: Final = 3.0
"""Of what the whole cell waits for."""
STEADY_S: Final = 20.0
"""A process that ran so long was well: its next death counts as the first."""


@dataclass(slots=True)
class Restarts:
    """The back-off of one process.

    >>> restarts = Restarts()
    >>> [restarts.delay_after(ran_s=1.0) for _ in range(4)]
    [0.1, 0.2, 0.4, 0.8]
    >>> restarts.delay_after(ran_s=60.0)
    0.1
    >>> short = Restarts(last_delay_s=0.3)
    >>> [short.delay_after(ran_s=1.0) for _ in range(4)]
    [0.1, 0.2, 0.3, 0.3]
    """

    last_delay_s: float = LAST_DELAY_S
    count: int = 0
    in_a_row: int = 0

    def delay_after(self, *, ran_s: float) -> float:
        """Return how long to wait before the next start of a process that ran for ``ran_s`` seconds."""
        if ran_s >= STEADY_S:
            self.in_a_row = 0
        delay = min(self.last_delay_s, FIRST_DELAY_S * 2.0 ** min(self.in_a_row, 16))
        self.in_a_row += 1
        self.count += 1
        return delay
