"""What the log says of schedulers: their counters, every transaction with its outcome, every refused claim.

All of it follows from folding, so a server that follows the log and a person with a copy of the database and
everything stopped get the same answer (`read_store`). Counters survive truncation; rows reach as far back as the log,
or as the memory that a `Recorder` is given.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from omegacell.api.evictions import Evictions
from omegacell.api.figures import ConflictQuery, ConflictRow, HistoryQuery, HistoryRow, SchedulerStatistics
from omegacell.api.grants import Grants
from omegacell.api.history_words import KINDS, describe_commands, find_spec, name_of_job
from omegacell.api.records import At
from omegacell.core.cell import Author, Cell
from omegacell.core.commands import (
    Evict,
    OpenSession,
    Place,
    Transaction,
)
from omegacell.core.outcomes import Outcome, Reason, name_dimension
from omegacell.store.engines import open_store
from omegacell.store.folding import Applied
from omegacell.store.replica import Replica
from omegacell.store.sqlite_database import Access

ROWS_KEPT: Final = 50_000
CONFLICTS_KEPT: Final = 50_000
CLAIMS_SHOWN_PER_TRANSACTION: Final = 1_000
AUTHORS_KEPT: Final = 1_000_000
"""Revisions of which it is remembered whose they are."""

QUIET_KINDS: Final = frozenset({"tick", "renew"})


def scheduler_statistics(cell: Cell) -> tuple[SchedulerStatistics, ...]:
    """Return the figures of every author that is, or was, a scheduler, by name."""
    live = {session.author for session in cell.sessions.values()}
    rows = [
        _statistics_of(author, is_live=row in live, elapsed_us=cell.elapsed)
        for row, author in enumerate(cell.authors.rows)
        if author.scheduler or author.decisions
    ]
    return tuple(sorted(rows, key=lambda row: row.author))


def _statistics_of(author: Author, *, is_live: bool, elapsed_us: int) -> SchedulerStatistics:
    return SchedulerStatistics(
        author=author.name,
        scheduler=author.scheduler,
        is_live=is_live,
        decisions=author.decisions,
        committed=author.committed,
        conflicted=author.conflicted,
        disagreed=author.disagreed,
        no_fit=author.no_fit,
        placements=author.placements,
        claims_conflicted=author.claims_conflicted,
        claims_disagreed=author.claims_disagreed,
        busy_us=author.busy_us,
        wait_us=author.wait_us,
        wait_count=author.wait_count,
        refusals={Reason(reason).name.lower(): count for reason, count in enumerate(author.reasons) if count},
        conflict_fraction=author.conflicted / author.committed if author.committed else 0.0,
        busy_fraction=author.busy_us / elapsed_us if elapsed_us else 0.0,
        mean_wait_s=author.wait_us / author.wait_count / 1e6 if author.wait_count else 0.0,
        last_at_us=author.last_at_us,
    )


class Recorder:
    """Remembers what was folded, as rows for people.

    Args:
        after: The revision after which it begins.
        rows: How many transactions to remember.

    Attributes:
        grants: Claims that were granted.
        evictions: Why attempts were evicted.
    """

    def __init__(self, *, after: int, rows: int = ROWS_KEPT) -> None:
        self._rows: deque[HistoryRow] = deque(maxlen=rows)
        self._conflicts: deque[ConflictRow] = deque(maxlen=CONFLICTS_KEPT)
        self._authors_by_session: dict[int, str] = {}
        self._author_at: deque[str] = deque(maxlen=AUTHORS_KEPT)
        self._after = after
        self._last_revision = after
        self.grants = Grants(after=after)
        self.evictions = Evictions()

    @property
    def oldest_revision(self) -> int:
        """The oldest revision whose row is remembered."""
        return self._rows[0].revision if self._rows else self._after + 1

    def record(self, cell: Cell, applied: Iterable[Applied]) -> None:
        """Remember what was folded; the cell is the one after it."""
        for one in applied:
            if one.revision != self._last_revision + 1:  # a reload jumped over some
                self._author_at.clear()
                self.grants.forget_all(after=one.revision - 1)
            self._last_revision = one.revision
            author = self._author_of(cell, one.transaction)
            self._author_at.append(author)
            self._rows.append(_row_of(cell, one, author))
            self.grants.record(one, author)
            self.evictions.record(one)
            if one.transaction is not None and len(one.outcome.refusals):
                self._conflicts.extend(self._conflicts_of(cell, one.transaction, one.outcome, author))

    def prepend(self, older: "Recorder") -> None:
        """Put what another recorder remembers of earlier revisions before what this one does."""
        rows = [row for row in older._rows if row.revision <= self._after]
        conflicts = [row for row in older._conflicts if row.revision <= self._after]
        self._rows = deque([*rows, *self._rows], maxlen=self._rows.maxlen)
        self._conflicts = deque([*conflicts, *self._conflicts], maxlen=self._conflicts.maxlen)
        self._after = older._after
        self.grants.prepend(older.grants)
        self.evictions.prepend(older.evictions)

    def history(self, query: HistoryQuery) -> tuple[HistoryRow, ...]:
        """Return transactions, newest first."""
        return tuple(itertools.islice((row for row in reversed(self._rows) if _matches(row, query)), query.limit))

    def conflicts(self, query: ConflictQuery) -> tuple[ConflictRow, ...]:
        """Return refused claims, newest first."""
        return tuple(itertools.islice((row for row in reversed(self._conflicts) if _is_asked(row, query)), query.limit))

    def _author_of(self, cell: Cell, transaction: Transaction | None) -> str:
        if transaction is None:
            return ""
        session = transaction.session
        known = cell.sessions.get(session)
        if known is not None:
            name = cell.authors.rows[known.author].name
        elif transaction.commands and isinstance(transaction.commands[0], OpenSession):
            name = transaction.commands[0].author
        else:
            return self._authors_by_session.get(session, "")
        if self._authors_by_session.get(session) != name:
            while len(self._authors_by_session) >= 10_000:
                self._authors_by_session.pop(next(iter(self._authors_by_session)))
            self._authors_by_session[session] = name
        return name

    def _taker(self, cell: Cell, machine: int, taken_at: int) -> str:
        """Return who was granted the claim at a revision; empty when it is not remembered."""
        place = taken_at - (self._last_revision - len(self._author_at) + 1)
        if taken_at and 0 <= place < len(self._author_at):
            return self._author_at[place]
        machines = cell.machines
        if taken_at and 0 <= machine < machines.count and machines.claimed_at[machine] == taken_at:
            row = int(machines.claimed_by[machine])
            return cell.authors.rows[row].name if row >= 0 else ""
        return ""

    def _conflicts_of(
        self, cell: Cell, transaction: Transaction, outcome: Outcome, author: str
    ) -> Iterator[ConflictRow]:
        claims = _claims_of(transaction)
        if claims is None:
            return
        jobs, indices, machines = claims
        refusals = outcome.refusals
        for place, position in enumerate(refusals.positions[:CLAIMS_SHOWN_PER_TRANSACTION].tolist()):
            machine = int(machines[position])
            reason = Reason(int(refusals.reasons[place]))
            taken_at = int(refusals.taken_at[place])
            dimension = int(refusals.dimensions[place])
            is_known = 0 <= machine < cell.machines.count
            yield ConflictRow(
                revision=outcome.revision,
                author=author,
                job=name_of_job(cell, int(jobs[position])),
                index=int(indices[position]),
                machine=cell.machines.names[machine] if is_known else "",
                reason=reason.name.lower(),
                dimension=name_dimension(reason, dimension, find_spec(cell, int(jobs[position]))),
                shortage=int(refusals.shortages[place]),
                seen=transaction.seen,
                taken_at=taken_at,
                taken_by=self._taker(cell, machine, taken_at),
                is_conflict=bool(refusals.is_conflict[place]),
                at_us=transaction.decided_to_us,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReading:
    """What a store says, with everything stopped.

    Attributes:
        at: its head. cell_name: the cell's name.
        schedulers: their figures since the cell began.
        recorder: transactions and refused claims, as far back as the log reaches.
    """

    at: At
    cell_name: str
    schedulers: tuple[SchedulerStatistics, ...]
    recorder: Recorder


def read_store(url: str, *, rows: int = ROWS_KEPT) -> StoreReading:
    """Fold a store from its oldest state to its head, read-only, and return what it says. Cost: the whole log.

    Raises:
        UsageError: The URL names no engine.
        StoreError: The store cannot be opened or read.
    """
    with open_store(url, access=Access.READ_ONLY) as store:
        replica = Replica.at_oldest(store)
        recorder = fold_history(replica, rows=rows)
        cell = replica.cell
        at = At(revision=cell.revision, incarnation=cell.incarnation)
        return StoreReading(at=at, cell_name=cell.name, schedulers=scheduler_statistics(cell), recorder=recorder)


def fold_history(replica: Replica, *, rows: int = ROWS_KEPT, upto: int | None = None) -> Recorder:
    """Fold a replica on to the log's head, or to a revision, and return what it passed. Mutates the replica."""
    recorder = Recorder(after=replica.revision, rows=rows)
    while upto is None or replica.revision < upto:
        folded = replica.catch_up(256)
        if not folded.applied and not folded.is_reloaded:
            break
        recorder.record(replica.cell, folded.applied)
    return recorder


def _row_of(cell: Cell, applied: Applied, author: str) -> HistoryRow:
    transaction, outcome = applied.transaction, applied.outcome
    jobs: tuple[str, ...] = ()
    kind, summary, seq, seen, at_us = "malformed", "bytes that no proposer writes", 0, 0, 0
    if transaction is not None:
        commands = transaction.commands
        main = commands[1:] if len(commands) > 1 and isinstance(commands[0], OpenSession) else commands
        kind = KINDS[type(main[0]).__name__] if main else "malformed"
        jobs, summary = describe_commands(cell, main)
        seq, seen, at_us = transaction.seq, transaction.seen, transaction.decided_to_us
    refusals = outcome.refusals
    return HistoryRow(
        revision=applied.revision,
        author=author,
        seq=seq,
        seen=seen,
        kind=kind,
        jobs=jobs,
        summary=summary,
        status=outcome.status.name.lower(),
        reason=outcome.reason.name.lower() if outcome.reason else "",
        granted=outcome.granted,
        refused=len(refusals),
        conflicts=int(np.count_nonzero(refusals.is_conflict)) if len(refusals) else int(outcome.is_conflict),
        at_us=at_us,
    )


def _claims_of(transaction: Transaction) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return job, index and machine of all claims and evictions in order; None when it holds others."""
    parts = []
    for command in transaction.commands:
        match command:
            case Place():
                parts.append((np.full(len(command.indices), command.job, np.int64), command.indices, command.machines))
            case Evict():
                none = np.full(len(command.indices), -1, np.int32)
                parts.append((np.full(len(command.indices), command.job, np.int64), command.indices, none))
            case _:
                continue
    if not parts:
        return None
    jobs, indices, machines = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return jobs, indices, machines


def _matches(row: HistoryRow, query: HistoryQuery) -> bool:
    return (
        (not query.before or row.revision < query.before)
        and (query.with_ticks or row.kind not in QUIET_KINDS or query.kind.lower() == row.kind)
        and (not query.author or row.author == query.author)
        and (not query.job or query.job in row.jobs)
        and (not query.kind or row.kind == query.kind.lower())
        and (not query.status or row.status == query.status.lower())
    )


def _is_asked(row: ConflictRow, query: ConflictQuery) -> bool:
    return (
        (not query.before or row.revision < query.before)
        and (query.with_disagreements or row.is_conflict)
        and (not query.author or row.author == query.author)
        and (not query.job or row.job == query.job)
    )
