"""What can go wrong between a user and a cell: exceptions, each with the exit code of the `omega` command.

Rules: the numbers are stable (docs/reference); a message is one sentence for people; `exit_code_of` knows every
error of the project, those of other rooms too.
"""

import enum
from typing import Final

from omegacell.core import errors


class ExitCode(enum.IntEnum):
    """What `omega` returns to the shell."""

    OK = 0
    FAILED = 1
    """What was asked about failed: a job, a check."""
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    """The cell cannot be reached, or does not accept the token."""
    REFUSED = 5
    STORE = 6
    DISK_FULL = 7
    INTERRUPTED = 130
    PLAN_FAILED = 255
    """Nothing could be planned, or the cell would refuse what was planned: `omega job plan` alone ends with it."""


class ApiError(errors.OmegaError):
    """A call to a cell failed; the subclass says how.

    Attributes:
        exit_code: What `omega` returns for it.
        reason: The cell's own reason (docs/reference/refusals.md) where it refused, else empty.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class NotFoundError(ApiError):
    """There is no such job, task or machine."""

    exit_code = ExitCode.NOT_FOUND


class RefusedError(ApiError):
    """The cell is not in a state in which it does that."""

    exit_code = ExitCode.REFUSED


class UnreachableError(ApiError):
    """No API server answers, or it did not answer in time."""

    exit_code = ExitCode.UNREACHABLE


class UnauthenticatedError(ApiError):
    """The token is missing or wrong."""

    exit_code = ExitCode.UNREACHABLE


class NoContextError(ApiError):
    """Nothing says which cell is meant."""

    exit_code = ExitCode.UNREACHABLE


class StaleWatchError(ApiError):
    """A watch cannot resume where it was asked to; list again and watch from there."""


class ServerStoreError(ApiError):
    """The cell's store failed; nothing that was acknowledged is lost."""

    exit_code = ExitCode.STORE


class DiskFullError(ServerStoreError):
    """The cell's disk is full; everything acknowledged is there."""

    exit_code = ExitCode.DISK_FULL


_EXIT_CODES: Final[tuple[tuple[type[BaseException], ExitCode], ...]] = (
    (errors.UsageError, ExitCode.USAGE),
    (errors.MalformedError, ExitCode.USAGE),
    (errors.EntryTooLargeError, ExitCode.USAGE),
    (errors.PluginError, ExitCode.USAGE),
    (errors.StoreNotFoundError, ExitCode.NOT_FOUND),
    (errors.StoreExistsError, ExitCode.USAGE),
    (errors.StoreFullError, ExitCode.DISK_FULL),
    (errors.StoreUnreachableError, ExitCode.UNREACHABLE),
    (errors.StoreDeniedError, ExitCode.UNREACHABLE),
    (errors.StoreError, ExitCode.STORE),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
)


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code of the `omega` command for an error.

    >>> exit_code_of(errors.StoreFullError("no room")).name, exit_code_of(NotFoundError("no job")).name
    ('DISK_FULL', 'NOT_FOUND')
    """
    if isinstance(error, ApiError):
        return error.exit_code
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), ExitCode.FAILED)
