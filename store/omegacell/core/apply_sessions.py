"""Judging and writing the commands about the cell itself and its proposers: genesis, sessions, rules; and the books.

A session makes transactions happen exactly once; the books are the counters from which every conflict statistic is
read. Both are written for every judged transaction, granted or refused.
"""

from functools import partial
from typing import Final

import numpy as np

from omegacell.core.cell import Author, Cell, Session
from omegacell.core.commands import (
    SCHEDULING,
    ActivateRules,
    ExpireSession,
    Genesis,
    OpenSession,
    Place,
    Reincarnate,
    Transaction,
    Unplaced,
)
from omegacell.core.outcomes import NO_REFUSALS, Outcome, Reason, Status
from omegacell.core.units import MAX_REFUSED_IN_A_ROW, RULES, SUSPENSION_US, SessionId
from omegacell.core.verdicts import Verdict, refuse

_DECIDING: Final = (Place, Unplaced)
"""Scheduling commands that say what was decided for a job."""


def judge_genesis(cell: Cell, command: Genesis) -> Verdict:
    """Judge a `Genesis`; the caller made sure that the cell has none."""
    return Verdict(write=partial(_write_genesis, cell, command))


def _write_genesis(cell: Cell, command: Genesis) -> None:
    cell.genesis = command
    cell.name = command.cell
    cell.incarnation = command.incarnation
    cell.rules = command.rules


def judge_reincarnate(cell: Cell, command: Reincarnate, session: SessionId) -> Verdict:
    """Judge a `Reincarnate`."""
    return Verdict(write=partial(_write_reincarnate, cell, command, session))


def _write_reincarnate(cell: Cell, command: Reincarnate, session: SessionId) -> None:
    cell.incarnation = command.incarnation
    cell.sessions = {number: kept for number, kept in cell.sessions.items() if number == session}
    cell.machines.contact_session[:] = 0
    cell.machines.note_standing()
    cell.touched.sessions = True


def judge_rules(cell: Cell, command: ActivateRules) -> Verdict:
    """Judge an `ActivateRules`: forward only, and only to rules that this version knows."""
    if not cell.rules < command.rules <= RULES:
        return refuse(Reason.RULES_UNKNOWN)
    return Verdict(write=partial(setattr, cell, "rules", command.rules))


def judge_close(cell: Cell, session: SessionId) -> Verdict:
    """Judge a `CloseSession`."""
    return Verdict(write=partial(_write_end, cell, session))


def judge_expire(cell: Cell, command: ExpireSession) -> Verdict:
    """Judge an `ExpireSession`: its deadline must have passed."""
    session = cell.sessions.get(command.session)
    if session is None or cell.elapsed < session.deadline:
        return refuse(Reason.NOT_DUE)
    return Verdict(write=partial(_write_end, cell, command.session))


def _write_end(cell: Cell, session: SessionId) -> None:
    cell.sessions.pop(session, None)
    contact = cell.machines.contact_session
    contact[contact == session] = 0
    cell.machines.note_standing()
    cell.touched.sessions = True


def open_session(cell: Cell, transaction: Transaction) -> None:
    """Open the session of a transaction that begins with `OpenSession`. Mutates."""
    opening = transaction.commands[0]
    if not isinstance(opening, OpenSession):
        return
    row = cell.authors.row_of(opening.author)
    if row is None:
        row = cell.authors.add(Author(name=opening.author, first_at_us=transaction.decided_from_us))
    cell.authors.rows[row].scheduler = opening.scheduler
    cell.sessions[transaction.session] = Session(
        author=row,
        role=opening.role,
        scheduler=opening.scheduler,
        last_seq=0,
        deadline=0,
        opened_at_us=transaction.decided_from_us,
    )
    cell.touched.sessions = True


def find_author_row(cell: Cell, transaction: Transaction) -> int:
    """Return the row of a transaction's author; the next free row when it is new. Pure."""
    session = cell.sessions.get(transaction.session)
    if session is not None:
        return session.author
    opening = transaction.commands[0]
    row = cell.authors.row_of(opening.author) if isinstance(opening, OpenSession) else None
    return len(cell.authors.rows) if row is None else row


def keep_books(cell: Cell, transaction: Transaction, outcome: Outcome, *, placed: int) -> None:
    """Enter a judged transaction in its session and in its author's counters. Mutates."""
    decided_to_us = transaction.decided_to_us
    cell.last_stamp_us = max(cell.last_stamp_us, decided_to_us)
    session = cell.sessions.get(transaction.session)
    if session is None or cell.genesis is None:
        return
    session.last_seq = transaction.seq
    session.deadline = cell.elapsed + cell.genesis.session_ttl_us
    session.outcomes.append((transaction.seq, outcome))
    author = cell.authors.rows[session.author]
    author.last_at_us = max(author.last_at_us, decided_to_us)
    if not isinstance(transaction.last_command, SCHEDULING):
        return
    decided = [command for command in transaction.commands if isinstance(command, _DECIDING)]
    _count_refused(cell, author, outcome)
    if not decided:
        return
    author.decisions += 1
    author.busy_us += max(0, decided_to_us - transaction.decided_from_us)
    author.no_fit += any(isinstance(command, Unplaced) for command in decided)
    author.placements += placed
    for command in decided:
        _count_wait(cell, author, command.job, transaction.decided_from_us)
    if any(isinstance(command, Place) for command in decided):
        _count_claims(author, outcome)


def _count_wait(cell: Cell, author: Author, job: int, decided_from_us: int) -> None:
    jobs = cell.jobs
    row = jobs.row_of(job)
    if row is None or jobs.first_decided_at_us[row]:
        return
    jobs.first_decided_at_us[row] = max(1, decided_from_us)
    author.wait_us += max(0, decided_from_us - int(jobs.submitted_at_us[row]))
    author.wait_count += 1


def _count_claims(author: Author, outcome: Outcome) -> None:
    refusals = outcome.refusals
    if refusals is NO_REFUSALS or not len(refusals):
        author.committed += outcome.status is Status.COMMITTED
        return
    conflicted = int(refusals.is_conflict.sum())
    author.claims_conflicted += conflicted
    author.claims_disagreed += len(refusals) - conflicted
    author.conflicted += conflicted > 0
    author.disagreed += conflicted < len(refusals)
    counts = np.bincount(refusals.reasons, minlength=len(author.reasons))
    author.reasons = [known + count for known, count in zip(author.reasons, counts.tolist(), strict=True)]


def _count_refused(cell: Cell, author: Author, outcome: Outcome) -> None:
    if outcome.status is not Status.REFUSED:
        author.refused_in_a_row = 0
        return
    author.refused_in_a_row += 1
    if author.refused_in_a_row >= MAX_REFUSED_IN_A_ROW:
        author.refused_in_a_row = 0
        author.suspended_until = cell.elapsed + SUSPENSION_US
