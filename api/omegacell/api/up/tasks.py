"""Ends the tasks of this machine when the cell goes down, so that they come back when it goes up again.

The supervisor of tasks keeps how an attempt ended, and the next agent reports it. An attempt that ended only because
the cell went down did not fail: it is forgotten here, so the next agent does not list it, the cell takes it for lost,
and places its task anew.
"""

import asyncio
import signal
from pathlib import Path
from typing import Final

from omegacell.agent.cgroups import Cgroups, find_hierarchies, group_name
from omegacell.agent.supervisor.client import SupervisorClient, SupervisorError

GRACE_US: Final = 5_000_000
PATIENCE_S: Final = 15.0


def end_tasks(state: Path) -> int:
    """End all tasks under an agent's state folder, and their supervisor; return how many were running.

    Raises:
        SupervisorError: The supervisor does not answer, or could not end them.
    """
    count = asyncio.run(_end(str(state / "supervisor")))
    if state.is_dir():
        _remove_groups(state)
    return count


def _remove_groups(state: Path) -> None:
    """Remove the control groups that limited the tasks; none of them holds a process any more."""
    groups = Cgroups(find_hierarchies(group_name(str(state))))
    for key in sorted(groups.list()):
        groups.remove(key)
    groups.close()


async def _end(state: str) -> int:
    try:
        client = await SupervisorClient.connect(state)
    except SupervisorError:
        return 0  # none runs, so nothing does
    try:
        living = {each.key for each in await client.subscribe() if each.end is None}
        count = len(living)
        for key in sorted(living):
            await client.signal(key, signal.SIGTERM, GRACE_US)
        await asyncio.wait_for(_await_ends(client, set(living)), PATIENCE_S)
        await client.forget(sorted(living))
        await client.shutdown(0)
    finally:
        await client.close()
    return count


async def _await_ends(client: SupervisorClient, living: set[str]) -> None:
    if not living:
        return
    async for status in client.events():
        if status.end is not None:
            living.discard(status.key)
        if not living:
            return
    raise SupervisorError(f"the supervisor went away while {len(living)} tasks were ending")
