"""What an agent and the API say to each other; the API's portion maps these to its wire.

Rules:
- Up goes what the machine offers and what happened on it; down goes what is wanted of it and what was folded.
- Messages that one process sends for thousands of machines are columns of equal length, over assignments or reports of
  many machines. A machine stands in them by its row, which the cell gave it when it registered.
- A link is ordered and may break at any message. Reports are sent again, in a new batch, until `ReportsFolded` names
  their batch: each arrives at least once, and its attempt number makes it harmless when it arrives twice.
- ``*_at_us`` are wall stamps for people; ``*_boot_us`` are times of the machine's own boot clock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from omegacell.agent.attempts import AttemptKey as AttemptKey  # noqa: PLC0414 - whoever reads messages names attempts
from omegacell.agent.attempts import make_key
from omegacell.core.devices import DeviceOffer, Granted
from omegacell.core.units import MachineRow, Revision

MAX_REPORTS_PER_MESSAGE: Final = 10_000
MAX_LOG_CHUNK_BYTES: Final = 256 << 10
MAX_REPORT_MESSAGE_LENGTH: Final = 300
NO_LEASE: Final = 0  # of a machine that the cell never gives up


class HeldState(IntEnum):
    """What a machine holds of an attempt when it registers."""

    RUNNING = 1
    ENDED = 2


class ReportKind(IntEnum):
    """What happened to an attempt."""

    STARTED = 1
    """Its command runs."""
    EXITED = 2
    """It ended with an exit code."""
    SIGNALED = 3
    """A signal ended it; the code is the signal's number."""
    OUT_OF_MEMORY = 4
    """The kernel killed it for want of memory."""
    FENCED = 5
    """The machine ended it because it had lost the cell for longer than its lease."""
    UNKNOWN = 6
    """It ended, and nobody knows how: its supervisor had been killed, or the machine was restarted."""
    START_FAILED = 7
    """Its command never ran; the message says why and the code is an errno, or 0."""
    HEALTHY = 8
    UNHEALTHY = 9
    """Its health check failed as often as its spec allows."""
    TIME_LIMIT = 10
    """The machine ended it because it had run for as long as its job allows; the code is a signal's number, or 0."""


ENDS: Final = frozenset(ReportKind) - {ReportKind.STARTED, ReportKind.HEALTHY, ReportKind.UNHEALTHY}
"""Kinds after which the attempt is over."""


# --- up


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineOffer:
    """What a machine really has, or was told to say it has.

    Attributes:
        name: lower-case name, unique in the cell.
        boot_id: identity of this boot; a second registration under another one is refused while contact is fresh.
        capacity: ``(resources,)`` integers in base units.
        attributes: name and value, sorted by name.
        drivers: names of the drivers it offers.
        devices: the devices it has, names in ascending order.
        held: attempts it holds, running or ended and not forgotten yet.
        held_states: for each of ``held``.
        incarnation: of the log that the held attempts belong to; empty when it has never had one.
    """

    name: str
    boot_id: str
    capacity: tuple[int, ...]
    attributes: tuple[tuple[str, str], ...] = ()
    drivers: tuple[str, ...] = ()
    devices: tuple[DeviceOffer, ...] = ()
    held: tuple[AttemptKey, ...] = ()
    held_states: tuple[HeldState, ...] = ()
    incarnation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The first message of a link, and again whenever what a machine offers has changed."""

    machines: tuple[MachineOffer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """All registered machines of this link are there.

    Attributes:
        sent_boot_us: boot clock when it was sent; `Lease` brings it back.
        missing: rows of machines of this link that are *not* there (simulated ones that were switched off).
    """

    sent_boot_us: int
    missing: tuple[MachineRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """One row of `Reports`."""

    row: MachineRow
    epoch: int
    key: AttemptKey
    kind: ReportKind
    code: int
    at_us: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What happened, as columns of equal length, in the order in which it happened on each machine.

    Attributes:
        batch: number of this message on its link, from 1; `ReportsFolded` acknowledges it.
        rows: machine rows.
        epochs: the machine's epoch when it was sent.
        job_ids: with ``indexes`` and ``attempts``, which attempt.
        indexes: see ``job_ids``.
        attempts: see ``job_ids``.
        kinds: `ReportKind` values.
        codes: exit code, signal number or errno, by kind.
        at_us: wall stamps of the event.
        messages: ``(position, one line for people)`` of the few that have one.
    """

    batch: int
    rows: tuple[int, ...]
    epochs: tuple[int, ...]
    job_ids: tuple[int, ...]
    indexes: tuple[int, ...]
    attempts: tuple[int, ...]
    kinds: tuple[int, ...]
    codes: tuple[int, ...]
    at_us: tuple[int, ...]
    messages: tuple[tuple[int, str], ...] = ()

    @classmethod
    def of(cls, batch: int, reports: Sequence[TaskReport]) -> "Reports":
        """Return the columns of some reports."""
        return cls(
            batch=batch,
            rows=tuple(report.row for report in reports),
            epochs=tuple(report.epoch for report in reports),
            job_ids=tuple(report.key.job_id for report in reports),
            indexes=tuple(report.key.index for report in reports),
            attempts=tuple(report.key.attempt for report in reports),
            kinds=tuple(int(report.kind) for report in reports),
            codes=tuple(report.code for report in reports),
            at_us=tuple(report.at_us for report in reports),
            messages=tuple((place, report.message) for place, report in enumerate(reports) if report.message),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[TaskReport]:
        """Yield the rows; for tools and tests, as columns are faster."""
        messages = dict(self.messages)
        for place, row in enumerate(self.rows):
            key = make_key(self.job_ids[place], self.indexes[place], self.attempts[place])
            epoch, code, at_us = self.epochs[place], self.codes[place], self.at_us[place]
            text, kind = messages.get(place, ""), ReportKind(self.kinds[place])
            yield TaskReport(row=MachineRow(row), epoch=epoch, key=key, kind=kind, code=code, at_us=at_us, message=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """An answer to a `LogRequest`; the last one has ``is_last``.

    Attributes:
        request_id: of the request.
        offset: of the first byte of ``data`` in the whole output of the stream since the attempt started.
        data: at most `MAX_LOG_CHUNK_BYTES`.
        is_last: nothing follows.
        error: why nothing can be read, or empty.
    """

    request_id: int
    offset: int
    data: bytes
    is_last: bool = False
    error: str = ""


Up = Register | Heartbeat | Reports | LogChunk


# --- down


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """Answer to `Register`: columns over the machines that were named there, in any order.

    Attributes:
        incarnation: of the log; wanted state of another one is ignored.
        names: machines.
        rows: their rows.
        epochs: their new epochs; reports carry them.
        lease_us: how long after a heartbeat the machine may count itself in contact; `NO_LEASE`: for ever.
        heartbeat_us: how often to send one.
    """

    incarnation: str
    names: tuple[str, ...]
    rows: tuple[int, ...]
    epochs: tuple[int, ...]
    lease_us: int
    heartbeat_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Some machines may not register; they try again later."""

    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskShape:
    """What many starts have in common.

    Attributes:
        job_name: for people and the environment.
        driver: the driver that runs it.
        payload: what to run, see `payload`.
        resources: ``(resources,)`` integers of one task.
        port_names: names of its ports, in the order of ``Wanted.start_ports``.
        devices: names and counts of its devices, in the order of ``Wanted.start_devices``.
        grace_us: time between SIGTERM and SIGKILL.
        stop_on_partition: whether it must end when the machine's lease runs out.
        is_alloc: whether it is an alloc: it runs nothing of a user's, and outlives the tasks inside.
        is_inside: whether it runs inside an alloc, of ``Wanted.start_allocs``.
        max_run_us: how long an attempt may run; 0: for ever.
    """

    job_name: str
    driver: str
    payload: bytes
    resources: tuple[int, ...]
    port_names: tuple[str, ...] = ()
    devices: tuple[tuple[str, int], ...] = ()
    grace_us: int = 5_000_000
    stop_on_partition: bool = True
    is_alloc: bool = False
    is_inside: bool = False
    max_run_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to run, as columns over starts and columns over stops.

    A stop ends an attempt that runs, and lets the machine forget one that has ended.

    Attributes:
        incarnation: of the log.
        revision: of the state it was made from; older than what a machine remembers, it is ignored.
        complete: rows for which the starts are everything that is wanted; sent after every registration, whole in one
            message per machine. What runs there and is not among the starts is stopped.
        shapes: what starts have in common.
        start_rows: machine row of each start.
        start_shapes: place in ``shapes`` of each start.
        start_job_ids: with ``start_indexes`` and ``start_attempts``, which attempt.
        start_indexes: see ``start_job_ids``.
        start_attempts: see ``start_job_ids``.
        start_ports: ``(place among the starts, port numbers)`` of those with ports.
        start_devices: ``(place among the starts, indices for each of its devices)`` of those with devices.
        start_allocs: ``(place among the starts, attempt of its alloc)`` of those inside allocs.
        stop_rows: machine row of each stop.
        stop_job_ids: with ``stop_indexes`` and ``stop_attempts``, which attempt.
        stop_indexes: see ``stop_job_ids``.
        stop_attempts: see ``stop_job_ids``.
    """

    incarnation: str
    revision: Revision
    complete: tuple[int, ...] = ()
    shapes: tuple[TaskShape, ...] = ()
    start_rows: tuple[int, ...] = ()
    start_shapes: tuple[int, ...] = ()
    start_job_ids: tuple[int, ...] = ()
    start_indexes: tuple[int, ...] = ()
    start_attempts: tuple[int, ...] = ()
    start_ports: tuple[tuple[int, tuple[int, ...]], ...] = ()
    start_devices: tuple[tuple[int, Granted], ...] = ()
    start_allocs: tuple[tuple[int, AttemptKey], ...] = ()
    stop_rows: tuple[int, ...] = ()
    stop_job_ids: tuple[int, ...] = ()
    stop_indexes: tuple[int, ...] = ()
    stop_attempts: tuple[int, ...] = ()

    def starts(self) -> "Iterator[tuple[MachineRow, WantedTask]]":
        """Yield the starts one by one; for machines that have few."""
        ports, devices, allocs = dict(self.start_ports), dict(self.start_devices), dict(self.start_allocs)
        for place, row in enumerate(self.start_rows):
            shape = self.shapes[self.start_shapes[place]]
            key = make_key(self.start_job_ids[place], self.start_indexes[place], self.start_attempts[place])
            named = tuple(zip(shape.port_names, ports.get(place, ()), strict=True))
            names = [name for name, _ in shape.devices]
            given = tuple(zip(names, devices.get(place, ()), strict=True))
            yield (
                MachineRow(row),
                WantedTask(
                    key=key,
                    shape=shape,
                    ports=named,
                    devices=given,
                    incarnation=self.incarnation,
                    alloc=allocs.get(place),
                ),
            )

    def stops(self) -> Iterator[tuple[MachineRow, AttemptKey]]:
        """Yield the stops one by one."""
        for place, row in enumerate(self.stop_rows):
            key = make_key(self.stop_job_ids[place], self.stop_indexes[place], self.stop_attempts[place])
            yield MachineRow(row), key


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTask:
    """One start: an attempt means something only inside the incarnation of the log that made it."""

    key: AttemptKey
    shape: TaskShape
    ports: tuple[tuple[str, int], ...] = ()
    devices: tuple[tuple[str, tuple[int, ...]], ...] = ()
    incarnation: str = ""
    alloc: AttemptKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The cell has durably taken note of a heartbeat: the machine may count on its lease from when it was sent."""

    sent_boot_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportsFolded:
    """Everything in a batch of reports is in the log and folded; whether granted or refused as stale, it is done."""

    batch: int


class LogStream(IntEnum):
    """Which output of a task."""

    STDOUT = 1
    STDERR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """Ask for the output of an attempt.

    Attributes:
        request_id: chosen by the asker, unique on its link.
        key: which attempt.
        stream: which output.
        offset: of the first byte wanted; negative: that many bytes before the end.
        limit_bytes: at most so many bytes, unless it is followed.
        is_followed: go on until the attempt has ended.
    """

    request_id: int
    key: AttemptKey
    stream: LogStream
    offset: int
    limit_bytes: int
    is_followed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCancel:
    """Nobody waits for the answers to a request any more."""

    request_id: int


Down = Registered | Rejected | Wanted | Lease | ReportsFolded | LogRequest | LogCancel
