"""A store that misbehaves in every way that a real one may, by plan.

It ships because whoever writes a proposer or a scheduler of their own needs it as much as our tests do: retrying is
only right when it is right here.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Flag, auto
from types import TracebackType
from typing import Self

from omegacell.core.errors import AnswerLostError
from omegacell.store.log import DEFAULT_READ_BYTES, Append, Checkpoints, Cursor, Payloads, Store, Stored, StoreStat


class Fault(Flag):
    """What goes wrong with one append; several may."""

    NONE = 0
    FOREIGN_FIRST = auto()  # somebody else's entry comes in between the author's look and its append
    FOREIGN_AFTER = auto()  # somebody else's entry follows at once
    TWICE = auto()  # the network delivers it twice
    ANSWER_LOST = auto()  # it is in the log, and the author is not told
    REQUEST_LOST = auto()  # it is not in the log, and the author cannot know
    LATE = auto()  # the author is told that the answer was lost; it arrives just before the next append


class FaultyStore:
    """Wraps a store; each append meets the next fault of the plan, and none once the plan is used up.

    Args:
        store: What does the work; closed with this one.
        plan: A fault for each call of ``append``.
        foreign: Makes somebody else's entry.
    """

    def __init__(
        self, store: Store, plan: Iterable[Fault] = (), *, foreign: Callable[[], Append] | None = None
    ) -> None:
        self._store = store
        self._plan = iter(plan)
        self._foreign = foreign
        self._late: list[Sequence[Append]] = []

    @property
    def incarnation(self) -> str:
        """The life of the store."""
        return self._store.incarnation

    @property
    def payloads(self) -> Payloads:
        """The payloads beside the log."""
        return self._store.payloads

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints beside the log."""
        return self._store.checkpoints

    def append(self, batch: Sequence[Append]) -> list[Cursor]:
        """Append, with the next fault of the plan; see ``Log.append``.

        Raises:
            AnswerLostError: The plan says so.
        """
        for late in self._late:
            self._store.append(late)
        self._late.clear()
        fault = next(self._plan, Fault.NONE)
        if Fault.FOREIGN_FIRST in fault:
            self._append_foreign()
        if Fault.LATE in fault:
            self._late.append(batch)
        if fault & (Fault.LATE | Fault.REQUEST_LOST):
            raise AnswerLostError(f"planned fault {fault}: the answer to an append of {len(batch)} entries was lost")
        cursors = self._store.append(batch)
        if Fault.TWICE in fault:
            self._store.append(batch)
        if Fault.FOREIGN_AFTER in fault:
            self._append_foreign()
        if Fault.ANSWER_LOST in fault:
            raise AnswerLostError(f"planned fault {fault}: the answer to an append of {len(batch)} entries was lost")
        return cursors

    def read(self, after: Cursor, limit_bytes: int = DEFAULT_READ_BYTES) -> list[Stored]:
        """Return the entries after ``after``; see ``Log.read``."""
        return self._store.read(after, limit_bytes)

    def head(self) -> Cursor:
        """Return the cursor of the newest entry."""
        return self._store.head()

    def first(self) -> Cursor:
        """Return the cursor before the oldest entry kept."""
        return self._store.first()

    def wait(self, after: Cursor, timeout_s: float) -> bool:
        """Wait until something after ``after`` can be read; see ``Log.wait``."""
        return self._store.wait(after, timeout_s)

    def wake(self) -> None:
        """Make every ``wait`` under way return; with none under way, the next one."""
        self._store.wake()

    def truncate(self, upto: Cursor) -> None:
        """Forget the entries up to and including ``upto``; see ``Log.truncate``."""
        self._store.truncate(upto)

    def void(self, revision: int) -> None:
        """Put a revision on the list of those that every fold skips."""
        self._store.void(revision)

    def voids(self) -> frozenset[int]:
        """Return the revisions that every fold skips."""
        return self._store.voids()

    def stat(self) -> StoreStat:
        """Return facts about the store."""
        return self._store.stat()

    def find_faults(self) -> list[str]:
        """Return what is wrong with what is kept, not with what was planned."""
        return self._store.find_faults()

    def close(self) -> None:
        """Close the store; what was to arrive late never does."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append_foreign(self) -> None:
        assert self._foreign is not None, "the plan asks for a foreign entry, and nobody makes one"
        self._store.append([self._foreign()])
