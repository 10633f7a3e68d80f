"""What an API server keeps in order by itself, and what it says of the cell: over a host on a store in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest

from omegacell.api.cli.actions.cells import _head
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.app import begin_cell
from omegacell.api.server.host import CellHost
from omegacell.api.server.overview import OverviewCalls
from omegacell.api.wire_figures import read_status
from omegacell.core.commands import Command, OpenSession, RegisterMachine, Tick
from omegacell.core.outcomes import Outcome
from omegacell.core.units import TICK_PERIOD_US, Role
from omegacell.store.engines import open_store
from omegacell.store.log import Store
from omegacell.store.proposer import Proposal


@pytest.fixture
def store() -> Iterator[Store]:
    """A store with a cell that has just begun."""
    with open_store("memory://keeping") as opened:
        begin_cell(opened, "cell")
        yield opened


def with_host(store: Store, act: Callable[[CellHost], Awaitable[None]]) -> None:
    """Run something with a host that follows the store."""

    async def run() -> None:
        host = CellHost(store, OpenSession(author="api-0", role=Role.API))
        running = asyncio.create_task(host.run())
        try:
            await act(host)
        finally:
            running.cancel()

    asyncio.run(run())


async def do(host: CellHost, command: Command) -> Outcome:
    """Append one command that is granted."""
    outcome = await host.propose(Proposal(commands=(command,)))
    assert outcome.granted, outcome
    return outcome


def test_the_status_of_a_cell_names_silent_machines_and_those_that_wait(store: Store) -> None:
    """Machines that nobody hears are counted, and what only the operator may give up is named with the command."""

    async def act(host: CellHost) -> None:
        for name in ("a", "b", "c"):
            await do(host, RegisterMachine(name=name, boot_id=name, capacity=(1, 1, 1), drivers=("exec",)))
        nothing, lost = np.empty(0, np.int32), np.array([0, 2], np.int32)
        tick = Tick(after=0, dt_us=TICK_PERIOD_US, gained=nothing, gained_epochs=nothing, lost_contact=lost)
        await do(host, tick)
        overview = OverviewCalls(host, lambda: (2,))
        status = read_status(await overview.status(pb.CellStatusRequest()))
        assert (status.silent_count, status.waiting_count, status.waiting) == (2, 1, ("c",))
        [machines] = [value for name, value in _head(status).rows if name == "machines"]
        assert machines == "3 joining; 2 silent, 1 waits for `omega machine lost NAME`: c"

    with_host(store, act)
