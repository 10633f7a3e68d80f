"""The cell: all state that follows from the log, in one mutable value.

Rules: only `apply` (and `snapshots.decode`, which makes a new one) writes here; everybody else reads, from a private
copy. A cell holds no clock and knows no file. What a transaction may do to it is in the ``apply`` modules.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from omegacell.core.arena import TaskArena
from omegacell.core.caps import CapTable
from omegacell.core.commands import Genesis
from omegacell.core.deltas import Delta, Touched
from omegacell.core.jobs import TaskState
from omegacell.core.jobtable import JobTable
from omegacell.core.machines import MachineTable
from omegacell.core.outcomes import REASON_COUNT, Outcome
from omegacell.core.quotas import QuotaTable
from omegacell.core.units import OUTCOMES_KEPT, Revision, Role, SessionId


@dataclass(slots=True, kw_only=True)
class Session:
    """One proposer's session: what makes its transactions happen exactly once.

    Attributes:
        author: row of its author. role, scheduler: as it opened.
        last_seq: the last number that was judged.
        deadline: elapsed from which it may be expired.
        opened_at_us: wall stamp of its first transaction, for people.
        outcomes: its last 64 (number, outcome) pairs.
    """

    author: int
    role: Role
    scheduler: str
    last_seq: int
    deadline: int
    opened_at_us: int
    outcomes: deque[tuple[int, Outcome]] = field(default_factory=lambda: deque(maxlen=OUTCOMES_KEPT))


@dataclass(slots=True, kw_only=True)
class Author:
    """Counters of one author over all its sessions; they survive jobs, sessions and truncation.

    A decision is a transaction with claims or with `Unplaced`. Times are microseconds by the author's own word.

    Attributes:
        name, scheduler: who it is.
        first_at_us, last_at_us: wall stamps of its first and last transaction.
        decisions: transactions in which it decided anything.
        committed: of them, those with every claim granted.
        conflicted: those with at least one claim refused by a conflict; disagreed: by a disagreement.
        no_fit: those that found no room for a task.
        placements: claims granted; claims_conflicted, claims_disagreed: refused.
        busy_us: time spent deciding. wait_us, wait_count: time from submission to the first attempt, and how often.
        refused_in_a_row: wholly refused decisions since the last granted one.
        suspended_until: elapsed until which its decisions are refused.
        reasons: refused claims by `Reason`.
    """

    name: str
    scheduler: str = ""
    first_at_us: int = 0
    last_at_us: int = 0
    decisions: int = 0
    committed: int = 0
    conflicted: int = 0
    disagreed: int = 0
    no_fit: int = 0
    placements: int = 0
    claims_conflicted: int = 0
    claims_disagreed: int = 0
    busy_us: int = 0
    wait_us: int = 0
    wait_count: int = 0
    refused_in_a_row: int = 0
    suspended_until: int = 0
    reasons: list[int] = field(default_factory=lambda: [0] * REASON_COUNT)


class AuthorTable:
    """Authors in order of appearance; a row is an author's number in ``claimed_by``."""

    def __init__(self) -> None:
        """Begin with no authors."""
        self.rows: list[Author] = []
        self._row_by_name: dict[str, int] = {}

    def row_of(self, name: str) -> int | None:
        """Return an author's row, or None."""
        return self._row_by_name.get(name)

    def add(self, author: Author) -> int:
        """Add an author and return its row. Mutates."""
        self._row_by_name[author.name] = len(self.rows)
        self.rows.append(author)
        return len(self.rows) - 1

    def copy(self) -> "AuthorTable":
        """Return an equal, independent table."""
        other = AuthorTable()
        for author in self.rows:
            other.add(_copy_author(author))
        return other


def _copy_author(author: Author) -> Author:
    values = {name: getattr(author, name) for name in Author.__slots__}
    values["reasons"] = list(author.reasons)
    return Author(**values)


class Cell:
    """The whole cluster as of one revision.

    Attributes:
        revision: transactions folded. genesis: the first command, None before it.
        name, incarnation, rules: from genesis and what changed them since.
        elapsed: the cell's own time, microseconds. tick: accepted ticks.
        last_stamp_us: the highest wall stamp seen, for people.
        forgotten_at: revision of the last `ForgetJob`.
        topology_at: revision of the last change of which machines there are, up, open, and with which attributes and
            taints; topology_before: what it was before the entry in which it was last written.
        machines, jobs, tasks, sessions, authors, quotas, caps: the tables.
    """

    def __init__(self) -> None:
        """Begin before genesis: revision 0, nothing there."""
        self.revision = Revision(0)
        self.genesis: Genesis | None = None
        self.name = ""
        self.incarnation = ""
        self.rules = 0
        self.elapsed = 0
        self.tick = 0
        self.last_stamp_us = 0
        self.forgotten_at = 0
        self.topology_at = 0
        self.topology_before = 0
        self.machines = MachineTable()
        self.jobs = JobTable()
        self.tasks = TaskArena()
        self.sessions: dict[SessionId, Session] = {}
        self.authors = AuthorTable()
        self.quotas = QuotaTable()
        self.caps = CapTable()
        self.touched = Touched()

    def outcome_of(self, session: SessionId, seq: int) -> Outcome | None:
        """Return the outcome of a session's transaction if it is among the last 64, else None."""
        known = self.sessions.get(session)
        if known is None:
            return None
        for number, outcome in known.outcomes:
            if number == seq:
                return outcome
        return None

    def machines_of(self, name: str) -> NDArray[np.int64]:
        """Return the machine of each active task of the current job of that name; a row may stand several times.

        The tasks of jobs that it takes the place of in an update count with its own.
        """
        rows = self.jobs.rows_of_name(name)
        if len(rows) <= 1:
            return self.machines_of_row(rows[0] if rows else None)
        return np.concatenate([self.machines_of_row(row) for row in rows])

    def machines_of_row(self, row: int | None) -> NDArray[np.int64]:
        """Return the machine of each active task of the job in a row; none for None."""
        if row is None or not self.jobs.counts[row, TaskState.PLACED : TaskState.RUNNING + 1].any():
            return np.empty(0, np.int64)
        first = int(self.jobs.offset[row])
        machines = self.tasks.machine[first : first + int(self.jobs.extent[row])]
        return machines[machines >= 0].astype(np.int64)

    def touch_topology(self, *, revision: int, floor: int) -> None:
        """Note a change of which machines there are and what they are; see `MachineTable.touch`. Mutates."""
        if self.topology_at <= floor:
            self.topology_before = self.topology_at
        self.topology_at = revision

    def effective_topology_at(self, *, floor: int) -> int:
        """Return when the topology last changed, not counting the author's own changes in this entry."""
        return self.topology_before if self.topology_at > floor else self.topology_at

    def drain_delta(self) -> Delta:
        """Return what was touched since the last call."""
        return self.touched.drain()

    def clone(self) -> "Cell":
        """Return an equal, independent cell with nothing noted as touched. Cost: O(machines + tasks + jobs)."""
        other = Cell()
        for name in ("revision", "genesis", "name", "incarnation", "rules", "elapsed", "tick"):
            setattr(other, name, getattr(self, name))
        other.last_stamp_us = self.last_stamp_us
        other.forgotten_at = self.forgotten_at
        other.topology_at, other.topology_before = self.topology_at, self.topology_before
        other.machines = self.machines.copy()
        other.jobs = self.jobs.copy()
        other.tasks = self.tasks.copy()
        other.authors = self.authors.copy()
        other.quotas = self.quotas.copy()
        other.caps = self.caps.copy()
        for number, session in self.sessions.items():
            other.sessions[number] = Session(
                author=session.author,
                role=session.role,
                scheduler=session.scheduler,
                last_seq=session.last_seq,
                deadline=session.deadline,
                opened_at_us=session.opened_at_us,
                outcomes=deque(session.outcomes, maxlen=OUTCOMES_KEPT),
            )
        return other
