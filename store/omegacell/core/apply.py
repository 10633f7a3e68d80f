"""The judge: the one place where a cell changes.

    apply(cell, transaction) -> Outcome

runs after the append, in log order, the same in every participant. Theory of operation:

1. Format. What no proposer of this version writes is MALFORMED and leaves no trace.
2. Session. Each (session, number) is judged once: a number seen before is DUPLICATE, a jump is refused. A refusal up
   to here leaves no trace; from here on the number counts, whatever becomes of the commands.
3. Check. Every command is judged against the cell, on an overlay that carries what the commands before it were
   granted. Nothing is written. An exception here refuses the transaction (DEFECT).
4. Atomicity. With ALL_OR_NOTHING one refused claim refuses all.
5. Write. An exception here is a bug that must stop the participant: it propagates.
6. Books. The author's counters and its session's memory of outcomes.

Rules: no clock, no randomness, no floats, no order that depends on hashing. A change here that can alter any outcome
gets a new ``rules`` number. What each command does stands in ``apply_jobs``, ``apply_machines`` and ``apply_tasks``.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from omegacell.core.apply_holds import judge_hold, judge_release
from omegacell.core.apply_jobs import judge_forget, judge_grow, judge_stop, judge_submit
from omegacell.core.apply_limits import judge_set_caps, judge_set_quota
from omegacell.core.apply_machines import (
    judge_eligibility,
    judge_inventory,
    judge_lose,
    judge_register,
    judge_taints,
    judge_tick,
)
from omegacell.core.apply_preempt import judge_preempting, take_preempting
from omegacell.core.apply_sessions import (
    find_author_row,
    judge_close,
    judge_expire,
    judge_genesis,
    judge_reincarnate,
    judge_rules,
    keep_books,
    open_session,
)
from omegacell.core.apply_tasks import Taken, judge_evict, judge_place, judge_report, judge_unplaced, take_granted
from omegacell.core.apply_templates import judge_spawn
from omegacell.core.apply_updates import judge_finish, judge_revert, judge_stop_tasks, judge_update
from omegacell.core.budgets import Disruptions
from omegacell.core.cell import Cell
from omegacell.core.commands import (
    SCHEDULING,
    ActivateRules,
    CloseSession,
    Command,
    Evict,
    ExpireSession,
    ForgetJob,
    Genesis,
    OpenSession,
    Place,
    Reincarnate,
    Renew,
    StopJob,
    SubmitJob,
    Transaction,
    Unplaced,
)
from omegacell.core.conflicts import Base, base_of
from omegacell.core.drains import SetEligibility
from omegacell.core.errors import MalformedError
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.lives import Stamp, keep_promises
from omegacell.core.machine_commands import (
    Inventory,
    LoseMachines,
    RegisterMachine,
    Report,
    SetTaints,
    Tick,
)
from omegacell.core.outcomes import NO_REFUSALS, Outcome, Reason, Refusals, Status
from omegacell.core.overlays import Overlay
from omegacell.core.preemption import NO_VICTIMS
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.units import Atomicity, Revision
from omegacell.core.updates import FinishUpdate, RevertUpdate, StopTasks
from omegacell.core.validate import check_transaction
from omegacell.core.verdicts import Verdict, refuse

# names of a module are read several times faster than members of an enum
_NONE: Final = Reason.NONE
_COMMITTED: Final = Status.COMMITTED
_REFUSED: Final = Status.REFUSED


def apply(cell: Cell, transaction: Transaction) -> Outcome:
    """Judge the next transaction of the log, change the cell accordingly, and say what became of it.

    Mutates the cell: its revision always grows by one. Raises nothing that the log could cause; an exception means
    a bug, and that this copy of the cell must not be used any more. Cost: O(transaction).
    """
    revision = Revision(cell.revision + 1)
    try:
        check_transaction(transaction)
    except MalformedError:
        return apply_malformed(cell)
    refused = _find_session_refusal(cell, transaction, revision)
    if refused is not None:
        cell.revision = revision
        return refused
    author = find_author_row(cell, transaction)
    floor = revision - 1 - transaction.position
    stamp = Stamp(revision=revision, floor=floor, at_us=transaction.decided_to_us, author=author)
    base = base_of(transaction, revision)
    reason = _find_standing_reason(cell, transaction, stamp)
    verdicts = _judge(cell, transaction, base=base, stamp=stamp) if reason is _NONE else [refuse(reason)]
    outcome = _conclude(transaction, verdicts, revision)
    cell.revision = revision
    open_session(cell, transaction)
    if outcome.status is not _REFUSED:
        for verdict in verdicts:
            if verdict.write is not None:
                verdict.write()
        if cell.tasks.owed:
            keep_promises(cell, stamp=stamp)
    keep_books(cell, transaction, outcome, placed=_count_placed(transaction, verdicts, outcome))
    return outcome


def apply_malformed(cell: Cell) -> Outcome:
    """Count a revision for bytes that are no transaction, or that were voided; nothing else changes. Mutates."""
    cell.revision = Revision(cell.revision + 1)
    return Outcome(revision=cell.revision, status=Status.MALFORMED)


def _find_session_refusal(cell: Cell, transaction: Transaction, revision: Revision) -> Outcome | None:
    """Return the outcome of a transaction that leaves no trace because of its session, None for all others."""
    is_genesis = isinstance(transaction.commands[0], Genesis)
    if is_genesis != (cell.genesis is None):
        return Outcome(revision=revision, status=Status.REFUSED, reason=Reason.NO_GENESIS)
    if is_genesis:
        return None
    session = cell.sessions.get(transaction.session)
    if session is None:
        if transaction.seq == 1 and isinstance(transaction.commands[0], OpenSession):
            return None
        return Outcome(revision=revision, status=Status.REFUSED, reason=Reason.SESSION_UNKNOWN)
    if transaction.seq <= session.last_seq:
        return Outcome(revision=revision, status=Status.DUPLICATE)
    if transaction.seq > session.last_seq + 1 or isinstance(transaction.commands[0], OpenSession):
        return Outcome(revision=revision, status=Status.REFUSED, reason=Reason.SESSION_GAP)
    return None


def _find_standing_reason(cell: Cell, transaction: Transaction, stamp: Stamp) -> Reason:
    if transaction.seen >= stamp.revision:
        return Reason.SEEN_AHEAD
    if not isinstance(transaction.last_command, SCHEDULING):
        return _NONE
    authors = cell.authors.rows
    if stamp.author < len(authors) and cell.elapsed < authors[stamp.author].suspended_until:
        return Reason.SUSPENDED
    return _NONE


def _judge(cell: Cell, transaction: Transaction, *, base: Base, stamp: Stamp) -> list[Verdict]:
    """Judge every command; pure. Whatever goes wrong here refuses the transaction, except a lack of memory."""
    overlay = Overlay(cell)
    taken = Taken(overlay, Disruptions(cell))
    commands = _commands_of(transaction)
    verdicts: list[Verdict] = []
    try:
        for command in commands:
            if isinstance(command, Place):
                judge = judge_place if command.victims is NO_VICTIMS else judge_preempting
                verdict = judge(cell, command, overlay=overlay, base=base, stamp=stamp)
                if len(commands) > 1:
                    take_granted(cell, overlay, command, verdict=verdict)
                    take_preempting(cell, overlay, verdict, taken=taken.disruptions)
            elif isinstance(command, Evict):
                verdict = judge_evict(cell, command, taken=taken, base=base, stamp=stamp)
            else:
                verdict = _judge_other(cell, command, transaction, base=base, stamp=stamp)
            verdicts.append(verdict)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a defect of the check must not stop the cell: it refuses, and says so
        return [refuse(Reason.DEFECT)]
    return verdicts


def _commands_of(transaction: Transaction) -> tuple[Command, ...]:
    """Return what a transaction asks for; `OpenSession` only opens it."""
    commands = transaction.commands
    return commands[1:] if isinstance(commands[0], OpenSession) else commands


def _judge_other(  # noqa: PLR0911, PLR0912 - one case for each command
    cell: Cell, command: Command, transaction: Transaction, *, base: Base, stamp: Stamp
) -> Verdict:
    session = transaction.session
    match command:
        case Report():
            return judge_report(cell, command, base=base, stamp=stamp)
        case SubmitJob():
            judge = judge_update if command.update else judge_submit
            return judge(cell, command, stamp=stamp, seen=base.seen)
        case Unplaced():
            return judge_unplaced(cell, command, base=base)
        case StopJob():
            return judge_stop(cell, command, stamp=stamp, seen=base.seen)
        case ReleaseTasks():
            return judge_release(cell, command, base=base, stamp=stamp)
        case StopTasks():
            return judge_stop_tasks(cell, command, base=base, stamp=stamp)
        case RevertUpdate():
            return judge_revert(cell, command, stamp=stamp, seen=base.seen)
        case FinishUpdate():
            return judge_finish(cell, command, stamp=stamp, seen=base.seen)
        case SpawnJob():
            return judge_spawn(cell, command, stamp=stamp, seen=base.seen)
        case HoldTasks():
            return judge_hold(cell, command, base=base, stamp=stamp)
        case GrowSystemJob():
            return judge_grow(cell, command, stamp=stamp, seen=base.seen)
        case ForgetJob():
            return judge_forget(cell, command, stamp=stamp, seen=base.seen)
        case SetQuota():
            return judge_set_quota(cell, command, stamp=stamp)
        case SetCaps():
            return judge_set_caps(cell, command, stamp=stamp)
        case Tick():
            return judge_tick(cell, command, session=session)
        case RegisterMachine():
            return judge_register(cell, command, session=session, stamp=stamp, seen=base.seen)
        case Inventory():
            return judge_inventory(cell, command, stamp=stamp, seen=base.seen)
        case LoseMachines():
            return judge_lose(cell, command, stamp=stamp, seen=base.seen)
        case SetTaints():
            return judge_taints(cell, command, stamp=stamp)
        case SetEligibility():
            return judge_eligibility(cell, command, stamp=stamp)
        case CloseSession():
            return judge_close(cell, session)
        case ExpireSession():
            return judge_expire(cell, command)
        case Genesis():
            return judge_genesis(cell, command)
        case Reincarnate():
            return judge_reincarnate(cell, command, session)
        case ActivateRules():
            return judge_rules(cell, command)
        case Renew() | OpenSession() | Place() | Evict():
            return Verdict()


def _count_placed(transaction: Transaction, verdicts: list[Verdict], outcome: Outcome) -> int:
    """Return how many claims were granted, evictions not counted."""
    if outcome.status is _REFUSED:
        return 0
    if len(verdicts) == 1:
        return verdicts[0].granted if isinstance(transaction.last_command, Place) else 0
    commands = _commands_of(transaction)
    pairs = zip(commands, verdicts, strict=False)
    return sum(verdict.granted for command, verdict in pairs if isinstance(command, Place))


def _conclude(transaction: Transaction, verdicts: list[Verdict], revision: Revision) -> Outcome:
    """Make one outcome of the verdicts of a transaction's commands. Pure."""
    if len(verdicts) <= 1:
        return _conclude_one(transaction, verdicts[0] if verdicts else Verdict(), revision)
    if all(verdict.reason is not Reason.NONE for verdict in verdicts):
        return _conclude_one(transaction, verdicts[0], revision)
    asked = sum(verdict.asked for verdict in verdicts if verdict.reason is Reason.NONE)
    granted = sum(verdict.granted for verdict in verdicts)
    refusals = _join_refusals(verdicts)
    merged = Verdict(asked=asked, granted=granted, refusals=refusals)
    return _conclude_one(transaction, merged, revision)


def _conclude_one(transaction: Transaction, verdict: Verdict, revision: Revision) -> Outcome:
    if verdict.reason is not _NONE:
        return Outcome(
            revision=revision,
            status=Status.REFUSED,
            reason=verdict.reason,
            value=verdict.value,
            detail=verdict.detail,
            is_conflict=verdict.is_conflict,
        )
    if verdict.refusals is NO_REFUSALS or not len(verdict.refusals):
        return Outcome(
            revision=revision,
            status=_COMMITTED,
            granted=verdict.granted,
            value=verdict.value,
            detail=verdict.detail,
        )
    is_whole = transaction.atomicity is Atomicity.ALL_OR_NOTHING and not isinstance(transaction.last_command, Report)
    if is_whole:
        refusals = _refuse_partners(verdict)
        return Outcome(revision=revision, status=Status.REFUSED, refusals=refusals)
    status = Status.PARTIAL if verdict.granted else Status.REFUSED
    return Outcome(revision=revision, status=status, granted=verdict.granted, refusals=verdict.refusals)


def _join_refusals(verdicts: list[Verdict]) -> Refusals:
    """Join the refusals of several commands; positions count through the rows of all of them."""
    parts: list[Refusals] = []
    first = 0
    for verdict in verdicts:
        if len(verdict.refusals):
            parts.append(replace(verdict.refusals, positions=verdict.refusals.positions + np.int32(first)))
        first += verdict.asked if verdict.reason is Reason.NONE else 0
    if not parts:
        return NO_REFUSALS
    return Refusals(
        positions=np.concatenate([part.positions for part in parts]),
        reasons=np.concatenate([part.reasons for part in parts]),
        is_conflict=np.concatenate([part.is_conflict for part in parts]),
        dimensions=np.concatenate([part.dimensions for part in parts]),
        shortages=np.concatenate([part.shortages for part in parts]),
        taken_at=np.concatenate([part.taken_at for part in parts]),
    )


def _refuse_partners(verdict: Verdict) -> Refusals:
    """Refuse every row of a gang: those that were refused keep their reason, the others fell with them."""
    refused = verdict.refusals
    count = verdict.asked
    reasons = np.full(count, Reason.GANG_PARTNER, np.uint8)
    is_conflict = np.full(count, refused.is_conflict.any(), np.uint8)
    dimensions = np.full(count, -1, np.int32)
    shortages, taken_at = np.zeros(count, np.int64), np.zeros(count, np.int64)
    reasons[refused.positions] = refused.reasons
    is_conflict[refused.positions] = refused.is_conflict
    dimensions[refused.positions] = refused.dimensions
    shortages[refused.positions] = refused.shortages
    taken_at[refused.positions] = refused.taken_at
    return Refusals(
        positions=np.arange(count, dtype=np.int32),
        reasons=reasons,
        is_conflict=is_conflict,
        dimensions=dimensions,
        shortages=shortages,
        taken_at=taken_at,
    )
