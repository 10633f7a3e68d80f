"""One instance of a scheduler in a simulation: the real loop, in turns on the agenda.

A turn is one step of the loop. What the step took in virtual time passes before its action is performed; meanwhile the
cell goes on, which is where conflicts come from. An instance that has nothing to do is woken by what concerns it: a
job of its share, machines that changed while jobs of it wait for room, its own timer. (A real one is woken by every
entry of the log; the turns that are left out here would find nothing to do.)
"""

from typing import Final, Protocol, assert_never

import numpy as np
from numpy.typing import NDArray

from omegacell.core.commands import Place
from omegacell.core.deltas import Delta, join
from omegacell.core.errors import InvariantError
from omegacell.core.outcomes import Outcome
from omegacell.core.units import SessionId
from omegacell.schedulers.actions import Action, Append, Done, Folded, Wait
from omegacell.schedulers.loop import Loop, LoopSettings
from omegacell.simulator.agenda import Agenda
from omegacell.simulator.labcell import LabCell
from omegacell.simulator.metrics import Tally
from omegacell.simulator.thinking import Thinking

MAX_STEPS: Final = 100_000
"""An instance that takes more steps while no time passes spins."""


class Host(Protocol):
    """What an instance needs of the simulation around it."""

    lab: LabCell
    agenda: Agenda[int]

    def before_turn(self) -> None:
        """Do what has waited until no decision is being made."""
        ...

    def note_granted(self, instance: "Instance", place: Place, granted: NDArray[np.intp]) -> None:
        """Let the claims at these places of a `Place` run."""
        ...

    def after_answer(self, instance: "Instance") -> None:
        """Say what an instance does next that has appended, or that has nothing to append for now."""
        ...


class Instance:
    """One instance; the simulation tells it of jobs and machines.

    Attributes:
        thinking: what it decides with.
        tally: what it did.
        loop: the real one.
    """

    def __init__(self, host: Host, thinking: Thinking, settings: LoopSettings, tally: Tally) -> None:
        """Join a cell; `start` opens the session. Session ids follow from the settings' seed."""
        self.thinking = thinking
        self.tally = tally
        self._host = host
        self._follower = host.lab.follow()
        self._sessions = iter(range(settings.seed * 1_000 + 2, settings.seed * 1_000 + 1_002))
        self.loop = Loop(
            thinking, host.lab.cell, settings=settings, clock=thinking.clock, draw_session=self._draw_session
        )
        self._outcomes: tuple[Outcome, ...] = ()
        self._wait = Wait(timeout_us=None)
        self._timer = 0
        self._idle_turns = 0
        self._is_resting = False

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.loop.settings.instance

    def start(self) -> None:
        """Take turns at once, as long as none takes time, until there is nothing to do.

        Raises:
            InvariantError: it does not come to rest.
        """
        for _ in range(MAX_STEPS):
            match self._step():
                case Append() as append:
                    self._commit(append)
                case Wait(timeout_us=0):
                    continue
                case Wait() as wait:
                    self._wait, self._is_resting = wait, True
                    return
                case Done():
                    return
        raise InvariantError(f"{self.name} does not come to rest in {MAX_STEPS} steps: it spins")

    def turn(self, rows: NDArray[np.int64] | None = None) -> None:
        """Take a turn now; ``rows`` are machines to look at beside those that changed."""
        self._is_resting = False
        self._timer += 1
        self._host.before_turn()
        action = self._step(rows)
        at_us, agenda = self.thinking.clock.now_us, self._host.agenda
        match action:
            case Append():
                self._idle_turns = 0
                agenda.enter(at_us, self._perform, action)
            case Wait(timeout_us=timeout_us):
                if timeout_us == 0 or at_us > agenda.now:
                    self._count_idle(is_progress=at_us > agenda.now)
                    # what it decided on had nothing new to append, and took its time; what changed meanwhile may help
                    agenda.enter(at_us, self.turn)
                else:
                    self._wait = action
                    self._host.after_answer(self)
            case Done():
                pass
            case _:
                assert_never(action)

    def wake(self) -> None:
        """Take a turn if there is nothing else to do: something that concerns this instance has changed."""
        if self._is_resting:
            self.turn()

    def rest(self) -> None:
        """Do nothing until woken, or until the loop's own time comes."""
        self._is_resting = True
        if self._wait.timeout_us is not None:
            agenda = self._host.agenda
            agenda.enter(agenda.now + self._wait.timeout_us, self._ring, self._timer)

    def leave(self) -> None:
        """Take no more turns, and let the cell forget what this instance has not seen."""
        self._is_resting = False
        self._follower.leave()

    def _count_idle(self, *, is_progress: bool) -> None:
        self._idle_turns = 0 if is_progress else self._idle_turns + 1
        if self._idle_turns > MAX_STEPS:
            raise InvariantError(f"{self.name} has taken {MAX_STEPS} turns and no time: it spins")

    def _ring(self, timer: int) -> None:
        if timer == self._timer:
            self.wake()

    def _step(self, rows: NDArray[np.int64] | None = None) -> Action:
        self.thinking.clock.now_us = self._host.agenda.now
        delta = self._follower.catch_up()
        if rows is not None:
            delta = join([delta, Delta(machine_parts=[rows])])
        outcomes, self._outcomes = self._outcomes, ()
        return self.loop.step(Folded(delta=delta, outcomes=outcomes))

    def _perform(self, action: Append) -> None:
        self._commit(action)
        self._wait = Wait(timeout_us=0)
        self._host.after_answer(self)

    @property
    def has_more(self) -> bool:
        """Whether the loop is to be stepped again at once: it has appended, and may have more to decide on."""
        return self._wait.timeout_us == 0

    def _commit(self, action: Append) -> None:
        """Let the judge decide, count, and let what was granted run."""
        self._outcomes = self._host.lab.apply(action.transactions)
        for transaction, outcome in zip(action.transactions, self._outcomes, strict=True):
            for command in transaction.commands:
                if isinstance(command, Place):
                    self._note(command, outcome)

    def _note(self, place: Place, outcome: Outcome) -> None:
        """Count a transaction; it has at most one `Place`, whose claims its refusals name by position."""
        claims = len(place.indices)
        granted = np.arange(claims if outcome.granted else 0)
        is_conflict = outcome.is_conflict
        if len(outcome.refusals):
            granted = np.delete(np.arange(claims), outcome.refusals.positions)
            is_conflict = is_conflict or bool(outcome.refusals.is_conflict.any())
        now_us = self._host.agenda.now
        self.tally.note_transaction(now_us, claims=claims, granted=len(granted), is_conflict=is_conflict)
        if len(granted):
            self._host.note_granted(self, place, granted)

    def _draw_session(self) -> SessionId:
        return SessionId(next(self._sessions))
