"""What one task costs on each machine, remembered: for a cell by `classes`, and here for the decisions of one append.

A price is a policy's cost (`costs`) where the task fits, and infinity where it does not. On a cell without tentative
claims prices are those of `Classes.costs`, of which only those are asked again whose machine changed. Each decision of
an append stands on the claims of those before it; so here only those are asked again whose machine was claimed since
the same question. All answers about what fits are the overlay's.
"""

from typing import Final, TypeAlias

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.overlays import Overlay
from omegacell.schedulers.classes import Asked, Floats, Rows, ask, classes_of, price
from omegacell.schedulers.feasibility import find_silent
from omegacell.schedulers.filling import Cost

WHOLE_PART: Final = 4
"""When more than one machine of so many was claimed, all are asked again."""

_Key: TypeAlias = tuple[Cost, Asked]


def price_all(overlay: Overlay, spec: JobSpec, cost: Cost, *, cell: Cell) -> Floats:
    """Return the price of a task on every machine of an overlay, whatever claims it has. Cost: O(machines)."""
    prices = price(cell, overlay, spec, cost=cost)
    if cell.machines.is_any_silent:
        prices[find_silent(cell)] = np.inf
    return prices


class Prices:
    """Prices on one overlay, to which claims are added as time goes on; valid until the cell changes."""

    def __init__(self, cell: Cell) -> None:
        """Begin with no claims."""
        self._cell = cell
        self._claims: list[Rows] = []
        self._known: dict[_Key, tuple[int, Floats]] = {}

    def note(self, rows: Rows) -> None:
        """Note that the overlay has taken claims on machines."""
        self._claims.append(rows)

    def of(self, overlay: Overlay, spec: JobSpec, cost: Cost) -> Floats:
        """Return the price of a task on every machine, other tasks apart: ``(machines,)`` float64, not to be kept.

        Cost: O(machines) the first time, later O(machines claimed since the last time).
        """
        key = (cost, ask(spec))
        since, prices = self._known.get(key, (0, None))
        if prices is None:
            prices = classes_of(self._cell).costs(self._cell, spec, cost)
        claimed = self._claims[since:]
        if claimed or (not since and self._cell.machines.is_any_silent):
            prices = self._ask_again(prices, overlay, spec, cost, claimed=claimed)
        self._known[key] = len(self._claims), prices
        return prices

    def _ask_again(self, prices: Floats, overlay: Overlay, spec: JobSpec, cost: Cost, *, claimed: list[Rows]) -> Floats:
        """Return prices after claims: in place where they are this append's own already."""
        if sum(map(len, claimed)) * WHOLE_PART > len(prices):
            return price_all(overlay, spec, cost, cell=self._cell)
        if not prices.flags.writeable:
            prices = prices.copy()
        if claimed:
            rows = np.concatenate(claimed)
            prices[rows] = price(self._cell, overlay, spec, rows, cost=cost)
        if self._cell.machines.is_any_silent:
            prices[find_silent(self._cell)] = np.inf
        return prices
