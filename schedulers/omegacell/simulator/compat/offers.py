"""The old simulator's two-level scheduling: one framework at a time is offered everything that is free.

Its habits: offers are batched for a second; none is made while fewer than 100 CPUs are free, and the same test with
memory's minimum looks at CPUs again; a framework skips a job when the offer's free CPUs, or its free memory, are not
above what a task asks for in CPUs. A framework goes through its whole queue, and answers after the sum of think times.

Of frameworks with equal shares it takes whichever its hash table happens to have first. Either order is its own, so it
is a setting here: by number, or the other way round.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from omegacell.core.errors import InvariantError
from omegacell.simulator.compat.cellstate import CellState, Claim, JobRun, Lock
from omegacell.simulator.compat.faults import Fault
from omegacell.simulator.compat.schedulers import Scheduler

if TYPE_CHECKING:
    from omegacell.simulator.compat.running import Run

BATCH_S: Final = 1.0
MIN_CPUS: Final = 100.0
MIN_MEMORY: Final = 100.0
NOTHING: Final = 0.000001


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What one framework is offered, and what is locked for it meanwhile."""

    framework: "Framework"
    cell: CellState
    locks: list[Lock]


class Allocator:
    """Makes offers, by dominant share.

    Attributes:
        had_ties: an offer went to one of several frameworks with equal shares.
    """

    def __init__(self, run: "Run") -> None:
        """Begin with nobody asking."""
        self._run = run
        self._asking: dict[int, Framework] = {}
        self._is_planned = False
        self.had_ties = False

    def ask(self, framework: "Framework") -> None:
        """Include a framework in the next round."""
        self._asking[framework.number] = framework
        self.plan()

    def cancel(self, framework: "Framework") -> None:
        """Leave a framework out until it asks again."""
        self._asking.pop(framework.number, None)

    def plan(self) -> None:
        """Let there be a round, a second from now."""
        if not self._is_planned:
            self._is_planned = True
            self._run.agenda.enter(self._run.agenda.now + BATCH_S, self._offer)

    def _offer(self, _: None) -> None:
        self._is_planned = False
        cell = self._run.cell
        mended = self._run.scenario.mended
        # the second test is meant for memory
        is_little = cell.free_cpus < MIN_CPUS or cell.free_cpus < MIN_MEMORY
        if Fault.LEAST_OFFER in mended:
            is_little = cell.free_cpus <= NOTHING or cell.free_memory <= NOTHING
        asking = [framework for framework in self._asking.values() if not framework.is_deciding]
        if not asking or is_little:
            return
        framework = self._choose(asking)
        private = cell.copy()
        locks = cell.lock_all(framework.number)
        if locks:
            framework.is_deciding = Fault.OFFERS_OVERLAP in mended
            offer = Offer(framework, private, locks)
            self._run.agenda.enter(self._run.agenda.now + self._run.scenario.allocator_s, framework.receive, offer)

    def _choose(self, asking: list["Framework"]) -> "Framework":
        shares = [self._find_share(framework) for framework in asking]
        first = [framework for framework, share in zip(asking, shares, strict=True) if share == min(shares)]
        self.had_ties |= len(first) > 1
        pick = max if self._run.scenario.is_tie_reversed else min
        return pick(first, key=lambda framework: framework.number)

    def _find_share(self, framework: "Framework") -> float:
        cell, shape = self._run.cell, self._run.scenario.shape
        cpus = cell.held_cpus[framework.number] / (shape.machines * shape.cpus)
        memory = cell.held_memory[framework.number] / (shape.machines * shape.memory_gb)
        return max(cpus, memory)

    def answer(self, response: tuple[Offer, list[Claim]]) -> None:
        """Release an offer's locks and commit what its framework claimed.

        Raises:
            InvariantError: a claim on locked resources conflicts; the old simulator ends there.
        """
        offer, claims = response
        run = self._run
        run.cell.unlock(offer.locks)
        offer.framework.is_deciding = False
        if claims:
            committed, conflicted = run.commit(claims)
            if conflicted:
                raise InvariantError(f"{len(conflicted)} claims on an offer conflict; locked resources cannot")
            run.start_tasks(committed, then=self.plan)
        self.plan()


class Framework(Scheduler):
    """A scheduler that waits for offers."""

    def __init__(self, run: "Run", number: int, allocator: Allocator) -> None:
        """Begin with no offer."""
        super().__init__(run, number)
        self._allocator = allocator

    def add(self, job: JobRun) -> None:
        """Queue a job and ask for offers."""
        job.enqueued_s = self.run.agenda.now
        self.queue.append(job)
        self._allocator.ask(self)

    def receive(self, offer: Offer) -> None:
        """Go through the queue with an offer, and answer when the time for all its decisions is over."""
        self.is_deciding = Fault.OFFERS_OVERLAP in self.run.scenario.mended
        cell, total_s = offer.cell, 0.0
        response: list[Claim] = []
        while cell.free_cpus > NOTHING and cell.free_memory > NOTHING and self.queue:
            job = self.queue.popleft()
            job.note_wait(self.run.agenda.now)
            think_s = self.run.think_of(job)
            total_s += think_s
            # meant for memory, and compared with CPUs
            asked = job.spec.memory_gb if Fault.MEMORY_AS_CPUS in self.run.scenario.mended else job.spec.cpus
            is_short = not (cell.free_cpus > job.spec.cpus and cell.free_memory > asked)
            claims = self.decide(job, cell, think_s, is_short=is_short)
            if claims:
                self.count_useful(job, think_s)
                response += claims
                job.unscheduled -= len(claims)
            elif not is_short:
                self.count_no_room(job, think_s)
            self.requeue(job)
        if not self.queue:
            self._allocator.cancel(self)
        self.run.agenda.enter(self.run.agenda.now + total_s, self._allocator.answer, (offer, response))
