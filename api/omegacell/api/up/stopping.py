"""`omega down`: stops a cell of this machine from another terminal."""

import os
import select
import signal
from pathlib import Path
from typing import Final

from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import warn
from omegacell.api.contexts import read_contexts
from omegacell.api.errors import ExitCode
from omegacell.api.up.defaults import let_go
from omegacell.api.up.folder import StateFolder, default_state, find_holder
from omegacell.api.up.tasks import end_tasks

LIMIT_S: Final = 60.0


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
        let_go(cell)
        return
    try:
        descriptor = os.pidfd_open(holder)
    except ProcessLookupError:
        return  # it ended just now
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        let_go(cell)
        ended, _, _ = select.select([descriptor], [], [], LIMIT_S)
    finally:
        os.close(descriptor)
    if not ended:
        raise CommandError(f"omega up (pid {holder}) did not stop within {LIMIT_S:g} s; see {folder.logs}")
    warn(f"the cell in {folder.path} is down" if state else f"cell {cell} is down")
