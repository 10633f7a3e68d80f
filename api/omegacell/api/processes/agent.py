"""The agent of this machine, or one process that plays many simulated ones, on a link to the API.

``python -m omegacell.api.processes.agent --state DIR --api HOST:PORT --token-file FILE``

The machine offers what it really has unless told otherwise. SIGTERM ends the agent; its tasks go on under the
machine's supervisor, and the next agent over the same state folder finds them. With ``--simulated N`` nothing real is
run: N machines with the driver ``simulated`` appear, for trying out and for measuring.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from omegacell.agent.daemon import AgentSettings, run_agent
from omegacell.agent.drivers.exec_driver import ExecSettings
from omegacell.agent.resources import Overrides
from omegacell.agent.simulated_agent import make_offers, run_simulated
from omegacell.api.agent_link import GrpcConnector
from omegacell.api.quantities import parse_bytes, parse_cpu
from omegacell.core.errors import OmegaError, UsageError

SIMULATED_CAPACITY: Final = (32_000, 128 << 30, 1 << 40)
"""What a simulated machine has unless told otherwise: milli-CPU, bytes of memory, bytes of disk."""


def run(arguments: argparse.Namespace) -> None:
    """Run the agent, or the simulated machines, until SIGTERM or SIGINT.

    Raises:
        OmegaError: an argument is wrong, or the state folder cannot be used.
    """
    connector = GrpcConnector(arguments.api, _read_token(arguments.token_file))
    attributes = tuple(_read_attribute(text) for text in arguments.attribute)
    cpu_milli = _quantity("--cpu", arguments.cpu, parse_cpu)
    memory_bytes = _quantity("--memory", arguments.memory, parse_bytes)
    disk_bytes = _quantity("--disk", arguments.disk, parse_bytes)
    if arguments.simulated:
        given = (cpu_milli, memory_bytes, disk_bytes)
        capacity = tuple(
            amount if number is None else number for number, amount in zip(given, SIMULATED_CAPACITY, strict=True)
        )
        prefix = arguments.name or "sim"
        offers = make_offers(arguments.simulated, prefix=prefix, capacity=capacity, attributes=attributes)
        asyncio.run(run_simulated(offers, connector))
        return
    overrides = Overrides(
        name=arguments.name,
        cpu_milli=cpu_milli,
        memory_bytes=memory_bytes,
        disk_bytes=disk_bytes,
        attributes=attributes,
    )
    settings = AgentSettings(
        state=str(arguments.state), overrides=overrides, exec=ExecSettings(is_root_allowed=arguments.allow_root)
    )
    asyncio.run(run_agent(settings, connector))


def _quantity(option: str, text: str | None, parse: Callable[[object], int]) -> int | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from error


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file {path}: cannot be read ({error})") from error
    if not token:
        raise UsageError(f"--token-file {path}: it is empty, expected the cell's token")
    return token


def _read_attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--attribute {text!r}: expected NAME=VALUE")
    return name, value


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's arguments."""
    parser = argparse.ArgumentParser(prog="omegacell-agent", description="Run the agent of this machine.")
    parser.add_argument("--state", type=Path, required=True, help="folder of this agent and its tasks")
    parser.add_argument("--api", action="append", required=True, help="HOST:PORT of an API server; may be repeated")
    parser.add_argument("--token-file", type=Path, required=True, help="file that holds the cell's token")
    parser.add_argument("--name", help="the machine's name, or the prefix of simulated ones")
    parser.add_argument("--cpu", help="CPU to offer, such as 1.5 or 1500m; what the machine has if not given")
    parser.add_argument("--memory", help="memory to offer, such as 8Gi")
    parser.add_argument("--disk", help="disk to offer, such as 100Gi")
    parser.add_argument("--attribute", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    parser.add_argument("--simulated", type=int, default=0, metavar="N", help="play N machines instead")
    parser.add_argument("--allow-root", action="store_true", help="let tasks run as root")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, run, and say in one line what went wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run(make_parser().parse_args(arguments))
    except OmegaError as error:
        sys.stderr.write(f"omega: {error}\n")
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
