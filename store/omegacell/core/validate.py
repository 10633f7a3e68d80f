"""Is a transaction one that a proposer of this version could have written? Ranges and structure, nothing of the cell.

What fails here is MALFORMED: it breaks the format, whatever the cell holds. `check_transaction` is pure and linear in
the transaction; `apply` runs it on every transaction that was decoded, and
proposers run it before they append.
"""

import string
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import find_highest
from omegacell.core.commands import (
    ActivateRules,
    CloseSession,
    Command,
    Evict,
    ExitNote,
    ExpireSession,
    ForgetJob,
    Genesis,
    Inventory,
    LoseMachines,
    OpenSession,
    Place,
    RegisterMachine,
    Reincarnate,
    Renew,
    Report,
    ReportKind,
    StopJob,
    SubmitJob,
    Tick,
    Transaction,
    Unplaced,
)
from omegacell.core.errors import MalformedError
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import REASON_COUNT
from omegacell.core.units import (
    FORMAT,
    MAX_ATTRIBUTES,
    MAX_MACHINES,
    MAX_NAME_LENGTH,
    MAX_PORTS_PER_TASK,
    MAX_QUANTITY,
    MAX_TASKS_PER_JOB,
    MAX_TEXT_LENGTH,
    RESOURCE_COUNT,
    RESOURCE_NAMES,
    RULES,
)

_FIRST: Final = string.ascii_lowercase + string.digits
_NAME: Final = _FIRST + "._-"
_MAX_ID: Final = (1 << 63) - 1
_MAX_EPOCH: Final = (1 << 31) - 1
_MAX_WALL_US: Final = 1 << 60
"""Wall stamps reach beyond `MAX_QUANTITY`: microseconds since the epoch are above 2^50."""

_SMALL: Final = min(MAX_TASKS_PER_JOB, MAX_MACHINES)
"""Below every limit of an int32 column: where nothing reaches it, no column has to be looked at by itself."""
_UNSIGNED: Final[dict[type[np.signedinteger], np.dtype[np.unsignedinteger]]] = {
    np.int32: np.dtype(np.uint32),
    np.int64: np.dtype(np.uint64),
}
_KINDS: Final = bytes(ReportKind)
_NOTES: Final = bytes(ExitNote)


def check_transaction(transaction: Transaction) -> None:
    """Raise `MalformedError` when a transaction breaks the format. Pure; cost: O(transaction)."""
    commands = transaction.commands
    # one comparison for all that is nearly always right; what is wrong is found again, one by one, to be named
    if not (
        0 < transaction.session <= _MAX_ID
        and 0 < transaction.seq <= _MAX_ID
        and 0 <= transaction.seen <= _MAX_ID
        and 0 <= transaction.position <= _MAX_EPOCH
        and 0 <= transaction.decided_from_us <= _MAX_WALL_US
        and 0 <= transaction.decided_to_us <= _MAX_WALL_US
        and len(transaction.seen_chain) == 16
        and len(commands) == 1
        and type(commands[0]) is not Genesis
    ):
        _check_head(transaction)
    for command in commands:
        _CHECKS[type(command)](command)


def _check_head(transaction: Transaction) -> None:
    """Check everything of a transaction but what is in its commands."""
    _check_range("session", transaction.session, 1, _MAX_ID)
    _check_range("seq", transaction.seq, 1, _MAX_ID)
    _check_range("seen", transaction.seen, 0, _MAX_ID)
    _check_range("position", transaction.position, 0, _MAX_EPOCH)
    _check_range("decided_from_us", transaction.decided_from_us, 0, _MAX_WALL_US)
    _check_range("decided_to_us", transaction.decided_to_us, 0, _MAX_WALL_US)
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


def check_name(what: str, name: str) -> None:
    """Raise `MalformedError` unless ``name`` is a name: ``[a-z0-9][a-z0-9._-]*``, at most 63 characters."""
    # what is left after all characters that a name may hold were stripped from its ends is in no name
    if not 1 <= len(name) <= MAX_NAME_LENGTH or name[0] not in _FIRST or name.strip(_NAME):
        raise MalformedError(f"{what} {name[:80]!r} is no name; expected [a-z0-9][a-z0-9._-]*, at most 63 characters")


def _check_place(command: Place) -> None:
    if len(command.indices) != len(command.machines) or not _are_below(
        _SMALL, np.int32, command.indices, command.machines
    ):
        _check_rows("indices", command.indices, MAX_TASKS_PER_JOB)
        _check_rows("machines", command.machines, MAX_MACHINES)
        _check_equal(command.indices, command.machines)
    _check_range("job", command.job, 1, _MAX_ID)


def _check_evict(command: Evict) -> None:
    _check_rows("indices", command.indices, MAX_TASKS_PER_JOB)
    _check_rows("attempts", command.attempts, _MAX_EPOCH)
    _check_equal(command.indices, command.attempts)
    _check_range("job", command.job, 1, _MAX_ID)


def _check_submit(command: SubmitJob) -> None:
    check_spec(command.spec)
    _check_range("submitted_at_us", command.submitted_at_us, 0, _MAX_WALL_US)


def _check_job(command: StopJob | ForgetJob) -> None:
    _check_range("job", command.job, 1, _MAX_ID)


def _check_lose(command: LoseMachines) -> None:
    _check_ascending("machines", command.machines)


def _check_open(command: OpenSession) -> None:
    check_name("author", command.author)
    if command.scheduler:
        check_name("scheduler", command.scheduler)


def _check_expire(command: ExpireSession) -> None:
    _check_range("session", command.session, 1, _MAX_ID)


def _check_reincarnate(command: Reincarnate) -> None:
    _check_incarnation(command.incarnation)


def _check_rules(command: ActivateRules) -> None:
    _check_range("rules", command.rules, 1, _MAX_EPOCH)


def _check_nothing(_: Renew | CloseSession) -> None:
    """These commands hold nothing that could be wrong."""


def check_spec(spec: JobSpec) -> None:
    """Raise `MalformedError` when a job's spec has a value out of range."""
    check_name("job", spec.name)
    check_name("owner", spec.owner)
    check_name("scheduler", spec.scheduler)
    check_name("driver", spec.driver)
    _check_vector("resources", spec.resources)
    if not (
        1 <= spec.count <= MAX_TASKS_PER_JOB
        and 0 <= spec.priority <= 1_000_000
        and -1 <= spec.max_restarts <= MAX_QUANTITY
        and 0 <= spec.restart_delay_us <= MAX_QUANTITY
        and 0 <= spec.grace_us <= MAX_QUANTITY
        and len(spec.payload) in (0, 32)
    ):
        _check_numbers(spec)
    if spec.ports:
        _check_ports(spec)


def _check_numbers(spec: JobSpec) -> None:
    _check_range("count", spec.count, 1, MAX_TASKS_PER_JOB)
    _check_range("priority", spec.priority, 0, 1_000_000)
    _check_range("max_restarts", spec.max_restarts, -1, MAX_QUANTITY)
    _check_range("restart_delay_us", spec.restart_delay_us, 0, MAX_QUANTITY)
    _check_range("grace_us", spec.grace_us, 0, MAX_QUANTITY)
    if len(spec.payload) not in (0, 32):
        raise MalformedError(f"a payload hash has {len(spec.payload)} bytes; expected 32 or none")


def _check_ports(spec: JobSpec) -> None:
    if len(spec.ports) > MAX_PORTS_PER_TASK:
        raise MalformedError(f"{len(spec.ports)} ports for one task; at most {MAX_PORTS_PER_TASK}")
    for port in spec.ports:
        check_name("port", port.name)
        _check_range("port number", port.number, 0, 65_535)
    numbers = [port.number for port in spec.ports if port.number]
    if len(set(numbers)) != len(numbers) or len({port.name for port in spec.ports}) != len(spec.ports):
        raise MalformedError("a port stands twice in one task")


def _check_machine(command: RegisterMachine) -> None:
    check_name("machine", command.name)
    _check_text("boot_id", command.boot_id)
    _check_vector("capacity", command.capacity)
    if len(command.drivers) > MAX_ATTRIBUTES or len(set(command.drivers)) != len(command.drivers):
        raise MalformedError("drivers stand twice or are too many")
    for driver in command.drivers:
        check_name("driver", driver)
    names = [name for name, _ in command.attributes]
    if len(names) > MAX_ATTRIBUTES or names != sorted(set(names)):
        raise MalformedError(f"attributes must ascend by name, each once, at most {MAX_ATTRIBUTES}")
    for name, value in command.attributes:
        _check_text("attribute name", name)
        _check_text("attribute", value)
    _check_range("port_first", command.port_first, 0, 65_535)
    _check_range("port_last", command.port_last, -1, 65_535)


def _check_inventory(command: Inventory) -> None:
    _check_range("machine", command.machine, 0, MAX_MACHINES - 1)
    _check_range("epoch", command.epoch, 1, _MAX_EPOCH)
    _check_equal(command.jobs, command.indices, command.attempts)
    if len(command.jobs):
        _check_rows("jobs", command.jobs, _MAX_ID)
        _check_rows("indices", command.indices, MAX_TASKS_PER_JOB)
        _check_rows("attempts", command.attempts, _MAX_EPOCH)


def _check_report(command: Report) -> None:
    if not _is_usual_report(command):
        _check_report_columns(command)


def _is_usual_report(command: Report) -> bool:
    """Tell whether all columns are of one length and hold small numbers: true of nearly every report that is right."""
    machines, epochs, indices, attempts = command.machines, command.epochs, command.indices, command.attempts
    codes, jobs, at_us = command.exit_codes, command.jobs, command.at_us
    count = len(jobs)
    return (
        len(machines) == len(epochs) == len(indices) == len(attempts) == len(codes) == len(at_us) == count
        and len(command.kinds) == len(command.signals) == len(command.notes) == count
        and _are_below(_SMALL, np.int32, machines, epochs, indices, attempts, codes)
        and _are_below(_MAX_WALL_US, np.int64, jobs, at_us)
        and _are_among(_KINDS, command.kinds)
        and _are_among(_NOTES, command.notes)
    )


def _check_report_columns(command: Report) -> None:
    _check_rows("machines", command.machines, MAX_MACHINES)
    _check_rows("epochs", command.epochs, _MAX_EPOCH)
    _check_rows("jobs", command.jobs, _MAX_ID)
    _check_rows("indices", command.indices, MAX_TASKS_PER_JOB)
    _check_rows("attempts", command.attempts, _MAX_EPOCH)
    _check_rows("kinds", command.kinds, len(ReportKind))
    _check_rows("notes", command.notes, len(ExitNote))
    _check_rows("at_us", command.at_us, _MAX_WALL_US)
    if (command.exit_codes < -1).any():
        raise MalformedError("an exit code is below -1")
    _check_equal(
        command.machines,
        command.epochs,
        command.jobs,
        command.indices,
        command.attempts,
        command.kinds,
        command.exit_codes,
        command.signals,
        command.notes,
        command.at_us,
    )


def _check_unplaced(command: Unplaced) -> None:
    _check_range("job", command.job, 1, _MAX_ID)
    _check_range("task_count", command.task_count, 1, MAX_TASKS_PER_JOB)
    _check_text("note", command.note)
    if len(command.lacks) > REASON_COUNT + RESOURCE_COUNT:
        raise MalformedError(f"{len(command.lacks)} lacks in one Unplaced")
    for lack in command.lacks:
        _check_range("reason", lack.reason, 1, REASON_COUNT - 1)
        _check_range("dimension", lack.dimension, -1, RESOURCE_COUNT - 1)
        _check_range("machine_count", lack.machine_count, 0, MAX_MACHINES)


def _check_tick(command: Tick) -> None:
    _check_range("after", command.after, 0, _MAX_ID)
    _check_range("dt_us", command.dt_us, 0, MAX_QUANTITY)
    _check_equal(command.gained, command.gained_epochs)
    for column in (command.gained, command.lost_contact):
        if len(column):
            _check_rows("machine", column, MAX_MACHINES)


def _check_genesis(command: Genesis) -> None:
    check_name("cell", command.cell)
    _check_incarnation(command.incarnation)
    _check_range("format", command.format, FORMAT, FORMAT)
    _check_range("rules", command.rules, 1, RULES)
    if command.features or command.resource_names != RESOURCE_NAMES:
        raise MalformedError(f"genesis asks for features {command.features}, resources {command.resource_names}")
    for what in ("tick_period_us", "session_ttl_us", "forget_after_us"):
        _check_range(what, getattr(command, what), 1, MAX_QUANTITY)


def _check_incarnation(incarnation: str) -> None:
    if len(incarnation) != 32 or not set(incarnation) <= set("0123456789abcdef"):
        raise MalformedError(f"incarnation {incarnation[:80]!r}; expected 32 lower-case hex digits")


def _check_range(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise MalformedError(f"{what} is {value}; expected {low} to {high}")


def _check_text(what: str, text: str) -> None:
    if len(text) > MAX_TEXT_LENGTH or (text and min(text) < " ") or "\x7f" in text:
        raise MalformedError(f"{what} must hold no control characters and be at most {MAX_TEXT_LENGTH} characters long")


def _check_vector(what: str, amounts: Sequence[int]) -> None:
    if len(amounts) != RESOURCE_COUNT:
        raise MalformedError(f"{what} has {len(amounts)} dimensions; expected {RESOURCE_COUNT}")
    for amount in amounts:
        _check_range(what, amount, 0, MAX_QUANTITY)


def _check_ascending(what: str, rows: Sequence[int]) -> None:
    if not rows or rows[0] < 0 or max(rows) >= MAX_MACHINES or any(b <= a for a, b in pairwise(rows)):
        raise MalformedError(f"{what} must be rows in ascending order, at least one")


def _check_rows(what: str, column: NDArray[np.integer], limit: int) -> None:
    """A column holds at least one value, none negative, all below ``limit``."""
    if not len(column):
        raise MalformedError(f"column {what} is empty")
    unsigned = column.view(np.dtype(f"u{column.dtype.itemsize}"))
    if find_highest(unsigned) >= limit:
        raise MalformedError(f"column {what} holds {column.min()} to {column.max()}; expected 0 to {limit - 1}")


def _are_below(limit: int, dtype: type[np.signedinteger], *columns: NDArray[np.signedinteger]) -> bool:
    """Tell whether columns of a dtype hold anything, nothing negative and nothing from ``limit`` on; at one go."""
    joined = np.concatenate(columns)
    if not len(joined) or joined.dtype != dtype:
        return False
    return int(np.maximum.reduce(joined.view(_UNSIGNED[dtype]))) < limit


def _are_among(codes: bytes, column: NDArray[np.uint8]) -> bool:
    """Tell whether a column holds nothing but some codes."""
    return column.dtype == np.uint8 and not column.tobytes().translate(None, codes)


def _check_equal(*columns: NDArray[np.integer]) -> None:
    if any(len(column) != len(columns[0]) for column in columns):
        raise MalformedError(f"columns of unequal length: {[len(column) for column in columns]}")


# a table: `match` would try the classes one after another; ``tests/core`` holds it against the union of commands
_CHECKS: Final[dict[type[Command], Callable[[Any], None]]] = {
    Place: _check_place,
    Report: _check_report,
    SubmitJob: _check_submit,
    Evict: _check_evict,
    Unplaced: _check_unplaced,
    StopJob: _check_job,
    ForgetJob: _check_job,
    RegisterMachine: _check_machine,
    Inventory: _check_inventory,
    LoseMachines: _check_lose,
    Tick: _check_tick,
    OpenSession: _check_open,
    ExpireSession: _check_expire,
    Genesis: _check_genesis,
    Reincarnate: _check_reincarnate,
    ActivateRules: _check_rules,
    Renew: _check_nothing,
    CloseSession: _check_nothing,
}
