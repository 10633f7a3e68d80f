"""`omega down`: stops a cell of this machine from another terminal."""

import os
import signal
import time
from pathlib import Path
from typing import Final

from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import warn
from omegacell.api.contexts import read_contexts
from omegacell.api.errors import ExitCode
from omegacell.api.up.folder import StateFolder, default_state, find_holder
from omegacell.api.up.tasks import end_tasks

LIMIT_S: Final = 60.0
POLL_S: Final = 0.05


def down(cell: str | None, *, state: Path | None) -> None:
    """Stop a cell; what a killed `omega up` left running is stopped too.

    Without a name the one that other commands would talk to is meant; without a state folder, that of its context.
    """
    known = read_contexts()
    cell = cell or known.current or "local"
    context = known.by_name.get(cell)
    found = Path(context.state_folder) if context is not None and context.state_folder else default_state(cell)
    folder = StateFolder((state or found).expanduser().absolute())
    if not folder.path.is_dir():
        raise CommandError(f"there is no cell in {folder.path}", code=ExitCode.NOT_FOUND)
    holder = find_holder(folder)
    if not holder:
        count = end_tasks(folder.agent)
        warn(
            f"the cell in {folder.path} is not up"
            + (f"; ended {count} tasks that it had left running" if count else "")
        )
        return
    os.kill(holder, signal.SIGTERM)
    deadline = time.monotonic() + LIMIT_S
    while find_holder(folder) == holder:
        if time.monotonic() > deadline:
            raise CommandError(f"omega up (pid {holder}) did not stop within {LIMIT_S:g} s; see {folder.logs}")
        time.sleep(POLL_S)
    warn(f"cell {cell} is down")
