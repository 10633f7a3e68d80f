"""The agent of this machine, or of many simulated ones: ``python -m omegacell.api.processes.agent``."""

import argparse
import asyncio
import signal
from pathlib import Path

from omegacell.agent.daemon import AgentSettings, run_agent
from omegacell.agent.drivers.exec_driver import ExecSettings
from omegacell.agent.resources import Overrides
from omegacell.api.agent_link import GrpcConnector
from omegacell.api.processes.shell import add_api_options, read_token, run_program
from omegacell.api.quantities import parse_bytes, parse_cpu
from omegacell.api.wiring import FleetShape, make_fleet, run_fleet
from omegacell.core.errors import UsageError


def main() -> None:
    """Read the arguments and be an agent until SIGTERM or SIGINT; tasks go on without it."""
    parser = argparse.ArgumentParser(prog="omega agent", description="Run the tasks that a cell wants of this machine.")
    add_api_options(parser)
    parser.add_argument("--state", required=True, type=Path, help="the folder of this agent and of its tasks")
    parser.add_argument("--name", help="the machine's name; by default the host's, or what simulated names begin with")
    parser.add_argument("--cpu", type=_cpu, help="CPUs to offer, as in 4 or 500m; by default all")
    parser.add_argument("--memory", type=_bytes, help="memory to offer, as in 8Gi; by default all but a reserve")
    parser.add_argument("--disk", type=_bytes, help="disk to offer; by default what is free but a reserve")
    parser.add_argument("--attribute", action="append", default=[], metavar="NAME=VALUE", help="what jobs may ask for")
    parser.add_argument("--allow-root", action="store_true", help="let tasks run as root")
    parser.add_argument("--no-cgroups", action="store_true", help="limit by rlimits even where cgroups can be had")
    parser.add_argument("--simulated", type=int, default=0, metavar="N", help="play so many machines instead")
    arguments = parser.parse_args()
    connector = GrpcConnector(arguments.api, read_token(arguments.token_file))
    if arguments.simulated:
        asyncio.run(_simulate(arguments, connector))
        return
    settings = AgentSettings(
        state=str(arguments.state),
        overrides=Overrides(
            name=arguments.name,
            cpu_milli=arguments.cpu,
            memory_bytes=arguments.memory,
            disk_bytes=arguments.disk,
            attributes=tuple(_read_attribute(text) for text in arguments.attribute),
        ),
        exec=ExecSettings(is_root_allowed=arguments.allow_root),
        use_cgroups=not arguments.no_cgroups,
    )
    asyncio.run(run_agent(settings, connector))


async def _simulate(arguments: argparse.Namespace, connector: GrpcConnector) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    default = FleetShape(count=arguments.simulated)
    shape = FleetShape(
        count=arguments.simulated,
        prefix=arguments.name or default.prefix,
        capacity=(
            arguments.cpu or default.capacity[0],
            arguments.memory or default.capacity[1],
            arguments.disk or default.capacity[2],
        ),
    )
    await run_fleet(make_fleet(shape, arguments.state), connector, stop=stop)


def _read_attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--attribute {text!r}: expected NAME=VALUE")
    return name, value


def _cpu(text: str) -> int:
    return parse_cpu(text)


def _bytes(text: str) -> int:
    return parse_bytes(text)


if __name__ == "__main__":
    run_program("omega agent", main)
