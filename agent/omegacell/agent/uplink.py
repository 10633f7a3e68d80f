"""The agent's side towards the API: keep a link, heartbeat while registered, send what was decided, answer for logs.

Rules: one link at a time; what was to be sent on a link is dropped with it, because the reconciler sends reports again
on the next. A link that cannot be had is tried again for ever, with jittered back-off.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from omegacell.agent.link import Connector, Link, LinkLostError
from omegacell.agent.messages import (
    Down,
    Heartbeat,
    LogCancel,
    LogChunk,
    LogRequest,
    Registered,
    Up,
)
from omegacell.agent.stamps import boot_us
from omegacell.core.units import MachineRow

_FIRST_WAIT_S: Final = 0.1
_LAST_WAIT_S: Final = 10.0
_MAX_LOG_REQUESTS: Final = 64

_log = logging.getLogger(__name__)


class Ear(Protocol):
    """What a link tells of itself."""

    def on_open(self) -> None:
        """A link is open."""

    def on_closed(self) -> None:
        """It is gone."""

    def on_message(self, message: Down) -> None:
        """A message came; log requests do not come here."""


class Uplink:
    """Keep a link to the API.

    Args:
        connector: opens links.
        ear: is told of opens, closes and messages.
        read: answers a log request with chunks.
        missing: says which machines of this link are not there, for heartbeats.
    """

    def __init__(
        self,
        connector: Connector,
        ear: Ear,
        read: Callable[[LogRequest], AsyncIterator[LogChunk]],
        missing: Callable[[], tuple[MachineRow, ...]] = tuple,
    ) -> None:
        self._connector = connector
        self._ear = ear
        self._read = read
        self._missing = missing
        self._queue: asyncio.Queue[Up | None] = asyncio.Queue()
        self._is_open = False
        self._sending = asyncio.Lock()

    def send(self, message: Up) -> None:
        """Queue a message; dropped when there is no link now."""
        if self._is_open:
            self._queue.put_nowait(message)

    def drop(self, reason: str) -> None:
        """Close the link and try again later."""
        _log.warning("closing the link: %s", reason)
        if self._is_open:
            self._queue.put_nowait(None)

    async def run(self) -> None:
        """Keep a link, for ever."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                link = await self._connector.connect()
            except LinkLostError as error:
                _log.info("no link: %s", error)
            else:
                if await self._serve(link):
                    wait_s = _FIRST_WAIT_S
            # The jitter keeps thousands of agents from coming back in step.
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(wait_s * 2, _LAST_WAIT_S)

    async def _serve(self, link: Link) -> bool:
        """Work with one link until it is gone; return whether it ever carried a registration."""
        self._queue = asyncio.Queue()
        session = _Session(link, self._sending, self._read, self._missing)
        self._is_open = True
        self._ear.on_open()
        # In a task of its own: a group cancels the task it is in when a member fails, and until Python 3.13 does not
        # take that back, so that it could not be told from being cancelled from outside.
        work = asyncio.create_task(self._work(session))
        try:
            await work
        except* LinkLostError as errors:
            _log.info("link lost: %s", errors.exceptions[0])
        finally:
            self._is_open = False
            await link.close()
            self._ear.on_closed()
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise asyncio.CancelledError
        return session.was_registered

    async def _work(self, session: "_Session") -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(session.send_all(self._queue))
            group.create_task(session.receive_all(self._ear, group))


class _Session:
    """One link while it holds."""

    def __init__(
        self,
        link: Link,
        sending: asyncio.Lock,
        read: Callable[[LogRequest], AsyncIterator[LogChunk]],
        missing: Callable[[], tuple[MachineRow, ...]],
    ) -> None:
        self._link = link
        self._sending = sending
        self._read = read
        self._missing = missing
        self._log_tasks: dict[int, asyncio.Task[None]] = {}
        self._heartbeat: asyncio.Task[None] | None = None
        self.was_registered = False

    async def send_all(self, queue: asyncio.Queue[Up | None]) -> None:
        """Send what is queued; None ends the link."""
        while (message := await queue.get()) is not None:
            await self._send(message)
        raise LinkLostError("closed by the agent")

    async def receive_all(self, ear: Ear, group: asyncio.TaskGroup) -> None:
        """Pass on what comes."""
        async for message in self._link.receive():
            if isinstance(message, LogRequest):
                self._begin_reading(message, group)
            elif isinstance(message, LogCancel):
                task = self._log_tasks.get(message.request_id)
                if task is not None:
                    task.cancel()
            else:
                ear.on_message(message)
            if isinstance(message, Registered):
                self.was_registered = True
                if self._heartbeat is not None:
                    self._heartbeat.cancel()
                self._heartbeat = group.create_task(self._beat(message.heartbeat_us))
        raise LinkLostError("the other end closed the link")

    async def _send(self, message: Up) -> None:
        async with self._sending:
            await self._link.send(message)

    async def _beat(self, period_us: int) -> None:
        while True:
            await self._send(Heartbeat(sent_boot_us=boot_us(), missing=self._missing()))
            await asyncio.sleep(period_us / 1_000_000)

    def _begin_reading(self, request: LogRequest, group: asyncio.TaskGroup) -> None:
        if len(self._log_tasks) >= _MAX_LOG_REQUESTS:
            busy = LogChunk(
                request_id=request.request_id, offset=0, data=b"", is_last=True, error="too many readers on the machine"
            )
            group.create_task(self._send(busy))
            return
        task = group.create_task(self._answer(request))
        self._log_tasks[request.request_id] = task
        task.add_done_callback(lambda _: self._log_tasks.pop(request.request_id, None))

    async def _answer(self, request: LogRequest) -> None:
        async for chunk in self._read(request):
            await self._send(chunk)
