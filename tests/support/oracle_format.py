"""What is well formed, for the slow twin: every value in its range, every command in its place."""

import string

import numpy as np
from numpy.typing import NDArray

from omegacell.core.commands import (
    ActivateRules,
    Command,
    Evict,
    ExpireSession,
    ForgetJob,
    Genesis,
    OpenSession,
    Place,
    Reincarnate,
    StopJob,
    SubmitJob,
    Transaction,
    Unplaced,
)
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.drains import Eligibility, SetEligibility
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.jobs import Gang, JobSpec, Kind
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.machine_commands import (
    ExitNote,
    Inventory,
    LoseMachines,
    RegisterMachine,
    Report,
    ReportKind,
    SetTaints,
    Tick,
)
from omegacell.core.outcomes import Reason
from omegacell.core.preemption import MAX_VICTIMS, NO_VICTIMS
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.units import (
    CAP_COUNT,
    FORMAT,
    MAX_ATTRIBUTES,
    MAX_DEPENDENCIES,
    MAX_DEVICE_COUNT,
    MAX_DEVICES_PER_MACHINE,
    MAX_DEVICES_PER_TASK,
    MAX_DIMENSIONS,
    MAX_DRIVERS,
    MAX_MACHINES,
    MAX_NAME_LENGTH,
    MAX_PORTS_PER_TASK,
    MAX_QUANTITY,
    MAX_TASKS_PER_JOB,
    MAX_TEXT_LENGTH,
    MAX_TOTAL,
    RESOURCE_COUNT,
    RESOURCE_NAMES,
    RULES,
    Band,
)  # fmt: skip
from omegacell.core.updates import FinishUpdate, RevertUpdate, StopTasks, UpdatePolicy
from tests.support.oracle_claims import SCHEDULING
from tests.support.oracle_format_placement import is_placement, is_taint_change
from tests.support.oracle_format_templates import is_no_template_or_right, is_spawn

MAX_ID = (1 << 63) - 1
MAX_COUNTER = (1 << 31) - 1
MAX_STAMP = 1 << 60
MAX_PORT = 65_535
FIRST = string.ascii_lowercase + string.digits
REST = FIRST + "._-"
LIMITED = (Band.BATCH, Band.PRODUCTION, Band.MONITORING)


def is_well_formed(transaction: Transaction) -> bool:
    """Say whether a proposer of this version could have written a transaction."""
    commands = transaction.commands
    has_opening = bool(commands) and isinstance(commands[0], OpenSession)
    rest = commands[1:] if has_opening else commands
    return (
        1 <= transaction.session <= MAX_ID
        and 1 <= transaction.seq <= MAX_ID
        and 0 <= transaction.seen <= MAX_ID
        and is_stamp(transaction.decided_from_us)
        and is_stamp(transaction.decided_to_us)
        and len(transaction.seen_chain) == 16
        and (is_orderly(rest) or (has_opening and not rest))
        and all(is_command(each) for each in commands)
        and (Genesis not in [type(each) for each in commands] or is_at_beginning(transaction))
    )


def is_at_beginning(transaction: Transaction) -> bool:
    """Say whether a transaction stands where a genesis may: alone, first of its session and of its entry."""
    return len(transaction.commands) == 1 and transaction.seq == 1 and transaction.position == 0


def is_stamp(value: int) -> bool:
    """Say whether a number is a wall stamp."""
    return 0 <= value <= MAX_STAMP


def is_orderly(commands: tuple[Command, ...]) -> bool:
    """Say whether commands are scheduling commands only, or exactly one other."""
    if not commands:
        return False
    if isinstance(commands[0], SCHEDULING):
        return all(isinstance(each, SCHEDULING) for each in commands)
    return len(commands) == 1 and not isinstance(commands[0], OpenSession)


def is_name(text: str) -> bool:
    """Say whether a text is a name: lower-case letters, digits and ``._-``, not beginning with the latter."""
    return 1 <= len(text) <= MAX_NAME_LENGTH and text[0] in FIRST and all(each in REST for each in text)


def is_command(command: Command) -> bool:  # noqa: PLR0911 -- one case a command
    """Say whether the values of a command are in range."""
    match command:
        case Genesis():
            return is_genesis(command)
        case Reincarnate():
            return is_incarnation(command.incarnation)
        case ActivateRules():
            return 1 <= command.rules <= MAX_COUNTER
        case OpenSession():
            return is_name(command.author) and (command.scheduler == "" or is_name(command.scheduler))
        case ExpireSession():
            return 1 <= command.session <= MAX_ID
        case SubmitJob():
            is_one_way = not (command.replace and command.update)
            return is_spec(command.spec) and is_stamp(command.submitted_at_us) and is_one_way
        case SpawnJob():
            return is_name(command.name) and is_spawn(command)
        case ReleaseTasks() | HoldTasks() | StopTasks():
            return is_job(command.job) and are_rows((command.indices, MAX_TASKS_PER_JOB))
        case StopJob() | ForgetJob() | GrowSystemJob() | RevertUpdate() | FinishUpdate():
            return is_job(command.job)
        case SetQuota():
            return is_name(command.owner) and command.band in LIMITED and are_limits(command.amounts, RESOURCE_COUNT)
        case SetCaps():
            return is_name(command.scheduler) and are_limits(command.amounts, CAP_COUNT)
        case _:
            return is_columnar(command)


def are_limits(amounts: tuple[int, ...], count: int) -> bool:
    """Say whether these are limits, each an amount or none."""
    return len(amounts) == count and all(-1 <= each <= MAX_TOTAL for each in amounts)


def is_columnar(command: Command) -> bool:  # noqa: PLR0911 -- one case a command
    """Say whether the values of a command about tasks or machines are in range."""
    match command:
        case Place():
            rows = ((command.indices, MAX_TASKS_PER_JOB), (command.machines, MAX_MACHINES))
            return is_job(command.job) and are_rows(*rows) and (command.victims is NO_VICTIMS or are_victims(command))
        case Evict():
            return is_job(command.job) and are_rows(
                (command.indices, MAX_TASKS_PER_JOB), (command.attempts, MAX_COUNTER)
            )
        case Unplaced():
            return is_unplaced(command)
        case RegisterMachine():
            return is_registration(command)
        case Inventory():
            return is_inventory(command)
        case LoseMachines():
            return are_machines(command.machines)
        case SetTaints():
            return is_taint_change(command)
        case SetEligibility():
            is_timed = 0 <= command.deadline_us <= MAX_QUANTITY and command.eligibility == Eligibility.DRAINING
            return are_machines(command.machines) and (command.deadline_us == -1 or is_timed)
        case Report():
            return is_report(command)
        case Tick():
            return is_tick(command)
        case _:
            return True


def are_victims(command: Place) -> bool:
    """Say whether victims are named in order of their claims, not too many of one, and none twice."""
    named = command.victims
    if not are_rows(
        (named.claims, len(command.indices)),
        (named.jobs, MAX_ID),
        (named.indices, MAX_TASKS_PER_JOB),
        (named.attempts, MAX_COUNTER),
    ):
        return False
    claims = named.claims.tolist()
    tasks = list(zip(claims, named.jobs.tolist(), named.indices.tolist(), strict=True))
    most = max(claims.count(each) for each in claims)
    return claims == sorted(claims) and most <= MAX_VICTIMS and len(set(tasks)) == len(tasks)


def are_machines(rows: tuple[int, ...]) -> bool:
    """Say whether rows may be machines: at least one, each once, in ascending order."""
    return bool(rows) and all(0 <= each < MAX_MACHINES for each in rows) and list(rows) == sorted(set(rows))


def is_job(job: int) -> bool:
    """Say whether a number may be a job's id."""
    return 1 <= job <= MAX_ID


def are_rows(*columns: tuple[NDArray[np.integer], int]) -> bool:
    """Say whether columns are of one length, at least one, and hold values from 0 to below their limits."""
    lengths = {len(column) for column, _ in columns}
    return (
        len(lengths) == 1
        and 0 not in lengths
        and all(0 <= each < limit for column, limit in columns for each in column.tolist())
    )


def is_text(text: str) -> bool:
    """Say whether a text can be shown to people."""
    return len(text) <= MAX_TEXT_LENGTH and text.isprintable()


def is_incarnation(text: str) -> bool:
    """Say whether a text is 32 hex digits."""
    return len(text) == 32 and all(each in "0123456789abcdef" for each in text)


def is_genesis(command: Genesis) -> bool:
    """Say whether this version can serve such a cell."""
    times = (command.tick_period_us, command.session_ttl_us, command.forget_after_us)
    return (
        command.format == FORMAT
        and 1 <= command.rules <= RULES
        and command.features == ()
        and command.resource_names == RESOURCE_NAMES
        and is_name(command.cell)
        and is_incarnation(command.incarnation)
        and all(1 <= each <= MAX_QUANTITY for each in times)
    )


def is_vector(amounts: tuple[int, ...]) -> bool:
    """Say whether there is one quantity for each resource."""
    return len(amounts) == RESOURCE_COUNT and all(0 <= each <= MAX_QUANTITY for each in amounts)


def is_policy(policy: UpdatePolicy) -> bool:
    """Say whether updates can go by a policy."""
    return (
        1 <= policy.max_parallel <= MAX_TASKS_PER_JOB
        and 0 <= policy.min_healthy_us <= MAX_QUANTITY
        and 1 <= policy.deadline_us <= MAX_QUANTITY
    )


def is_spec(spec: JobSpec) -> bool:
    """Say whether a job asks for what a cell can judge."""
    numbers = [port.number for port in spec.ports]
    static = [number for number in numbers if number]
    names = [port.name for port in spec.ports]
    return (
        all(is_name(each) for each in (spec.name, spec.owner, spec.scheduler, spec.driver, *names))
        and 1 <= spec.count <= MAX_TASKS_PER_JOB
        and 0 <= spec.priority <= 1_000_000
        and is_vector(spec.resources)
        and len(spec.ports) <= MAX_PORTS_PER_TASK
        and all(0 <= each <= MAX_PORT for each in numbers)
        and len(set(static)) == len(static)
        and len(set(names)) == len(names)
        and -1 <= spec.max_restarts <= MAX_QUANTITY
        and all(
            0 <= each <= MAX_QUANTITY
            for each in (spec.restart_delay_us, spec.grace_us, spec.max_run_us, spec.deadline_us)
        )
        and -1 <= spec.max_unavailable <= MAX_TASKS_PER_JOB
        and len(spec.payload) in (0, 32)
        and (spec.gang is None or is_gang(spec.gang))
        and is_placement(spec.placement)
        and [each.job for each in spec.after] == sorted({each.job for each in spec.after})
        and len(spec.after) <= MAX_DEPENDENCIES
        and (spec.update is None or is_policy(spec.update))
        and all(is_name(each.job) for each in spec.after)
        and is_no_template_or_right(spec)
        and are_devices(spec.devices, MAX_DEVICES_PER_TASK)
        and all(are_attributes(each.where) for each in spec.devices)
        and (not spec.alloc or (is_name(spec.alloc) and not spec.devices and spec.kind != Kind.SYSTEM))
        and (spec.kind != Kind.ALLOC or not (spec.alloc or spec.ports or spec.is_health_checked))
        and (spec.kind != Kind.SYSTEM or is_for_each_machine(spec))
    )


def is_for_each_machine(spec: JobSpec) -> bool:
    """Say whether a job leaves to the cell how many tasks it has, and where."""
    rules = spec.placement
    has_rules = rules.max_per_machine or rules.neighbours or rules.spreads or rules.affinities
    return spec.count == 1 and spec.gang is None and not has_rules


def is_gang(gang: Gang) -> bool:
    """Say whether groups are of several tasks or of the whole job, and no more of a group is wanted than it has."""
    largest = gang.size or MAX_TASKS_PER_JOB
    return 0 <= gang.size <= MAX_TASKS_PER_JOB and gang.size != 1 and 0 <= gang.least <= largest


def are_devices(devices: tuple[DeviceOffer, ...] | tuple[DeviceRequest, ...], limit: int) -> bool:
    """Say whether devices are named once each, in order, and are some."""
    names = [each.name for each in devices]
    return (
        len(names) <= limit
        and names == sorted(set(names))
        and all(len(each) <= MAX_NAME_LENGTH and all(is_name(part) for part in each.split("/")) for each in names)
        and all(1 <= each.count <= MAX_DEVICE_COUNT for each in devices)
    )


def are_attributes(pairs: tuple[tuple[str, str], ...]) -> bool:
    """Say whether attributes are texts under names in order, each once."""
    keys = [key for key, _ in pairs]
    return (
        len(keys) <= MAX_ATTRIBUTES
        and keys == sorted(set(keys))
        and all(is_text(each) for pair in pairs for each in pair)
    )


def is_unplaced(command: Unplaced) -> bool:
    """Say whether a reason for waiting is one."""
    return (
        is_job(command.job)
        and 1 <= command.task_count <= MAX_TASKS_PER_JOB
        and is_text(command.note)
        and len(command.lacks) <= len(Reason) + 2 * RESOURCE_COUNT + 2 * MAX_DEVICES_PER_TASK
        and all(
            1 <= each.reason < len(Reason)
            and -1 <= each.dimension < MAX_DIMENSIONS
            and 0 <= each.machine_count <= MAX_MACHINES
            for each in command.lacks
        )
    )


def is_registration(command: RegisterMachine) -> bool:
    """Say whether a machine offers what a cell can judge."""
    return (
        is_name(command.name)
        and is_text(command.boot_id)
        and is_vector(command.capacity)
        and len(command.drivers) <= MAX_DRIVERS
        and all(is_name(each) for each in command.drivers)
        and len(set(command.drivers)) == len(command.drivers)
        and are_attributes(command.attributes)
        and are_devices(command.devices, MAX_DEVICES_PER_MACHINE)
        and all(are_attributes(each.attributes) for each in command.devices)
        and 0 <= command.port_first <= MAX_PORT
        and -1 <= command.port_last <= MAX_PORT
    )


def is_inventory(command: Inventory) -> bool:
    """Say whether an inventory names a machine, and attempts or none."""
    columns = ((command.jobs, MAX_ID), (command.indices, MAX_TASKS_PER_JOB), (command.attempts, MAX_COUNTER))
    is_empty = all(len(column) == 0 for column, _ in columns)
    return (
        0 <= command.machine < MAX_MACHINES and 1 <= command.epoch <= MAX_COUNTER and (is_empty or are_rows(*columns))
    )


def is_report(command: Report) -> bool:
    """Say whether the columns of a report are of one length, and what they say is known."""
    return are_rows(
        (command.machines, MAX_MACHINES),
        (command.epochs, MAX_COUNTER),
        (command.jobs, MAX_ID),
        (command.indices, MAX_TASKS_PER_JOB),
        (command.attempts, MAX_COUNTER),
        (command.kinds, len(ReportKind)),
        (command.exit_codes + 1, 1 << 31),
        (command.signals, 1 << 8),
        (command.notes, len(ExitNote)),
        (command.at_us, MAX_STAMP),
    )


def is_tick(command: Tick) -> bool:
    """Say whether a tick follows one and passes some time, and rows gained have their epochs."""
    gained = [command.gained.tolist(), command.gained_epochs.tolist()]
    rows = gained[0] + command.lost_contact.tolist()
    return (
        0 <= command.after <= MAX_ID
        and 0 <= command.dt_us <= MAX_QUANTITY
        and len(gained[0]) == len(gained[1])
        and all(0 <= each < MAX_MACHINES for each in rows)
    )
