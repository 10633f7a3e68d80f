"""What the default schedulers order machines by: what a task strands there, and what keeps instances apart.

    stranding (`costs.cost_of_stranding`)  +  noise  +  a charge for machines in the lots of other instances (`lots`)

Stranding alone packs well and herds: everybody agrees on the one best machine. The noise is a table drawn once and read
from another place in each decision, because drawing a number for each machine would cost more than all the rest.
Figures of packing and of conflicts, and what the weights trade, are in ``docs/packing.md``.
"""

from typing import Final

import numpy as np

from omegacell.schedulers.costs import cost_of_stranding
from omegacell.schedulers.filling import Floats, Rows
from omegacell.schedulers.interface import Context, TaskGroup
from omegacell.schedulers.lots import WHOLE, Lot
from omegacell.schedulers.view import CellView

NOISE: Final = 0.2
"""Up to so much is added at random to what a machine costs."""

CHARGE: Final = 0.4
"""What a machine in the lot of another instance costs more."""


SAMPLE: Final = 1_024
"""Keys of which a sample consists, at least."""

SAMPLE_MARGIN: Final = 8
"""So many more keys of a sample are taken than should do: or else a few low ones may be too few by chance."""

FEW_PART: Final = 8
"""No sample is taken when more than one key of so many is wanted."""

NOWHERE: Final[Rows] = np.empty(0, np.int64)
"""Of no machine: what is chosen when no task fits anywhere."""


class Leaning:
    """Keys of machines for one scheduler, lower first; remembers its table of noise and its lot."""

    def __init__(self, *, noise: float = NOISE, charge: float = CHARGE) -> None:
        """Begin with nothing drawn."""
        self._noise = noise
        self._charge = charge
        self._table: Floats = np.empty(0)
        self._lot: tuple[Lot, int] = (WHOLE, 0)
        self._charges: Floats = np.empty(0)

    def keys(self, group: TaskGroup, cell: CellView, ctx: Context) -> Floats:
        """Return a key for each machine, infinity where no task fits, other tasks apart: ``(machines,)``, the caller's.

        Cost: O(machines), a few additions.
        """
        count = cell.machine_count
        keys: Floats = cell.costs(group, cost_of_stranding) + self._noises(count, ctx.rng)
        if cell.lot.of > 1:
            if self._lot != (cell.lot, count):
                self._lot, self._charges = (cell.lot, count), np.where(cell.lot.find_others(count), self._charge, 0.0)
            keys += self._charges
        return keys

    def _noises(self, count: int, rng: np.random.Generator) -> Floats:
        if len(self._table) != 2 * count:
            self._table = rng.random(2 * count) * self._noise
        start = int(rng.integers(count + 1))
        return self._table[start : start + count]


def has_any(keys: Floats) -> bool:
    """Tell whether a task fits on any machine, other tasks apart."""
    return bool(keys.min(initial=np.inf) < np.inf)


def find_first(keys: Floats, count: int) -> Rows:
    """Return the rows of the ``count`` lowest keys, those of infinity left out, the lowest first.

    Which of equal ones comes first is not said. Cost: O(rows + count log(count)).

    >>> find_first(np.array([3.0, np.inf, 1.0, 2.0]), 2).tolist(), find_first(np.array([np.inf]), 2).tolist()
    ([2, 3], [])
    """
    if count == 1 and len(keys):
        best = int(keys.argmin())
        return np.array([best] if keys[best] < np.inf else [], np.int64)
    rows = _find_low(keys, count)
    found = keys.take(rows)
    if count < len(rows):
        lowest = found.argpartition(count - 1)[:count]
        rows, found = rows.take(lowest), found.take(lowest)
    rows = rows.take(found.argsort(kind="stable"))
    return rows[: int(np.count_nonzero(found < np.inf))]


def _find_low(keys: Floats, count: int) -> Rows:
    """Return the rows of at least the ``count`` lowest keys, usually few more: parting all of them costs far more.

    A sample says below which key twice as many should be. Cost: O(rows), two passes.
    """
    stride = len(keys) // SAMPLE
    if stride > 1 and count * FEW_PART < len(keys):
        sample = keys[::stride]
        rank = 2 * count * len(sample) // len(keys) + SAMPLE_MARGIN
        low = np.flatnonzero(keys <= np.partition(sample, rank)[rank])
        if len(low) >= count:
            return low
    return np.arange(len(keys))
