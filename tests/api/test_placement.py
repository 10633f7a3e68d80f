"""Placement over the API: marks on machines, warnings about what no machine has, contradictions."""

import asyncio
from dataclasses import replace

import pytest

from omegacell.agent import messages as agent
from omegacell.agent.simulated_agent import make_offers
from omegacell.api.agent_link import GrpcConnector
from omegacell.api.client import Client
from omegacell.api.errors import NotFoundError
from omegacell.api.rule_text import parse_constraint
from omegacell.api.spec import parse_jobs
from omegacell.core.errors import UsageError
from omegacell.core.placement import PlacementRules
from tests.api.serving import LIMIT_S, TOKEN, Served, job


@pytest.fixture(autouse=True)
def _machines(served: Served) -> None:
    """Register three simulated machines."""

    async def run() -> None:
        link = await GrpcConnector([served.running.address], TOKEN).connect()
        await link.send(agent.Register(machines=tuple(make_offers(3, prefix="sim", capacity=(1_000, 1 << 30, 0)))))
        async for message in link.receive():
            if isinstance(message, agent.Wanted):
                break
        await link.close()

    asyncio.run(asyncio.wait_for(run(), LIMIT_S))


def test_marks_keep_tasks_away_and_are_shown(client: Client) -> None:
    """Taints are put on several machines at once, shown, and taken off; a wrong one changes nothing."""
    names = [machine.name for machine in client.machines().machines]
    assert len(names) == 3
    assert client.taint_machines(names, add=("old=yes:no_place", "slow:prefer_not")) == len(names)
    assert client.machine(names[0]).machine.taints == ("old=yes:no_place", "slow=:prefer_not")
    assert client.taint_machines(names, add=("old=yes:no_place",)) == 0
    assert client.taint_machines(names[:1], remove=("old", "slow")) == 1
    assert client.machine(names[0]).machine.taints == ()
    for wrong in ("old", "old=yes:never", ":no_place"):
        with pytest.raises(UsageError, match="expected KEY=VALUE:EFFECT"):
            client.taint_machines(names, add=(wrong,))
    with pytest.raises(UsageError, match="expected 1 to 32"):
        client.taint_machines(names)
    with pytest.raises(NotFoundError, match="nowhere"):
        client.taint_machines([*names, "nowhere"], add=("old:no_place",))


def test_what_no_machine_has_is_a_warning(client: Client) -> None:
    """A job that asks for an attribute that no machine has is taken, with a warning that names similar ones."""
    [asked] = parse_jobs(
        "job", b"name: odd\nconstraints: [zome = a]\npool: gpu\nnear: [{job: exmple}]\ntask: {simulated: {}}"
    )
    client.submit(job("example"))
    warnings = client.submit(asked).warnings
    assert [text.partition(";")[2] for text in warnings] == [" similar: zone", "", " similar: example"]
    assert client.job("odd").job.spec.placement == asked.spec.placement


def test_a_contradiction_is_refused_by_the_server_too(client: Client) -> None:
    """Whoever submits without a job file is told of two constraints that no machine meets together."""
    both = PlacementRules(constraints=(parse_constraint("zone = a"), parse_constraint("zone = b")))
    odd = job("odd")
    with pytest.raises(UsageError, match="both 'zone = a' and 'zone = b'"):
        client.submit(replace(odd, spec=replace(odd.spec, placement=both)))
