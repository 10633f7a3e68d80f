"""What a scheduler is: one method, what it is given, and what it returns.

This is all that the author of a plug-in needs. A scheduler never submits: it says where tasks should go, and the loop
does the rest (sync, append, read the outcome, retry, back off, keep the books). ``docs/plugins.md`` is the way in.

Rules: a scheduler decides from its arguments alone, keeps what it remembers between calls in itself, and takes random
numbers from ``ctx.rng``, so that one seed gives one run. It may raise; the loop names the error and goes on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from omegacell.core.columns import Int32s
from omegacell.core.jobs import WHOLE_JOB, JobSpec
from omegacell.core.preemption import NO_VICTIMS, Victims
from omegacell.core.quick import quick
from omegacell.core.units import Atomicity, Detection, JobId
from omegacell.schedulers.notes import clean_note
from omegacell.schedulers.view import CellView


def _no_rows() -> Int32s:
    return np.empty(0, np.int32)


def word_gang(count: int, *, least: int, found: int) -> str:
    """Return that so few places are too few for the waiting tasks of a gang.

    >>> word_gang(4, least=4, found=3), word_gang(4, least=3, found=2)
    ('a gang of 4 tasks, and room for 3', 'a gang of 4 needs 3 places at once and found 2')
    """
    if least == count:
        return f"a gang of {count} tasks, and room for {found}"
    return f"a gang of {count} needs {least} places at once and found {found}"


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskGroup:
    """Pending tasks of one job: one shape, any number.

    Attributes:
        number: its place in the ``pending`` of this call; claims name their group by it.
        job: the job's id.
        spec: what the job asks for (``spec.resources``, ``spec.driver``, ``spec.band``, ``spec.is_gang``, ...).
        indices: the tasks that wait, ascending, ``(tasks,)`` int32.
        attempts: how many attempts each has had, ``(tasks,)`` int32.
        tries: how many decisions in a row on this job conflicted or found no room.
        least: how many of them must be claimed together, if any is: 1 unless they are of a gang, and at most `count`.
    """

    number: int
    job: JobId
    spec: JobSpec
    indices: Int32s
    attempts: Int32s
    tries: int = 0
    least: int = 1

    @property
    def count(self) -> int:
        """How many tasks wait."""
        return len(self.indices)

    def word_lack(self, found: int, *, that: str = "") -> str:
        """Return that so few places, perhaps of a certain kind, are too few for a gang."""
        return word_gang(self.count, least=self.least, found=found) + that


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """The answer of a scheduler: claims as columns of equal length; a task that is not named stays pending.

    Attributes:
        groups: `TaskGroup.number` of each claim, ``(claims,)`` int32.
        indices: task index of each claim, ``(claims,)`` int32.
        machines: machine row of each claim, ``(claims,)`` int32.
        victims: tasks that are to give way to claims, each claim by its place in the columns; usually `NO_VICTIMS`.
    """

    groups: Int32s = field(default_factory=_no_rows)
    indices: Int32s = field(default_factory=_no_rows)
    machines: Int32s = field(default_factory=_no_rows)
    victims: Victims = NO_VICTIMS

    def __len__(self) -> int:
        return len(self.machines)

    @classmethod
    def of(cls, group: TaskGroup, machines: ArrayLike) -> Self:
        """Put the first tasks of a group on machines, one task on each row given; a row may stand several times.

        Raises:
            ValueError: more rows than the group has tasks, or rows that are no integers.

        >>> from omegacell.schedulers.testing import make_group
        >>> placement = Placement.of(make_group(count=3), [7, 7])
        >>> placement.indices.tolist(), placement.machines.tolist()
        ([0, 1], [7, 7])
        """
        rows = np.asarray(machines)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ValueError(f"machines must be a flat array of machine rows, not {rows.dtype} of shape {rows.shape}")
        if len(rows) > group.count:
            raise ValueError(f"{len(rows)} machines for {group.count} pending tasks of job {group.spec.name!r}")
        groups = np.empty(len(rows), np.int32)
        groups.fill(group.number)
        # the group's own column when all its tasks are placed: it is known then that every claim is on one of them
        indices = group.indices if len(rows) == group.count else group.indices[: len(rows)]
        return cls(groups=groups, indices=indices, machines=rows.astype(np.int32))

    @classmethod
    def join(cls, placements: Iterable["Placement"]) -> Self:
        """Put the claims of several placements together, for a scheduler that is given several groups."""
        parts = list(placements)
        if not parts:
            return cls()
        return cls(
            groups=np.concatenate([part.groups for part in parts]),
            indices=np.concatenate([part.indices for part in parts]),
            machines=np.concatenate([part.machines for part in parts]),
            victims=join_victims([(len(part), part.victims) for part in parts]),
        )


def join_victims(parts: Sequence[tuple[int, Victims]]) -> Victims:
    """Put the victims of several parts together, each with its number of claims; claims count through all of them."""
    named = [victims for _, victims in parts]
    if not any(len(each) for each in named):
        return NO_VICTIMS
    firsts = np.cumsum([0, *[count for count, _ in parts[:-1]]]).tolist()
    return Victims(
        claims=np.concatenate([each.claims + np.int32(first) for each, first in zip(named, firsts, strict=True)]),
        jobs=np.concatenate([each.jobs for each in named]),
        indices=np.concatenate([each.indices for each in named]),
        attempts=np.concatenate([each.attempts for each in named]),
    )


NOTHING = Placement()
"""No claim at all: there is no room, or the scheduler would rather wait."""


class Context:
    """What a decision may use besides the cell: random numbers, time, and a way to say why.

    Attributes:
        rng: a generator that follows from the loop's seed.
        now_us: wall clock at the start of the decision, microseconds, for policies about days and hours.
    """

    __slots__ = ("_clock", "_deadline_us", "notes", "now_us", "rng")

    def __init__(self, *, rng: np.random.Generator, now_us: int, clock: Callable[[], int], deadline_us: int) -> None:
        """Begin a decision; ``clock`` gives monotonic microseconds, ``deadline_us`` is on that clock."""
        self.rng = rng
        self.now_us = now_us
        self._clock = clock
        self._deadline_us = deadline_us
        self.notes: dict[int, str] = {}

    def time_left_us(self) -> int:
        """Return how long this decision should still take; the loop cuts nothing off, but other jobs wait."""
        return max(0, self._deadline_us - self._clock())

    def explain(self, group: TaskGroup, note: str) -> None:
        """Say in a sentence why tasks of a group were not placed; ``omega job status`` shows it."""
        self.notes[group.number] = clean_note(note)


@runtime_checkable
class Scheduler(Protocol):
    """A scheduler: any class with this method, made without arguments.

    It may set class attributes: ``max_groups`` (how many jobs it wants to see at once, 1 if unset), ``detection`` and
    ``atomicity`` (how its claims are judged, FINE and INCREMENTAL if unset; a job that is one gang is always
    ALL_OR_NOTHING), and ``preempts`` (whether its claims may name victims: then jobs that wait are tried again where
    others give way).

    A whole scheduler, which puts tasks on random machines that have room:

    >>> class Anywhere:
    ...     def place(self, pending, cell, ctx):
    ...         [group] = pending
    ...         machines = np.flatnonzero(cell.fits(group))
    ...         return Placement.of(group, ctx.rng.permutation(machines)[: group.count])
    >>> from omegacell.schedulers.testing import TestCell
    >>> test = TestCell(machines=4, cpu_milli=1_000)
    >>> job = test.submit("sums", count=3, cpu_milli=1_000)
    >>> test.run(Anywhere())
    >>> test.placed(job)
    3
    """

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Decide where pending tasks go.

        Args:
            pending: what waits: one group, or up to ``max_groups``.
            cell: the cell as this scheduler knows it, read-only.
            ctx: random numbers, clock, deadline, and `Context.explain`.

        Returns:
            Claims on machine rows. No claim is needed for every task; what is left stays pending and is asked for
            again when machines change. Of a gang at least `TaskGroup.least` tasks are placed, or none.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The optional class attributes of a scheduler, with what holds when they are not set."""

    max_groups: int = 1
    detection: Detection = Detection.FINE
    atomicity: Atomicity = Atomicity.INCREMENTAL
    preempts: bool = False

    MAX_GROUPS: ClassVar[int] = 1_024

    @classmethod
    def of(cls, scheduler: object) -> Self:
        """Read the traits of a scheduler or its class.

        Raises:
            ValueError: one of them is not what it must be.
        """
        max_groups = getattr(scheduler, "max_groups", 1)
        if not isinstance(max_groups, int) or not 1 <= max_groups <= cls.MAX_GROUPS:
            raise ValueError(f"max_groups is {max_groups!r}, expected an integer from 1 to {cls.MAX_GROUPS}")
        detection = getattr(scheduler, "detection", Detection.FINE)
        if not isinstance(detection, Detection):
            raise ValueError(f"detection is {detection!r}, expected Detection.FINE or Detection.COARSE")
        atomicity = getattr(scheduler, "atomicity", Atomicity.INCREMENTAL)
        if not isinstance(atomicity, Atomicity):
            raise ValueError(f"atomicity is {atomicity!r}, expected Atomicity.INCREMENTAL or ALL_OR_NOTHING")
        preempts = getattr(scheduler, "preempts", False)
        if not isinstance(preempts, bool):
            raise ValueError(f"preempts is {preempts!r}, expected True or False")
        return cls(max_groups=max_groups, detection=detection, atomicity=atomicity, preempts=preempts)


def atomicity_of(spec: JobSpec, traits: Traits) -> Atomicity:
    """Return how claims on a job are judged: a whole job that is one gang stands or falls, whatever its scheduler says.

    Of other gangs the judge refuses those that it must, and the rest of the claims stand.
    """
    return Atomicity.ALL_OR_NOTHING if spec.gang == WHOLE_JOB else traits.atomicity
