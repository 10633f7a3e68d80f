"""Judging and writing the commands about machines and time: register, inventory, lose, taints, eligibility, tick.

Time is only `Cell.elapsed`, and only `Tick` moves it; silence is counted in ticks. Nothing happens here because time
passed: a proposer claims that a machine is lost, and the cell accepts or refuses.
"""

from functools import partial

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.drains import SetEligibility
from omegacell.core.jobs import TaskState
from omegacell.core.lives import Rows, Stamp, end_all_as, end_attempts
from omegacell.core.machine_commands import Inventory, LoseMachines, RegisterMachine, SetTaints, Tick
from omegacell.core.machines import MachineState
from omegacell.core.outcomes import Reason
from omegacell.core.placement import Taint
from omegacell.core.units import MAX_DEVICE_KINDS, MAX_DRIVERS, MAX_MACHINES, SECOND_US, SILENT_TICKS_TO_LOSE
from omegacell.core.validate_placement import MAX_RULES
from omegacell.core.verdicts import Verdict, refuse

LOSS_WINDOW_US = 300 * SECOND_US
"""Losses within this elapsed time count as happening at once."""

LOSS_PERCENT = 5
"""Of the cell's machines that may be lost at once without an operator."""


def judge_register(cell: Cell, command: RegisterMachine, *, session: int, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `RegisterMachine`: a new row, or a new epoch of a known one."""
    machines = cell.machines
    unknown = [name for name in command.drivers if not machines.driver_bit(name)]
    is_too_many = len(machines.driver_names) + len(unknown) > MAX_DRIVERS
    new_kinds = [offer for offer in command.devices if machines.devices.find(offer.name) is None]
    is_too_many |= len(machines.devices.kinds) + len(new_kinds) > MAX_DEVICE_KINDS
    row = machines.row_of(command.name)
    write = partial(_write_register, cell, command, session=session, stamp=stamp)
    if row is None:
        if is_too_many or machines.count >= MAX_MACHINES:
            return refuse(Reason.LIMIT)
        return Verdict(value=machines.count, detail=1, write=write)
    is_fresh = machines.state[row] != MachineState.DOWN and machines.contact_session[row] != 0
    if is_fresh and machines.boot_ids[row] != command.boot_id:
        changed_at = machines.effective_changed_at(np.array([row], np.int64), floor=stamp.floor)
        return refuse(Reason.MACHINE_ELSEWHERE, is_conflict=bool(changed_at[0] > seen))
    if is_too_many:
        return refuse(Reason.LIMIT)
    return Verdict(value=row, detail=int(machines.epoch[row]) + 1, write=write)


def _write_register(cell: Cell, command: RegisterMachine, *, session: int, stamp: Stamp) -> None:
    machines = cell.machines
    known = machines.row_of(command.name)
    row = machines.add(command.name) if known is None else known
    for name in command.drivers:
        if not machines.driver_bit(name):
            machines.driver_names.append(name)
    machines.drivers[row] = sum(machines.driver_bit(name) for name in command.drivers)
    machines.boot_ids[row] = command.boot_id
    machines.describe(row, attributes=command.attributes, taints=machines.taints[row])
    machines.capacity[row] = command.capacity
    machines.free[row] = machines.capacity[row] - machines.allocated[row].sum(axis=0)
    machines.epoch[row] = machines.epoch[row] + 1
    machines.state[row] = MachineState.JOINING
    machines.contact_session[row] = session
    machines.silent_ticks[row] = 0
    machines.note_standing()
    _set_port_range(cell, row, command)
    machines.devices.set_offers(row, command.devices, machine_count=machines.count)
    _touch(cell, np.array([row], np.int64), stamp=stamp)


def _set_port_range(cell: Cell, row: int, command: RegisterMachine) -> None:
    machines = cell.machines
    machines.port_first[row] = command.port_first
    machines.port_last[row] = command.port_last
    if not command.port_first <= machines.port_next[row] <= command.port_last:
        machines.port_next[row] = command.port_first
    used = sum(command.port_first <= number <= command.port_last for number in machines.ports[row])
    machines.port_free[row] = max(0, command.port_last - command.port_first + 1) - used


def judge_inventory(cell: Cell, command: Inventory, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge an `Inventory`: it must be of the machine's current epoch."""
    machines = cell.machines
    if command.machine >= machines.count:
        return refuse(Reason.UNKNOWN_MACHINE)
    if machines.epoch[command.machine] != command.epoch:
        changed_at = machines.effective_changed_at(np.array([command.machine], np.int64), floor=stamp.floor)
        return refuse(Reason.STALE_EPOCH, is_conflict=bool(changed_at[0] > seen))
    return Verdict(write=partial(_write_inventory, cell, command, stamp=stamp))


def _write_inventory(cell: Cell, command: Inventory, *, stamp: Stamp) -> None:
    machines, arena, jobs = cell.machines, cell.tasks, cell.jobs
    running = np.flatnonzero((arena.machine == command.machine) & (arena.state == TaskState.RUNNING))
    held: dict[tuple[int, int, int], None] = {}
    for job, index, attempt in zip(
        command.jobs.tolist(), command.indices.tolist(), command.attempts.tolist(), strict=True
    ):
        held[job, index, attempt] = None
    lost = []
    for task in running.tolist():
        job_row = int(arena.job[task])
        key = (int(jobs.id[job_row]), task - int(jobs.offset[job_row]), int(arena.attempt[task]))
        if key not in held:
            lost.append(task)
    if machines.state[command.machine] == MachineState.JOINING:
        machines.state[command.machine] = MachineState.UP
        machines.note_standing()
        _touch(cell, np.array([command.machine], np.int64), stamp=stamp)
    _lose_tasks(cell, np.array(lost, np.int64), stamp=stamp)


def judge_lose(cell: Cell, command: LoseMachines, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `LoseMachines`: silent for three ticks, and not more than 5 % of the cell at once."""
    machines = cell.machines
    rows = np.array(command.machines, np.int64)
    if rows.max() >= machines.count:
        return refuse(Reason.UNKNOWN_MACHINE)
    rows = rows[machines.state[rows] != MachineState.DOWN]
    if not command.by_operator:
        is_silent = (machines.contact_session[rows] == 0) & (machines.silent_ticks[rows] >= SILENT_TICKS_TO_LOSE)
        if not is_silent.all():
            return refuse(Reason.MACHINE_HEARD)
        is_recent = (machines.state == MachineState.DOWN) & (machines.lost_elapsed > cell.elapsed - LOSS_WINDOW_US)
        allowed = max(1, machines.count * LOSS_PERCENT // 100)
        if int(is_recent.sum()) + len(rows) > allowed:
            return refuse(Reason.TOO_MANY_LOST)
    if not len(rows):
        return Verdict()
    return Verdict(write=partial(_write_lose, cell, rows, stamp=stamp))


def _write_lose(cell: Cell, rows: Rows, *, stamp: Stamp) -> None:
    machines, arena = cell.machines, cell.tasks
    machines.state[rows] = MachineState.DOWN
    machines.lost_elapsed[rows] = cell.elapsed
    machines.contact_session[rows] = 0
    machines.note_standing()
    _touch(cell, rows, stamp=stamp)
    is_lost = np.zeros(machines.count, np.bool_)
    is_lost[rows] = True
    active = np.flatnonzero(arena.machine >= 0)
    _lose_tasks(cell, active[is_lost[arena.machine[active]]], stamp=stamp)


def _lose_tasks(cell: Cell, tasks: Rows, *, stamp: Stamp) -> None:
    if len(tasks):
        end_attempts(cell, tasks, end_all_as(TaskState.LOST, len(tasks), at_us=stamp.at_us), stamp=stamp)


def judge_taints(cell: Cell, command: SetTaints, *, stamp: Stamp) -> Verdict:
    """Judge a `SetTaints`; machines that have what is asked already are not touched."""
    machines = cell.machines
    if command.machines[len(command.machines) - 1] >= machines.count:
        return refuse(Reason.UNKNOWN_MACHINE)
    changed: dict[int, tuple[Taint, ...]] = {}
    for row in command.machines:
        after = _find_taints(machines.taints[row], command)
        if len(after) > MAX_RULES:
            return refuse(Reason.LIMIT)
        if after != machines.taints[row]:
            changed[row] = after
    write = partial(_write_taints, cell, changed, stamp=stamp) if changed else None
    return Verdict(value=len(changed), write=write)


def _find_taints(taints: tuple[Taint, ...], command: SetTaints) -> tuple[Taint, ...]:
    """Return the taints of a machine after a change, ascending by key and effect."""
    kept = {(taint.key, taint.effect): taint for taint in taints if taint.key not in command.remove}
    kept.update({(taint.key, taint.effect): taint for taint in command.add})
    return tuple(kept[key] for key in sorted(kept))


def _write_taints(cell: Cell, changed: dict[int, tuple[Taint, ...]], *, stamp: Stamp) -> None:
    machines = cell.machines
    for row, taints in changed.items():
        machines.describe(row, attributes=machines.attributes[row], taints=taints)
    _touch(cell, np.array(list(changed), np.int64), stamp=stamp)


def judge_eligibility(cell: Cell, command: SetEligibility, *, stamp: Stamp) -> Verdict:
    """Judge a `SetEligibility`: machines that are so already are left alone, not even touched."""
    machines = cell.machines
    rows = np.array(command.machines, np.int64)
    if rows.max() >= machines.count:
        return refuse(Reason.UNKNOWN_MACHINE)
    is_same = machines.eligibility[rows] == int(command.eligibility)
    is_same &= machines.drain_deadline[rows] == command.deadline_us
    rows = rows[~is_same]
    if not len(rows):
        return Verdict()
    return Verdict(write=partial(_write_eligibility, cell, command, rows, stamp=stamp))


def _write_eligibility(cell: Cell, command: SetEligibility, rows: Rows, *, stamp: Stamp) -> None:
    cell.machines.eligibility[rows] = int(command.eligibility)
    cell.machines.drain_deadline[rows] = command.deadline_us
    cell.machines.note_standing()
    _touch(cell, rows, stamp=stamp)


def judge_tick(cell: Cell, command: Tick, *, session: int) -> Verdict:
    """Judge a `Tick`: accepted only when it follows the last one."""
    if command.after != cell.tick:
        return refuse(Reason.STALE_TICK)
    return Verdict(write=partial(_write_tick, cell, command, session=session))


def _write_tick(cell: Cell, command: Tick, *, session: int) -> None:
    assert cell.genesis is not None, "commands are judged after genesis"
    machines = cell.machines
    cell.tick += 1
    cell.elapsed += min(command.dt_us, 2 * cell.genesis.tick_period_us)
    lost = command.lost_contact[command.lost_contact < machines.count]
    machines.contact_session[lost[machines.contact_session[lost] == session]] = 0
    is_known = command.gained < machines.count
    gained, epochs = command.gained[is_known], command.gained_epochs[is_known]
    gained = gained[(machines.epoch[gained] == epochs) & (machines.state[gained] != MachineState.DOWN)]
    machines.contact_session[gained] = session
    machines.silent_ticks[gained] = 0
    is_silent = (machines.state != MachineState.DOWN) & (machines.contact_session == 0)
    np.add(machines.silent_ticks, 1, out=machines.silent_ticks, where=is_silent)
    machines.note_standing()
    cell.touched.ticked = True


def _touch(cell: Cell, rows: Rows, *, stamp: Stamp) -> None:
    cell.machines.touch(rows, revision=stamp.revision, floor=stamp.floor)
    cell.touch_topology(revision=stamp.revision, floor=stamp.floor)
    cell.touched.machines.append(rows)
