"""`omega up`, `omega down`, `omega demo`: a cell on this machine."""

from typing import Annotated

import typer

from omegacell.api.cli.commands.group import examples
from omegacell.api.cli.commands.root import app
from omegacell.api.cli.options import OutputOption, StateOption
from omegacell.api.cli.output import Format

DEFAULT_SCHEDULERS = "batch=1,service=1,system=1"

PortsOption = Annotated[
    str,
    typer.Option(
        "--ports",
        help="Ports that tasks of this machine may get, 20000-29999 by default; two cells of one machine need"
        " ranges of their own.",
        metavar="FIRST-LAST",
    ),
]
DeviceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        help="Devices that this machine has; may be given several times, each name once.",
        metavar="NAME=COUNT[,ATTRIBUTE=VALUE...]",
    ),
]
SimulatedDeviceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--simulated-device",
        help="Devices that each simulated machine has, or the first MACHINES of them.",
        metavar="[MACHINES:]NAME=COUNT[,ATTRIBUTE=VALUE...]",
    ),
]


@app.command(
    "up",
    epilog=examples(
        "omega up",
        "omega up --simulated 50 --schedulers batch=2,service=1",
        "omega up --device gpu=1,model=a100 --simulated 8 --simulated-device 2:gpu=4,model=a100",
        "omega up --cell lab --schedulers batch=1,./mine.py:Mine=1",
    ),
)
def up(
    cell: Annotated[
        str, typer.Option("--cell", envvar="OMEGA_CELL", help="The cell's name.", metavar="NAME")
    ] = "local",
    state: StateOption = None,
    store: Annotated[
        str | None,
        typer.Option("--store", help="Keep the log here instead of in the state folder, by URL.", metavar="URL"),
    ] = None,
    schedulers: Annotated[
        str,
        typer.Option(
            "--schedulers",
            help="Which schedulers, and how many processes of each: installed names, module:Class or file.py:Class.",
            metavar="NAME=COUNT,...",
        ),
    ] = DEFAULT_SCHEDULERS,
    simulated: Annotated[
        int,
        typer.Option(
            "--simulated", help="Besides this machine, so many simulated ones.", min=0, max=100_000, metavar="N"
        ),
    ] = 0,
    agent: Annotated[bool, typer.Option("--agent/--no-agent", help="Whether this machine itself runs tasks.")] = True,
    allow_root: Annotated[
        bool, typer.Option("--allow-root", help="Let jobs of this cell run tasks as root on this machine.")
    ] = False,
    listen: Annotated[
        str, typer.Option("--listen", help="Where the API listens; port 0 takes a free one.", metavar="HOST:PORT")
    ] = "127.0.0.1:0",
    ports: PortsOption = "",
    device: DeviceOption = None,
    simulated_device: SimulatedDeviceOption = None,
    detach: Annotated[
        bool, typer.Option("-d", "--detach", help="Run in the background; `omega down` stops it.")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Start a cell on this machine; Ctrl-C stops it.

    Starts the API, one process for each scheduler, and an agent; restarts what dies. Ctrl-C stops all of it, tasks
    too. After `kill -9` tasks go on, and the next `omega up` takes them over.
    """
    from omegacell.api.up.plan import UpSettings
    from omegacell.api.up.starting import up as start

    settings = UpSettings(
        cell=cell,
        state=state,
        store=store,
        schedulers=schedulers,
        simulated=simulated,
        has_agent=agent,
        is_root_allowed=allow_root,
        listen=listen,
        ports=ports,
        devices=tuple(device or ()),
        simulated_devices=tuple(simulated_device or ()),
    )
    start(settings, form=output, detach=detach)


@app.command("down", epilog=examples("omega down", "omega down --cell lab"))
def down(
    cell: Annotated[
        str | None,
        typer.Option("--cell", envvar="OMEGA_CELL", help="The cell's name; else the current one.", metavar="NAME"),
    ] = None,
    state: StateOption = None,
) -> None:
    """Stop a cell of this machine, as Ctrl-C would."""
    from omegacell.api.up import stopping

    stopping.down(cell, state=state)


@app.command(
    "demo", epilog=examples("omega demo", "omega demo -o json", "omega demo --store etcd://127.0.0.1:2379/demo")
)
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the state folder, for looking at logs afterwards.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option("--store", help="Keep the log here, by URL; no cell may be there. It stays.", metavar="URL"),
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Run a whole cell for a minute and check what it did.

    Real processes placed by two independent schedulers, a service that heals, a conflict that is refused and retried,
    a scheduler killed with kill -9. Exits with 0 only if every check held. Leaves nothing behind.
    """
    from omegacell.api.demo import showing

    showing.demo(form=output, keep=keep, store=store)
