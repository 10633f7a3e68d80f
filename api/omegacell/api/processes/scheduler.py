"""One instance of one scheduler, in a process of its own beside the cell.

``python -m omegacell.api.processes.scheduler --store URL --name NAME --author AUTHOR TARGET``

A plug-in that cannot be loaded is named in one line; its jobs stay pending with that line as the reason, and after a
while the process ends, so that whoever supervises it loads the plug-in anew. What hangs is fenced from outside, by
killing this process.
"""

import argparse
import logging
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final

from omegacell.api.processes.log_port import LogPort
from omegacell.core.errors import OmegaError, PluginError
from omegacell.schedulers.interface import Context, Placement, Scheduler, TaskGroup
from omegacell.schedulers.loop import Loop, LoopSettings
from omegacell.schedulers.registry import load_scheduler
from omegacell.schedulers.runner import Runner, SystemClock
from omegacell.schedulers.view import CellView
from omegacell.store.engines import open_store
from omegacell.store.proposer import draw_session
from omegacell.store.sqlite_database import Access

RELOAD_AFTER_S: Final = 10.0
"""How long the jobs of a plug-in that cannot be loaded are told so before the process ends."""

_LOG = logging.getLogger(__name__)


class Unloadable:
    """Stands in for a plug-in that cannot be loaded: every decision says why."""

    def __init__(self, error: PluginError) -> None:
        """Answer everything with ``error``."""
        self._error = error

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Place nothing.

        Raises:
            PluginError: always, the one that loading raised.
        """
        raise self._error


def run(arguments: argparse.Namespace) -> int:
    """Run the scheduler until SIGTERM or SIGINT; return the exit code.

    Raises:
        OmegaError: the store cannot be used, or the cell cannot be folded.
    """
    failure: PluginError | None = None
    scheduler: Scheduler
    try:
        scheduler = load_scheduler(arguments.target)
    except PluginError as error:
        failure = error
        scheduler = Unloadable(error)
    with open_store(arguments.store, access=Access.EXISTING) as store:
        port = LogPort(store)
        settings = LoopSettings(instance=arguments.author, scheduler=arguments.name, seed=secrets.randbits(63))
        loop = Loop(scheduler, port.cell, settings=settings, clock=SystemClock(), draw_session=draw_session)
        runner = Runner(loop, port)
        _halt_on_signals(runner, port)
        if failure is not None:
            _say(failure)
            _halt_after(RELOAD_AFTER_S, runner, port)
        runner.run()
    if failure is not None:
        _say(failure)
        return 1
    return 0


def _say(error: OmegaError) -> None:
    sys.stderr.write(f"omega: {error}\n")
    sys.stderr.flush()


def _halt_on_signals(runner: Runner, port: LogPort) -> None:
    def halt(number: int, frame: FrameType | None) -> None:
        runner.halt()
        # Not in the handler itself: the thread that it interrupted may hold the lock that waking takes.
        threading.Thread(target=port.wake, name="halt", daemon=True).start()

    signal.signal(signal.SIGTERM, halt)
    signal.signal(signal.SIGINT, halt)


def _halt_after(seconds: float, runner: Runner, port: LogPort) -> None:
    def halt() -> None:
        runner.halt()
        port.wake()

    timer = threading.Timer(seconds, halt)
    timer.daemon = True
    timer.start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, run, and say in one line what went wrong."""
    parser = argparse.ArgumentParser(prog="omegacell-scheduler", description="Run one instance of one scheduler.")
    parser.add_argument("--store", required=True, help="URL of the log, such as sqlite:///var/lib/omega/cell.db")
    parser.add_argument("--name", required=True, help="the name that jobs give as their scheduler")
    parser.add_argument("--author", required=True, help="this instance's own name, such as batch-0")
    parser.add_argument("target", help="an installed name, module:Class, or file.py:Class")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return run(parser.parse_args(arguments))
    except OmegaError as error:
        _say(error)
        return 6


if __name__ == "__main__":
    sys.exit(main())
