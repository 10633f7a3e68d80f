"""The old simulator's schedulers: random first fit, think time, and what they do with a job that is not done.

A decision that finds no room takes its think time, and counts neither as useful nor as wasted. A transaction of which
any claim conflicted counts as one failure, and all its think time as wasted, even if most of it was committed. What is
left of a job is queued again, at the tail, after a second. Offers are in `offers`.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from omegacell.core.errors import UsageError
from omegacell.simulator.compat.cellstate import CellState, Claim, JobRun, Rules, commit
from omegacell.simulator.compat.faults import Fault
from omegacell.simulator.compat.javarandom import INCREMENT, MASK, MULTIPLIER, JavaRandom
from omegacell.simulator.compat.records import Counters
from omegacell.simulator.compat.scenario import TransactionMode

if TYPE_CHECKING:
    from omegacell.simulator.compat.running import Run

RETRY_S: Final = 1.0


class FirstFit:
    """Random first fit: try machines at random, put a task on each that has room, drop those that have none.

    The pool of candidates is permuted by dropping, and the permutation persists from job to job.
    """

    __slots__ = ("_pool", "_random", "vain_probes")

    def __init__(self, machines: int, seed: int) -> None:
        """Begin with the machines in order."""
        self._pool = list(range(machines))
        self._random = JavaRandom(seed)
        self.vain_probes = 0

    def place(self, job: JobRun, cell: CellState) -> list[Claim]:
        """Claim room in ``cell`` for the unscheduled tasks of a job, as many as fit.

        Raises:
            UsageError: a task is larger than any machine; the old simulator ends there.
        """
        spec, shape = job.spec, cell.shape
        if spec.cpus > shape.cpus or spec.memory_gb > shape.memory_gb:
            raise UsageError(
                f"job {spec.number} asks for more than a machine has: {spec.cpus} CPUs, {spec.memory_gb} GB"
            )
        claims: list[Claim] = []
        wanted, left = job.unscheduled, shape.machines
        # the generator is written out: this loop is where all the time goes
        pool, state, cpus, memory = self._pool, self._random.state, cell.cpus, cell.memory
        while wanted and left:
            state = state * MULTIPLIER + INCREMENT & MASK
            bits = state >> 17
            if left & left - 1:
                index = bits % left
                while bits - index + left > 1 << 31:
                    state = state * MULTIPLIER + INCREMENT & MASK
                    bits = state >> 17
                    index = bits % left
            else:
                index = left * bits >> 31
            machine = pool[index]
            if shape.cpus - cpus[machine] >= spec.cpus and shape.memory_gb - memory[machine] >= spec.memory_gb:
                claim = Claim(job, machine, cell.numbers[machine])
                cell.take(claim)
                claims.append(claim)
                wanted -= 1
            else:
                left -= 1
                pool[index] = pool[left]
                pool[left] = machine
        self.vain_probes += shape.machines - left
        self._random.state = state
        return claims


class Scheduler:
    """One scheduler: a queue, and one decision at a time."""

    def __init__(self, run: "Run", number: int) -> None:
        """Begin idle; ``number`` is its place among the run's schedulers."""
        self.run = run
        self.number = number
        self.counters = Counters()
        self.queue: deque[JobRun] = deque()
        self.fit = FirstFit(run.scenario.shape.machines, run.scenario.seed)
        self.is_deciding = False

    def add(self, job: JobRun) -> None:
        """Queue a job, and decide at once when idle."""
        job.enqueued_s = self.run.agenda.now
        self.queue.append(job)
        if not self.is_deciding:
            self._begin_next()

    def _begin_next(self) -> None:
        if not self.queue:
            return
        self.is_deciding = True
        job = self.queue.popleft()
        now_s = self.run.agenda.now
        job.note_wait(now_s)
        think_s = self.run.think_of(job)
        self.run.agenda.enter(now_s + think_s, self._finish, (job, think_s, self.sync()))

    def sync(self) -> CellState:
        """Return the state to decide on."""
        raise NotImplementedError

    def settle(self, job: JobRun, claims: list[Claim], think_s: float) -> None:
        """Make a decision come true and count it."""
        raise NotImplementedError

    def _finish(self, decision: tuple[JobRun, float, CellState]) -> None:
        job, think_s, cell = decision
        claims = self.decide(job, cell, think_s)
        self.settle(job, claims, think_s)
        self.requeue(job)
        self.is_deciding = False
        self._begin_next()

    def decide(self, job: JobRun, cell: CellState, think_s: float, *, is_short: bool = False) -> list[Claim]:
        """Make one attempt; a ``is_short`` one looks at no machine and is not recorded."""
        job.attempts += 1
        job.task_attempts += job.unscheduled
        if is_short:
            return []
        claims = self.fit.place(job, cell)
        if self.run.recorder is not None:
            row: dict[str, object] = {
                "time": self.run.agenda.now,
                "scheduler": self.run.names[self.number],
                "job": job.spec.number,
                "attempt": job.attempts,
                "think_time": think_s,
                "tasks_wanted": job.unscheduled,
            }
            self.run.recorder.note_attempt(row, claims)
        return claims

    def requeue(self, job: JobRun) -> None:
        """Queue what is left of a job again after a second, or give up on it."""
        if not job.unscheduled:
            return
        if job.is_hopeless(is_patient=Fault.GIVES_UP_EARLY in self.run.scenario.mended):
            self.counters.abandoned += 1
        else:
            self.run.agenda.enter(self.run.agenda.now + RETRY_S, self.add, job)

    def count_no_room(self, job: JobRun, think_s: float) -> None:
        """Count a decision that found nothing; its time is nowhere, unless that is mended."""
        self.counters.no_room += 1
        if Fault.NO_ROOM_IS_FREE in self.run.scenario.mended:
            self.counters.wasted_s += think_s
            job.wasted_s += think_s

    def count_useful(self, job: JobRun, think_s: float) -> None:
        """Count a decision that was worth its time."""
        self.counters.successes += 1
        self.counters.useful_s += think_s
        job.useful_s += think_s

    def count_wasted(self, job: JobRun, think_s: float, *, useful_share: float = 0.0) -> None:
        """Count a decision of which a claim conflicted: wasted but for a share, which is 0 unless that is mended."""
        self.counters.failures += 1
        wasted_s = think_s * (1.0 - useful_share)
        self.counters.wasted_s += wasted_s
        job.wasted_s += wasted_s
        self.counters.useful_s += think_s - wasted_s
        job.useful_s += think_s - wasted_s


class Monolithic(Scheduler):
    """Decides on the common state, after the think time, so that nothing can conflict."""

    def sync(self) -> CellState:
        """Return the common state itself."""
        return self.run.cell

    def settle(self, job: JobRun, claims: list[Claim], think_s: float) -> None:
        """Start what was claimed; an attempt without room is not even counted."""
        if claims:
            self.run.start_tasks(claims)
            job.unscheduled -= len(claims)
            self.count_useful(job, think_s)


class Omega(Scheduler):
    """Decides on a copy made before the think time, and commits."""

    def sync(self) -> CellState:
        """Copy the common state."""
        return self.run.cell.copy()

    def settle(self, job: JobRun, claims: list[Claim], think_s: float) -> None:
        """Commit, and count the transaction and its claims."""
        mended, atomicity = self.run.scenario.mended, self.run.scenario.atomicity
        is_gang = atomicity is TransactionMode.ALL_OR_NOTHING and Fault.HALF_A_GANG in mended
        if not claims or (is_gang and len(claims) < job.unscheduled):
            self.count_no_room(job, think_s)
            return
        committed, conflicted = self.run.commit(claims)
        self.run.start_tasks(committed)
        job.unscheduled -= len(committed)
        self.counters.task_successes += len(committed)
        self.counters.task_failures += len(conflicted)
        self.counters.retries += job.attempts > 1
        if conflicted:
            share = len(committed) / len(claims) if Fault.PARTIAL_IS_WASTED in mended else 0.0
            self.count_wasted(job, think_s, useful_share=share)
        else:
            self.count_useful(job, think_s)


def commit_recorded(run: "Run", claims: list[Claim], rules: Rules) -> tuple[list[Claim], list[Claim]]:
    """Commit on the common state, and record it when somebody listens."""
    before = [run.cell.numbers[claim.machine] for claim in claims] if run.recorder is not None else []
    result = commit(run.cell, claims, rules)
    if run.recorder is not None:
        run.recorder.note_commit(run.agenda.now, claims, before, result)
    return result
