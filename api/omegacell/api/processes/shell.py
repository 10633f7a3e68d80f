"""What the entry points share: settings from arguments, logs on standard error, errors as one line and an exit code."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from omegacell.api.errors import ExitCode, exit_code_of
from omegacell.core.errors import OmegaError, UsageError

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run_program(main: Callable[[], None]) -> None:
    """Run a program to its end and leave with its exit code. An error that is ours is one line, a bug a traceback."""
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO, stream=sys.stderr)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except OmegaError as error:
        _end(error)
    except BaseExceptionGroup as group:
        ours = group.subgroup(OmegaError)
        while ours is not None and isinstance(ours.exceptions[0], BaseExceptionGroup):
            ours = ours.exceptions[0]
        if ours is None:
            raise
        _end(ours.exceptions[0])


def _end(error: BaseException) -> None:
    sys.stderr.write(f"omega: {error}\n")
    sys.exit(exit_code_of(error))


def add_api_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of who calls the API."""
    parser.add_argument(
        "--api", required=True, action="append", metavar="HOST:PORT", help="an API server; may be given several times"
    )
    parser.add_argument("--token-file", required=True, type=Path, help="the file that holds the cell's token")


def read_token(path: Path) -> str:
    """Return the token that a file holds.

    Raises:
        UsageError: It cannot be read or holds none.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"token file {path}: {error}") from error
    if not token:
        raise UsageError(f"token file {path} is empty; expected the cell's token")
    return token
