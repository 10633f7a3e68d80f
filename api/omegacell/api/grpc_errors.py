"""Turns gRPC statuses into the exceptions of `errors`, and states the settings that every channel of ours has."""

import re
from collections.abc import Mapping
from typing import Final, cast

import grpc

from omegacell.api import errors
from omegacell.core.errors import OmegaError, UsageError

MAX_MESSAGE_BYTES: Final = 64 << 20
"""gRPC's own limit of 4 MiB would cut off a large wanted state for ever."""

CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_http_proxy", 0),
    # A server that restarts is back within a second, so long pauses between attempts only delay the user.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

REASON_TRAILER: Final = "omegacell-reason"
REASON_NOT_STARTED: Final = "NOT_STARTED"
"""Not a refusal of the cell: a task has no output yet, because no machine has started it."""
REASON_STORE: Final = "STORE"
"""Not a refusal of the cell: its store failed."""
REASON_DISK_FULL: Final = "DISK_FULL"

_KINDS: Final[Mapping[grpc.StatusCode, type[errors.ApiError]]] = {
    grpc.StatusCode.NOT_FOUND: errors.NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: errors.RefusedError,
    grpc.StatusCode.FAILED_PRECONDITION: errors.RefusedError,
    grpc.StatusCode.ABORTED: errors.RefusedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.RefusedError,
    grpc.StatusCode.PERMISSION_DENIED: errors.UnauthenticatedError,
    grpc.StatusCode.UNAUTHENTICATED: errors.UnauthenticatedError,
    grpc.StatusCode.OUT_OF_RANGE: errors.StaleWatchError,
    grpc.StatusCode.UNAVAILABLE: errors.UnreachableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.UnreachableError,
}


def error_of(error: grpc.RpcError, address: str) -> OmegaError:
    """Return the exception that says what a failed call means to a user."""
    call = cast(grpc.Call, error)
    code, details = call.code(), call.details() or ""
    reason = reason_of(call)
    match code, reason:
        case grpc.StatusCode.INVALID_ARGUMENT, _:
            return UsageError(details)
        case _, "DISK_FULL":
            return errors.DiskFullError(details, reason=reason)
        case _, "STORE":
            return errors.ServerStoreError(details, reason=reason)
        case grpc.StatusCode.UNAVAILABLE, "":
            ask = "is the cell running? start it with `omega up`"
            return errors.UnreachableError(f"no API server answers at {address}: {ask} ({cause_of(details)})")
        case grpc.StatusCode.DEADLINE_EXCEEDED, _:
            return errors.UnreachableError(f"the API server at {address} did not answer in time")
        case grpc.StatusCode.UNAUTHENTICATED, _:
            return errors.UnauthenticatedError(details or f"{address} does not accept the token")
    kind = _KINDS.get(code)
    if kind is None:
        return errors.ApiError(f"{address}: {code.name}: {details}", reason=reason)
    return kind(details, reason=reason)


def cause_of(details: str) -> str:
    """Return what a person wants to know of gRPC's words about a connection that does not come about.

    >>> cause_of("failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to \
remote host: connect: Connection refused (111)")
    'Connection refused'
    >>> cause_of("errors resolving far:7: [field:hostname lookup error: ...]"), cause_of("Socket closed")
    ('there is no such host', 'Socket closed')
    """
    if details.startswith(("DNS resolution failed", "errors resolving")):
        return "there is no such host"
    if not details.startswith("failed to connect"):
        return details
    found = re.search(r"remote host: (?:connect: )?([^:;()]+)", details)
    return found[1].strip() if found is not None else "no connection"


def reason_of(call: grpc.Call) -> str:
    """Return the cell's reason from a call's trailers, or an empty string."""
    for name, value in call.trailing_metadata() or ():
        if name == REASON_TRAILER:
            return value if isinstance(value, str) else value.decode("ascii")
    return ""
