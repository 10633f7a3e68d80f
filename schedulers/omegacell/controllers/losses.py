"""Lost machines: proposes `LoseMachines` for those that were silent for three ticks.

The cell refuses to lose more than a twentieth of its machines at once without an operator. The controller asks for as
many as that leaves room for, the longest silent first, and when there is none it says how many wait for an operator
instead of asking in vain.
"""

from dataclasses import dataclass

import numpy as np

from omegacell.core.apply_machines import LOSS_PERCENT, LOSS_WINDOW_US
from omegacell.core.cell import Cell
from omegacell.core.machine_commands import LoseMachines
from omegacell.core.machines import MachineState
from omegacell.core.units import SILENT_TICKS_TO_LOSE

MACHINES_PER_STEP = 1_000
"""Machines that one proposal names at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What is to be done about silent machines.

    Attributes:
        command: what to propose, None when nothing may be.
        waiting: machine rows, ascending, that are due and wait for an operator or for the next step.
    """

    command: LoseMachines | None
    waiting: tuple[int, ...]


def find_losses(cell: Cell, *, own_boot_id: str = "") -> Losses:
    """Return which machines to give up now, and which are due but may not be. Pure; cost: O(machines).

    Args:
        cell: as folded.
        own_boot_id: boot of the host that this runs on, where its machines are never given up: nothing can part them
            from the cell, and there is nowhere else to run. Empty: no machine is spared.
    """
    machines = cell.machines
    is_due = (
        (machines.state != MachineState.DOWN)
        & (machines.contact_session == 0)
        & (machines.silent_ticks >= SILENT_TICKS_TO_LOSE)
    )
    due = np.flatnonzero(is_due)
    if own_boot_id:
        due = np.array([row for row in due.tolist() if machines.boot_ids[row] != own_boot_id], np.int64)
    if not len(due):
        return Losses(command=None, waiting=())
    is_recent = (machines.state == MachineState.DOWN) & (machines.lost_elapsed > cell.elapsed - LOSS_WINDOW_US)
    allowed = max(1, machines.count * LOSS_PERCENT // 100) - int(np.count_nonzero(is_recent))
    order = due[np.argsort(-machines.silent_ticks[due], kind="stable")]
    chosen = sorted(order[: max(0, min(allowed, MACHINES_PER_STEP))].tolist())
    waiting = sorted(order[len(chosen) :].tolist())
    return Losses(command=LoseMachines(machines=tuple(chosen)) if chosen else None, waiting=tuple(waiting))
