"""One run of the old simulator on the lab's agenda."""

from collections.abc import Callable
from typing import Final

from omegacell.simulator.agenda import Agenda
from omegacell.simulator.compat.cellstate import CellState, Claim, JobRun, Rules
from omegacell.simulator.compat.faults import Fault
from omegacell.simulator.compat.heap import HeapAgenda
from omegacell.simulator.compat.offers import Allocator, Framework
from omegacell.simulator.compat.records import Recorder
from omegacell.simulator.compat.scenario import PREFILL_NAME, ConflictMode, Scenario, TransactionMode
from omegacell.simulator.compat.schedulers import FirstFit, Monolithic, Omega, Scheduler, commit_recorded
from omegacell.simulator.settings import Architecture

MONITOR_S: Final = 1.0
OFFER_RULES: Final = Rules(conflict=ConflictMode.FIT, atomicity=TransactionMode.ALL_OR_NOTHING)


class Run:
    """A scenario under way: the common state, the schedulers, the agenda.

    Attributes:
        names: the schedulers' names, and the prefill's at the end.
        jobs: what became of each job, in the order of the scenario.
    """

    def __init__(self, scenario: Scenario, *, is_recorded: bool = True) -> None:
        """Prefill the cell and enter every submission.

        Raises:
            UsageError: a task is larger than any machine.
        """
        self.scenario = scenario
        is_ordered = Fault.TIES_BY_HEAP in scenario.mended
        self.agenda: Agenda[float] = Agenda(0.0) if is_ordered else HeapAgenda(0.0)
        own = tuple(dict.fromkeys(name for names in scenario.schedulers.values() for name in names))
        self.names = (*own, PREFILL_NAME)
        self.cell = CellState(scenario.shape, len(own))
        self.recorder = Recorder(self.names) if is_recorded else None
        self._rules = self._find_rules()
        self._allocator: Allocator | None = None
        self.schedulers = self._make_schedulers(len(own))
        self._measured_cpus = 0.0
        self._measures = 0
        self._prefill()
        self.jobs = self._enter_jobs()

    @property
    def mean_cpus(self) -> float:
        """The mean of the measures of allocated CPUs; 0 when none was taken."""
        return self._measured_cpus / self._measures if self._measures else 0.0

    @property
    def had_ties(self) -> bool:
        """Whether an offer went to one of several frameworks with equal shares."""
        return self._allocator is not None and self._allocator.had_ties

    def run(self) -> None:
        """Let everything happen."""
        if self.scenario.is_monitored:
            self.agenda.enter(0.0, self._measure)
        self.agenda.enter(0.0, self._begin)
        self.agenda.run(until=self.scenario.run_s)

    def think_of(self, job: JobRun) -> float:
        """Return how long a decision on a job takes now, seconds."""
        return self.scenario.think[job.spec.kind].of(job.unscheduled)

    def commit(self, claims: list[Claim]) -> tuple[list[Claim], list[Claim]]:
        """Commit on the common state; return the committed and the conflicted claims."""
        return commit_recorded(self, claims, self._rules)

    def start_tasks(self, claims: list[Claim], *, then: Callable[[], None] | None = None) -> None:
        """Let tasks run and end, each an event of its own; ``then`` is called at each end."""
        now_s, agenda = self.agenda.now, self.agenda
        is_bumped = Fault.ENDS_KEEP_NUMBERS in self.scenario.mended
        end: Callable[[Claim], None] = self.cell.give_back_bumped if is_bumped else self.cell.give_back
        if then is not None:
            end = _make_end(end, then)
        if claims:
            end_s = now_s + claims[0].job.spec.duration_s
            job = claims[0].job
            for claim in claims:
                if claim.job is not job:
                    job = claim.job
                    end_s = now_s + job.spec.duration_s
                agenda.enter(end_s, end, claim)
        if self.recorder is not None:
            self.recorder.note_placements(now_s, claims, is_prefill=bool(claims) and self._is_prefill(claims[0]))

    def _is_prefill(self, claim: Claim) -> bool:
        return claim.job.scheduler == len(self.schedulers)

    def _find_rules(self) -> Rules:
        """Return how the common state judges; where nothing can conflict the modes given mean nothing."""
        scenario = self.scenario
        if scenario.architecture is Architecture.SHARED_STATE:
            return Rules(conflict=scenario.conflict, atomicity=scenario.atomicity, mended=scenario.mended)
        return OFFER_RULES

    def _make_schedulers(self, count: int) -> list[Scheduler]:
        match self.scenario.architecture:
            case Architecture.TWO_LEVEL:
                self._allocator = Allocator(self)
                return [Framework(self, number, self._allocator) for number in range(count)]
            case Architecture.SHARED_STATE:
                return [Omega(self, number) for number in range(count)]
            case Architecture.MONOLITHIC_SINGLE | Architecture.MONOLITHIC_MULTI:
                return [Monolithic(self, number) for number in range(count)]

    def _prefill(self) -> None:
        """Place the prefill, by a scheduler of its own; jobs that are too large for any machine are left out."""
        shape = self.scenario.shape
        fit = FirstFit(shape.machines, self.scenario.seed)
        for spec in self.scenario.prefill:
            if spec.cpus <= shape.cpus and spec.memory_gb <= shape.memory_gb:
                self.start_tasks(fit.place(JobRun(spec, len(self.schedulers), spec.task_count), self.cell))

    def _enter_jobs(self) -> list[JobRun]:
        """Give jobs to schedulers, round robin with one counter over all of them, and enter their submissions."""
        jobs: list[JobRun] = []
        for count, spec in enumerate(self.scenario.jobs, start=1):
            names = self.scenario.schedulers[spec.kind]
            scheduler = self.schedulers[self.names.index(names[count % len(names)])]
            job = JobRun(spec, scheduler.number, spec.task_count)
            jobs.append(job)
            self.agenda.enter(spec.submitted_s, scheduler.add, job)
        return jobs

    def _begin(self, _: None) -> None:
        """Happen at time 0 and do nothing: the old simulator prints a line, and it counts as an event."""

    def _measure(self, _: None) -> None:
        self._measures += 1
        self._measured_cpus += self.cell.occupied_cpus
        if len(self.agenda):
            self.agenda.enter(self.agenda.now + MONITOR_S, self._measure)


def _make_end(give_back: Callable[[Claim], None], then: Callable[[], None]) -> Callable[[Claim], None]:
    def end(claim: Claim) -> None:
        give_back(claim)
        then()

    return end
