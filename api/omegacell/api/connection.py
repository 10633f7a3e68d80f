"""The wire below the client: one channel to one API server, its token, its limit in time, and what errors become."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

import grpc

from omegacell.api.contexts import Context, find_context
from omegacell.api.errors import UnauthenticatedError
from omegacell.api.grpc_errors import CHANNEL_OPTIONS, error_of
from omegacell.api.proto.api_v1_pb2_grpc import CellStub

DEFAULT_TIMEOUT_S: Final = 30.0

if TYPE_CHECKING:
    from grpc import _CallIterator

_Answer = TypeVar("_Answer")
_Request = TypeVar("_Request")


class Connection:
    """A connection to a cell, on which calls are made.

    Args:
        address: Host and port of an API server.
        token: What every call carries.
        timeout_s: Limit of every call that is not a stream.

    Raises:
        UnauthenticatedError: The token is none: it has other characters than printable ASCII.
    """

    def __init__(self, address: str, token: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        if not (token.isascii() and token.isprintable()):
            raise UnauthenticatedError("the token has characters that no token has: expected one line of ASCII")
        self.address = address
        self._timeout_s = timeout_s
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub = CellStub(self._channel)

    @classmethod
    def from_context(cls, cell: str | Context | None = None, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Self:
        """Return a client of a cell that the context file or the environment names (see `contexts`).

        Raises:
            NoContextError: None is known.
        """
        context = cell if isinstance(cell, Context) else find_context(cell)
        return cls(context.address, context.token, timeout_s=timeout_s)

    def await_server(self, limit_s: float) -> bool:
        """Wait until a server answers at the address, not longer than ``limit_s``; return whether one does."""
        ready = grpc.channel_ready_future(self._channel)
        try:
            ready.result(timeout=limit_s)
        except grpc.FutureTimeoutError:
            ready.cancel()
            return False
        return True

    def close(self) -> None:
        """Close the connection; closing twice is allowed."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: "grpc.UnaryUnaryMultiCallable[_Request, _Answer]", request: _Request) -> _Answer:
        try:
            return method(request, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise error_of(error, self.address) from error

    def _stream(
        self,
        method: Callable[..., "_CallIterator[_Answer]"],
        request: object,
        *,
        timeout_s: float | None = None,
    ) -> Iterator[_Answer]:
        call = method(request, timeout=timeout_s, metadata=self._metadata)
        try:
            yield from call
        except grpc.RpcError as error:
            raise error_of(error, self.address) from error
        finally:
            call.cancel()
