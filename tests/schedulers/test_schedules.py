"""What schedules propose, by a clock that the test sets: each instant once, whoever proposes it, and whenever."""

import datetime
from dataclasses import replace
from typing import Any

import pytest

from omegacell.controllers.cron import Timetable
from omegacell.controllers.schedules import CAUGHT_UP, LATE_US, Due, Schedules, find_due, name_child
from omegacell.core.cell import Cell
from omegacell.core.children import find_children
from omegacell.core.commands import SubmitJob
from omegacell.core.invariants import check
from omegacell.core.limit_commands import SetQuota
from omegacell.core.outcomes import Outcome, Reason, Spawning, Status
from omegacell.core.templates import CatchUp, Overlap, Schedule
from omegacell.core.units import SECOND_US, Band, JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.testing import TestCell, make_spec

MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
NOON_US = 1_795_780_800_000_000
"""2026-11-27 12:00 UTC."""
MINUTELY = Timetable(Schedule(cron="* * * * *"))


class Servers:
    """Two API servers with one cell and one wall clock."""

    def __init__(self, **schedule: Any) -> None:
        self.test = TestCell(machines=1)
        self.servers = (Schedules(), Schedules())
        self.now_us = NOON_US + 10 * SECOND_US
        self.template = self.submit(**schedule)

    @property
    def cell(self) -> Cell:
        self.test.operator.port.catch_up()
        return self.test.operator.cell

    def submit(self, *, is_replacing: bool = False, **schedule: Any) -> JobId:
        fields = {"cron": "* * * * *", **schedule}
        spec = replace(make_spec("backup", count=1), schedule=Schedule(**fields))
        command = SubmitJob(spec=spec, submitted_at_us=self.now_us, replace=is_replacing)
        return JobId(self.test.operator.must(command).value)

    def step(self) -> list[Outcome]:
        """Let both servers look at the same cell, then append what they propose, one after the other."""
        cell = self.cell
        proposals = [server.step(cell, now_us=self.now_us) for server in self.servers]
        outcomes = [self.test.operator.do(command) for commands in proposals for command in commands]
        check(self.cell)
        return outcomes

    def advance(self, by_us: int) -> list[Outcome]:
        self.now_us += by_us
        return self.step()

    def children(self) -> list[str]:
        rows = find_children(self.cell.jobs, self.template)
        return [self.cell.jobs.spec_of(int(row)).name.removeprefix("backup-20261127t") for row in rows]

    def tallies(self) -> tuple[int, int, int]:
        jobs = self.cell.jobs
        row = jobs.row_of(self.template)
        assert row is not None
        return int(jobs.made_count[row]), int(jobs.skipped_count[row]), int(jobs.missed_count[row])


def test_each_instant_has_one_child() -> None:
    """Two servers propose the same; the cell takes it once, the other one is told so, and nobody tries again."""
    servers = Servers()
    assert servers.step() == []
    first, second = servers.advance(50 * SECOND_US)
    assert (first.status, first.detail) == (Status.COMMITTED, Spawning.MADE)
    assert (second.status, second.reason) == (Status.REFUSED, Reason.ALREADY_SPAWNED)
    assert servers.step() == []
    servers.advance(MINUTE_US)
    assert servers.children() == ["120100z", "120200z"]


def test_the_next_instant_is_known() -> None:
    """So that nobody has to look every second; without a schedule there is none."""
    servers = Servers(cron="30 14 * * *", time_zone="Europe/Berlin")
    assert servers.servers[0].next_due_us(servers.cell, now_us=servers.now_us) == NOON_US + 90 * MINUTE_US
    servers.test.stop(servers.template)
    assert servers.servers[0].next_due_us(servers.cell, now_us=servers.now_us) is None


def test_a_clock_that_is_put_back_makes_nothing_twice() -> None:
    """It has to come as far again; one that runs on from there meets no instant that is over."""
    servers = Servers()
    servers.advance(2 * MINUTE_US)
    assert servers.children() == ["120200z"]
    assert servers.advance(-HOUR_US) == []
    assert servers.advance(HOUR_US - MINUTE_US) == []
    servers.advance(2 * MINUTE_US)
    assert servers.children() == ["120200z", "120300z"]


@pytest.mark.parametrize(
    ("catch_up", "made", "missed"), [(CatchUp.NONE, [], 0), (CatchUp.LAST, ["130000z"], 59), (CatchUp.ALL, None, 0)]
)
def test_a_cell_that_was_down_catches_up_as_told(catch_up: CatchUp, made: list[str] | None, missed: int) -> None:
    """None: the next instant is the first one again; last: one for all; all: each of them."""
    servers = Servers(cron="* * * * *" if made is None or missed else "0 * * * *", catch_up=catch_up)
    servers.now_us = NOON_US + HOUR_US + LATE_US + SECOND_US
    if missed:
        servers.now_us = NOON_US + HOUR_US
    for _ in range(10):
        servers.step()
    if made is None:
        assert servers.children() == [f"12{minute:02}00z" for minute in range(1, 60)] + ["130000z", "130100z"]
    else:
        assert servers.children() == made
    assert servers.tallies() == (61 if made is None else len(made), 0, missed)


def test_what_nobody_caught_up_is_counted() -> None:
    """With the next instant that is made, those before it are noted as missed."""
    servers = Servers(cron="0 * * * *", catch_up=CatchUp.NONE)
    assert servers.advance(3 * HOUR_US + 5 * MINUTE_US) == []
    servers.advance(55 * MINUTE_US)
    assert servers.children() == ["160000z"]
    assert servers.tallies() == (1, 0, 3)


@pytest.mark.parametrize(
    ("catch_up", "late_us", "expected"),
    [
        (CatchUp.NONE, LATE_US, Due(instants=(NOON_US,), missed_count=2)),
        (CatchUp.NONE, LATE_US + 1, Due(instants=(), missed_count=0)),
        (CatchUp.LAST, 0, Due(instants=(NOON_US,), missed_count=2)),
        (CatchUp.ALL, 0, Due(instants=(NOON_US - 2 * HOUR_US, NOON_US - HOUR_US, NOON_US), missed_count=0)),
    ],
)
def test_what_is_due(catch_up: CatchUp, late_us: int, expected: Due) -> None:
    """An instant may be as late as a server takes to come back, even if nothing is caught up."""
    table = Timetable(Schedule(cron="0 * * * *"))
    due = find_due(table, catch_up, last_us=NOON_US - 3 * HOUR_US, now_us=NOON_US + late_us)
    assert due.instants == expected.instants
    assert not due.instants or due == expected


def test_catching_up_has_an_end() -> None:
    """After a day of minutes the last hundred are made up for, the others are missed; as far as they are counted."""
    due = find_due(MINUTELY, CatchUp.ALL, last_us=NOON_US - 1_440 * MINUTE_US, now_us=NOON_US)
    assert (len(due.instants), due.instants[-1], due.missed_count) == (CAUGHT_UP, NOON_US, 1_000 - CAUGHT_UP)


def test_a_run_that_goes_on_is_not_overlapped() -> None:
    """The instant passes, is counted, and is not tried again; the next one after the run's end has a child."""
    servers = Servers(overlap=Overlap.SKIP)
    servers.advance(MINUTE_US)
    servers.test.run(BatchScheduler())
    [outcome, _] = servers.advance(MINUTE_US)
    assert (outcome.detail, servers.step()) == (Spawning.SKIPPED, [])
    servers.test.end(JobId(servers.template + 1))
    servers.advance(MINUTE_US)
    assert servers.children() == ["120100z", "120300z"]
    assert servers.tallies() == (2, 1, 0)


def test_a_quota_keeps_an_instant_due() -> None:
    """It is not proposed in vain, stays due, says why, and is made when there is room; the instant is not lost."""
    servers = Servers()
    servers.test.operator.must(SetQuota(owner="tester", band=Band.BATCH, amounts=(50, -1, -1)))
    assert servers.advance(MINUTE_US) == []
    row = servers.cell.jobs.row_of(servers.template)
    assert row is not None
    standing = servers.servers[0].find_standing(servers.cell, row, now_us=servers.now_us, count=2)
    assert (standing.due_us, standing.hindrance.reason) == (NOON_US + MINUTE_US, Reason.QUOTA_EXCEEDED)
    assert standing.next_us == (NOON_US + 2 * MINUTE_US, NOON_US + 3 * MINUTE_US)
    servers.test.operator.must(SetQuota(owner="tester", band=Band.BATCH, amounts=(5_000, -1, -1)))
    servers.step()
    assert servers.children() == ["120100z"]


def test_another_schedule_begins_with_its_submission() -> None:
    """No instant of the old line comes again under the new one, not even the one that was just made."""
    servers = Servers()
    servers.advance(50 * SECOND_US)
    servers.now_us -= 2 * SECOND_US  # the server that replaces it is behind
    servers.template = servers.submit(is_replacing=True, cron="* * * * *", overlap=Overlap.SKIP)
    servers.advance(3 * SECOND_US)
    assert servers.children() == ["120100z"]
    servers.test.end(JobId(2))
    servers.test.stop(JobId(2))
    servers.advance(MINUTE_US)
    assert servers.children() == ["120100z", "120200z"]


def test_a_schedule_that_cannot_be_read_stops_no_other() -> None:
    """A server without the zone says so, and goes on with what it can read."""
    servers = Servers(time_zone="Mars/Olympus")
    assert servers.advance(HOUR_US) == []
    row = servers.cell.jobs.row_of(servers.template)
    assert row is not None
    standing = servers.servers[0].find_standing(servers.cell, row, now_us=servers.now_us, count=1)
    assert "unknown time zone 'Mars/Olympus'" in standing.problem


def test_names_tell_the_instant() -> None:
    """In UTC, whatever the zone, so that they are in order and never the same."""
    at = datetime.datetime(2026, 10, 25, 0, 30, tzinfo=datetime.UTC)
    assert name_child("a", int(at.timestamp()) * SECOND_US) == "a-20261025t003000z"
