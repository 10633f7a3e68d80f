"""Ticks and contact: how the cell learns that time passed, and which machines this server hears.

The ticker is told of every heartbeat and every stream that ended, and proposes changes only: a machine is named in a
tick when contact with it began or ended, never because it was heard again. What to name follows from comparing what is
heard here with what the cell says, so a tick that came too late (another server's was first) costs nothing: the next
one names the same.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s
from omegacell.core.machine_commands import Tick
from omegacell.core.machines import MachineState
from omegacell.core.units import SessionId

CHANGES_PER_TICK: Final = 10_000
"""Machines gained, and machines lost, that one tick names at most; the others follow with the next."""

_NEVER: Final = -1


class Ticker:
    """Proposes ticks for one API server; times are monotonic microseconds that the caller hands in."""

    def __init__(self, *, period_us: int, silent_after_us: int, now_us: int) -> None:
        """Tick every ``period_us``; a machine not heard for ``silent_after_us`` counts as out of contact."""
        self._period_us = period_us
        self._silent_after_us = silent_after_us
        self._heard_us: NDArray[np.int64] = np.empty(0, np.int64)
        self._epochs: Int32s = np.empty(0, np.int32)
        self._was_ours: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._tick_seen = -1
        self._tick_seen_us = now_us

    def note_heard(self, machines: ArrayLike, *, epochs: ArrayLike, now_us: int) -> None:
        """Note heartbeats of machine rows, under the epochs they were registered with; a registration is one too.

        Cost: O(rows given).
        """
        rows = np.asarray(machines, np.int64)
        if rows.size:
            self._grow(int(rows.max()) + 1)
        self._heard_us[rows] = now_us
        self._epochs[rows] = np.asarray(epochs, np.int32)

    def note_gone(self, machines: ArrayLike) -> None:
        """Note that the streams of machine rows ended."""
        rows = np.asarray(machines, np.int64)
        self._heard_us[rows[rows < len(self._heard_us)]] = _NEVER

    def next_due_us(self) -> int:
        """Return when the next tick is due, if no other server's comes first."""
        return self._tick_seen_us + self._period_us

    def step(self, cell: Cell, *, session: SessionId, now_us: int) -> Tick | None:
        """Return the tick that is due, or None; to be called after every fold, and again only after the next.

        Args:
            cell: the caller's copy, folded.
            session: the caller's session, which holds its contacts.
            now_us: monotonic microseconds.

        Cost: O(1) between ticks, O(machines) when one was folded and when one is due.
        """
        self._grow(cell.machines.count)
        if cell.tick != self._tick_seen:
            self._tick_seen, self._tick_seen_us = cell.tick, now_us
            self._let_go(cell.machines.contact_session, session)
        if cell.genesis is None or now_us < self.next_due_us():
            return None
        heard = self._heard_us[: cell.machines.count]
        heard[now_us - heard > self._silent_after_us] = _NEVER
        is_ours = cell.machines.contact_session == session
        is_current = self._epochs[: cell.machines.count] == cell.machines.epoch
        is_up = cell.machines.state != MachineState.DOWN
        gained = np.flatnonzero((heard != _NEVER) & is_current & is_up & ~is_ours)[:CHANGES_PER_TICK]
        lost = np.flatnonzero(is_ours & (heard == _NEVER))[:CHANGES_PER_TICK]
        return Tick(
            after=cell.tick,
            dt_us=now_us - self._tick_seen_us,
            gained=gained.astype(np.int32),
            gained_epochs=cell.machines.epoch[gained].astype(np.int32),
            lost_contact=lost.astype(np.int32),
        )

    def _let_go(self, holder: NDArray[np.int64], session: SessionId) -> None:
        """Drop the machines that another server took over since the last tick: their agents have moved there."""
        known = slice(0, len(holder))
        is_ours = holder == session
        self._heard_us[known][self._was_ours[known] & ~is_ours & (holder != 0)] = _NEVER
        self._was_ours[known] = is_ours

    def _grow(self, count: int) -> None:
        missing = max(count - len(self._heard_us), 0)
        if missing:
            missing = max(missing, len(self._heard_us))
            self._heard_us = np.concatenate([self._heard_us, np.full(missing, _NEVER, np.int64)])
            self._epochs = np.concatenate([self._epochs, np.zeros(missing, np.int32)])
            self._was_ours = np.concatenate([self._was_ours, np.zeros(missing, np.bool_)])
