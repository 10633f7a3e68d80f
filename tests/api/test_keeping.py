"""What an API server keeps in order by itself, and what it says of the cell: over a host on a store in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from omegacell.api import wire
from omegacell.api.cli.actions.cells import _head
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.admission import Admission
from omegacell.api.server.app import begin_cell
from omegacell.api.server.host import CellHost
from omegacell.api.server.keeping import sweep_payloads
from omegacell.api.server.overview import OverviewCalls
from omegacell.api.wire_figures import read_status
from omegacell.core.commands import Command, OpenSession
from omegacell.core.machine_commands import RegisterMachine, Tick
from omegacell.core.outcomes import Outcome, Reason
from omegacell.core.units import TICK_PERIOD_US, Role
from omegacell.store.engines import open_store
from omegacell.store.log import Payloads, Store
from omegacell.store.proposer import Proposal
from tests.api.serving import EXAMPLE, LIMIT_S


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store with a cell that has just begun."""
    with open_store(f"memory://{request.node.name}") as opened:
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


def submission(name: str, command: str = "true") -> pb.SubmitJobRequest:
    """Return a request to submit a job that runs a command."""
    spec = wire.write_spec(replace(EXAMPLE.spec, name=name))
    spec.payload = EXAMPLE.payload.replace(b"true", command.encode())
    return pb.SubmitJobRequest(spec=spec)


def test_payloads_that_no_job_names_are_erased_and_no_others(store: Store) -> None:
    """What a refused submit brought goes; what jobs of the cell run stays, and what is submitted again comes back."""

    async def act(host: CellHost) -> None:
        admission = Admission(host)
        await host.propose(await admission.admit(submission("kept"), now_us=1))
        refused = await admission.admit(submission("kept", "false"), now_us=2)
        assert (await host.propose(refused)).reason is Reason.JOB_EXISTS
        [gone] = refused.payloads
        assert gone in store.payloads.hashes()
        assert await sweep_payloads(host, admission) == 1
        assert [spec.payload for spec in host.cell.jobs.specs if spec is not None] == list(store.payloads.hashes())
        assert await sweep_payloads(host, admission) == 0
        await host.propose(await admission.admit(submission("other", "false"), now_us=3))
        assert gone not in store.payloads.hashes(), "a payload that was erased gets another salt"
        assert await sweep_payloads(host, admission) == 0

    with_host(store, act)


class Racing:
    """Payloads of which one is named by a new job in the moment before it is erased."""

    def __init__(self, payloads: Payloads, name_again: Callable[[], None]) -> None:
        self._payloads = payloads
        self._name_again = name_again
        self.get, self.put, self.hashes = payloads.get, payloads.put, payloads.hashes

    def erase(self, payload_hash: bytes) -> bool:
        """Erase it after somebody named it."""
        self._name_again()
        return self._payloads.erase(payload_hash)


def test_a_payload_that_is_submitted_again_while_it_is_erased_is_put_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server had drawn the same salt and committed in between: its job has what it runs."""

    async def act(host: CellHost) -> None:
        admission, other = Admission(host), Admission(host)
        again = await other.admit(submission("other"), now_us=1)
        [(payload_hash, payload)] = again.payloads.items()
        store.payloads.put(payload_hash, payload)
        loop = asyncio.get_running_loop()

        def name_again() -> None:
            asyncio.run_coroutine_threadsafe(host.propose(again), loop).result(LIMIT_S)

        monkeypatch.setattr(store, "payloads", Racing(store.payloads, name_again))
        assert await sweep_payloads(host, admission) == 0
        assert store.payloads.get(payload_hash) == payload

    with_host(store, act)
