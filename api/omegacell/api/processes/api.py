"""The API server of a cell, with the controllers: ``python -m omegacell.api.processes.api``."""

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path

from omegacell.agent.supervisor.processes import read_boot_id
from omegacell.api.processes.shell import read_token, run_program
from omegacell.api.server.app import Running, ServerSettings, serve
from omegacell.store.engines import open_store
from omegacell.store.log import Store


def main() -> None:
    """Read the arguments and serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="omega api", description="Serve a cell's API and run its controllers.")
    parser.add_argument("--store", required=True, metavar="URL", help="the cell's store, as in sqlite:///path/cell.db")
    parser.add_argument("--cell", default="cell", help="the name of a cell that begins here")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="where to listen; port 0: any")
    parser.add_argument("--token-file", required=True, type=Path, help="the file that holds the cell's token")
    parser.add_argument("--metrics", default="", metavar="HOST:PORT", help="where to serve metrics; by default nowhere")
    parser.add_argument("--author", default="api-0", help="the name of this server in the log")
    parser.add_argument(
        "--keeps-own-host",
        action="store_true",
        help="whoever starts this server keeps this host's agent running: no lease, and its machine is never given up",
    )
    parser.add_argument("--ready-file", type=Path, help="written once the server listens: addresses and pid, as JSON")
    arguments = parser.parse_args()
    settings = ServerSettings(
        token=read_token(arguments.token_file),
        address=arguments.listen,
        author=arguments.author,
        cell=arguments.cell,
        metrics_address=arguments.metrics,
        own_boot_id=read_boot_id() if arguments.keeps_own_host else "",
    )
    with open_store(arguments.store) as store:
        asyncio.run(_serve(store, settings, arguments.ready_file))


async def _serve(store: Store, settings: ServerSettings, ready_file: Path | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def say_ready(running: Running) -> None:
        if ready_file is not None:
            facts = {"address": running.address, "metrics_address": running.metrics_address, "pid": os.getpid()}
            fresh = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
            fresh.write_text(json.dumps(facts), encoding="ascii")
            fresh.replace(ready_file)

    await serve(store, settings, stop=stop, on_ready=say_ready)


if __name__ == "__main__":
    run_program(main)
