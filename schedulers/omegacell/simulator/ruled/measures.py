"""What a simulation of jobs with rules measures: by template, by band, by scheduler, and as a whole.

*Wait*: from submission, or from when nothing else held the job any more, to the beginning of the first attempt to
place it, as everywhere in the lab. *Until running*: to when none of its tasks waited for the first time. *Preempted*:
attempts that had begun and gave way to another job. *Wasted*: CPU-seconds that preempted attempts had run for, which
are run again. *Waiting*: tasks that had no place when the run ended, and what they lacked: of each job the reason that
stands last in the order of judgement, which is where machines come nearest to taking it; of a gang that some machines
would take, that it is not whole.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from omegacell.core.cell import Author, Cell
from omegacell.core.commands import Unplaced
from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState
from omegacell.core.lives import Rows
from omegacell.core.machine_commands import ExitNote
from omegacell.core.outcomes import Reason, name_dimension
from omegacell.core.units import SECOND_US, Band, JobId
from omegacell.simulator.figures import find_mean, find_percentile
from omegacell.simulator.metrics import SchedulerMetrics

UNDECIDED = "UNDECIDED"
"""What a job lacks that no scheduler has decided on yet, or that is about to be tried again."""

HELD = "AFTER"
"""What a job lacks that waits for others."""


@dataclass(slots=True, eq=False)
class JobRecord:
    """What became of one job.

    Attributes:
        template: its place among the templates; spec: what was submitted.
        due_us: when a scheduler could first decide on it.
        first_us, running_us: when it was first tried, and when all its tasks first ran.
        begun, preempted, overtime: attempts that began, gave way, were ended at their time limit.
        run_us, wasted_us: how long attempts that ended ran, in all; and those that gave way.
        is_late: it was stopped because its deadline had passed.
    """

    template: int
    spec: JobSpec
    due_us: int
    first_us: int | None = None
    running_us: int | None = None
    begun: int = 0
    preempted: int = 0
    overtime: int = 0
    run_us: int = 0
    wasted_us: int = 0
    is_late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsMetrics:
    """Jobs of one template, or of one band; seconds are None when no job got so far.

    ``tasks`` are those that jobs asked for, ``waiting`` those of them without a place in the end, ``lacks`` what they
    lacked, by number of tasks.
    """

    name: str
    jobs: int
    running: int
    tasks: int
    begun: int
    preempted: int
    overtime: int
    late: int
    waiting: int
    waiting_share: float
    lacks: dict[str, int]
    mean_wait_s: float | None
    p90_wait_s: float | None
    mean_until_running_s: float | None
    p90_until_running_s: float | None
    wasted_cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalMetrics:
    """Claims of one scheduler that were refused: by reason, and how many of all were no conflict but its mistake."""

    name: str
    reasons: dict[str, int]
    disagreements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledMetrics:
    """A whole run.

    Attributes:
        simulated_s: how long it was.
        schedulers, refusals: by instance.
        templates, bands: in order, bands from the highest; only those that have jobs.
        transactions: revisions of the cell.
        mean_utilisation: of CPU, over time: what attempts that ran were promised.
        wasted_share: CPU-seconds of preempted attempts, of all.
        digest: of the cell in the end; equal digests, equal runs.
    """

    simulated_s: float
    schedulers: tuple[SchedulerMetrics, ...]
    refusals: tuple[RefusalMetrics, ...]
    templates: tuple[JobsMetrics, ...]
    bands: tuple[JobsMetrics, ...]
    transactions: int
    mean_utilisation: float
    wasted_share: float
    digest: str


@dataclass(slots=True, eq=False)
class Measures:
    """What is known of all jobs so far; the simulation and its `hands` tell it.

    Attributes:
        cell: the cell, as it is.
        now: what time it is, microseconds.
        records: by job.
        cpu_time: CPU of attempts that ended times how long they ran, milli-CPU times microseconds.
    """

    cell: Cell
    now: Callable[[], int]
    records: dict[JobId, JobRecord] = field(default_factory=dict)
    cpu_time: int = 0

    def note_begun(self, job: JobId, tasks: Rows) -> None:
        """Attempts of a job have begun."""
        record, row = self.records[job], self.cell.jobs.row_of(job)
        assert row is not None, f"job {job} runs and is not in the cell"
        record.begun += len(tasks)
        counts = self.cell.jobs.counts[row]
        if record.running_us is None and not (counts[TaskState.PENDING] or counts[TaskState.PLACED]):
            record.running_us = self.now()

    def note_ending(self, tasks: Rows, *, note: ExitNote, is_natural: bool) -> None:
        """Attempts end now; the cell is the one before. What runs inside an alloc that ends gives way with it."""
        arena, jobs = self.cell.tasks, self.cell.jobs
        own = int(arena.job[tasks[0]])
        for task in tasks.tolist():
            row = int(arena.job[task])
            record = self.records[JobId(int(jobs.id[row]))]
            is_done = is_natural and record.spec.kind is Kind.BATCH
            gives_way = row != own or (int(arena.stopping[task]) == Stopping.EVICT and not is_done)
            run_us = self.now() - int(arena.started_at_us[task])
            record.run_us += run_us
            record.preempted += gives_way
            record.wasted_us += run_us * gives_way
            record.overtime += note is ExitNote.TIME_LIMIT and not gives_way
            self.cpu_time += run_us * record.spec.charged[0]

    def find_cpu_time(self) -> int:
        """Return the CPU time of all attempts, those that run still counted in."""
        arena, jobs = self.cell.tasks, self.cell.jobs
        running = np.flatnonzero((arena.state == TaskState.RUNNING) & (arena.job >= 0))
        cpus: list[int] = jobs.shape[arena.job[running], 0].tolist()
        since: list[int] = arena.started_at_us[running].tolist()
        return self.cpu_time + sum([cpu * (self.now() - at_us) for cpu, at_us in zip(cpus, since, strict=True)])

    def summarise(self, name: str, records: Iterable[tuple[JobId, JobRecord]]) -> JobsMetrics:
        """Return the metrics of some jobs."""
        own = list(records)
        waits = [_seconds(each.first_us - each.due_us) for _, each in own if each.first_us is not None]
        whole = [_seconds(each.running_us - each.due_us) for _, each in own if each.running_us is not None]
        lacks: Counter[str] = Counter()
        for job, record in own:
            lacks.update(find_lacks(self.cell, job, record.spec))
        tasks = sum(self._count_tasks(job, record) for job, record in own)
        waiting = sum(lacks.values())
        return JobsMetrics(
            name=name,
            jobs=len(own),
            running=len(whole),
            tasks=tasks,
            begun=sum(each.begun for _, each in own),
            preempted=sum(each.preempted for _, each in own),
            overtime=sum(each.overtime for _, each in own),
            late=sum(each.is_late for _, each in own),
            waiting=waiting,
            waiting_share=waiting / tasks if tasks else 0.0,
            lacks=dict(sorted(lacks.items(), key=lambda pair: (-pair[1], pair[0]))),
            mean_wait_s=find_mean(waits),
            p90_wait_s=find_percentile(waits, 0.9),
            mean_until_running_s=find_mean(whole),
            p90_until_running_s=find_percentile(whole, 0.9),
            wasted_cpu_s=sum(each.wasted_us * each.spec.resources[0] for _, each in own) / SECOND_US / 1_000,
        )

    def by_template(self, names: Sequence[str]) -> tuple[JobsMetrics, ...]:
        """Return the metrics of each template that has jobs."""
        return self._by(enumerate(names), lambda record: record.template)

    def by_band(self) -> tuple[JobsMetrics, ...]:
        """Return the metrics of each band that has jobs, the highest first."""
        return self._by(((band, band.name.lower()) for band in reversed(Band)), lambda record: record.spec.band)

    def _by(self, keys: Iterable[tuple[int, str]], key_of: Callable[[JobRecord], int]) -> tuple[JobsMetrics, ...]:
        groups: dict[int, list[tuple[JobId, JobRecord]]] = {}
        for job, record in self.records.items():
            groups.setdefault(key_of(record), []).append((job, record))
        return tuple(self.summarise(name, groups[key]) for key, name in keys if key in groups)

    def _count_tasks(self, job: JobId, record: JobRecord) -> int:
        """Return how many tasks a job has; of a system job those whose machines match."""
        row = self.cell.jobs.row_of(job)
        if row is None or record.spec.kind is not Kind.SYSTEM:
            return record.spec.count
        return int(self.cell.jobs.extent[row]) - int(self.cell.jobs.counts[row, TaskState.HELD])


def find_lacks(cell: Cell, job: JobId, spec: JobSpec) -> dict[str, int]:
    """Return what the waiting tasks of a job lack, with their number; nothing when none waits."""
    row = cell.jobs.row_of(job)
    if row is None:
        return {}
    lacks = {}
    if spec.after and cell.jobs.counts[row, TaskState.HELD]:
        lacks[HELD] = int(cell.jobs.counts[row, TaskState.HELD])
    if cell.jobs.counts[row, TaskState.PENDING]:
        lacks[_word_lack(cell.jobs.why[row], spec)] = int(cell.jobs.counts[row, TaskState.PENDING])
    return lacks


def _word_lack(why: Unplaced | None, spec: JobSpec) -> str:
    if why is None:
        return UNDECIDED
    if spec.is_gang and why.note:
        return Reason.GANG_INCOMPLETE.name
    if not why.lacks:
        return why.note or UNDECIDED
    nearest = max(why.lacks, key=lambda lack: (lack.reason, lack.machine_count))
    dimension = name_dimension(nearest.reason, nearest.dimension, spec)
    return f"{Reason(nearest.reason).name} {dimension}".rstrip()


def summarise_refusals(author: Author) -> RefusalMetrics:
    """Return what was refused to one instance, from the counters of the cell."""
    reasons = {Reason(place).name: count for place, count in enumerate(author.reasons) if count}
    return RefusalMetrics(name=author.name, reasons=reasons, disagreements=author.claims_disagreed)


def _seconds(duration_us: int) -> float:
    return duration_us / SECOND_US
