"""Where `omega` begins: the tree of commands, and the one place that turns an error into a line and an exit code."""

import errno
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from omegacell.api.cli.commands.root import app
from omegacell.api.errors import ExitCode, exit_code_of

# In the order of the help: each hangs its commands on the root.
from omegacell.api.cli.commands import starting, jobs, cells, limits, stores, benches, lab, lab_jobs  # isort: skip  # noqa: F401

__all__ = ["app", "main", "run"]

ERROR_LENGTH = 4_000
"""No error is longer; a message may carry what a user typed, and has a line for each thing that is wrong."""


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    _open_closed()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what matters of it comes as an exception
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code. Everything that goes wrong becomes one line on stderr."""
    try:
        result = app(args=list(arguments), prog_name="omega", standalone_mode=False)
        sys.stdout.flush()
        if result == ExitCode.INTERRUPTED:
            return _fail("interrupted", ExitCode.INTERRUPTED)
        return result if isinstance(result, int) else ExitCode.OK
    except BrokenPipeError:
        return _end_quietly()
    except SystemExit as end:
        # typer makes one of a broken pipe
        if isinstance(end.__context__, BrokenPipeError):
            return _end_quietly()
        raise
    except TyperException as error:
        if _is_help(error):
            sys.stderr.write(_usage_message(error) + "\n")
            return ExitCode.USAGE
        return _fail(_usage_message(error), ExitCode.USAGE)
    except (KeyboardInterrupt, typer.Abort) as error:
        _trace(error)
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 -- the end of the line: shown, and never a traceback
        _trace(error)
        if _is_output_full(error):
            _drop_output()
        return _fail(_message(error), ExitCode.DISK_FULL if _is_output_full(error) else exit_code_of(error))


def _open_closed() -> None:
    """Open what the caller closed of the standard streams on nothing: no file of ours may take its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def _end_quietly() -> int:
    """End when who reads our answer has enough of it (`omega history | head`): nothing is left to say, even at exit."""
    _drop_output()
    return ExitCode.OK


def _is_output_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ENOSPC and not error.filename


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)


def _is_help(error: TyperException) -> bool:
    """Whether a group was named without a command: its help is the answer, and no error line."""
    return type(error).__name__ == "NoArgsIsHelpError"


def _usage_message(error: TyperException) -> str:
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    if _is_help(error):
        return text
    context = getattr(error, "ctx", None)
    hint = f" (try: {context.command_path} --help)" if context is not None else ""
    line = " ".join(text.split()).replace(
        "Value error, ", ""
    )  # choices come one a line, pydantic's word before its own
    return f"{line.rstrip('.')}{hint}"


def _message(error: BaseException) -> str:
    from omegacell.core.errors import OmegaError

    if isinstance(error, OmegaError):
        return str(error) or type(error).__name__
    if _is_output_full(error):
        return "there is no room left where the output goes"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"unexpected {type(error).__name__}: {error} (OMEGA_DEBUG=1 shows where)"


def _fail(message: str, code: ExitCode) -> int:
    text = message if len(message) <= ERROR_LENGTH else message[:ERROR_LENGTH] + " ..."
    sys.stdout.flush()
    for line in text.splitlines():
        printable = "".join(each if each.isprintable() else repr(each)[1:-1] for each in line.strip())
        if printable:
            sys.stderr.write(f"omega: {printable}\n")
    return code


def _trace(error: BaseException) -> None:
    if os.environ.get("OMEGA_DEBUG", "") not in ("", "0"):
        import traceback

        traceback.print_exception(error)
