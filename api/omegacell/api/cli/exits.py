"""The error of a command whose answer is "no": one line and an exit code of `omegacell.api.errors.ExitCode`.

The codes are stable, scripts depend on them; ``docs/reference/commands.md`` lists them.
"""

from omegacell.api.errors import ApiError, ExitCode


class CommandError(ApiError):
    """A command cannot give the answer that was hoped for, and says why in one line."""

    def __init__(self, message: str, *, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = code
