"""From what the cell refused, or what failed, to a gRPC status with a sentence for people.

A sentence says what was asked, which one, what stood in the way and what to do.
"""

from typing import Any, Final, NoReturn

import grpc
import grpc.aio

from omegacell.api import errors
from omegacell.api.grpc_errors import REASON_DISK_FULL, REASON_STORE, REASON_TRAILER
from omegacell.core.errors import ClosedError, MalformedError, OmegaError, StoreError, StoreFullError, UsageError
from omegacell.core.outcomes import Outcome, Reason, Status

_CODES: Final = {
    Reason.UNKNOWN_JOB: grpc.StatusCode.NOT_FOUND,
    Reason.UNKNOWN_TASK: grpc.StatusCode.NOT_FOUND,
    Reason.UNKNOWN_MACHINE: grpc.StatusCode.NOT_FOUND,
    Reason.JOB_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Reason.LIMIT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.QUOTA_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.SUSPENDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.DEFECT: grpc.StatusCode.INTERNAL,
    Reason.NO_GENESIS: grpc.StatusCode.UNAVAILABLE,
    Reason.SESSION_UNKNOWN: grpc.StatusCode.UNAVAILABLE,
}

_SENTENCES: Final = {
    Reason.JOB_EXISTS: "a job of that name with another spec is in the cell, and only a service of the same owner,"
    " outside of allocs, is updated; use --replace to put this in its place, or another name",
    Reason.NOT_UPDATING: "there is no older job of that name any more that could take its place back",
    Reason.JOB_STOPPING: "it is stopping; wait until it has ended, or use --replace to run it anew",
    Reason.DEPENDENCY_CYCLE: "it would wait for itself, by way of the jobs in its `after`",
    Reason.UNKNOWN_JOB: "there is no such job; `omega job list` shows those there are",
    Reason.UNKNOWN_MACHINE: "there is no such machine; `omega machine list` shows those there are",
    Reason.LIMIT: "the cell holds as many tasks, machines, quotas or caps as it may",
    Reason.DEFECT: "the cell met a fault of its own in judging it; nothing was changed: please report it",
}


class RefusalError(OmegaError):
    """What a handler raises to end a call with a status.

    Attributes:
        code: gRPC's status.
        reason: the cell's own, or empty.
    """

    def __init__(self, code: grpc.StatusCode, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


def find_refusal(outcome: Outcome, what: str, *, details: str = "") -> RefusalError | None:
    """Return why the cell did not do what was asked (``what`` begins the sentence); None when it did.

    ``details`` are said instead of what is usually said of the reason.
    """
    if outcome.status is Status.COMMITTED:
        return None
    if outcome.status is Status.MALFORMED:
        return RefusalError(grpc.StatusCode.INTERNAL, f"{what}: revision {outcome.revision} was voided or is malformed")
    reason = outcome.reason
    sentence = details or _SENTENCES.get(reason, f"the cell refused it ({reason.name})")
    code = _CODES.get(reason, grpc.StatusCode.FAILED_PRECONDITION)
    return RefusalError(code, f"{what}: {sentence}", reason=reason.name)


def not_found(what: str, advice: str, *, reason: str = "") -> RefusalError:
    """Return the refusal of something that is not there."""
    return RefusalError(grpc.StatusCode.NOT_FOUND, f"there is no {what}; {advice}", reason=reason)


def refusal_of(error: OmegaError) -> RefusalError:
    """Return the status that says what an error means to a client."""
    match error:
        case RefusalError():
            return error
        case UsageError() | MalformedError():
            return RefusalError(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        case errors.DiskFullError():
            return RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), reason=REASON_DISK_FULL)
        case errors.ServerStoreError():
            return RefusalError(grpc.StatusCode.UNAVAILABLE, str(error), reason=REASON_STORE)
        case errors.UnreachableError():
            return RefusalError(grpc.StatusCode.UNAVAILABLE, str(error), reason=error.reason or "SERVER")
        case errors.ApiError():
            return RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), reason=error.reason)
        case ClosedError():
            return RefusalError(grpc.StatusCode.UNAVAILABLE, "the API server is stopping; try again", reason="SERVER")
        case _:
            return RefusalError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: OmegaError) -> NoReturn:
    """End a call with the status of an error."""
    refusal = refusal_of(error)
    if refusal.reason:
        context.set_trailing_metadata(((REASON_TRAILER, refusal.reason),))
    await context.abort(refusal.code, str(refusal))
    raise AssertionError("abort returned")


def word_store_error(error: OmegaError) -> OmegaError:
    """Return what a caller of the API is told of a failed store."""
    match error:
        case errors.ApiError():
            return error
        case StoreFullError():
            return errors.DiskFullError(
                f"the cell's disk is full, nothing was written: make room and try again ({error})"
            )
        case StoreError():
            return errors.ServerStoreError(f"the cell's store failed: {error}")
        case _:
            return error
