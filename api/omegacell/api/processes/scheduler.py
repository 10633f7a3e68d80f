"""One instance of a scheduler: ``python -m omegacell.api.processes.scheduler TARGET``.

A plug-in that cannot be loaded is named in one line, and its jobs are told so: the process stays and says for each of
them why it is pending. With ``--fail`` it ends instead.
"""

import argparse
import logging
import secrets
import signal
from collections.abc import Sequence
from types import FrameType

from omegacell.api.processes.shell import run_program
from omegacell.api.wiring import ReplicaPort
from omegacell.core.errors import PluginError
from omegacell.schedulers.interface import Context, Placement, Scheduler, TaskGroup
from omegacell.schedulers.loop import Loop, LoopSettings
from omegacell.schedulers.registry import load_scheduler
from omegacell.schedulers.runner import Runner, SystemClock
from omegacell.schedulers.view import CellView
from omegacell.store.engines import open_store
from omegacell.store.proposer import draw_session

_LOG = logging.getLogger(__name__)


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
    try:
        scheduler: Scheduler = load_scheduler(arguments.target)
    except PluginError as error:
        if arguments.fail:
            raise
        _LOG.error("%s", error)
        scheduler = BrokenScheduler(error)
    seed = secrets.randbits(63) if arguments.seed is None else arguments.seed
    settings = LoopSettings(instance=arguments.author, scheduler=arguments.name, seed=seed)
    with open_store(arguments.store) as store:
        port = ReplicaPort(store)
        loop = Loop(scheduler, port.cell, settings=settings, clock=SystemClock(), draw_session=draw_session)
        runner = Runner(loop, port)

        def halt(number: int, frame: FrameType | None) -> None:
            runner.halt()
            store.wake()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, halt)
        _LOG.info("scheduler %s (%s) begins at revision %d", arguments.author, arguments.target, port.cell.revision)
        runner.run()


if __name__ == "__main__":
    run_program("omega scheduler", main)
