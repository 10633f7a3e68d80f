"""The agent's side towards its supervisor: keep one running, do what was decided, and say what happened.

Rules: one connection at a time, and everything that was decided for one is dropped with it: the inventory that opens
the next makes the reconciler decide anew. Within a connection actions are done in order; starts that wait together
are made with one request.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Final

from omegacell.agent.drivers.exec_driver import ExecDriver, StartRefusedError
from omegacell.agent.events import (
    End,
    Ended,
    ForgetAttempt,
    Held,
    Inventory,
    RenewDeadline,
    StartAttempt,
    Started,
    StopAttempt,
    SupervisorLost,
)
from omegacell.agent.messages import MAX_REPORT_MESSAGE_LENGTH, AttemptKey, ReportKind, WantedTask
from omegacell.agent.stamps import wall_us
from omegacell.agent.supervisor.client import AttemptStatus, SupervisorClient, SupervisorError, ensure_supervisor
from omegacell.agent.supervisor.records import ExitRecord, How
from omegacell.agent.supervisor.spawn import SpawnSpec

_MAX_STARTS_AT_ONCE: Final = 64
_RETRY_S: Final = (0.0, 0.1, 0.5, 2.0, 5.0)

Task = StartAttempt | StopAttempt | ForgetAttempt | RenewDeadline
"""What hands can do."""

_log = logging.getLogger(__name__)


class Hands:
    """Do actions through the supervisor of one state folder.

    Args:
        state: the supervisor's state folder.
        driver: makes what the supervisor is to run.
        feed: takes what happens.
    """

    def __init__(
        self, state: str, driver: ExecDriver, feed: Callable[[Inventory | SupervisorLost | Started | Ended], None]
    ) -> None:
        self._state = state
        self._driver = driver
        self._feed = feed
        self._client: SupervisorClient | None = None
        self._queue: asyncio.Queue[Task] = asyncio.Queue()

    def do(self, task: Task) -> None:
        """Queue an action; dropped when there is no supervisor now."""
        if self._client is not None:
            self._queue.put_nowait(task)

    async def run(self) -> None:
        """Keep a supervisor and a connection to it, for ever."""
        failures = 0
        while True:
            try:
                await ensure_supervisor(self._state)
                client = await SupervisorClient.connect(self._state)
            except SupervisorError as error:
                _log.warning("%s", error)
                failures += 1
            else:
                failures = 0
                await self._serve(client)
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])

    async def shutdown(self, grace_us: int) -> None:
        """End all tasks and the supervisor; no process is left afterwards."""
        await ensure_supervisor(self._state)  # one that was killed has left tasks to be found and ended
        client = await SupervisorClient.connect(self._state)
        try:
            await client.shutdown(grace_us)
        finally:
            await client.close()

    async def _serve(self, client: SupervisorClient) -> None:
        """Work with one supervisor until it is gone."""
        self._queue = asyncio.Queue()
        loops: list[asyncio.Task[None]] = []
        try:
            statuses = await client.subscribe()
            held = await asyncio.to_thread(self._describe, statuses)
            self._client = client
            self._feed(Inventory(held=tuple(held)))
            loops = [asyncio.create_task(self._work(client)), asyncio.create_task(self._listen(client))]
            ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for loop in ended:
                loop.result()  # hands that have failed must not look like hands with nothing to do
        except SupervisorError as error:
            _log.warning("%s", error)
        finally:
            self._client = None
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await client.close()
            self._feed(SupervisorLost())

    def _describe(self, statuses: list[AttemptStatus]) -> list[Held]:
        held = []
        for status in statuses:
            key = AttemptKey.parse(status.key)
            end = None if status.end is None else to_end(status.end)
            task = self._driver.load(key)
            held.append(Held(key=key, task=task, started_at_us=status.started_at_us, end=end))
        return held

    async def _listen(self, client: SupervisorClient) -> None:
        async for status in client.events():
            self._on_status(status)

    def _on_status(self, status: AttemptStatus) -> None:
        key = AttemptKey.parse(status.key)
        if status.end is None:
            self._feed(Started(key=key, at_us=status.started_at_us))
        else:
            self._feed(Ended(key=key, end=to_end(status.end)))

    async def _work(self, client: SupervisorClient) -> None:
        while True:
            task = await self._queue.get()
            try:
                if isinstance(task, StartAttempt):
                    await self._start(client, [task.task, *self._take_starts()])
                else:
                    await self._do_one(client, task)
            except SupervisorError as error:
                # If it is gone, the events end as well and everything is decided anew; if it refused, so it did.
                _log.warning("%s: %s", task, error)

    def _take_starts(self) -> list[WantedTask]:
        """Take the starts that follow in the queue, up to the first other action."""
        waiting: list[Task] = []
        while not self._queue.empty():
            waiting.append(self._queue.get_nowait())
        starts: list[WantedTask] = []
        while waiting and len(starts) < _MAX_STARTS_AT_ONCE - 1 and isinstance(waiting[0], StartAttempt):
            first = waiting.pop(0)
            assert isinstance(first, StartAttempt)
            starts.append(first.task)
        for task in waiting:
            self._queue.put_nowait(task)
        return starts

    async def _start(self, client: SupervisorClient, tasks: list[WantedTask]) -> None:
        specs, refused = await asyncio.to_thread(self._prepare, tasks)
        refused.update(await client.start(specs) if specs else {})
        for key, reason in refused.items():
            end = End(kind=ReportKind.START_FAILED, code=0, at_us=wall_us(), message=_shorten(reason))
            self._feed(Ended(key=AttemptKey.parse(key), end=end))

    def _prepare(self, tasks: list[WantedTask]) -> tuple[list[SpawnSpec], dict[str, str]]:
        specs = []
        refused: dict[str, str] = {}
        for task in tasks:
            try:
                specs.append(self._driver.prepare(task))
            except StartRefusedError as error:
                refused[str(task.key)] = str(error)
        return specs, refused

    async def _do_one(self, client: SupervisorClient, task: StopAttempt | ForgetAttempt | RenewDeadline) -> None:
        match task:
            case StopAttempt():
                await client.signal(str(task.key), signal.SIGTERM, task.grace_us)
            case ForgetAttempt():
                await client.forget([str(task.key)])
                try:
                    await asyncio.to_thread(self._driver.clean, task.key)
                except OSError as error:
                    _log.warning("%s: what it leaves is removed later: %s", task.key, error)
            case RenewDeadline():
                await client.renew(task.deadline_boot_us)


def to_end(record: ExitRecord) -> End:
    """Return the supervisor's record of an end as the cell is told of it."""
    kinds = {
        How.EXITED: ReportKind.EXITED,
        How.SIGNALED: ReportKind.SIGNALED,
        How.START_FAILED: ReportKind.START_FAILED,
        How.UNKNOWN: ReportKind.UNKNOWN,
    }
    kind = kinds[record.how]
    if record.is_oom:
        kind = ReportKind.OUT_OF_MEMORY
    if kind in (ReportKind.SIGNALED, ReportKind.OUT_OF_MEMORY) and record.was_fenced:
        kind = ReportKind.FENCED
    code = record.code
    if record.was_overtime and kind not in (ReportKind.FENCED, ReportKind.START_FAILED):
        kind = ReportKind.TIME_LIMIT
        code = record.code if record.how is How.SIGNALED else 0
    return End(kind=kind, code=code, at_us=record.ended_at_us, message=_shorten(record.message))


def _shorten(message: str) -> str:
    return message[:MAX_REPORT_MESSAGE_LENGTH]
