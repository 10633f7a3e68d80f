"""Every call carries the cell's token; who has it may do everything, who has not learns nothing."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio

HEADER: Final = "authorization"
PREFIX: Final = "Bearer "


def is_authorized(header: str | bytes, token: str) -> bool:
    """Tell whether a header carries the token, in a time that does not depend on where it differs."""
    given = header if isinstance(header, bytes) else header.encode("utf-8", "replace")
    return hmac.compare_digest(given, f"{PREFIX}{token}".encode())


class TokenCheck(grpc.aio.ServerInterceptor):
    """Refuses every call without the token, of every service.

    Args:
        token: What calls must carry.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Pass a call on, or put one in its place that refuses it."""
        handler = await continuation(handler_call_details)
        for name, value in handler_call_details.invocation_metadata:
            if name == HEADER and is_authorized(value, self._token):
                return handler
        return None if handler is None else _refusal_like(handler)


async def _refuse(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED,
        "the token is missing or wrong: expected `authorization: Bearer <token>` with the cell's token"
        " (OMEGA_TOKEN, or the context file that `omega up` writes)",
    )


async def _refuse_stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
    await _refuse(request, context)
    yield


def _refusal_like(handler: Any) -> Any:
    """Return a handler of the same shape that refuses; another shape would break the call instead."""
    make = {
        (False, False): (grpc.unary_unary_rpc_method_handler, _refuse),
        (False, True): (grpc.unary_stream_rpc_method_handler, _refuse_stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, _refuse),
        (True, True): (grpc.stream_stream_rpc_method_handler, _refuse_stream),
    }
    shape, behavior = make[handler.request_streaming, handler.response_streaming]
    return shape(
        behavior,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
