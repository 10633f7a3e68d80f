"""The other end of an agent's link, in one process: a cell that wants tasks and folds reports.

It keeps the promises of `omegacell.agent.messages` as the API does: registering bumps the epoch, a complete wanted
state follows, reports are folded once, acknowledged by batch, and attempts that ended are not wanted any more.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from omegacell.agent.link import LinkLostError
from omegacell.agent.messages import (
    ENDS,
    AttemptKey,
    Down,
    Heartbeat,
    Lease,
    LogChunk,
    LogRequest,
    MachineOffer,
    Register,
    Registered,
    Reports,
    ReportsFolded,
    TaskReport,
    TaskShape,
    Up,
    Wanted,
)
from omegacell.agent.payload import ExecConfig, HealthConfig, LimitsConfig, TaskPayload, encode_payload
from omegacell.core.units import JobId, Revision


def key_of(job_id: int, index: int = 0, attempt: int = 1) -> AttemptKey:
    """Return a key in few words."""
    return AttemptKey(job_id=JobId(job_id), index=index, attempt=attempt)


def exec_shape(
    *command: str,
    config: ExecConfig | None = None,
    health: HealthConfig | None = None,
    limits: LimitsConfig | None = None,
    **fields: object,
) -> TaskShape:
    """Return the shape of a real task."""
    payload = encode_payload(TaskPayload(exec=config or ExecConfig(command=command), health=health, limits=limits))
    known: dict[str, object] = {
        "job_name": "job",
        "driver": "exec",
        "payload": payload,
        "resources": (100, 64 << 20, 0),
        "grace_us": 2_000_000,
        "stop_on_partition": False,
    }
    return TaskShape(**{**known, **fields})  # type: ignore[arg-type]


class CellLink:
    """The agent's end of one link."""

    def __init__(self, cell: "CellEnd") -> None:
        self.cell = cell
        self.down: asyncio.Queue[Down | None] = asyncio.Queue()
        self.is_open = True

    async def send(self, message: Up) -> None:
        if not self.is_open:
            raise LinkLostError("closed")
        self.cell.take(self, message)

    async def receive(self) -> AsyncIterator[Down]:
        while (message := await self.down.get()) is not None:
            yield message
        raise LinkLostError("closed")

    async def close(self) -> None:
        self.is_open = False
        self.down.put_nowait(None)


class CellEnd:
    """A cell of one machine, and the connector to it."""

    def __init__(self) -> None:
        self.incarnation = "first"
        self.revision = 1
        self.epoch = 0
        self.lease_us = 60_000_000
        self.heartbeat_us = 100_000
        self.is_reachable = True
        self.is_acknowledging = True
        self.link: CellLink | None = None
        self.wanted: dict[AttemptKey, tuple[TaskShape, tuple[int, ...]]] = {}
        self.offers: list[MachineOffer] = []
        self.reports: list[TaskReport] = []
        self.chunks: list[LogChunk] = []
        self.heartbeat_count = 0

    async def connect(self) -> CellLink:
        if not self.is_reachable:
            raise LinkLostError("not reachable")
        self.link = CellLink(self)
        return self.link

    def cut(self) -> None:
        """Break the link, and let nobody connect until `mend`."""
        self.is_reachable = False
        if self.link is not None:
            self.link.is_open = False
            self.link.down.put_nowait(None)
            self.link = None

    def mend(self) -> None:
        self.is_reachable = True

    def want(self, key: AttemptKey, shape: TaskShape, ports: tuple[int, ...] = ()) -> None:
        self.revision += 1
        self.wanted[key] = (shape, ports)
        self._send(self._wanted((key,)))

    def unwant(self, *keys: AttemptKey) -> None:
        self.revision += 1
        for key in keys:
            self.wanted.pop(key, None)
        message = Wanted(
            incarnation=self.incarnation,
            revision=Revision(self.revision),
            stop_rows=(0,) * len(keys),
            stop_job_ids=tuple(key.job_id for key in keys),
            stop_indexes=tuple(key.index for key in keys),
            stop_attempts=tuple(key.attempt for key in keys),
        )
        self._send(message)

    def ask_logs(self, request: LogRequest) -> None:
        self._send(request)

    def kinds(self, key: AttemptKey) -> list[str]:
        """Return what was reported of an attempt, in order."""
        return [report.kind.name for report in self.reports if report.key == key]

    def take(self, link: CellLink, message: Up) -> None:
        if link is not self.link:
            return
        match message:
            case Register():
                self.offers += message.machines
                self.epoch += 1
                registered = Registered(
                    incarnation=self.incarnation,
                    names=tuple(offer.name for offer in message.machines),
                    rows=(0,),
                    epochs=(self.epoch,),
                    lease_us=self.lease_us,
                    heartbeat_us=self.heartbeat_us,
                )
                self._send(registered)
                self._send(self._wanted(tuple(self.wanted), complete=(0,)))
            case Heartbeat():
                self.heartbeat_count += 1
                self._send(Lease(sent_boot_us=message.sent_boot_us))
            case Reports():
                self._fold(message)
            case LogChunk():
                self.chunks.append(message)

    def _fold(self, reports: Reports) -> None:
        rows = list(reports)
        assert {row.epoch for row in rows} == {self.epoch}
        self.reports += rows
        if not self.is_acknowledging:
            return
        self._send(ReportsFolded(batch=reports.batch))
        ended = [row.key for row in rows if row.kind in ENDS and row.key in self.wanted]
        if ended:
            self.unwant(*ended)

    def _wanted(self, keys: tuple[AttemptKey, ...], complete: tuple[int, ...] = ()) -> Wanted:
        return Wanted(
            incarnation=self.incarnation,
            revision=Revision(self.revision),
            complete=complete,
            shapes=tuple(self.wanted[key][0] for key in keys),
            start_rows=(0,) * len(keys),
            start_shapes=tuple(range(len(keys))),
            start_job_ids=tuple(key.job_id for key in keys),
            start_indexes=tuple(key.index for key in keys),
            start_attempts=tuple(key.attempt for key in keys),
            start_ports=tuple((place, self.wanted[key][1]) for place, key in enumerate(keys)),
        )

    def _send(self, message: Down) -> None:
        if self.link is not None:
            self.link.down.put_nowait(message)


def touch(path: str) -> None:
    """Make an empty file, which tells a waiting task to go on."""
    with open(path, "w", encoding="ascii"):
        pass


async def wait_until(fact: Callable[[], bool], what: str, limit_s: float = 15.0) -> None:
    """Return as soon as a fact holds; fail after a limit."""
    until = time.monotonic() + limit_s
    while not fact():
        assert time.monotonic() < until, f"not in {limit_s} s: {what}"
        await asyncio.sleep(0.005)
