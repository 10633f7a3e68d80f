"""What `omega machine taint` prints, over a real API server."""

import asyncio
import os

from omegacell.agent import messages as agent
from omegacell.agent.simulated_agent import make_offers
from omegacell.api.agent_link import GrpcConnector
from omegacell.api.client import Client
from omegacell.api.errors import ExitCode
from tests.api.serving import LIMIT_S, TOKEN
from tests.cli.conftest import Omega


async def register(address: str, count: int) -> None:
    link = await GrpcConnector([address], TOKEN).connect()
    await link.send(agent.Register(machines=tuple(make_offers(count, prefix="sim", capacity=(1_000, 1 << 30, 0)))))
    async for message in link.receive():
        if isinstance(message, agent.Wanted):
            break
    await link.close()


def test_a_taint_that_is_not_there_is_said_not_to_be(client: Client, omega: Omega) -> None:
    """Taking off what no machine has is done, and said: it may have been misspelt."""
    asyncio.run(asyncio.wait_for(register(os.environ["OMEGA_ADDR"], 2), LIMIT_S))
    names = [machine.name for machine in client.machines().machines]
    assert omega("machine", "taint", *names, "--add", "old=yes:no_place").err == ""
    said = omega("machine", "taint", *names, "--remove", "odl")
    assert said.code == ExitCode.OK
    assert said.err == "none of these machines has a taint 'odl'; nothing was taken off\n"
    assert said.out.count("old=yes:no_place") == len(names) == 2
    assert omega("machine", "taint", names[0], "--remove", "old").err == ""
    assert omega("machine", "taint", *names, "--remove", "old").err == ""
