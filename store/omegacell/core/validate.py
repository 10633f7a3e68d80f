"""Is a transaction one that a proposer of this version could have written? Ranges and structure, nothing of the cell.

What fails here is MALFORMED: it breaks the format, whatever the cell holds. `check_transaction` is pure and linear in
the transaction; `apply` runs it on every transaction that was decoded, and
proposers run it before they append.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from omegacell.core.column_checks import are_below, check_equal, check_rows
from omegacell.core.commands import (
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
from omegacell.core.drains import SetEligibility
from omegacell.core.errors import MalformedError
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.machine_commands import (
    Inventory,
    LoseMachines,
    RegisterMachine,
    Report,
    SetTaints,
    Tick,
)
from omegacell.core.outcomes import REASON_COUNT
from omegacell.core.preemption import NO_VICTIMS
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.units import (
    CAP_COUNT,
    FORMAT,
    MAX_DEVICES_PER_TASK,
    MAX_DIMENSIONS,
    MAX_EPOCH,
    MAX_ID,
    MAX_MACHINES,
    MAX_QUANTITY,
    MAX_TASKS_PER_JOB,
    MAX_TOTAL,
    MAX_WALL_US,
    RESOURCE_COUNT,
    RESOURCE_NAMES,
    RULES,
    UNLIMITED,
    Band,
)
from omegacell.core.updates import FinishUpdate, RevertUpdate, StopTasks
from omegacell.core.validate_jobs import check_spec
from omegacell.core.validate_machines import (
    check_eligibility,
    check_inventory,
    check_registration,
    check_set_taints,
    check_tick,
)
from omegacell.core.validate_preemption import check_victims
from omegacell.core.validate_reports import check_report
from omegacell.core.validate_templates import check_spawn
from omegacell.core.validate_values import check_ascending, check_name, check_range, check_text

_SMALL: Final = min(MAX_TASKS_PER_JOB, MAX_MACHINES)
"""Below every limit of an int32 column: where nothing reaches it, no column has to be looked at by itself."""


def check_transaction(transaction: Transaction) -> None:
    """Raise `MalformedError` when a transaction breaks the format. Pure; cost: O(transaction)."""
    commands = transaction.commands
    # one comparison for all that is nearly always right; what is wrong is found again, one by one, to be named
    if not (
        0 < transaction.session <= MAX_ID
        and 0 < transaction.seq <= MAX_ID
        and 0 <= transaction.seen <= MAX_ID
        and 0 <= transaction.position <= MAX_EPOCH
        and 0 <= transaction.decided_from_us <= MAX_WALL_US
        and 0 <= transaction.decided_to_us <= MAX_WALL_US
        and len(transaction.seen_chain) == 16
        and len(commands) == 1
        and type(commands[0]) is not Genesis
    ):
        _check_head(transaction)
    for command in commands:
        _CHECKS[type(command)](command)


def _check_head(transaction: Transaction) -> None:
    """Check everything of a transaction but what is in its commands."""
    check_range("session", transaction.session, 1, MAX_ID)
    check_range("seq", transaction.seq, 1, MAX_ID)
    check_range("seen", transaction.seen, 0, MAX_ID)
    check_range("position", transaction.position, 0, MAX_EPOCH)
    check_range("decided_from_us", transaction.decided_from_us, 0, MAX_WALL_US)
    check_range("decided_to_us", transaction.decided_to_us, 0, MAX_WALL_US)
    if len(transaction.seen_chain) != 16:
        raise MalformedError(f"seen_chain has {len(transaction.seen_chain)} bytes; expected 16")
    commands = transaction.commands
    rest = commands[1:] if commands and isinstance(commands[0], OpenSession) else commands
    if not commands:
        raise MalformedError("a transaction without commands")
    if len(rest) > 1 and not all(isinstance(command, Place | Evict | Unplaced) for command in rest):
        raise MalformedError("a transaction holds scheduling commands or exactly one other")
    if any(isinstance(command, OpenSession) for command in rest):
        raise MalformedError("OpenSession may only stand first")
    if isinstance(transaction.last_command, Genesis) and (
        len(commands) > 1 or transaction.seq != 1 or transaction.position
    ):
        raise MalformedError("Genesis stands alone, first of its session and of its entry")


def _check_place(command: Place) -> None:
    if len(command.indices) != len(command.machines) or not are_below(
        _SMALL, np.int32, command.indices, command.machines
    ):
        check_rows("indices", command.indices, MAX_TASKS_PER_JOB)
        check_rows("machines", command.machines, MAX_MACHINES)
        check_equal(command.indices, command.machines)
    check_range("job", command.job, 1, MAX_ID)
    if command.victims is not NO_VICTIMS:
        check_victims(command)


def _check_evict(command: Evict) -> None:
    check_rows("indices", command.indices, MAX_TASKS_PER_JOB)
    check_rows("attempts", command.attempts, MAX_EPOCH)
    check_equal(command.indices, command.attempts)
    check_range("job", command.job, 1, MAX_ID)


def _check_tasks(command: ReleaseTasks | HoldTasks | StopTasks) -> None:
    check_rows("indices", command.indices, MAX_TASKS_PER_JOB)
    check_range("job", command.job, 1, MAX_ID)


def _check_submit(command: SubmitJob) -> None:
    check_spec(command.spec)
    check_range("submitted_at_us", command.submitted_at_us, 0, MAX_WALL_US)
    if command.replace and command.update:
        raise MalformedError("a submit either replaces or updates")


def _check_job(command: StopJob | ForgetJob | GrowSystemJob | RevertUpdate | FinishUpdate) -> None:
    check_range("job", command.job, 1, MAX_ID)


def _check_open(command: OpenSession) -> None:
    check_name("author", command.author)
    if command.scheduler:
        check_name("scheduler", command.scheduler)


def _check_rules(command: ActivateRules) -> None:
    check_range("rules", command.rules, 1, MAX_EPOCH)


def _check_nothing(_: Renew | CloseSession) -> None:
    """These commands hold nothing that could be wrong."""


def _check_unplaced(command: Unplaced) -> None:
    check_range("job", command.job, 1, MAX_ID)
    check_range("task_count", command.task_count, 1, MAX_TASKS_PER_JOB)
    check_text("note", command.note)
    if len(command.lacks) > REASON_COUNT + 2 * RESOURCE_COUNT + 2 * MAX_DEVICES_PER_TASK:
        raise MalformedError(f"{len(command.lacks)} lacks in one Unplaced")
    for lack in command.lacks:
        check_range("reason", lack.reason, 1, REASON_COUNT - 1)
        check_range("dimension", lack.dimension, -1, MAX_DIMENSIONS - 1)
        check_range("machine_count", lack.machine_count, 0, MAX_MACHINES)


def _check_genesis(command: Genesis) -> None:
    check_name("cell", command.cell)
    _check_incarnation(command.incarnation)
    check_range("format", command.format, FORMAT, FORMAT)
    check_range("rules", command.rules, 1, RULES)
    if command.features or command.resource_names != RESOURCE_NAMES:
        raise MalformedError(f"genesis asks for features {command.features}, resources {command.resource_names}")
    for what in ("tick_period_us", "session_ttl_us", "forget_after_us"):
        check_range(what, getattr(command, what), 1, MAX_QUANTITY)


def _check_incarnation(incarnation: str) -> None:
    if len(incarnation) != 32 or not set(incarnation) <= set("0123456789abcdef"):
        raise MalformedError(f"incarnation {incarnation[:80]!r}; expected 32 lower-case hex digits")


def _check_limits(command: SetQuota | SetCaps) -> None:
    count = CAP_COUNT
    if isinstance(command, SetQuota):
        check_name("owner", command.owner)
        check_range("band", command.band, Band.BATCH, Band.MONITORING)
        count = RESOURCE_COUNT
    else:
        check_name("scheduler", command.scheduler)
    if len(command.amounts) != count:
        raise MalformedError(f"a limit has {len(command.amounts)} dimensions; expected {count}")
    for amount in command.amounts:
        check_range("limit", amount, UNLIMITED, MAX_TOTAL)


# a table: `match` would try the classes one after another; ``tests/core`` holds it against the union of commands
_CHECKS: Final[dict[type[Command], Callable[[Any], None]]] = {
    Place: _check_place,
    Report: check_report,
    SubmitJob: _check_submit,
    Evict: _check_evict,
    Unplaced: _check_unplaced,
    StopJob: _check_job,
    ForgetJob: _check_job,
    SpawnJob: check_spawn,
    ReleaseTasks: _check_tasks,
    HoldTasks: _check_tasks,
    GrowSystemJob: _check_job,
    StopTasks: _check_tasks,
    RevertUpdate: _check_job,
    FinishUpdate: _check_job,
    SetQuota: _check_limits,
    SetCaps: _check_limits,
    RegisterMachine: check_registration,
    Inventory: check_inventory,
    LoseMachines: lambda command: check_ascending("machines", command.machines),
    SetTaints: check_set_taints,
    SetEligibility: check_eligibility,
    Tick: check_tick,
    OpenSession: _check_open,
    ExpireSession: lambda command: check_range("session", command.session, 1, MAX_ID),
    Genesis: _check_genesis,
    Reincarnate: lambda command: _check_incarnation(command.incarnation),
    ActivateRules: _check_rules,
    Renew: _check_nothing,
    CloseSession: _check_nothing,
}
