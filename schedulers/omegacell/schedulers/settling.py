"""What the outcome of a decision means for its job: done, again at once, again later, or when machines change."""

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.commands import Place
from omegacell.core.outcomes import Outcome, Reason, Status
from omegacell.schedulers.actions import Clock
from omegacell.schedulers.backlog import Backlog
from omegacell.schedulers.backoff import AFTER_CONFLICT, AFTER_FAILURE, AFTER_MISS, LONG_WAIT_US
from omegacell.schedulers.deciding import Decision, Result
from omegacell.schedulers.entries import Entry

TRY_AGAIN = (Reason.SESSION_UNKNOWN, Reason.SESSION_GAP, Reason.SUSPENDED)
"""Refusals that say nothing of the job: it is ready again once the loop has put itself right."""


class Settler:
    """Puts jobs back into a backlog by what became of their decisions."""

    def __init__(self, backlog: Backlog, *, cell: Cell, clock: Clock, rng: np.random.Generator) -> None:
        """Settle into ``backlog``, which is of ``cell``; ``rng`` is for jitter."""
        self._backlog = backlog
        self._cell = cell
        self._clock = clock
        self._rng = rng

    def settle(self, decision: Decision, outcome: Outcome | None) -> None:
        """Settle a decision that was appended; for an outcome that nobody remembers the cell shows what is left."""
        if outcome is None or outcome.granted < decision.claims:
            self._note_unclaimed(decision)
        if outcome is None or outcome.reason in TRY_AGAIN:
            self._backlog.give_back(decision.entry)
        elif outcome.reason is not Reason.NONE or outcome.status is Status.MALFORMED:
            self._settle_failed(decision.entry)
        elif len(outcome.refusals):
            self._settle_conflict(decision.entry)
        else:
            self._settle_granted(decision)

    def _note_unclaimed(self, decision: Decision) -> None:
        """Let jobs that wait because of this decision's claims look again: the claims were not granted."""
        self._backlog.note_cap()
        for command in decision.commands:
            if isinstance(command, Place):
                self._backlog.note_machines(command.machines.astype(np.int64))

    def settle_unsaid(self, decision: Decision) -> None:
        """Settle a decision that had nothing new to append."""
        if decision.result is Result.FAILED:
            self._settle_failed(decision.entry)
        elif decision.result is Result.CAPPED:
            self._settle_capped(decision.entry)
        else:
            self._settle_short(decision)

    def _settle_granted(self, decision: Decision) -> None:
        entry = decision.entry
        match decision.result:
            case Result.PLACED:
                entry.conflicts = entry.misses = entry.failures = 0
                self._backlog.give_back(entry)
            case Result.GAVE_UP:
                entry.conflicts = 0
                self._delay(entry, LONG_WAIT_US)
            case Result.SHORT:
                self._settle_short(decision)
            case Result.FAILED:
                self._settle_failed(entry)
            case Result.CAPPED:
                self._settle_capped(entry)

    def _settle_short(self, decision: Decision) -> None:
        """Park a job of which some or all tasks found no room."""
        entry = decision.entry
        entry.conflicts = entry.failures = 0
        entry.misses = 1 if decision.claims else entry.misses + 1
        delay_us = AFTER_MISS.delay_us(entry.misses, self._rng)
        now_us = self._clock.monotonic_us()
        self._backlog.park(entry, not_before_us=now_us + delay_us)
        self._backlog.note_cap()
        if decision.has_left_room:
            self._backlog.wake_next(entry, now_us=now_us)

    def _settle_capped(self, entry: Entry) -> None:
        entry.conflicts = entry.misses = entry.failures = 0
        self._backlog.hold(entry, self._cell)

    def _settle_failed(self, entry: Entry) -> None:
        entry.failures += 1
        self._delay(entry, AFTER_FAILURE.delay_us(entry.failures, self._rng))

    def _settle_conflict(self, entry: Entry) -> None:
        entry.conflicts += 1
        delay_us = AFTER_CONFLICT.delay_us(entry.conflicts, self._rng)
        if delay_us:
            self._delay(entry, delay_us)
        else:
            self._backlog.give_back(entry)

    def _delay(self, entry: Entry, delay_us: int) -> None:
        """Let a job wait for a time; what the cap leaves meanwhile is for others."""
        self._backlog.note_cap()
        now_us = self._clock.monotonic_us()
        self._backlog.delay(entry, until_us=now_us + delay_us, now_us=now_us)
