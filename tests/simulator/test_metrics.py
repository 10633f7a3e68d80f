"""Metrics worked out by hand."""

from pathlib import Path

import pytest

from omegacell.core.errors import UsageError
from omegacell.simulator.agenda import Agenda
from omegacell.simulator.figures import find_mean, find_percentile, find_spread
from omegacell.simulator.metrics import DAY_US, JobRecord, Tally, summarise_scheduler, summarise_workload
from omegacell.simulator.workloads import Kind, Workload, read_jobs
from tests.simulator.worlds import make_job

HOUR_US = DAY_US // 24


def test_busyness_is_the_median_of_days() -> None:
    """Three days and a half: 6, 12, 6 and 12 of 12 hours; the time of a decision goes to the days it was spent in."""
    tally = Tally("batch-0", (Kind.BATCH,), end_us=3 * DAY_US + 12 * HOUR_US)
    tally.note_busy(0, 6 * HOUR_US)
    tally.note_busy(DAY_US + 12 * HOUR_US, 2 * DAY_US + 6 * HOUR_US)
    tally.note_busy(3 * DAY_US, 4 * DAY_US)
    found = summarise_scheduler(tally)
    assert (found.busyness, found.busyness_spread) == (0.375, 0.125)
    assert found.busy_s == 36 * 3_600


def test_conflict_fraction_is_per_successful_transaction() -> None:
    """Three conflicts before each success is 3; days without a success say nothing."""
    tally = Tally("batch-0", (Kind.BATCH,), end_us=3 * DAY_US)
    for day, conflicts in ((0, 3), (1, 1)):
        for _ in range(conflicts):
            tally.note_transaction(day * DAY_US, claims=4, granted=1, is_conflict=True)
        tally.note_transaction(day * DAY_US, claims=4, granted=4, is_conflict=False)
    tally.note_transaction(2 * DAY_US, claims=4, granted=0, is_conflict=True)
    found = summarise_scheduler(tally)
    assert (found.conflict_fraction, found.conflict_fraction_spread) == (2.0, 1.0)
    assert (found.successes, found.conflicts, found.claims, found.granted) == (2, 5, 28, 12)


def test_a_scheduler_that_never_succeeded_has_no_conflict_fraction() -> None:
    """It is not 0: that would be the best of all."""
    tally = Tally("batch-0", (Kind.BATCH,), end_us=DAY_US)
    tally.note_transaction(0, claims=1, granted=0, is_conflict=True)
    assert summarise_scheduler(tally).conflict_fraction is None


def test_wait_is_until_the_first_attempt() -> None:
    """Not until the first placement, and jobs that were never tried do not count."""
    records = [
        JobRecord(Kind.BATCH, submitted_us=0, first_us=2_000_000, scheduled_us=9_000_000),
        JobRecord(Kind.BATCH, submitted_us=1_000_000, first_us=5_000_000, is_abandoned=True),
        JobRecord(Kind.BATCH, submitted_us=0),
        JobRecord(Kind.SERVICE, submitted_us=0, first_us=0),
    ]
    found = summarise_workload(Kind.BATCH, records)
    assert (found.jobs, found.tried, found.scheduled, found.abandoned) == (3, 2, 1, 1)
    assert (found.mean_wait_s, found.p90_wait_s, found.mean_wait_until_scheduled_s) == (3.0, 2.0, 9.0)
    assert summarise_workload(Kind.SERVICE, records).mean_wait_s == 0.0
    assert summarise_workload(Kind.SERVICE, []).mean_wait_s is None


def test_figures_of_nothing() -> None:
    """Nothing has no mean and no percentile."""
    assert (find_mean([]), find_percentile([], 0.9), find_spread([])) == (None, None, (0.0, 0.0))


def test_agenda_ends_at_its_end() -> None:
    """What lies beyond does not happen, and time is then the end, even if nothing was left to do."""
    seen: list[str] = []
    agenda = Agenda(0)
    agenda.enter(5, seen.append, "at the end")
    agenda.enter(6, seen.append, "beyond")
    agenda.run(until=5)
    assert (seen, agenda.now, len(agenda), agenda.executed) == (["at the end"], 5, 1, 1)
    with pytest.raises(AssertionError, match="an event at 4 is entered at 5"):
        agenda.enter(4, seen.append)


HEAD = "id,workload,submitted,num_tasks,duration,cpus_per_task,mem_per_task\n"


def test_workload_is_read_as_it_stands(tmp_path: Path) -> None:
    """Order and values are those of the file."""
    path = tmp_path / "jobs.csv"
    path.write_text(HEAD + "2,Service,1.5,3,10.0,1.0,1.0\n1,Batch,0.5,1,10.0,1.0,1.0\n")
    jobs = read_jobs(path)
    assert list(jobs) == [make_job(2, 1.5, kind=Kind.SERVICE, tasks=3), make_job(1, 0.5)]
    assert list(jobs.merge(Workload.of([make_job(3, 0.0)])))[2] == make_job(3, 0.0)
    assert jobs.task_count == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "1,Batch,0.5,none,10.0,1.0,1.0\n", "line 2: invalid literal"),
        (HEAD + "1,Batch,0.5,1,10.0,nan,1.0\n", "line 2: job 1 needs"),
        (HEAD + "1,Batch,0.5,1,10.0,1.0,1.0\n1,Lunch,0.5,1,10.0,1.0,1.0\n", "line 3: 'Lunch'"),
        (HEAD + "1,Batch,0.5,1,10.0,1.0\n", "line 2: not as many values as there are columns"),
        (HEAD + "1,Batch,0.5,1,10.0,1.0,1.0,2.0\n", "line 2: not as many values as there are columns"),
        (HEAD + f"{10**20},Batch,0.5,1,10.0,1.0,1.0\n", "line 2: a whole number of more than 64 bits"),
        (
            "id,workload\n1,Batch\n",
            "the fields submitted, num_tasks, duration, cpus_per_task, mem_per_task are missing",
        ),
        (HEAD, "no rows"),
        ("\x1f\x8bnot gzip at all", "not a CSV file"),
        ("\x1f\x8b\x08" + "\0" * 7 + "\xff" * 9, "not a CSV file"),
    ],
)
def test_bad_workload_is_named(text: str, said: str, tmp_path: Path) -> None:
    """The message says which line and what is wrong with it."""
    path = tmp_path / "jobs.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=said):
        read_jobs(path)


def test_workload_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A file that is not there is a mistake of whoever named it."""
    with pytest.raises(UsageError, match=r"none\.csv: cannot be read: No such file"):
        read_jobs(tmp_path / "none.csv")
