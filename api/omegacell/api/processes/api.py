"""An API server with the controllers, over a store.

``python -m omegacell.api.processes.api --store URL --cell NAME --listen HOST:PORT --token-file FILE``

SIGTERM stops it cleanly. What a fold cannot survive ends the process with one line; whoever supervises it starts it
again, and it folds anew from a checkpoint.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from omegacell.api.errors import ExitCode, exit_code_of
from omegacell.api.server.app import Running, ServerSettings, serve
from omegacell.core.errors import OmegaError, UsageError
from omegacell.store.engines import open_store

_LOG = logging.getLogger(__name__)


async def run(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OmegaError: An argument is wrong, or the store cannot be used (perhaps in an exception group).
    """
    settings = ServerSettings(
        token=_read_token(arguments.token_file),
        address=arguments.listen,
        author=arguments.author,
        cell=arguments.cell,
        metrics_address=arguments.metrics,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with open_store(arguments.store) as store:
        await serve(store, settings, stop=stop, on_ready=_say)


def _say(running: Running) -> None:
    _LOG.info("API on %s, metrics on %s", running.address, running.metrics_address or "no port")


def _read_token(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file {path}: cannot be read ({error})") from error


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's arguments."""
    parser = argparse.ArgumentParser(prog="omegacell-api", description="Run an API server with the controllers.")
    parser.add_argument("--store", required=True, help="URL of the log, such as sqlite:///var/lib/omega/cell.db")
    parser.add_argument("--cell", default="cell", help="name of the cell, when it begins here")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0 takes any")
    parser.add_argument("--token-file", type=Path, required=True, help="file that holds the token of all calls")
    parser.add_argument("--author", default="api-0", help="this server's name in the log")
    parser.add_argument("--metrics", default="", help="HOST:PORT of the metrics; none if not given")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, serve, and say in one line what went wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(run(make_parser().parse_args(arguments)))
    except OmegaError as error:
        return _fail(error)
    except ExceptionGroup as group:
        known = group.subgroup(OmegaError)
        if known is None:
            raise
        return _fail(_first(known))
    return ExitCode.OK


def _first(group: ExceptionGroup) -> Exception:
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _fail(error: Exception) -> int:
    sys.stderr.write(f"omega: {error}\n")
    return exit_code_of(error)


if __name__ == "__main__":
    sys.exit(main())
