"""Waits until what was started has joined the cell, so that `omega up` says "up" when it is.

A machine has joined when it has registered anew and may take work, a scheduler when it holds a session in the log. Who
does not in time is named, and the cell goes on without.
"""

import contextlib
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from omegacell.api.cli.output import warn
from omegacell.api.client import Client
from omegacell.api.errors import ApiError
from omegacell.api.records_machines import MachineState
from omegacell.api.up.plan import Place
from omegacell.api.up.supervisor import Supervisor

JOIN_LIMIT_S: Final = 30.0
POLL_S: Final = 0.05
_ERROR: Final = re.compile(r"^\S+ \S+ ERROR \S+: (?P<words>.+)$", re.MULTILINE)


def read_epochs(place: Place) -> dict[str, int]:
    """Return how often each machine that the cell knows has registered."""
    with Client(place.address, place.token) as client:
        return {machine.name: machine.epoch for machine in client.machines().machines}


def await_machines(supervisor: Supervisor, place: Place, before: Mapping[str, int], count: int) -> None:
    """Wait until so many machines have joined anew; not for ever."""
    deadline = time.monotonic() + JOIN_LIMIT_S
    with Client(place.address, place.token, timeout_s=5.0) as client:
        while supervisor.asked is None and time.monotonic() < deadline:
            with contextlib.suppress(ApiError):  # it may be starting again
                if _count_joined(client, before, count) >= count:
                    return
            supervisor.step(until=time.monotonic() + POLL_S)
    if supervisor.asked is None:
        warn(f"not all of {count} machines joined within {JOIN_LIMIT_S:g} s; see {place.folder.logs}")


def _count_joined(client: Client, before: Mapping[str, int], count: int) -> int:
    if client.status(stale=True).machine_counts.get(MachineState.UP, 0) < count:
        return 0
    machines = client.machines(stale=True).machines
    return sum(1 for each in machines if each.state is MachineState.UP and each.epoch > before.get(each.name, 0))


def await_schedulers(supervisor: Supervisor, place: Place) -> dict[str, str]:
    """Wait until every scheduler has joined, not for ever; return what is wrong with those that cannot be loaded."""
    wanted = supervisor.authors(older_than_s=0.0)
    deadline = time.monotonic() + JOIN_LIMIT_S
    live: set[str] = set()
    with Client(place.address, place.token, timeout_s=5.0) as client:
        while supervisor.asked is None and time.monotonic() < deadline and not live >= set(wanted.values()):
            with contextlib.suppress(ApiError):
                live = {row.author for row in client.schedulers().schedulers if row.is_live}
            supervisor.step(until=time.monotonic() + POLL_S)
    complaints: dict[str, str] = {}
    for name, author in wanted.items():
        complaint = find_complaint(place.folder.log_of(name), after=supervisor.log_start(name))
        if complaint:
            complaints[name] = complaint
            warn(f"{name}: {complaint}; its jobs stay pending until it is mended: it is tried again and again")
        elif author not in live and supervisor.asked is None:
            warn(f"{name} did not join within {JOIN_LIMIT_S:g} s; see {place.folder.log_of(name)}")
    return complaints


def find_complaint(log: Path, *, after: int) -> str:
    """Return the last error that a process wrote into its log behind ``after`` bytes; empty when there is none."""
    text = log.read_bytes()[after:].decode(errors="replace") if log.exists() else ""
    found = [match["words"] for match in _ERROR.finditer(text)]
    return found[-1] if found else ""
