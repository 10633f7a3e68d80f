"""Columns between a cell and an agent's stream: reports in, wanted state out. Pure.

Never one object a task: a stream may play thousands of machines and tell of tens of thousands of tasks at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.agent import messages as agent
from omegacell.agent.attempts import make_key
from omegacell.core.cell import Cell
from omegacell.core.deltas import Delta
from omegacell.core.errors import MalformedError
from omegacell.core.jobs import JobSpec, Kind, OnPartition, Stopping, TaskState
from omegacell.core.machine_commands import ExitNote, Inventory, RegisterMachine, Report, ReportKind
from omegacell.core.units import Revision
from omegacell.core.waits import find_waiting

Rows = NDArray[np.int64]

MAX_STARTS_PER_MESSAGE: Final = 20_000
PORTS_ATTRIBUTE: Final = "ports"
DEFAULT_PORTS: Final = (20_000, 29_999)
"""Ports that the cell grants on a machine that does not say which; below Linux's own ephemeral ports."""

_KIND_COUNT: Final = max(agent.ReportKind) + 1
_INT32_MAX: Final = (1 << 31) - 1


def _table(values: dict[agent.ReportKind, int]) -> NDArray[np.uint8]:
    table = np.zeros(_KIND_COUNT, np.uint8)
    for kind, value in values.items():
        table[kind] = value
    return table


_KINDS: Final = _table(
    {
        **dict.fromkeys(agent.ENDS, ReportKind.EXITED),
        agent.ReportKind.STARTED: ReportKind.STARTED,
        agent.ReportKind.HEALTHY: ReportKind.HEALTHY,
        agent.ReportKind.UNHEALTHY: ReportKind.UNHEALTHY,
    }
)
_NOTES: Final = _table(
    {
        agent.ReportKind.OUT_OF_MEMORY: ExitNote.OUT_OF_MEMORY,
        agent.ReportKind.FENCED: ExitNote.FENCED,
        agent.ReportKind.TIME_LIMIT: ExitNote.TIME_LIMIT,
        agent.ReportKind.UNKNOWN: ExitNote.UNKNOWN,
        agent.ReportKind.START_FAILED: ExitNote.START_FAILED,
    }
)
_SIGNAL_KILL: Final = 9


def to_report(parts: Sequence[agent.Reports]) -> Report:
    """Return the command that carries what agents reported, in order. Cost: O(reports).

    Raises:
        MalformedError: A number is out of range.
    """
    kinds = _join(parts, "kinds")
    codes = _join(parts, "codes")
    is_signaled = (kinds == agent.ReportKind.SIGNALED) | (kinds == agent.ReportKind.TIME_LIMIT)
    is_killed = kinds == agent.ReportKind.OUT_OF_MEMORY
    signals = np.where(is_signaled, codes, np.where(is_killed, _SIGNAL_KILL, 0))
    exit_codes = np.where(kinds == agent.ReportKind.EXITED, codes, -1)
    if signals.min(initial=0) < 0 or signals.max(initial=0) > 255 or exit_codes.min(initial=0) < -1:
        raise MalformedError("a report has an exit code or a signal that there is not")
    return Report(
        machines=_narrow(_join(parts, "rows")),
        epochs=_narrow(_join(parts, "epochs")),
        jobs=_join(parts, "job_ids"),
        indices=_narrow(_join(parts, "indexes")),
        attempts=_narrow(_join(parts, "attempts")),
        kinds=_KINDS[kinds],
        exit_codes=_narrow(exit_codes),
        signals=signals.astype(np.uint8),
        notes=_NOTES[kinds],
        at_us=_join(parts, "at_us"),
    )


def to_inventory(offer: agent.MachineOffer, *, row: int, epoch: int, incarnation: str) -> Inventory:
    """Return the command that says what a machine holds; what it holds of another log does not count."""
    held = offer.held if offer.incarnation == incarnation else ()
    return Inventory(
        machine=row,
        epoch=epoch,
        jobs=np.array([key.job_id for key in held], np.int64),
        indices=np.array([key.index for key in held], np.int32),
        attempts=np.array([key.attempt for key in held], np.int32),
    )


def to_registration(offer: agent.MachineOffer) -> RegisterMachine:
    """Return the command that registers a machine.

    Raises:
        MalformedError: What it says of its ports is no range.
    """
    first, last = _ports_of(dict(offer.attributes).get(PORTS_ATTRIBUTE, ""))
    return RegisterMachine(
        name=offer.name,
        boot_id=offer.boot_id,
        capacity=offer.capacity,
        drivers=offer.drivers,
        attributes=offer.attributes,
        port_first=first,
        port_last=last,
        devices=offer.devices,
    )


def _ports_of(text: str) -> tuple[int, int]:
    if not text:
        return DEFAULT_PORTS
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 0 < int(first) <= int(last) <= 65_535):
        raise MalformedError(f"attribute {PORTS_ATTRIBUTE} is {text[:40]!r}; expected a range such as 20000-29999")
    return int(first), int(last)


def find_ends(parts: Sequence[agent.Reports]) -> Iterator[tuple[int, int, int, int]]:
    """Yield machine row, job, index and attempt of what has ended by some reports."""
    for part in parts:
        for place, kind in enumerate(part.kinds):
            if kind in agent.ENDS:
                yield part.rows[place], part.job_ids[place], part.indexes[place], part.attempts[place]


def _join(parts: Sequence[agent.Reports], column: str) -> NDArray[np.int64]:
    try:
        return np.array([value for part in parts for value in getattr(part, column)], np.int64)
    except OverflowError as error:
        raise MalformedError(f"reports: column {column} holds a number above 2^63") from error


def _narrow(column: NDArray[np.int64]) -> NDArray[np.int32]:
    if column.min(initial=0) < -1 or column.max(initial=0) > _INT32_MAX:
        raise MalformedError("reports: a row, index, epoch, attempt or code is out of range")
    return column.astype(np.int32)


# --- wanted state


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """Task rows of which machines must be told.

    Attributes:
        starts: placed tasks; stops: tasks that were asked to end.
    """

    starts: Rows
    stops: Rows


def find_touched(cell: Cell, delta: Delta) -> Rows:
    """Return the task rows that a delta may have changed, ascending; all of a job that was reshaped."""
    parts = [delta.tasks[delta.tasks < cell.tasks.count]]
    for job in delta.reshaped:
        row = cell.jobs.row_of(job)
        if row is not None:
            offset = int(cell.jobs.offset[row])
            parts.append(np.arange(offset, offset + int(cell.jobs.extent[row]), dtype=np.int64))
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))


def find_active(cell: Cell, machines: Rows) -> Rows:
    """Return the task rows that are placed or run on some machines, ascending. Cost: O(tasks)."""
    wanted = np.zeros(cell.machines.count + 1, np.bool_)
    wanted[machines] = True  # the last place stands for "no machine", row -1
    return np.flatnonzero(wanted[cell.tasks.machine])


def find_changes(cell: Cell, tasks: Rows, is_linked: NDArray[np.bool_], *, with_running: bool) -> Changes:
    """Split task rows into those whose machines are to start them and those that are to end.

    A task that was placed and asked to stop before its machine heard of it is in both: only a machine that was told
    to start it will report that it ended. A task that waits for room is in neither: its machine hears of it when it
    waits no more.

    Args:
        cell: What is wanted.
        tasks: Task rows, ascending.
        is_linked: ``(machines + 1,)``, whether a machine listens here; the last place is False.
        with_running: Whether running tasks are among the starts, for a machine that is told everything.
    """
    state = cell.tasks.state[tasks]
    is_placed = state == TaskState.PLACED
    is_running = state == TaskState.RUNNING
    is_here = (is_placed | is_running) & is_linked[cell.tasks.machine[tasks]]
    if cell.tasks.waits:
        is_here &= ~find_waiting(cell, tasks)
    is_asked_to_stop = cell.tasks.stopping[tasks] != Stopping.NO
    is_start = is_placed | (is_running & ~is_asked_to_stop) if with_running else is_placed
    return Changes(starts=tasks[is_here & is_start], stops=tasks[is_here & is_asked_to_stop])


def build_starts(
    cell: Cell, tasks: Rows, *, payload_of: Callable[[JobSpec], bytes], complete: tuple[int, ...] = ()
) -> Iterator[agent.Wanted]:
    """Yield messages that start tasks; the first names the machines for which they are everything.

    Whole machines stay in one message, so that ``complete`` is true of each: with it, all starts are in the first.
    """
    step = max(1, len(tasks)) if complete else MAX_STARTS_PER_MESSAGE
    for first in range(0, len(tasks) or bool(complete), step):
        some = tasks[first : first + step]
        rows = cell.tasks.job[some]
        offsets = cell.jobs.offset[rows]
        used, shapes = np.unique(rows, return_inverse=True)
        specs = [cell.jobs.spec_of(row) for row in used.tolist()]
        ports, devices = cell.tasks.ports, cell.tasks.devices
        yield agent.Wanted(
            incarnation=cell.incarnation,
            revision=Revision(cell.revision),
            complete=complete,
            shapes=tuple([_shape_of(spec, payload_of(spec)) for spec in specs]),
            start_rows=tuple(cell.tasks.machine[some].tolist()),
            start_shapes=tuple(shapes.tolist()),
            start_job_ids=tuple(cell.jobs.id[rows].tolist()),
            start_indexes=tuple((some - offsets).tolist()),
            start_attempts=tuple(cell.tasks.attempt[some].tolist()),
            start_ports=tuple(
                [(place, ports[task]) for place, task in enumerate(some.tolist()) if ports.get(task)]
                if any(spec.ports for spec in specs)
                else ()
            ),
            start_devices=tuple(
                [(place, devices[task]) for place, task in enumerate(some.tolist()) if task in devices]
                if any(spec.devices for spec in specs)
                else ()
            ),
            start_allocs=tuple(_find_allocs(cell, some)) if any(spec.alloc for spec in specs) else (),
        )


def _find_allocs(cell: Cell, tasks: Rows) -> Iterator[tuple[int, agent.AttemptKey]]:
    """Yield place and alloc of those of some tasks that run inside one."""
    for place, task in enumerate(tasks.tolist()):
        alloc = cell.tasks.allocs.of.get(task)
        if alloc is not None:
            row = int(cell.tasks.job[alloc])
            index, attempt = alloc - int(cell.jobs.offset[row]), int(cell.tasks.attempt[alloc])
            yield place, make_key(int(cell.jobs.id[row]), index, attempt)


def build_stops(cell: Cell, tasks: Rows) -> agent.Wanted:
    """Return the message that stops tasks, allocs after what is inside them."""
    if cell.jobs.has_alloc_sets:
        is_alloc = cell.jobs.kind[cell.tasks.job[tasks]] == Kind.ALLOC
        tasks = np.concatenate([tasks[~is_alloc], tasks[is_alloc]])
    rows = cell.tasks.job[tasks]
    return agent.Wanted(
        incarnation=cell.incarnation,
        revision=Revision(cell.revision),
        stop_rows=tuple(cell.tasks.machine[tasks].tolist()),
        stop_job_ids=tuple(cell.jobs.id[rows].tolist()),
        stop_indexes=tuple((tasks - cell.jobs.offset[rows]).tolist()),
        stop_attempts=tuple(cell.tasks.attempt[tasks].tolist()),
    )


def build_forgets(cell: Cell, ends: Sequence[tuple[int, int, int, int]]) -> agent.Wanted:
    """Return the message after which machines need not remember what has ended."""
    rows, jobs, indexes, attempts = zip(*ends, strict=True)
    return agent.Wanted(
        incarnation=cell.incarnation,
        revision=Revision(cell.revision),
        stop_rows=rows,
        stop_job_ids=jobs,
        stop_indexes=indexes,
        stop_attempts=attempts,
    )


def _shape_of(spec: JobSpec, payload: bytes) -> agent.TaskShape:
    return agent.TaskShape(
        job_name=spec.name,
        driver=spec.driver,
        payload=payload,
        resources=spec.resources,
        port_names=tuple([port.name for port in spec.ports]),
        devices=tuple([(request.name, request.count) for request in spec.devices]),
        grace_us=spec.grace_us,
        stop_on_partition=spec.on_partition is OnPartition.STOP,
        is_alloc=spec.kind is Kind.ALLOC,
        is_inside=bool(spec.alloc),
        max_run_us=spec.max_run_us,
    )
