"""The optimistic loop as a pure state machine: ``step(event) -> action``.

Theory of operation (Omega, section 3.4). One instance of a scheduler holds a private copy of the cell and goes round:

    fold the log -> decide on the copy -> append -> fold to its own transactions -> read the outcomes -> and again

Nothing is locked while it decides. What others did in between shows as refused claims; then the copy is already
resynced, and the job is tried again, at once the first time, later each time after that. After 1,000 attempts in a row
it waits for long and says so. With a backlog several jobs are decided on for one append, a transaction each, each on
top of the claims of those before it; they are bounded by number, bytes and time, so that fresh jobs do not wait long.
A job that finds no room is parked until machines change (see `backlog`); its reason is appended when it is news.

An instance that begins under a name that the cell knows may have been killed because its plug-in hung on some job. Its
first decisions are on jobs drawn at random and are appended one by one, so that this job holds up no other for ever.

Rules: no clock but the one handed in, no input or output, no thread. The shell performs actions and reports
(`actions`); the same loop runs in a process of its own, in a test, and in virtual time. A step decides for about 20 ms
at most, plus one call of ``place``. Everything that can be retried has a limit here. What an outcome means for its job
is in `settling`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, assert_never

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.commands import CloseSession, Command, OpenSession, Renew, Transaction
from omegacell.core.deltas import Delta
from omegacell.core.errors import InvariantError
from omegacell.core.outcomes import Outcome, Reason, Status
from omegacell.core.units import MAX_TASKS_PER_JOB, TICK_PERIOD_US, Role, SessionId
from omegacell.schedulers.actions import Action, Append, Clock, Done, Event, Folded, Reloaded, Wait
from omegacell.schedulers.backlog import Backlog
from omegacell.schedulers.deciding import Decider, Decision, OnFailure, describe_oversize, most_claims
from omegacell.schedulers.entries import Entry, Standing
from omegacell.schedulers.grouping import Asked, find_groups
from omegacell.schedulers.interface import Scheduler, TaskGroup, Traits, atomicity_of
from omegacell.schedulers.lots import lot_of
from omegacell.schedulers.settling import Settler
from omegacell.schedulers.statistics import LoopStatistics
from omegacell.schedulers.view import Tentative, fork_caps

MAX_OPENINGS: Final = 10
"""Sessions that the cell may refuse in a row before the process gives up."""

DRAWN_AFTER_RESTART: Final = 16
"""Decisions that are on jobs drawn at random, and appended alone, when an instance begins again."""

_SESSION_LOST: Final = (Reason.SESSION_UNKNOWN, Reason.SESSION_GAP)
_MALFORMED: Final = Status.MALFORMED

_TRANSACTION_BYTES: Final = 160
_CLAIM_BYTES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds one append and one job.

    Attributes:
        jobs: decisions in one append.
        claims: claims in one append, and of one decision unless it is a gang.
        gang_claims: tasks of a gang; a larger one fits in no entry.
        entry_bytes: estimated size of an append.
        decide_us: after so long no further decision is begun for this append.
        conflicts: attempts in a row that conflict before a job waits for long.
    """

    jobs: int = 64
    claims: int = 4_096
    gang_claims: int = 50_000
    entry_bytes: int = 900_000
    decide_us: int = 20_000
    conflicts: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """Who a loop is, and what bounds it.

    Attributes:
        instance: the name it proposes under (``batch-0``), unique among live instances.
        scheduler: the name that jobs give (``batch``).
        seed: all its random numbers follow from this, those of the plug-in too.
        limits: what bounds one append and one job.
    """

    instance: str
    scheduler: str
    seed: int
    limits: Limits = field(default_factory=Limits)


class Loop:
    """One instance of one scheduler; see the module's docstring."""

    def __init__(
        self,
        scheduler: Scheduler,
        cell: Cell,
        *,
        settings: LoopSettings,
        clock: Clock,
        draw_session: Callable[[], SessionId],
    ) -> None:
        """Begin on a copy of the cell that the caller folds; ``draw_session`` gives a fresh session id each time.

        Raises:
            ValueError: the scheduler's class attributes are not what they must be.
        """
        self.cell = cell
        self.settings = settings
        self.statistics = LoopStatistics()
        self._traits = Traits.of(scheduler)
        self._clock = clock
        self._limits = settings.limits
        self._draw_session = draw_session
        plugin_rng, self._jitter = np.random.default_rng(settings.seed).spawn(2)
        self._decider = Decider(scheduler, clock=clock, rng=plugin_rng)
        self._backlog = self._read_backlog()
        self._settler = Settler(self._backlog, cell=cell, clock=clock, rng=self._jitter)
        self._session: SessionId | None = None
        self._seq = 0
        self._openings = 0
        self._in_flight: tuple[Decision | None, ...] = ()
        self._elapsed_seen = (cell.elapsed, clock.monotonic_us())
        self._paused_until_us = 0
        self._is_halting = False
        self._to_draw = 0 if cell.authors.row_of(settings.instance) is None else DRAWN_AFTER_RESTART

    def tell_failures(self, on_failure: OnFailure) -> None:
        """Tell whoever asks, besides the job, what the scheduler did wrong."""
        self._decider.on_failure = on_failure

    @property
    def backlog_count(self) -> int:
        """How many jobs of this instance's share have pending tasks."""
        return len(self._backlog)

    @property
    def is_waiting_for_machines(self) -> bool:
        """Whether jobs of this instance found no room, and wait until machines change."""
        return self._backlog.count(Standing.PARKED) > 0

    def halt(self) -> None:
        """Close the session and be done from the next step on."""
        self._is_halting = True

    def step(self, event: Event) -> Action:
        """Take in what happened and return what to do next; exactly one action is under way at a time."""
        match event:
            case Folded(delta=delta, outcomes=outcomes):
                self._absorb(delta)
                self._settle_all(outcomes)
            case Reloaded(cell=cell, outcomes=outcomes):
                self.cell = cell
                self._elapsed_seen = (cell.elapsed, self._clock.monotonic_us())
                self._settle_all(outcomes)
                self._backlog = self._read_backlog()
                self._settler = Settler(self._backlog, cell=cell, clock=self._clock, rng=self._jitter)
            case _:
                assert_never(event)
        return self._next_action()

    def _read_backlog(self) -> Backlog:
        name, instance = self.settings.scheduler, self.settings.instance
        return Backlog.of(self.cell, scheduler=name, instance=instance, preempts=self._traits.preempts)

    def _absorb(self, delta: Delta) -> None:
        """Bring the backlog up to the cell. Cost: O(touched)."""
        if delta.is_ticked:
            self._elapsed_seen = (self.cell.elapsed, self._clock.monotonic_us())
            self._backlog.note_contact(self.cell)
        now_us = self._clock.monotonic_us()
        self._backlog.update(self.cell, delta.jobs, now_us=now_us)
        if delta.is_sessions_changed:
            self._backlog.update_instances(self.cell, now_us=now_us)
        if self._backlog.is_looking_for_room:
            self._backlog.note_machines(delta.machines)
        if self.settings.scheduler in delta.uncapped:
            self._backlog.note_cap()

    def _next_action(self) -> Action:
        if self._session is not None and self._session not in self.cell.sessions:
            self._session = None
        if self._is_halting:
            return Done() if self._session is None else self._append_alone(CloseSession())
        if self._session is None:
            return self._open()
        self._openings = 0
        now_us = self._clock.monotonic_us()
        self._backlog.wake_capped(self.cell)
        has_more = self._backlog.wake_fitting(self.cell, now_us=now_us)
        decisions = [] if now_us < self._paused_until_us else self._decide(now_us)
        if decisions:
            return self._append(decisions)
        if self._is_renewal_due():
            return self._append_alone(Renew())
        return Wait(timeout_us=0 if has_more else self._rest_us(now_us))

    def _open(self) -> Append:
        self._session, self._seq = self._draw_session(), 0
        if self._openings >= MAX_OPENINGS:
            raise InvariantError(
                f"the cell refused {self._openings} sessions of {self.settings.instance!r} in a row; "
                "its name or that of its scheduler may be none that a cell takes"
            )
        self._openings += 1
        opening = OpenSession(author=self.settings.instance, role=Role.SCHEDULER, scheduler=self.settings.scheduler)
        self.statistics.sessions += 1
        return self._append_alone(opening)

    def _is_renewal_due(self) -> bool:
        """Whether a third of the session's time has gone by since its last transaction."""
        assert self._session is not None
        assert self.cell.genesis is not None, "a cell without genesis holds no session"
        deadline = self.cell.sessions[self._session].deadline
        return self.cell.elapsed >= deadline - self.cell.genesis.session_ttl_us * 2 // 3

    def _rest_us(self, now_us: int) -> int | None:
        """Return how long there is nothing to do unless the log grows."""
        until_us = self._backlog.next_due_us()
        if self._backlog.count(Standing.READY):
            until_us = self._paused_until_us if until_us is None else min(until_us, self._paused_until_us)
        # a job whose delay ends while the author is suspended is not decided on before the suspension ends
        return None if until_us is None else max(0, max(until_us, self._paused_until_us) - now_us)

    # --- deciding ---

    def _decide(self, now_us: int) -> list[Decision]:
        """Decide on the next jobs, as many as fit in one append; those with nothing to append are settled at once."""
        limits = self._limits
        tentative: Tentative | None = None
        said: list[Decision] = []
        size = claims = 0
        deadline_us = now_us + limits.decide_us
        for _ in range(1 if self._to_draw else limits.jobs):
            chosen = self._choose(now_us, tentative, room=limits.claims - claims, is_first=not said)
            if chosen is None:
                break
            tentative = tentative or Tentative(self.cell, lot=lot_of(self._backlog, self.cell.revision))
            for decision in self._decide_on(chosen, tentative, deadline_us=deadline_us):
                self.statistics.count_decision(decision)
                if decision.commands:
                    said.append(decision)
                    claims += decision.claims
                    size += _TRANSACTION_BYTES + _CLAIM_BYTES * decision.claims
                else:
                    self._settler.settle_unsaid(decision)
            is_full = claims >= limits.claims or size >= limits.entry_bytes or len(said) >= limits.jobs
            if is_full or self._clock.monotonic_us() >= deadline_us:
                break
        return said

    def _decide_on(
        self, chosen: list[tuple[Entry, TaskGroup]], tentative: Tentative, *, deadline_us: int
    ) -> list[Decision]:
        entries = [entry for entry, _ in chosen]
        groups = [group for _, group in chosen]
        first, group = entries[0], groups[0]
        if first.conflicts >= self._limits.conflicts:
            note = f"{first.conflicts} attempts in a row conflicted with other schedulers; it waits for a minute"
            return [self._decider.give_up(first, group.count, note)]
        oversize = describe_oversize(first, group, gang_claims=self._limits.gang_claims)
        if oversize:
            return [self._decider.give_up(first, first.count, oversize)]
        lack = tentative.find_cap_lack(first.job, group.least)
        if lack >= 0:
            return [self._decider.hold_back(first, group.count, lack, cell=self.cell)]
        if len(entries) > 1 and entries[1] is first:
            return [self._decider.decide_gang(first, groups, tentative, cell=self.cell, deadline_us=deadline_us)]
        return self._decider.decide(entries, groups, tentative, cell=self.cell, deadline_us=deadline_us)

    def _choose(
        self, now_us: int, tentative: Tentative | None, *, room: int, is_first: bool
    ) -> list[tuple[Entry, TaskGroup]] | None:
        """Take the jobs of one decision, at most ``room`` tasks; None when none is ready or they do not fit.

        The scheduler is shown no more tasks than its cap takes. A job that is in trouble, held back by the cap, or
        several gangs, is decided on alone, so that it takes no other with it.
        """
        chosen: list[tuple[Entry, TaskGroup]] = []
        caps = fork_caps(self.cell, tentative)
        while len(chosen) < self._traits.max_groups and room > 0:
            entry = self._take(now_us)
            if entry is None:
                break
            allowed = MAX_TASKS_PER_JOB if caps is None else caps.room(self._row_of(entry))
            is_capped = allowed < entry.least
            limit = room if is_capped else min(most_claims(entry.spec, room, self._limits.gang_claims), allowed)
            groups = self._groups_of(entry, now_us, number=len(chosen), limit=limit)
            if not groups:
                continue
            count = groups[0].count if len(groups) == 1 else sum(group.count for group in groups)
            is_alone = is_capped or bool(entry.failures) or count > self._limits.claims or len(groups) > 1
            is_alone = is_alone or entry.conflicts >= self._limits.conflicts
            if (count > room and not is_first) or (is_alone and chosen):
                self._backlog.give_back(entry)
                break
            chosen += [(entry, group) for group in groups]
            if caps is not None:
                caps.take(self._row_of(entry), count)
            room -= count
            if is_alone or self._to_draw:
                break
        self._to_draw -= 1 if chosen and self._to_draw else 0
        return chosen or None

    def _row_of(self, entry: Entry) -> int:
        row = self.cell.jobs.row_of(entry.job)
        assert row is not None, f"job {entry.job} is in the backlog and not in the cell"
        return row

    def _take(self, now_us: int) -> Entry | None:
        return self._backlog.take_any(now_us, self._jitter) if self._to_draw else self._backlog.take(now_us)

    def _groups_of(self, entry: Entry, now_us: int, *, number: int, limit: int) -> list[TaskGroup]:
        """Return the tasks of a job that are due; when there are none, put the job off."""
        elapsed_seen, seen_at_us = self._elapsed_seen
        elapsed = elapsed_seen + min(now_us - seen_at_us, 2 * TICK_PERIOD_US)
        asked = Asked(elapsed=elapsed, wall_us=self._clock.wall_us(), limit=limit, number=number)
        groups, held_us = find_groups(self.cell, entry, asked)
        entry.again_us = now_us + held_us if entry.is_system and held_us is not None else None
        if not groups:
            assert held_us is not None, f"job {entry.job} has pending tasks, and none is due or held back"
            self._backlog.delay(entry, until_us=now_us + held_us, now_us=now_us)
        return groups

    # --- appending ---

    def _append(self, decisions: list[Decision]) -> Append:
        assert self._session is not None
        transactions = [
            Transaction(
                session=self._session,
                seq=self._seq + place + 1,
                seen=self.cell.revision,
                detection=self._traits.detection,
                atomicity=atomicity_of(decision.entry.spec, self._traits),
                decided_from_us=decision.from_us,
                decided_to_us=decision.to_us,
                commands=decision.commands,
                position=place,
            )
            for place, decision in enumerate(decisions)
        ]
        return self._send(transactions, tuple(decisions))

    def _append_alone(self, command: Command) -> Append:
        assert self._session is not None
        now_us = self._clock.wall_us()
        transaction = Transaction(
            session=self._session,
            seq=self._seq + 1,
            seen=self.cell.revision,
            decided_from_us=now_us,
            decided_to_us=now_us,
            commands=(command,),
        )
        return self._send([transaction], (None,))

    def _send(self, transactions: list[Transaction], decisions: tuple[Decision | None, ...]) -> Append:
        self._seq += len(transactions)
        self._in_flight = decisions
        self.statistics.appends += 1
        return Append(transactions=tuple(transactions))

    # --- outcomes ---

    def _settle_all(self, outcomes: tuple[Outcome | None, ...]) -> None:
        """Read what became of the transactions in flight."""
        if not self._in_flight or not outcomes:
            return
        decisions, self._in_flight = self._in_flight, ()
        assert len(outcomes) == len(decisions), f"{len(outcomes)} outcomes for {len(decisions)} transactions"
        for decision, outcome in zip(decisions, outcomes, strict=True):
            if outcome is not None and _has_lost_session(outcome):
                self._session = None
            if outcome is not None and outcome.reason is Reason.SUSPENDED:
                self._pause()
            if decision is not None:
                self.statistics.count_outcome(decision, outcome)
                self._settler.settle(decision, outcome)

    def _pause(self) -> None:
        """Propose nothing while this author is suspended."""
        row = self.cell.authors.row_of(self.settings.instance)
        until = 0 if row is None else self.cell.authors.rows[row].suspended_until
        self._paused_until_us = self._clock.monotonic_us() + max(1, until - self.cell.elapsed)


def _has_lost_session(outcome: Outcome) -> bool:
    """Whether the session has ended, or its numbers no longer follow one another: a new one must be opened."""
    return outcome.reason in _SESSION_LOST or outcome.status is _MALFORMED
