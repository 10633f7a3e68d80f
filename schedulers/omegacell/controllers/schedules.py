"""Jobs on a schedule: proposes `SpawnJob` for each instant that is due.

The wall clock, which is handed in, decides only what is proposed. What was made already stands in the cell: a template
knows the last instant that is over. So a server that comes back after a `kill -9`, or a whole cell after a night, goes
on where the last one stopped; two servers may propose the same instant; a clock that was put back proposes nothing
until it has come as far again.

Rules: what the cell would refuse, for a quota say, is not proposed, and stays due until the next instant is; then the
catch-up policy decides what becomes of it. `find_standing` says so, for people.
"""

import datetime
from dataclasses import dataclass
from typing import Final

import numpy as np

from omegacell.controllers.cron import Timetable
from omegacell.core.apply_templates import judge_spawn
from omegacell.core.cell import Cell
from omegacell.core.errors import UsageError
from omegacell.core.lives import Stamp
from omegacell.core.outcomes import Reason
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import CatchUp, Schedule, TemplateKind
from omegacell.core.units import SECOND_US, JobId
from omegacell.core.verdicts import Verdict

LATE_US: Final = 60 * SECOND_US
"""An instant of a schedule that catches nothing up may be made so late: a server that was killed comes back sooner."""

CAUGHT_UP: Final = 100
"""With `CatchUp.ALL`, so many instants at most are made up for; those before them are missed."""

COUNTED: Final = 1_000
"""Missed instants are counted as far as this."""

SPAWNS_PER_STEP: Final = 64
SPAWNS_PER_TEMPLATE: Final = 16

_KEPT_TIMETABLES: Final = 4_096
_NO_HINDRANCE: Final = Verdict()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is due of one schedule: wall stamps, ascending, and how many before them nobody makes up for."""

    instants: tuple[int, ...]
    missed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How it is with the schedule of a template.

    Attributes:
        next_us: its next instants, wall stamps, ascending.
        due_us: an instant that is due and was not made, 0 for none.
        hindrance: why the cell does not take it; its reason is NONE when it does.
        problem: why the schedule cannot be read here; empty when it can.
    """

    next_us: tuple[int, ...] = ()
    due_us: int = 0
    hindrance: Verdict = _NO_HINDRANCE
    problem: str = ""


def find_due(timetable: Timetable, catch_up: CatchUp, *, last_us: int, now_us: int) -> Due:
    """Return which instants after ``last_us``, the last one that is over, are due now. Pure."""
    gone = timetable.latest(after_us=last_us, until_us=now_us, limit=COUNTED)
    if catch_up is CatchUp.ALL:
        kept = gone[-CAUGHT_UP:]
    elif catch_up is CatchUp.LAST or (gone and now_us - gone[-1] <= LATE_US):
        kept = gone[-1:]
    else:
        kept = ()
    return Due(instants=kept, missed_count=len(gone) - len(kept))


def name_child(template: str, instant_us: int) -> str:
    """Return the name of the child that is made for an instant.

    >>> name_child("backup", 1_795_773_900_000_000)
    'backup-20261127t100500z'
    """
    at = datetime.datetime.fromtimestamp(instant_us // SECOND_US, tz=datetime.UTC)
    return f"{template}-{at:%Y%m%dt%H%M%Sz}"


class Schedules:
    """Proposes children for all schedules of a cell; remembers nothing but how lines were read."""

    def __init__(self) -> None:
        """Begin knowing no line."""
        self._timetables: dict[Schedule, Timetable | UsageError] = {}

    def step(self, cell: Cell, *, now_us: int) -> list[SpawnJob]:
        """Return what to propose now, by the wall clock ``now_us``. Cost: O(jobs)."""
        commands: list[SpawnJob] = []
        for row in _find_scheduled(cell):
            timetable = self._timetable_of(cell, row)
            if isinstance(timetable, Timetable) and len(commands) < SPAWNS_PER_STEP:
                commands += self._propose(cell, row, timetable, now_us=now_us)
        return commands

    def next_due_us(self, cell: Cell, *, now_us: int) -> int | None:
        """Return the next instant of any schedule after now; None when there is none. Cost: O(jobs)."""
        tables = [self._timetable_of(cell, row) for row in _find_scheduled(cell)]
        nexts = [table.first_after(now_us) for table in tables if isinstance(table, Timetable)]
        return min((each for each in nexts if each is not None), default=None)

    def find_standing(self, cell: Cell, job_row: int, *, now_us: int, count: int) -> Standing:
        """Return how it is with one template's schedule, with its next ``count`` instants. Pure."""
        timetable = self._timetable_of(cell, job_row)
        if isinstance(timetable, UsageError):
            return Standing(problem=str(timetable))
        if cell.jobs.stopping[job_row]:
            return Standing()
        nexts: list[int] = []
        at_us: int | None = max(now_us, int(cell.jobs.instant_us[job_row]))
        while at_us is not None and len(nexts) < count:
            at_us = timetable.first_after(at_us)
            nexts += [] if at_us is None else [at_us]
        due = self._spawns(cell, job_row, timetable, now_us=now_us)[:1]
        if not due:
            return Standing(next_us=tuple(nexts))
        hindrance = _judge(cell, due[0])
        return Standing(next_us=tuple(nexts), due_us=due[0].instant_us, hindrance=hindrance)

    def _propose(self, cell: Cell, row: int, timetable: Timetable, *, now_us: int) -> list[SpawnJob]:
        spawns = self._spawns(cell, row, timetable, now_us=now_us)
        return spawns if spawns and _judge(cell, spawns[0]).reason is Reason.NONE else []

    def _spawns(self, cell: Cell, row: int, timetable: Timetable, *, now_us: int) -> list[SpawnJob]:
        spec, last_us = cell.jobs.spec_of(row), int(cell.jobs.instant_us[row])
        assert spec.schedule is not None, f"job row {row} has no schedule"
        due = find_due(timetable, spec.schedule.catch_up, last_us=last_us, now_us=now_us)
        return [
            SpawnJob(
                template=JobId(int(cell.jobs.id[row])),
                name=name_child(spec.name, instant_us),
                instant_us=instant_us,
                submitted_at_us=now_us,
                missed_count=due.missed_count if place == 0 else 0,
            )
            for place, instant_us in enumerate(due.instants[:SPAWNS_PER_TEMPLATE])
        ]

    def _timetable_of(self, cell: Cell, row: int) -> Timetable | UsageError:
        schedule = cell.jobs.spec_of(row).schedule
        assert schedule is not None, f"job row {row} has no schedule"
        known = self._timetables.get(schedule)
        if known is None:
            try:
                known = Timetable(schedule)
            except UsageError as error:
                known = error
            while len(self._timetables) >= _KEPT_TIMETABLES:
                self._timetables.pop(next(iter(self._timetables)))
            self._timetables[schedule] = known
        return known


def _judge(cell: Cell, command: SpawnJob) -> Verdict:
    """Return what the cell would say of a command now."""
    stamp = Stamp(revision=cell.revision + 1, floor=cell.revision, at_us=0, author=0)
    return judge_spawn(cell, command, stamp=stamp, seen=cell.revision)


def _find_scheduled(cell: Cell) -> list[int]:
    """Return the rows of templates with a schedule that were not stopped. Cost: O(jobs)."""
    jobs = cell.jobs
    is_due = (jobs.template == TemplateKind.SCHEDULED) & (jobs.id > 0) & (jobs.stopping == 0)
    return [int(row) for row in np.flatnonzero(is_due)]
