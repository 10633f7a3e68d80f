"""The shell of agents' streams: queues, the log's answers, and output that people ask for.

Everything is decided in `links`; this performs it. A stream that cannot keep up is dropped, because an agent that comes
back is told everything anew, and a queue without a limit would hide it.
"""

import asyncio
import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio

from omegacell.agent import messages as agent
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.proto.api_v1_pb2_grpc import AgentServicer
from omegacell.api.server.host import CellHost
from omegacell.api.server.link_events import (
    Action,
    CellFolded,
    Closed,
    Drop,
    Event,
    Forget,
    Hear,
    Opened,
    Propose,
    Said,
    Settled,
    Tell,
)
from omegacell.api.server.links import Links
from omegacell.api.wire_agent import read_up
from omegacell.api.wire_agent_down import DownWriter
from omegacell.controllers.ticks import Ticker
from omegacell.core.errors import MalformedError, OmegaError
from omegacell.core.units import SECOND_US
from omegacell.store.proposer import Proposal
from omegacell.store.replica import Folded

_LOG = logging.getLogger(__name__)

HEARTBEAT_US: Final = 2 * SECOND_US
SILENT_AFTER_US: Final = 8 * SECOND_US
"""A machine not heard for so long loses contact; three silent ticks later, 4 s at least, it may be lost."""
LEASE_US: Final = 9 * SECOND_US
"""Shorter than the time after which the cell may place a silent machine's tasks elsewhere."""
MAX_QUEUED_MESSAGES: Final = 10_000
MAX_LOG_CHUNKS: Final = 64
MAX_TEXTS: Final = 10_000


class Stream:
    """One agent's stream: what is to be sent on it, and who waits for output from it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.writer = DownWriter()
        self.queue: asyncio.Queue[pb.AgentDown | None] = asyncio.Queue(MAX_QUEUED_MESSAGES)
        self.readers: dict[int, asyncio.Queue[agent.LogChunk]] = {}
        self.reason = ""

    def tell(self, message: agent.Down) -> None:
        """Queue a message; a queue that is full drops the stream."""
        self.put(self.writer.write(message))

    def put(self, message: pb.AgentDown) -> None:
        """Queue a message of the wire."""
        if self.queue.full():
            self.drop(f"{MAX_QUEUED_MESSAGES} messages wait: the agent does not keep up")
        else:
            self.queue.put_nowait(message)

    def drop(self, reason: str) -> None:
        """End the stream now; what waits on it is not sent."""
        self.reason = reason
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class AgentDesk:
    """Where agents' streams meet the cell.

    Args:
        host: The cell.
        links: What is decided.
        ticker: Is told of heartbeats.
        group: Owns the tasks that wait for the log.
    """

    def __init__(self, host: CellHost, links: Links, ticker: Ticker, group: asyncio.TaskGroup) -> None:
        self._host = host
        self._links = links
        self._ticker = ticker
        self._group = group
        self._numbers = itertools.count(1)
        self._requests = itertools.count(1)
        self._streams: dict[int, Stream] = {}
        self._texts: OrderedDict[tuple[int, int, int], str] = OrderedDict()
        host.listeners.append(self._on_folded)

    @property
    def stream_count(self) -> int:
        """Streams that are open."""
        return len(self._streams)

    @property
    def machine_count(self) -> int:
        """Machines that listen on them."""
        return self._links.machine_count

    def text_of(self, job: int, index: int, attempt: int) -> str:
        """Return what a machine said of an attempt in words, as far as this server heard it lately; else empty."""
        return self._texts.get((job, index, attempt), "")

    def open(self) -> Stream:
        """Begin a stream."""
        stream = Stream(next(self._numbers))
        self._streams[stream.number] = stream
        self._step(Opened(stream=stream.number))
        return stream

    def close(self, stream: Stream) -> None:
        """End a stream that is gone."""
        del self._streams[stream.number]
        for reader in stream.readers.values():
            _offer(reader, agent.LogChunk(request_id=0, offset=0, data=b"", is_last=True, error="the machine is gone"))
        self._step(Closed(stream=stream.number))

    def take(self, stream: Stream, message: agent.Up) -> None:
        """Take what an agent said."""
        if isinstance(message, agent.LogChunk):
            reader = stream.readers.get(message.request_id)
            if reader is not None and not _offer(reader, message):
                stream.readers.pop(message.request_id)
                stream.tell(agent.LogCancel(request_id=message.request_id))
            return
        if isinstance(message, agent.Reports):
            self._note_texts(message)
        can_append = self._host.can_write and self._host.seconds_since_append < SILENT_AFTER_US / SECOND_US
        self._step(Said(stream=stream.number, message=message, can_append=can_append))

    def drop_all(self, reason: str) -> None:
        """End every stream; agents come back, or go elsewhere."""
        for stream in self._streams.values():
            stream.drop(reason)

    async def read_log(
        self, machine: int, key: agent.AttemptKey, log: agent.LogStream, *, offset: int, limit: int | None
    ) -> AsyncIterator[agent.LogChunk]:
        """Yield the output of an attempt from a machine; with no limit it is followed until the attempt ends.

        A reader slower than the machine does not hold anything up: its request is cancelled and made again later.
        """
        while True:
            number = self._links.stream_of(machine)
            stream = self._streams.get(number) if number is not None else None
            if stream is None:
                error = "its machine is not connected"
                yield agent.LogChunk(request_id=0, offset=offset, data=b"", is_last=True, error=error)
                return
            request_id = next(self._requests)
            reader: asyncio.Queue[agent.LogChunk] = asyncio.Queue(MAX_LOG_CHUNKS)
            stream.readers[request_id] = reader
            request = agent.LogRequest(
                request_id=request_id,
                key=key,
                stream=log,
                offset=offset,
                limit_bytes=limit or 0,
                is_followed=limit is None,
            )
            stream.tell(request)
            try:
                while request_id in stream.readers or not reader.empty():
                    chunk = await reader.get()
                    yield chunk
                    offset = chunk.offset + len(chunk.data)
                    limit = None if limit is None else max(0, limit - len(chunk.data))
                    if chunk.is_last:
                        stream.readers.pop(request_id, None)  # nothing is left to cancel
                        return
            finally:
                if stream.readers.pop(request_id, None) is not None and stream.number in self._streams:
                    stream.tell(agent.LogCancel(request_id=request_id))

    # --- performing

    def _on_folded(self, folded: Folded) -> None:
        self._step(CellFolded(delta=None if folded.is_reloaded else folded.delta))

    def _step(self, event: Event) -> None:
        for action in self._links.step(event, self._host.cell):
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Tell():
                stream = self._streams.get(action.stream)
                if stream is not None:
                    stream.tell(action.message)
            case Propose():
                self._group.create_task(self._propose(action))
            case Hear():
                rows = [row for row, _ in action.machines]
                epochs = [epoch for _, epoch in action.machines]
                self._ticker.note_heard(rows, epochs=epochs, now_us=time.monotonic_ns() // 1_000)
            case Drop():
                stream = self._streams.get(action.stream)
                if stream is not None:
                    _LOG.warning("dropping agent stream %d: %s", action.stream, action.reason)
                    stream.drop(action.reason)
            case Forget():
                for stream in self._streams.values():
                    message = stream.writer.forget(action.jobs)
                    if message is not None:
                        stream.put(message)

    async def _propose(self, action: Propose) -> None:
        now_us = time.time_ns() // 1_000
        proposals = [
            Proposal(commands=(command,), decided_from_us=now_us, decided_to_us=now_us) for command in action.commands
        ]
        try:
            outcomes = await self._host.propose_all(proposals)
        except OmegaError as error:
            _LOG.warning("what agents said could not be appended: %s", error)
            self._step(Settled(token=action.token, outcomes=None, reason=str(error)))
        else:
            self._step(Settled(token=action.token, outcomes=outcomes))

    def _note_texts(self, reports: agent.Reports) -> None:
        for place, text in reports.messages:
            if place < len(reports):
                key = (reports.job_ids[place], reports.indexes[place], reports.attempts[place])
                self._texts[key] = text[: agent.MAX_REPORT_MESSAGE_LENGTH]
        while len(self._texts) > MAX_TEXTS:
            self._texts.popitem(last=False)


class AgentService(AgentServicer):
    """The service that agents call.

    Args:
        desk: Where their streams go.
    """

    def __init__(self, desk: AgentDesk) -> None:
        self._desk = desk

    async def Connect(  # noqa: N802 - the name in the proto
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[pb.AgentDown]:
        """Carry one agent's stream until either end has enough."""
        stream = self._desk.open()
        reading = asyncio.create_task(self._read(request_iterator, stream))
        try:
            while (message := await stream.queue.get()) is not None:
                yield message
        finally:
            reading.cancel()
            self._desk.close(stream)
        if stream.reason:
            await context.abort(grpc.StatusCode.UNAVAILABLE, stream.reason)

    async def _read(self, requests: AsyncIterator[pb.AgentUp], stream: Stream) -> None:
        try:
            async for request in requests:
                self._desk.take(stream, read_up(request))
        except MalformedError as error:
            stream.drop(str(error))
        else:
            stream.drop("")


def _offer(reader: "asyncio.Queue[agent.LogChunk]", chunk: agent.LogChunk) -> bool:
    if reader.full():
        return False
    reader.put_nowait(chunk)
    return True
