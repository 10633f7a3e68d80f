"""How the slow twin registers, hears, loses and believes machines, and how time passes in it."""

from omegacell.core.commands import Transaction
from omegacell.core.drains import SetEligibility
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.machine_commands import (
    Inventory,
    LoseMachines,
    RegisterMachine,
    Report,
    ReportKind,
    SetTaints,
    Tick,
)
from omegacell.core.outcomes import Reason, Status
from omegacell.core.placement import Taint
from omegacell.core.units import MAX_DEVICE_KINDS, MAX_DRIVERS, MAX_MACHINES, SECOND_US, SILENT_TICKS_TO_LOSE
from tests.support.oracle_jobs import has_changed, refuse
from tests.support.oracle_state import DOWN, JOINING, UP, Job, Machine, Row, State, Verdict
from tests.support.oracle_tasks import ACTIVE, Ending, end_attempt, end_of_exit, settle, touch

LOSS_WINDOW_US = 300 * SECOND_US
LOSS_PERCENT = 5
MAX_TAINTS = 32


def drop_contact(state: State, session: int) -> None:
    """Take from a session that ended the machines it was in contact with."""
    for machine in state.machines:
        if machine.contact == session:
            machine.contact = 0


def touch_machine(state: State, machine: Machine) -> None:
    """Note that what a machine is has changed."""
    touch(machine.changes, state.revision)
    touch(state.topology, state.revision)


def judge_taints(state: State, command: SetTaints) -> Verdict:
    """Put marks on machines and take others off; those that are so already are left alone."""
    if any(state.machine(row) is None for row in command.machines):
        return refuse(state, Reason.UNKNOWN_MACHINE)
    after: dict[int, tuple[Taint, ...]] = {}
    for row in command.machines:
        kept = [each for each in state.machines[row].taints if each.key not in command.remove]
        for taint in command.add:
            kept = [each for each in kept if (each.key, each.effect) != (taint.key, taint.effect)]
        taints = sorted([*kept, *command.add], key=lambda each: (each.key, each.effect))
        if len(taints) > MAX_TAINTS:
            return refuse(state, Reason.LIMIT)
        after[row] = tuple(taints)
    changed = [row for row, taints in after.items() if taints != state.machines[row].taints]
    for row in changed:
        state.machines[row].taints = after[row]
        touch_machine(state, state.machines[row])
    return Verdict(state.revision, Status.COMMITTED, granted=1, value=len(changed))


def judge_register(state: State, transaction: Transaction, command: RegisterMachine) -> Verdict:
    """Let a machine join, or come back under the next epoch."""
    rows = [row for row, machine in enumerate(state.machines) if machine.name == command.name]
    drivers = [*state.drivers, *(each for each in command.drivers if each not in state.drivers)]
    kinds = [*state.kinds, *(each.name for each in command.devices if each.name not in state.kinds)]
    if (
        len(drivers) > MAX_DRIVERS
        or len(kinds) > MAX_DEVICE_KINDS
        or (not rows and len(state.machines) >= MAX_MACHINES)
    ):
        return refuse(state, Reason.LIMIT)
    if rows:
        row, machine = rows[0], state.machines[rows[0]]
        is_here = machine.state in (JOINING, UP) and machine.contact != 0
        if is_here and machine.boot_id != command.boot_id:
            is_conflict = has_changed(state, transaction, machine.changes)
            return refuse(state, Reason.MACHINE_ELSEWHERE, is_conflict=is_conflict)
    else:
        row, machine = len(state.machines), new_machine(state, command)
        state.machines.append(machine)
    state.drivers, state.kinds = drivers, kinds
    machine.boot_id = command.boot_id
    machine.epoch += 1
    machine.state = JOINING
    machine.capacity = command.capacity
    machine.drivers = command.drivers
    machine.attributes = command.attributes
    machine.devices = command.devices
    machine.port_first, machine.port_last = command.port_first, command.port_last
    if not machine.port_first <= machine.port_next <= machine.port_last:
        machine.port_next = machine.port_first
    machine.contact = transaction.session
    machine.silent_ticks = 0
    touch_machine(state, machine)
    return Verdict(state.revision, Status.COMMITTED, granted=1, value=row, detail=machine.epoch)


def new_machine(state: State, command: RegisterMachine) -> Machine:
    """Make a machine that never was here before."""
    return Machine(
        name=command.name,
        boot_id=command.boot_id,
        epoch=0,
        capacity=command.capacity,
        drivers=command.drivers,
        attributes=command.attributes,
        port_first=command.port_first,
        port_last=command.port_last,
        port_next=command.port_first,
        devices=command.devices,
        changes=[state.revision],
    )


def lose_tasks(
    state: State, row: int, *, at_us: int, states: tuple[TaskState, ...], kept: list[tuple[int, int, int]]
) -> None:
    """End as LOST what a machine held in these states, but for the attempts kept."""
    for job in state.jobs.values():
        mine = [index for index, task in enumerate(job.tasks) if task.machine == row and task.state in states]
        lost = [index for index in mine if (job.id, index, job.tasks[index].attempt) not in kept]
        for index in lost:
            end_attempt(state, job, index, Ending(TaskState.LOST, at_us))
        if lost:
            touch(job.changes, state.revision)
            settle(state, job)


def judge_inventory(state: State, transaction: Transaction, command: Inventory) -> Verdict:
    """Believe a machine about what it runs; then it takes work."""
    machine = state.machine(command.machine)
    if machine is None:
        return refuse(state, Reason.UNKNOWN_MACHINE)
    if machine.epoch != command.epoch:
        return refuse(state, Reason.STALE_EPOCH, is_conflict=has_changed(state, transaction, machine.changes))
    kept = list(zip(command.jobs.tolist(), command.indices.tolist(), command.attempts.tolist(), strict=True))
    lose_tasks(state, command.machine, at_us=transaction.decided_to_us, states=(TaskState.RUNNING,), kept=kept)
    if machine.state == JOINING:
        machine.state = UP
        touch_machine(state, machine)
    return Verdict(state.revision, Status.COMMITTED, granted=1)


def judge_loss(state: State, transaction: Transaction, command: LoseMachines) -> Verdict:
    """Give machines up, unless one was heard, or too many would be lost at once."""
    named = [(row, state.machine(row)) for row in command.machines]
    found = [(row, machine) for row, machine in named if machine is not None]
    if len(found) < len(named):
        return refuse(state, Reason.UNKNOWN_MACHINE)
    going = [(row, machine) for row, machine in found if machine.state != DOWN]
    if not command.by_operator:
        heard = [each for _, each in going if each.contact != 0 or each.silent_ticks < SILENT_TICKS_TO_LOSE]
        if heard:
            return refuse(state, Reason.MACHINE_HEARD)
        down = [each for each in state.machines if each.state == DOWN]
        recent = [each for each in down if each.lost_elapsed > state.elapsed - LOSS_WINDOW_US]
        if len(recent) + len(going) > max(1, len(state.machines) * LOSS_PERCENT // 100):
            return refuse(state, Reason.TOO_MANY_LOST)
    for row, machine in going:
        machine.state = DOWN
        machine.lost_elapsed = state.elapsed
        machine.contact = 0
        touch_machine(state, machine)
        lose_tasks(state, row, at_us=transaction.decided_to_us, states=ACTIVE, kept=[])
    return Verdict(state.revision, Status.COMMITTED, granted=1)


def judge_eligibility(state: State, command: SetEligibility) -> Verdict:
    """Offer machines new work, or no more of it, and note until when a drain keeps within budgets."""
    machines = [state.machine(row) for row in command.machines]
    if None in machines:
        return refuse(state, Reason.UNKNOWN_MACHINE)
    for machine in machines:
        assert machine is not None
        wanted = (command.eligibility, command.deadline_us)
        if (machine.eligibility, machine.drain_deadline) != wanted:
            machine.eligibility, machine.drain_deadline = wanted
            touch_machine(state, machine)
    return Verdict(state.revision, Status.COMMITTED, granted=1)


def judge_report(state: State, transaction: Transaction, command: Report) -> Verdict:
    """Believe what machines say of attempts, row after row; what is of another epoch or attempt is refused."""
    rows: list[Row] = []
    granted = 0
    jobs = state.jobs.values()
    waiting = [(job.id, index) for job in jobs for index, task in enumerate(job.tasks) if task.waits]
    for position in range(len(command.machines)):
        refused = find_report_refusal(state, transaction, command, position, waiting)
        if refused is not None:
            rows.append(refused)
            continue
        granted += 1
        job = state.jobs[int(command.jobs[position])]
        write_report(state, job, command, position)
    status = Status.COMMITTED if not rows else Status.PARTIAL if granted else Status.REFUSED
    return Verdict(state.revision, status, granted=granted, rows=tuple(rows))


def find_report_refusal(
    state: State, transaction: Transaction, command: Report, position: int, waiting: list[tuple[int, int]]
) -> Row | None:
    """Say why one row of a report is refused; no machine knew of the tasks that were waiting for room before it."""
    row, index = int(command.machines[position]), int(command.indices[position])
    machine = state.machine(row)
    job = state.jobs.get(int(command.jobs[position]))
    reason, is_conflict = Reason.NONE, False
    if job is None:
        was_there = 1 <= int(command.jobs[position]) < state.next_job
        reason, is_conflict = Reason.UNKNOWN_JOB, was_there and state.forgotten_at > transaction.seen
    elif machine is None:
        reason = Reason.UNKNOWN_MACHINE
    elif machine.epoch != int(command.epochs[position]):
        reason, is_conflict = Reason.STALE_EPOCH, has_changed(state, transaction, machine.changes)
    elif index >= len(job.tasks):
        reason, is_conflict = Reason.UNKNOWN_TASK, has_changed(state, transaction, job.changes)
    else:
        task = job.tasks[index]
        is_current = task.attempt == int(command.attempts[position]) and task.state in ACTIVE and task.machine == row
        is_current = is_current and (job.id, index) not in waiting
        if not is_current:
            reason, is_conflict = Reason.STALE_ATTEMPT, has_changed(state, transaction, job.changes)
    return (position, reason, is_conflict, -1, 0, 0) if reason else None


def write_report(state: State, job: Job, command: Report, position: int) -> None:
    """Take down one row of a report about a current attempt."""
    index = int(command.indices[position])
    task, kind, at_us = job.tasks[index], int(command.kinds[position]), int(command.at_us[position])
    if kind == ReportKind.STARTED:
        if task.state == TaskState.PLACED:
            task.state = TaskState.RUNNING
            task.started_at_us = at_us
            if job.spec.kind == Kind.ALLOC:
                touch(state.machines[task.machine].changes, state.revision)
            if task.displaced is not None and task.displaced.attempt != task.attempt:
                task.displaced = None
            touch(job.changes, state.revision)
    elif kind == ReportKind.EXITED:
        code, signal, note = (int(each[position]) for each in (command.exit_codes, command.signals, command.notes))
        end = end_of_exit(job, task, code, signal, note)
        end_attempt(state, job, index, Ending(end, at_us, code, signal, note))
        touch(job.changes, state.revision)
        settle(state, job)
    elif task.state == TaskState.RUNNING:
        health = 1 if kind == ReportKind.HEALTHY else 2
        if task.health != health:
            task.health = health
            touch(job.changes, state.revision)


def judge_tick(state: State, transaction: Transaction, command: Tick) -> Verdict:
    """Let time pass once, and note who hears whom."""
    if command.after != state.tick:
        return refuse(state, Reason.STALE_TICK)
    assert state.genesis is not None
    state.tick += 1
    state.elapsed += min(command.dt_us, 2 * state.genesis.tick_period_us)
    for row in command.lost_contact.tolist():
        machine = state.machine(row)
        if machine is not None and machine.contact == transaction.session:
            machine.contact = 0
    for row, epoch in zip(command.gained.tolist(), command.gained_epochs.tolist(), strict=True):
        machine = state.machine(row)
        if machine is not None and machine.epoch == epoch and machine.state != DOWN:
            machine.contact = transaction.session
            machine.silent_ticks = 0
    for machine in state.machines:
        if machine.state != DOWN and machine.contact == 0:
            machine.silent_ticks += 1
    return Verdict(state.revision, Status.COMMITTED, granted=1)
