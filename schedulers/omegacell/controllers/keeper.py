"""All controllers of one API server in one step: what to propose after folding the log.

They run when the cell's time has moved, because nothing becomes due otherwise. What was proposed and refused is
proposed again at the next tick at the earliest.
"""

from omegacell.controllers.deadlines import find_late
from omegacell.controllers.drains import find_drains
from omegacell.controllers.forgetting import find_forgettable
from omegacell.controllers.losses import find_losses
from omegacell.controllers.sessions import find_expired
from omegacell.controllers.system_jobs import SystemJobs
from omegacell.controllers.ticks import Ticker
from omegacell.controllers.unhealthy import find_unhealthy
from omegacell.controllers.updates import Updater
from omegacell.core.cell import Cell
from omegacell.core.commands import Command
from omegacell.core.units import SECOND_US, SessionId

SILENT_AFTER_US = 6 * SECOND_US
"""A machine that was not heard for so long is out of contact; three silent ticks later it may be lost."""


class Keeper:
    """Proposes ticks, losses, expiries, evictions, stops at deadlines, tasks of system jobs and forgetting.

    Each command is a transaction.

    ``ticker`` is told of heartbeats by whoever hears them.
    """

    def __init__(
        self, *, period_us: int, now_us: int, silent_after_us: int = SILENT_AFTER_US, own_boot_id: str = ""
    ) -> None:
        """Begin at ``now_us``, monotonic microseconds; ``own_boot_id`` as in `find_losses`."""
        self._own_boot_id = own_boot_id
        self._system_jobs = SystemJobs()
        self.ticker = Ticker(period_us=period_us, silent_after_us=silent_after_us, now_us=now_us)
        self.waiting_for_operator: tuple[int, ...] = ()
        self._updater = Updater()
        self._kept_at_tick = -1

    def step(self, cell: Cell, *, session: SessionId, now_us: int) -> list[Command]:
        """Return what to propose now, at most some 500 small commands. Cost: O(cell) once a tick, O(1) otherwise."""
        commands: list[Command] = []
        if cell.tick != self._kept_at_tick:
            self._kept_at_tick = cell.tick
            losses = find_losses(cell, own_boot_id=self._own_boot_id)
            self.waiting_for_operator = losses.waiting
            commands += [losses.command] if losses.command is not None else []
            commands += find_expired(cell, own=session)
            commands += find_unhealthy(cell)
            commands += find_late(cell)
            commands += find_drains(cell)
            commands += self._updater.step(cell)
            commands += self._system_jobs.step(cell)
            commands += find_forgettable(cell)
        tick = self.ticker.step(cell, session=session, now_us=now_us)
        return [*commands, tick] if tick is not None else commands
