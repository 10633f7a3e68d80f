"""Notices a scheduler that hangs: its process lives, but its session in the log is not renewed any more.

A session that is not renewed ends after a minute of the cell's time. Who holds none although its process has been
running for longer than it takes to open one is killed, and started again like one that died.
"""

from typing import Final

from omegacell.api.cli.output import warn
from omegacell.api.client import Client
from omegacell.api.errors import ApiError
from omegacell.api.up.supervisor import Supervisor

START_LIMIT_S: Final = 60.0
"""A scheduler that runs for longer than this has opened its session."""


class Fence:
    """Kills schedulers that hang."""

    def __init__(self, address: str, token: str, supervisor: Supervisor) -> None:
        self._client = Client(address, token, timeout_s=2.0)
        self._supervisor = supervisor

    def check(self) -> None:
        """Ask the cell which schedulers live, and kill those that run and do not."""
        watched = self._supervisor.authors(older_than_s=START_LIMIT_S)
        if not watched:
            return
        try:
            status = self._client.schedulers()
        except ApiError as error:
            # Without an answer nobody is judged; the API is watched by its own process.
            warn(f"cannot ask the cell which schedulers live: {error}")
            return
        live = {row.author for row in status.schedulers if row.is_live}
        for name, author in watched.items():
            if author not in live:
                warn(f"{name} runs, but has not renewed its session for a minute: it hangs, and is killed")
                self._supervisor.kill(name)
