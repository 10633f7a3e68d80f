"""The agent's link over gRPC: one stream to one API server, as `omegacell.agent.link` asks for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

import grpc
import grpc.aio

from omegacell.agent.link import LinkLostError
from omegacell.agent.messages import Down, Up
from omegacell.api.grpc_errors import CHANNEL_OPTIONS, cause_of
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.proto.api_v1_pb2_grpc import AgentStub
from omegacell.api.wire_agent import write_up
from omegacell.api.wire_agent_down import DownReader
from omegacell.core.errors import MalformedError, UsageError

CONNECT_TIMEOUT_S: Final = 5.0

_Call = grpc.aio.StreamStreamCall[pb.AgentUp, pb.AgentDown]


class GrpcLink:
    """An open stream; see `omegacell.agent.link.Link`."""

    def __init__(self, channel: grpc.aio.Channel, call: "_Call", address: str) -> None:
        self._channel = channel
        self._call = call
        self._address = address
        self._reader = DownReader()
        self._writing = asyncio.Lock()

    async def send(self, message: Up) -> None:
        """Send; returns when the message has been handed over.

        Raises:
            LinkLostError: the link is gone.
        """
        # A write that is cancelled cancels the whole stream, and whoever sends may be cancelled (a reader of output).
        writing = asyncio.create_task(self._write(write_up(message)))
        writing.add_done_callback(_note_error)
        await asyncio.shield(writing)

    async def receive(self) -> AsyncIterator[Down]:
        """Yield what comes, until the link is gone: then it raises LinkLostError."""
        while True:
            try:
                answer = await self._call.read()
            except (grpc.RpcError, asyncio.InvalidStateError) as error:
                raise self._lost(error) from error
            if not isinstance(answer, pb.AgentDown):
                raise LinkLostError(f"the API server at {self._address} closed the link")
            try:
                message = self._reader.read(answer)
            except MalformedError as error:
                raise LinkLostError(f"the API server at {self._address}: {error}") from error
            if message is not None:
                yield message

    async def close(self) -> None:
        """Close it; harmless when it is closed already."""
        self._call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._channel.close()

    async def _write(self, message: pb.AgentUp) -> None:
        async with self._writing:
            try:
                await self._call.write(message)
            except (grpc.RpcError, asyncio.InvalidStateError) as error:
                raise self._lost(error) from error

    def _lost(self, error: Exception) -> LinkLostError:
        words = cause_of(error.details() or "") if isinstance(error, grpc.aio.AioRpcError) else str(error)
        return LinkLostError(f"the link to {self._address} broke: {words}")


def _note_error(writing: "asyncio.Task[None]") -> None:
    """Take note of how a write ended that nobody waits for any more; the next one will fail the same way."""
    if not writing.cancelled():
        writing.exception()


class GrpcConnector:
    """Opens links to API servers, to the next one after each failure.

    Args:
        addresses: Hosts and ports, at least one.
        token: What every call carries.
    """

    def __init__(self, addresses: Sequence[str], token: str) -> None:
        if not addresses:
            raise UsageError("an agent needs the address of at least one API server")
        self._addresses = tuple(addresses)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._next = 0

    async def connect(self) -> GrpcLink:
        """Return a new link.

        Raises:
            LinkLostError: the API cannot be reached now.
        """
        address = self._addresses[self._next % len(self._addresses)]
        self._next += 1
        channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await channel.channel_ready()
        except TimeoutError as error:
            await channel.close()
            raise LinkLostError(f"no API server answers at {address}") from error
        self._next -= 1  # this one works: try it first again
        return GrpcLink(channel, AgentStub(channel).Connect(metadata=self._metadata), address)
