"""One decision: ask the scheduler, check what it says, and turn it into commands, with the reason for what is left.

Everything here is about a single call of ``place``; which jobs, when again, and how many decisions go into one append
are the loop's business.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.commands import Lack, Scheduling, Unplaced
from omegacell.core.errors import PluginError
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.outcomes import Reason
from omegacell.core.quick import quick
from omegacell.core.units import MAX_TASKS_PER_JOB, MAX_TEXT_LENGTH
from omegacell.schedulers.actions import Clock
from omegacell.schedulers.claims import GroupClaims, check_placement, place_all
from omegacell.schedulers.entries import Entry
from omegacell.schedulers.interface import Context, Scheduler, TaskGroup, Traits
from omegacell.schedulers.notes import clean_note
from omegacell.schedulers.view import Tentative

SAY_AGAIN_US = 5_000_000
"""The same reason with other numbers is appended at most this often for a job."""

OnFailure: TypeAlias = Callable[[str, str, Exception], None]
"""Is told of each call that failed: the first job it was about, the reason as the job is told, and what was raised."""


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


@dataclass(slots=True, eq=False)
class _Found:
    """What a scheduler found for the groups of one gang so far.

    Attributes:
        hopeless: so many places at once are no more to be had.
        asked: groups that were asked about, or passed over as hopeless.
        claims: of those that found enough. note, failure: what was said of the first that did not; what went wrong.
        needed: the fewest places that a group needs that has tasks left.
    """

    hopeless: int
    asked: int = 0
    claims: list[GroupClaims] = field(default_factory=list)
    note: str = ""
    failure: str = ""
    needed: int = MAX_TASKS_PER_JOB

    def take(self, claims: Sequence[GroupClaims], notes: Mapping[int, str], tentative: Tentative) -> None:
        """Take in an answer, and count in what is claimed."""
        for each in claims:
            group, count = each.group, len(each.indices)
            is_enough = count >= group.least
            if is_enough:
                self.claims.append(each)
                tentative.take(group.spec, each.machines, each.evicted)
                tentative.take_cap(group.job, count)
            else:
                self.hopeless = min(self.hopeless, group.least)
            if count < group.count:
                self.note = self.note or notes.get(group.number, "")
                self.needed = min(self.needed, 1 if is_enough else group.least)


class Decider:
    """Asks one scheduler about groups of pending tasks."""

    def __init__(self, scheduler: Scheduler, *, clock: Clock, rng: np.random.Generator) -> None:
        """Prepare to ask ``scheduler``, whose random numbers come from ``rng``."""
        self.scheduler = scheduler
        self._at_once = Traits.of(scheduler).max_groups
        self._clock = clock
        self._rng = rng
        self.on_failure: OnFailure = lambda job, failure, error: None

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

    def decide_gang(
        self, entry: Entry, groups: Sequence[TaskGroup], tentative: Tentative, *, cell: Cell, deadline_us: int
    ) -> Decision:
        """Ask about groups of one gang, as many in a call as the scheduler takes; all their claims are one `Place`.

        Once a group found too little room, none is asked about that needs as many places. When the time is over, and
        something was claimed, the rest is left for the next decision.
        """
        from_us = self._clock.wall_us()
        found = _Found(hopeless=MAX_TASKS_PER_JOB + 1)
        for first in range(0, len(groups), self._at_once):
            if found.failure or (found.claims and self._clock.monotonic_us() >= deadline_us):
                break
            chunk = groups[first : first + self._at_once]
            found.asked += len(chunk)
            hopeful = [each for each in chunk if each.least < found.hopeless]
            asked = [replace(each, number=at) for at, each in enumerate(hopeful)]
            if asked:
                context = Context(
                    rng=self._rng, now_us=from_us, clock=self._clock.monotonic_us, deadline_us=deadline_us
                )
                claims, found.failure = self._ask(asked, context, tentative, cell=cell)
                found.take(claims, context.notes, tentative)
        part = self._conclude_gang(entry, groups, found, tentative=tentative, cell=cell)
        return Decision(
            entry=entry,
            result=part.result,
            commands=part.commands,
            claims=part.claims,
            has_left_room=part.has_left_room,
            from_us=from_us,
            to_us=self._clock.wall_us(),
        )

    def _conclude_gang(
        self, entry: Entry, groups: Sequence[TaskGroup], found: "_Found", *, tentative: Tentative, cell: Cell
    ) -> _Part:
        commands: tuple[Scheduling, ...] = ()
        if found.claims:
            commands = (place_all(found.claims),)
        claimed = sum(len(each.indices) for each in found.claims)
        if found.failure:
            part = self._fail(entry, groups[0], found.failure, cell=cell)
            return _Part(Result.FAILED, (*commands, *part.commands), claimed)
        left = sum(each.count for each in groups) - claimed
        if not left or (found.asked < len(groups) and claimed):
            return _Part(Result.PLACED, commands, claimed)
        said = self._make_unplaced(groups[0], left, found.note, tentative=tentative)
        if self._is_news(entry, said, cell) or commands:
            commands = (*commands, said)
        room = int(np.minimum(tentative.view().room(groups[0]), left).sum())
        return _Part(Result.SHORT, commands, claimed, has_left_room=room >= found.needed)

    def _ask(
        self, groups: Sequence[TaskGroup], context: Context, tentative: Tentative, *, cell: Cell
    ) -> tuple[list[GroupClaims], str]:
        """Call the scheduler and check its answer; return the claims of each group, or none and what went wrong."""
        try:
            placement = self.scheduler.place(groups, tentative.view(), context)
        except Exception as error:  # noqa: BLE001  # a plug-in may raise anything; its jobs wait with the reason
            said = clean_note(error) if isinstance(error, PluginError) else ""
            return [], self._tell(groups, said or describe_failure(error, self.scheduler), error)
        try:
            return check_placement(placement, groups, cell=cell, overlay=tentative.overlay), ""
        except PluginError as error:
            return [], self._tell(groups, describe_failure(error, self.scheduler), error)

    def _tell(self, groups: Sequence[TaskGroup], failure: str, error: Exception) -> str:
        self.on_failure(groups[0].spec.name, failure, error)
        return failure

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
        """Turn checked claims into commands; a gang of which too little was claimed is not claimed at all."""
        group = claims.group
        claimed = len(claims.indices)
        is_whole = claimed == group.count
        if claimed < group.least:
            claimed = 0
        commands: tuple[Scheduling, ...] = ()
        if claimed:
            tentative.take(group.spec, claims.machines, claims.evicted)
            tentative.take_cap(group.job, len(claims.machines))
            commands = (claims.place,)
        if is_whole:
            return _Part(Result.PLACED, commands, claimed)
        left = group.count - claimed
        own = _find_own(claims)
        said = self._make_unplaced(group, left, note, tentative=tentative, own=own)
        if self._is_news(entry, said, cell) or commands:
            commands = (*commands, said)
        room = int(np.minimum(tentative.view().room(group, own), 1 if own is not None else left).sum())
        # of a gang of which enough is placed each of the others may follow alone
        return _Part(Result.SHORT, commands, claimed, has_left_room=room >= (1 if claimed else group.least))

    def _make_unplaced(
        self, group: TaskGroup, left: int, note: str, *, tentative: Tentative, own: NDArray[np.int64] | None = None
    ) -> Unplaced:
        lacks = tentative.lacks(group.spec, own)
        note = note or _note_without(lacks, tentative.view().machine_count)
        return Unplaced(job=group.job, task_count=left, lacks=lacks, note=note)

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


def most_claims(spec: JobSpec, room: int, gang_claims: int) -> int:
    """Return how many tasks of a job a decision may be about that has room for ``room`` claims.

    A system job is decided on whole: what its first machines have no room for must not keep the others waiting.
    """
    return gang_claims if spec.kind is Kind.SYSTEM else room


def _find_own(claims: GroupClaims) -> NDArray[np.int64] | None:
    """Return the machines of a system job's tasks that were not claimed; None for any other job."""
    if claims.group.spec.kind is not Kind.SYSTEM:
        return None
    return np.setdiff1d(claims.group.indices, claims.indices, assume_unique=True).astype(np.int64)


def describe_oversize(entry: Entry, group: TaskGroup, *, gang_claims: int) -> str:
    """Return that a gang needs more tasks placed at once than one transaction takes; empty when it does not."""
    if entry.spec.gang is None or group.least <= gang_claims:
        return ""
    count = min(entry.spec.gang.size or entry.count, entry.count)
    if group.least == count:
        return f"a gang of {count} tasks; one transaction takes {gang_claims}"
    return f"a gang of {count} needs {group.least} places at once; one transaction takes {gang_claims}"


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
