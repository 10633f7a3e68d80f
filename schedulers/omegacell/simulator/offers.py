"""Two-level scheduling on the real core: an allocator offers, and what is offered is locked (Omega, section 3.3).

Once in an interval the allocator offers all that is free and not locked to one framework, the one with the smallest
dominant share of those that have work (dominant resource fairness). The framework decides on the jobs of its queue with
nothing else in view, and its claims are committed, and the locks released, when the time for all these decisions is
over. Nothing can conflict; what it costs is that the others see almost nothing meanwhile. The locks are the
allocator's: the cell knows nothing of them.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.core.units import JobId
from omegacell.simulator.agenda import Agenda
from omegacell.simulator.instances import Instance
from omegacell.simulator.labcell import LabCell
from omegacell.simulator.machines import amounts_of
from omegacell.simulator.metrics import SECOND
from omegacell.simulator.settings import OfferTerms


class Allocator:
    """Makes offers to frameworks, each an `Instance`."""

    def __init__(self, lab: LabCell, agenda: Agenda[int], terms: OfferTerms) -> None:
        """Begin with no work and no offers."""
        self._lab = lab
        self._agenda = agenda
        self._interval_us = round(terms.interval_s * SECOND)
        self._decide_us = round(terms.decide_s * SECOND)
        self._least = np.maximum(amounts_of(terms.min_cpus, terms.min_memory_gb)[:2], 1)
        self._capacity = lab.cell.machines.capacity.sum(axis=0)[:2]
        self._work: dict[Instance, dict[JobId, None]] = {}
        self._held: dict[Instance, NDArray[np.int64]] = {}
        self._locked: dict[Instance, NDArray[np.int64]] = {}
        self._is_planned = False

    def add(self, framework: Instance) -> None:
        """Let a framework take part."""
        self._work[framework] = {}
        self._held[framework] = np.zeros(2, np.int64)

    def note_work(self, framework: Instance, job: JobId) -> None:
        """A job of a framework waits: it wants offers."""
        self._work[framework][job] = None
        self.plan()

    def note_done(self, framework: Instance, job: JobId) -> None:
        """A job of a framework no longer waits."""
        self._work[framework].pop(job, None)

    def note_held(self, framework: Instance, resources: tuple[int, ...], count: int) -> None:
        """So many tasks of a framework began, or ended if negative."""
        self._held[framework] += np.array(resources[:2], np.int64) * count

    def plan(self) -> None:
        """Let there be an offer when the interval is over, if anybody wants one."""
        if not self._is_planned and any(self._wants(framework) for framework in self._work):
            self._is_planned = True
            self._agenda.enter(self._agenda.now + self._interval_us, self._choose)

    def release(self, framework: Instance) -> None:
        """Take back what a framework was offered: it has answered."""
        del self._locked[framework]
        framework.thinking.withheld = None
        self.plan()

    def dominant_share(self, framework: Instance) -> float:
        """Return the larger of a framework's shares of the cell's CPU and memory."""
        shares = self._held[framework] / self._capacity
        return float(shares.max())

    def _wants(self, framework: Instance) -> bool:
        return bool(self._work[framework]) and framework not in self._locked

    def _choose(self, _: None) -> None:
        self._is_planned = False
        wanting = [framework for framework in self._work if self._wants(framework)]
        offered = self._lab.free()
        for locked in self._locked.values():
            offered -= locked
        if not wanting or (offered.sum(axis=0)[:2] < self._least).any():
            return
        framework = min(wanting, key=self.dominant_share)
        self._locked[framework] = offered
        self._agenda.enter(self._agenda.now + self._decide_us, self._send, framework)

    def _send(self, framework: Instance) -> None:
        """Let a framework decide, with everything withheld that it was not offered, freed later or not."""
        framework.thinking.withheld = self._lab.free() - self._locked[framework]
        framework.turn(np.arange(len(self._locked[framework]), dtype=np.int64))
