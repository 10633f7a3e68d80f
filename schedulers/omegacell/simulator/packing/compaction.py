"""Borg's cell compaction (section 5.1): how few machines a policy needs for a workload, packed from scratch each time.

Machines are removed in a random order. Where Borg removes some and packs again until the workload no longer fits, the
number is searched here: in growing steps from a first guess, then by halves, until it fits on one number of machines
and not on one less. (No policy is monotone: it may fail on a number and succeed on a lower one. What is found is a
number at which it turns, as with Borg's way.) If the cell is too small, the cell is cloned, and the clone's machines
are removed first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from omegacell.core.errors import UsageError
from omegacell.simulator.drawing import Draws
from omegacell.simulator.machines import Machine
from omegacell.simulator.packing.packing import Make, make_cell, pack
from omegacell.simulator.packing.workload import Problem

SEEDS: Final = 11
PERCENT: Final = 90
"""The result is this percentile of the seeds' machines (Borg, section 5.1)."""

MAX_CLONES: Final = 4
"""A cell of so many times the machines is the largest that is tried, as with Borg."""

FIRST_STEP: Final = 0.005
"""The first step from the first guess, as a share of the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """A problem, and one order in which its machines are removed, the last first.

    Attributes:
        problem: the whole cell and the jobs.
        picky: names of jobs whose tasks may stay pending.
        seed: the order, and the policies' random numbers, follow from it.
    """

    problem: Problem
    picky: frozenset[str]
    seed: int

    @property
    def order(self) -> list[int]:
        """The order, as numbers of machines of the cell and of its clones, which count on."""
        count = len(self.problem.machines)
        draws = Draws(self.seed)
        return [clone * count + machine for clone in range(MAX_CLONES) for machine in draws.shuffled(count)]

    def machines(self, order: Sequence[int]) -> list[Machine]:
        """Return machines of the cell and of its clones, in the order of the cell."""
        own = self.problem.machines
        found = []
        for number in sorted(order):
            clone, place = divmod(number, len(own))
            machine = own[place]
            found.append(replace(machine, name=f"{machine.name}-{clone}") if clone else machine)
        return found

    def fits(self, make: Make, count: int) -> bool:
        """Tell whether a policy places the workload on the first machines of the order."""
        cell, ids = make_cell(self.machines(self.order[:count]), self.problem.jobs)
        return pack(cell, ids, make, picky=self.picky, seed=self.seed).is_complete

    def find_machines(self, make: Make, *, at_least: int = 1, near: int = 0) -> int:
        """Return how many machines a policy needs; fewer than ``at_least`` are not tried, ``near`` first if given.

        Raises:
            UsageError: the clones of the cell are too few as well.
        """
        most = MAX_CLONES * len(self.problem.machines)
        step = max(1, round(FIRST_STEP * at_least))
        low, high = at_least - 1, max(at_least, near)
        if self.fits(make, high):
            while high - step > low and self.fits(make, high - step):
                high, step = high - step, 2 * step
            low = max(low, high - step)
        else:
            low = high
            while not self.fits(make, high := min(most, low + step)):
                if high == most:
                    raise UsageError(f"the workload does not fit on {MAX_CLONES} times the machines, {most}")
                low, step = high, 2 * step
        while high - low > 1:
            middle = (low + high) // 2
            if self.fits(make, middle):
                high = middle
            else:
                low = middle
        return high


def percentile(values: Sequence[int]) -> int:
    """Return the 90th percentile by nearest rank: of 11 values, the second largest.

    >>> percentile(range(11))
    9
    """
    return sorted(values)[math.ceil(len(values) * PERCENT / 100) - 1]
