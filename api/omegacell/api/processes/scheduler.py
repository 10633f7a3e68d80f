"""One instance of a scheduler: ``python -m omegacell.api.processes.scheduler TARGET``.

A plug-in that cannot be loaded is named in one line, and its jobs are told so: the process says for each of them why it
is pending, and begins anew when the file changes, or after a while. With ``--fail`` it ends instead, before it
has opened anything.
"""

import argparse
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from omegacell.api.processes.failures import FailureTeller
from omegacell.api.processes.shell import run_program
from omegacell.api.wiring import ReplicaPort
from omegacell.core.errors import PluginError, StoreNotFoundError
from omegacell.schedulers.interface import Context, Placement, Scheduler, TaskGroup
from omegacell.schedulers.loop import Loop, LoopSettings
from omegacell.schedulers.registry import load_scheduler
from omegacell.schedulers.runner import Runner, SystemClock
from omegacell.schedulers.view import CellView
from omegacell.store.engines import open_store
from omegacell.store.log import Store
from omegacell.store.proposer import draw_session
from omegacell.store.sqlite_database import Access

_LOG = logging.getLogger(__name__)

RETRY_PERIOD_S: Final = 15.0
"""How long jobs of a plug-in that cannot be loaded are told so before it is tried again; a changed file is at once."""
LOOK_PERIOD_S: Final = 0.5


class BrokenScheduler:
    """Stands in for a plug-in that cannot be loaded; places nothing, and says why.

    Args:
        error: What went wrong.
    """

    def __init__(self, error: PluginError) -> None:
        self._error = error

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Raise what went wrong; the loop tells the job."""
        raise PluginError(str(self._error))


class Retry:
    """When a plug-in that could not be loaded is worth another try.

    Args:
        target: What could not be loaded.
    """

    def __init__(self, target: str) -> None:
        self._path = Path(target.rpartition(":")[0] if ".py:" in target else target)
        self._mark = self._look()
        self._due_at = time.monotonic() + RETRY_PERIOD_S

    def is_due(self) -> bool:
        """Whether the file has changed, or the time is over."""
        return self._look() != self._mark or time.monotonic() >= self._due_at

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size


def main() -> None:
    """Read the arguments and schedule until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="omega scheduler", description="Run one instance of a scheduler.")
    parser.add_argument("target", help="an installed name, module:Class or file.py:Class")
    parser.add_argument("--store", required=True, metavar="URL", help="the cell's store")
    parser.add_argument("--name", required=True, help="the scheduler's name, which jobs give")
    parser.add_argument("--author", required=True, help="this instance's name in the log, as in batch-0")
    parser.add_argument("--seed", type=int, help="what its random numbers follow from; by default random")
    parser.add_argument("--fail", action="store_true", help="end when the plug-in cannot be loaded")
    arguments = parser.parse_args()
    retry: Retry | None = None
    try:
        scheduler: Scheduler = load_scheduler(arguments.target)
    except PluginError as error:
        if arguments.fail:
            raise
        _LOG.error("%s", error)
        scheduler, retry = BrokenScheduler(error), Retry(arguments.target)
    if _schedule(scheduler, arguments, retry):
        # A process that has tried to import something does not forget it: a fresh one, of the same pid, tries again.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _open_cell(url: str) -> Store:
    """Open the store of a cell. A scheduler never makes one: where none is, the path is wrong."""
    try:
        return open_store(url, access=Access.EXISTING)
    except StoreNotFoundError as error:
        raise StoreNotFoundError(f"{error}; expected the store of a cell, which `omega up` makes") from error


def _schedule(scheduler: Scheduler, arguments: argparse.Namespace, retry: Retry | None) -> bool:
    """Run until a signal asks for the end, or until another try is due; return whether it was the latter."""
    seed = secrets.randbits(63) if arguments.seed is None else arguments.seed
    settings = LoopSettings(instance=arguments.author, scheduler=arguments.name, seed=seed)
    is_due = False
    with _open_cell(arguments.store) as store:
        port = ReplicaPort(store)
        loop = Loop(scheduler, port.cell, settings=settings, clock=SystemClock(), draw_session=draw_session)
        if retry is None:  # what stands in for a plug-in that was not loaded has been told already
            loop.tell_failures(FailureTeller(arguments.author, time.monotonic).tell)
        runner = Runner(loop, port)

        def halt(number: int, frame: FrameType | None) -> None:
            nonlocal is_due
            if number == signal.SIGALRM:
                if retry is None or not retry.is_due():
                    return
                is_due = True
            else:
                is_due = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            runner.halt()
            store.wake()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, halt)
        if retry is not None:
            signal.setitimer(signal.ITIMER_REAL, LOOK_PERIOD_S, LOOK_PERIOD_S)
        _LOG.info("scheduler %s (%s) begins at revision %d", arguments.author, arguments.target, port.cell.revision)
        if arguments.fail:
            _LOG.info("jobs with `scheduler: %s` are its own; Ctrl-C stops it", arguments.name)
        runner.run()
    return is_due


if __name__ == "__main__":
    run_program(main)
