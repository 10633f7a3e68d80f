"""What a simulation measures (Omega, section 4): wait, busyness, conflict fraction; medians of days, with their spread.

*Wait*: from submission to the beginning of the first attempt, not to the first placement. *Busyness*: the share of time
that a scheduler is deciding, whatever comes of it. *Conflict fraction*: conflicts per successful transaction, so that
it may be above 1; 3 means four attempts. A transaction is successful when all its claims were granted, and it counts as
a conflict when any was refused because the machine changed meanwhile; so one job that is granted a part, and the rest
at the second attempt, has one of each. Busyness and conflict fraction are medians of days, with the median absolute
deviation; waits are means over all jobs.
"""

from dataclasses import dataclass, field
from typing import Final

from omegacell.simulator.figures import find_mean, find_percentile, find_spread
from omegacell.simulator.workloads import Kind

DAY_US: Final = 86_400_000_000
SECOND: Final = 1_000_000


@dataclass(slots=True, eq=False)
class Day:
    """One scheduler's day: time spent deciding, transactions all of whose claims were granted, and with a conflict."""

    busy_us: int = 0
    successes: int = 0
    conflicts: int = 0


@dataclass(slots=True, eq=False)
class Tally:
    """What one scheduler did so far, by day and in all; whoever runs it writes.

    Attributes:
        name: the scheduler's.
        kinds: whose jobs it decides on.
        end_us: when the run ends; time after it does not count.
        days: by number of the day.
        attempts: calls of ``place`` by job; no_room: decisions that claimed nothing.
        claims, granted: claims proposed and granted.
    """

    name: str
    kinds: tuple[Kind, ...]
    end_us: int
    days: dict[int, Day] = field(default_factory=dict)
    attempts: int = 0
    no_room: int = 0
    claims: int = 0
    granted: int = 0

    def note_busy(self, from_us: int, to_us: int) -> None:
        """Count time spent deciding, to the days in which it was spent."""
        to_us = min(to_us, self.end_us)
        while from_us < to_us:
            day = from_us // DAY_US
            until_us = min(to_us, (day + 1) * DAY_US)
            self._day(day).busy_us += until_us - from_us
            from_us = until_us

    def note_transaction(self, at_us: int, *, claims: int, granted: int, is_conflict: bool) -> None:
        """Count a transaction that was judged."""
        self.claims += claims
        self.granted += granted
        day = self._day(at_us // DAY_US)
        day.successes += granted == claims
        day.conflicts += is_conflict

    def _day(self, number: int) -> Day:
        day = self.days.get(number)
        if day is None:
            day = self.days[number] = Day()
        return day


@dataclass(slots=True, eq=False)
class JobRecord:
    """What became of one job: when it was submitted, when first tried, how often, whether it was given up."""

    kind: Kind
    submitted_us: int
    first_us: int | None = None
    attempts: int = 0
    scheduled_us: int | None = None
    is_abandoned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerMetrics:
    """One scheduler; ``*_spread`` is the median absolute deviation of the days.

    ``conflict_fraction`` is that of the days on which anything succeeded; None when there is none.
    """

    name: str
    busyness: float
    busyness_spread: float
    conflict_fraction: float | None
    conflict_fraction_spread: float | None
    busy_s: float
    attempts: int
    successes: int
    conflicts: int
    no_room: int
    claims: int
    granted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadMetrics:
    """One kind of job; waits are None when no job was ever tried."""

    kind: Kind
    jobs: int
    tried: int
    scheduled: int
    abandoned: int
    mean_wait_s: float | None
    p90_wait_s: float | None
    mean_wait_until_scheduled_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """A whole run.

    Attributes:
        simulated_s: how long it was.
        schedulers: in order.
        workloads: batch and service.
        tasks_placed: placements granted to jobs of the workload, prefill not counted.
        transactions: revisions of the cell.
        mean_utilisation: of CPU, over time.
    """

    simulated_s: float
    schedulers: tuple[SchedulerMetrics, ...]
    workloads: tuple[WorkloadMetrics, ...]
    tasks_placed: int
    transactions: int
    mean_utilisation: float


def summarise_scheduler(tally: Tally) -> SchedulerMetrics:
    """Return one scheduler's metrics over the days of a run, the last of which may be short."""
    numbers = range(-(-tally.end_us // DAY_US))
    days = [tally.days.get(number, Day()) for number in numbers]
    lengths = [min(tally.end_us, (number + 1) * DAY_US) - number * DAY_US for number in numbers]
    busyness, busyness_spread = find_spread([day.busy_us / us for day, us in zip(days, lengths, strict=True)])
    fractions = [day.conflicts / day.successes for day in days if day.successes]
    fraction, fraction_spread = find_spread(fractions) if fractions else (None, None)
    return SchedulerMetrics(
        name=tally.name,
        busyness=busyness,
        busyness_spread=busyness_spread,
        conflict_fraction=fraction,
        conflict_fraction_spread=fraction_spread,
        busy_s=sum(day.busy_us for day in days) / SECOND,
        attempts=tally.attempts,
        successes=sum(day.successes for day in days),
        conflicts=sum(day.conflicts for day in days),
        no_room=tally.no_room,
        claims=tally.claims,
        granted=tally.granted,
    )


def summarise_workload(kind: Kind, records: list[JobRecord]) -> WorkloadMetrics:
    """Return the metrics of the jobs of one kind."""
    own = [record for record in records if record.kind is kind]
    return summarise_waits(
        kind,
        jobs=len(own),
        abandoned=sum(record.is_abandoned for record in own),
        waits=[(record.first_us - record.submitted_us) / SECOND for record in own if record.first_us is not None],
        whole=[
            (record.scheduled_us - record.submitted_us) / SECOND for record in own if record.scheduled_us is not None
        ],
    )


def summarise_waits(
    kind: Kind, *, jobs: int, abandoned: int, waits: list[float], whole: list[float]
) -> WorkloadMetrics:
    """Return the metrics of jobs of one kind: ``waits`` of those that were tried, ``whole`` of those scheduled."""
    return WorkloadMetrics(
        kind=kind,
        jobs=jobs,
        tried=len(waits),
        scheduled=len(whole),
        abandoned=abandoned,
        mean_wait_s=find_mean(waits),
        p90_wait_s=find_percentile(waits, 0.9),
        mean_wait_until_scheduled_s=find_mean(whole),
    )
