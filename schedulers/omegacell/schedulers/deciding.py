"""One decision: ask the scheduler, check what it says, and turn it into commands, with the reason for what is left.

Everything here is about a single call of ``place``; which jobs, when again, and how many decisions go into one append
are the loop's business.
"""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.commands import Lack, Scheduling, Unplaced
from omegacell.core.errors import PluginError
from omegacell.core.outcomes import Reason
from omegacell.core.quick import quick
from omegacell.core.units import MAX_TEXT_LENGTH
from omegacell.schedulers.actions import Clock
from omegacell.schedulers.claims import GroupClaims, check_placement
from omegacell.schedulers.entries import Entry
from omegacell.schedulers.interface import Context, Scheduler, TaskGroup
from omegacell.schedulers.notes import clean_note
from omegacell.schedulers.view import Tentative

SAY_AGAIN_US = 5_000_000
"""The same reason with other numbers is appended at most this often for a job."""


class Result(IntEnum):
    """What one decision came to, before the log has judged it."""

    PLACED = 0
    """Every task that was asked for has a claim."""
    SHORT = 1
    """Some or all tasks found no room."""
    FAILED = 2
    """The scheduler raised, or claimed what could not be granted."""
    GAVE_UP = 3
    """It was not asked: the job conflicted too often in a row, or is a gang that fits in no entry."""
    CAPPED = 4
    """It was not asked: its scheduler's cap takes no more of the job."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """What was decided for one job.

    Attributes:
        entry: whose job.
        result: what it came to.
        commands: what to append; empty when there is nothing new to say.
        claims: how many claims are in it.
        has_left_room: it is SHORT, though machines had room for what it did not place.
        from_us, to_us: wall stamps of its beginning and end.
    """

    entry: Entry
    result: Result
    commands: tuple[Scheduling, ...]
    claims: int
    has_left_room: bool
    from_us: int
    to_us: int


class _Part(NamedTuple):
    result: Result
    commands: tuple[Scheduling, ...]
    claims: int = 0
    has_left_room: bool = False


class Decider:
    """Asks one scheduler about groups of pending tasks."""

    def __init__(self, scheduler: Scheduler, *, clock: Clock, rng: np.random.Generator) -> None:
        """Prepare to ask ``scheduler``, whose random numbers come from ``rng``."""
        self.scheduler = scheduler
        self._clock = clock
        self._rng = rng

    def decide(
        self,
        entries: Sequence[Entry],
        groups: Sequence[TaskGroup],
        tentative: Tentative,
        *,
        cell: Cell,
        deadline_us: int,
    ) -> list[Decision]:
        """Ask about groups, one for each entry; take what is claimed on ``tentative``; never raises what a plug-in did.

        The time of a call about several groups is divided among them, so that busy time adds up.
        """
        from_us, began_us = self._clock.wall_us(), self._clock.monotonic_us()
        context = Context(rng=self._rng, now_us=from_us, clock=self._clock.monotonic_us, deadline_us=deadline_us)
        claims, failure = self._ask(groups, context, tentative, cell=cell)
        if failure:
            parts = [self._fail(entry, group, failure, cell=cell) for entry, group in zip(entries, groups, strict=True)]
        else:
            parts = [
                self._conclude(entry, each, context.notes.get(each.group.number, ""), tentative=tentative, cell=cell)
                for entry, each in zip(entries, claims, strict=True)
            ]
        took_us = self._clock.monotonic_us() - began_us
        return [
            Decision(
                entry=entry,
                result=part.result,
                commands=part.commands,
                claims=part.claims,
                has_left_room=part.has_left_room,
                from_us=from_us + took_us * place // len(parts),
                to_us=from_us + took_us * (place + 1) // len(parts),
            )
            for place, (entry, part) in enumerate(zip(entries, parts, strict=True))
        ]

    def _ask(
        self, groups: Sequence[TaskGroup], context: Context, tentative: Tentative, *, cell: Cell
    ) -> tuple[list[GroupClaims], str]:
        """Call the scheduler and check its answer; return the claims of each group, or none and what went wrong."""
        try:
            placement = self.scheduler.place(groups, tentative.view(), context)
        except PluginError as error:
            return [], clean_note(error) or describe_failure(error, self.scheduler)
        except Exception as error:  # noqa: BLE001  # a plug-in may raise anything; its jobs wait with the reason
            return [], describe_failure(error, self.scheduler)
        try:
            return check_placement(placement, groups, cell=cell, overlay=tentative.overlay), ""
        except PluginError as error:
            return [], describe_failure(error, self.scheduler)

    def give_up(self, entry: Entry, task_count: int, note: str) -> Decision:
        """Say that a job is not tried for now, and why."""
        now_us = self._clock.wall_us()
        said = Unplaced(job=entry.job, task_count=task_count, note=note)
        return Decision(
            entry=entry,
            result=Result.GAVE_UP,
            commands=(said,),
            claims=0,
            has_left_room=False,
            from_us=now_us,
            to_us=now_us,
        )

    def hold_back(self, entry: Entry, task_count: int, dimension: int, *, cell: Cell) -> Decision:
        """Say that a scheduler's cap, in one of its dimensions, takes no more of a job."""
        now_us = self._clock.wall_us()
        lack = Lack(reason=Reason.CAP_EXCEEDED, dimension=dimension, machine_count=cell.machines.count)
        said = Unplaced(job=entry.job, task_count=task_count, lacks=(lack,))
        return Decision(
            entry=entry,
            result=Result.CAPPED,
            commands=(said,) if self._is_news(entry, said, cell) else (),
            claims=0,
            has_left_room=False,
            from_us=now_us,
            to_us=now_us,
        )

    def _conclude(self, entry: Entry, claims: GroupClaims, note: str, *, tentative: Tentative, cell: Cell) -> _Part:
        """Turn checked claims into commands; a gang that was not claimed whole is not claimed at all."""
        group = claims.group
        claimed = len(claims.indices)
        is_whole = claimed == group.count
        if group.spec.is_gang and not is_whole:
            claimed = 0
        commands: tuple[Scheduling, ...] = ()
        if claimed:
            tentative.take(group.spec, claims.machines, claims.evicted)
            tentative.take_cap(group.job, len(claims.machines))
            commands = (claims.place,)
        if is_whole:
            return _Part(Result.PLACED, commands, claimed)
        left = group.count - claimed
        lacks = tentative.lacks(group.spec)
        said = Unplaced(
            job=group.job, task_count=left, lacks=lacks, note=note or _note_without(lacks, cell.machines.count)
        )
        if self._is_news(entry, said, cell) or commands:
            commands = (*commands, said)
        room = int(np.minimum(tentative.view().room(group), left).sum())
        return _Part(Result.SHORT, commands, claimed, has_left_room=room >= (left if group.spec.is_gang else 1))

    def _fail(self, entry: Entry, group: TaskGroup, failure: str, *, cell: Cell) -> _Part:
        lack = Lack(reason=Reason.PLUGIN_FAILED, dimension=-1, machine_count=cell.machines.count)
        said = Unplaced(job=group.job, task_count=group.count, lacks=(lack,), note=failure)
        return _Part(Result.FAILED, (said,) if self._is_news(entry, said, cell) else ())

    def _is_news(self, entry: Entry, said: Unplaced, cell: Cell) -> bool:
        """Whether a reason is to be appended: another one at once, the same with other numbers now and then."""
        row = cell.jobs.row_of(entry.job)
        known = None if row is None else cell.jobs.why[row]
        now_us = self._clock.monotonic_us()
        is_same_kind = known is not None and _kinds(known) == _kinds(said)
        if is_same_kind and (known == said or now_us - entry.said_at_us < SAY_AGAIN_US):
            return False
        entry.said_at_us = now_us
        return True


def describe_oversize(group: TaskGroup, *, gang_claims: int) -> str:
    """Return that a gang has more tasks than one transaction takes; empty when it has not."""
    if not group.spec.is_gang or group.count <= gang_claims:
        return ""
    return f"a gang of {group.count} tasks; one transaction takes {gang_claims}"


def describe_failure(error: Exception, scheduler: object) -> str:
    """Return one line that names the scheduler's class, what was wrong, and the place in the plug-in's own file.

    That is the innermost line that ran there, or where ``place`` begins when its answer was wrong. (A `PluginError`
    that a plug-in raises itself is taken as it is: it says all this already.)

    >>> describe_failure(ValueError("no such rack"), object())
    'object: ValueError: no such rack'
    """
    code = getattr(getattr(type(scheduler), "place", None), "__code__", None)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if code is not None and frame.filename == code.co_filename
    ]
    where = ""
    if frames:
        where = f"({frames[-1].filename}:{frames[-1].lineno})"
    elif code is not None:
        where = f"({code.co_filename}:{code.co_firstlineno})"
    kind = "" if isinstance(error, PluginError) else f"{type(error).__name__}: "
    where = clean_note(where, limit=MAX_TEXT_LENGTH // 2)
    text = clean_note(error, limit=MAX_TEXT_LENGTH // 4)
    return clean_note(f"{type(scheduler).__name__}: {kind}{text} {where}")


def _kinds(said: Unplaced) -> tuple[list[tuple[int, int]], str]:
    """Return what of a reason makes it another one: which reasons there are, in which dimension; not how many."""
    return sorted((lack.reason, lack.dimension) for lack in said.lacks), said.note if not said.lacks else ""


def _note_without(lacks: tuple[Lack, ...], machine_count: int) -> str:
    if machine_count == 0:
        return "the cell has no machines"
    return "" if lacks else "the scheduler left room unused"
