"""The agent's link over real gRPC: what it survives, and how it says that it is gone."""

import asyncio

import pytest

from omegacell.agent import messages as agent
from omegacell.agent.link import LinkLostError
from omegacell.api.agent_link import GrpcConnector, GrpcLink
from omegacell.api.records_machines import MachineState
from omegacell.core.errors import UsageError
from tests.api.serving import LIMIT_S, TOKEN, Served

OFFER = agent.MachineOffer(name="alpha", boot_id="b", capacity=(1_000, 1 << 30, 0), drivers=("exec",))


async def register(link: GrpcLink) -> None:
    """Register a machine and wait until it was told everything."""
    await link.send(agent.Register(machines=(OFFER,)))
    async for message in link.receive():
        if isinstance(message, agent.Wanted):
            return


def test_a_cancelled_send_leaves_the_link(served: Served) -> None:
    """Whoever is cancelled while it sends does not take the stream with it: heartbeats are answered as ever."""

    async def run() -> None:
        link = await GrpcConnector([served.running.address], TOKEN).connect()
        await register(link)
        for turns in range(1, 8):
            chunk = agent.LogChunk(request_id=1, offset=0, data=bytes(1 << 20))
            sending = asyncio.create_task(link.send(chunk))
            for _ in range(turns):
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait([sending])
        await link.send(agent.Heartbeat(sent_boot_us=41))
        async for message in link.receive():
            if isinstance(message, agent.Lease):
                assert message.sent_boot_us == 41
                break
        await link.close()

    asyncio.run(asyncio.wait_for(run(), LIMIT_S))


def test_a_link_that_is_gone_says_so(served: Served) -> None:
    """A closed link, a refused token and a server that is not there are all a lost link, never another error."""

    async def run() -> None:
        link = await GrpcConnector([served.running.address], TOKEN).connect()
        await register(link)
        await link.close()
        await link.close()
        with pytest.raises(LinkLostError):
            await link.send(agent.Heartbeat(sent_boot_us=1))
        wrong = await GrpcConnector([served.running.address], "another token").connect()
        with pytest.raises(LinkLostError, match="token"):
            await wrong.receive().__anext__()
        await wrong.close()

    asyncio.run(asyncio.wait_for(run(), LIMIT_S))
    with served.client() as client:
        assert client.machine("alpha").machine.state is MachineState.UP


def test_a_connector_needs_an_address() -> None:
    """An agent without any API server is a usage error at once."""
    with pytest.raises(UsageError, match="at least one API server"):
        GrpcConnector([], TOKEN)
