"""The agent of this machine, or of many simulated ones: ``python -m omegacell.api.processes.agent``."""

import argparse
import asyncio
import secrets
from pathlib import Path
from typing import Final

from omegacell.agent.daemon import AgentSettings, run_agent
from omegacell.agent.drivers.exec_driver import ExecSettings
from omegacell.agent.resources import Overrides
from omegacell.agent.simulated_agent import add_devices, make_offers, run_simulated
from omegacell.api.agent_link import GrpcConnector
from omegacell.api.device_options import FORM, SIMULATED_FORM, parse_devices, parse_simulated_devices
from omegacell.api.processes.shell import add_api_options, read_token, run_program
from omegacell.api.quantities import parse_bytes, parse_cpu
from omegacell.core.errors import UsageError

SIMULATED_CAPACITY: Final = (16_000, 64 << 30, 1 << 40)
"""What a simulated machine offers unless told otherwise, base units."""


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
    parser.add_argument(
        "--device", action="append", default=[], metavar=FORM, help="devices of this machine, such as gpu=4,model=a100"
    )
    parser.add_argument(
        "--simulated-device",
        action="append",
        default=[],
        metavar=SIMULATED_FORM,
        help="devices of each simulated machine, or of the first so many",
    )
    parser.add_argument("--allow-root", action="store_true", help="let tasks run as root")
    parser.add_argument("--no-cgroups", action="store_true", help="limit by rlimits even where cgroups can be had")
    parser.add_argument("--simulated", type=int, default=0, metavar="N", help="play so many machines instead")
    arguments = parser.parse_args()
    connector = GrpcConnector(arguments.api, read_token(arguments.token_file))
    if arguments.simulated:
        capacity = (arguments.cpu, arguments.memory, arguments.disk)
        offers = make_offers(
            arguments.simulated,
            prefix=arguments.name or "sim",
            capacity=tuple(given or each for given, each in zip(capacity, SIMULATED_CAPACITY, strict=True)),
            boot_id=_keep_boot_id(arguments.state),
            attributes=(("simulated", "true"), *(_read_attribute(text) for text in arguments.attribute)),
        )
        devices = parse_simulated_devices(arguments.simulated_device, machines=arguments.simulated)
        asyncio.run(run_simulated(add_devices(offers, devices), connector))
        return
    settings = AgentSettings(
        state=str(arguments.state),
        overrides=Overrides(
            name=arguments.name,
            cpu_milli=arguments.cpu,
            memory_bytes=arguments.memory,
            disk_bytes=arguments.disk,
            attributes=tuple(_read_attribute(text) for text in arguments.attribute),
            devices=parse_devices(arguments.device),
        ),
        exec=ExecSettings(is_root_allowed=arguments.allow_root),
        use_cgroups=not arguments.no_cgroups,
    )
    asyncio.run(run_agent(settings, connector))


def _keep_boot_id(state: Path) -> str:
    """Return the boot of simulated machines, the same after a restart: they come back, not others of their names."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = state / "boot-id"
    if not path.exists():
        path.write_text(secrets.token_hex(16), encoding="ascii")
    return path.read_text(encoding="ascii")


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
    run_program(main)
