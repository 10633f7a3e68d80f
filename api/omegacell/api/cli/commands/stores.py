"""`omega store ...`: work on a store with the cell stopped (or, where it says so, running)."""

from pathlib import Path
from typing import Annotated

import typer

from omegacell.api.cli.commands.group import examples, make_group
from omegacell.api.cli.commands.root import app
from omegacell.api.cli.options import OutputOption, StorePathArgument
from omegacell.api.cli.output import Format

store_app = make_group("Verify, measure, back up, restore and move a store.")
app.add_typer(store_app, name="store")


@store_app.command("verify", epilog=examples("omega store verify ~/.local/state/omegacell/local"))
def verify(store: StorePathArgument, output: OutputOption = Format.TABLE) -> None:
    """Read everything, fold it again, and compare: pages, chain, checkpoints, invariants.

    Exits with 1 when something is wrong. Safe while the cell runs.
    """
    from omegacell.api.cli.actions import stores

    stores.verify(store, output)


@store_app.command("stat", epilog=examples("omega store stat ./state -o json"))
def stat(store: StorePathArgument, output: OutputOption = Format.TABLE) -> None:
    """Show how large the store is and what it holds."""
    from omegacell.api.cli.actions import stores

    stores.stat(store, output)


@store_app.command("void", epilog=examples("omega store void ./state 4711 --yes"))
def void(
    store: StorePathArgument,
    revision: Annotated[
        int, typer.Argument(help="The revision that every fold is to skip.", metavar="REVISION", min=2)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do it: this changes what the log means.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Make every fold skip one revision: the way out when an entry stops all participants.

    Stop the cell first. The entry stays in the log; the list of skipped revisions stands beside it.
    """
    from omegacell.api.cli.actions import stores

    stores.void(store, revision, is_meant=yes, form=output)


@store_app.command("backup", epilog=examples("omega store backup ./state /backups/cell.db"))
def backup(
    store: StorePathArgument,
    destination: Annotated[Path, typer.Argument(help="The file to write; it must not exist.", metavar="DEST")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Copy the store to a file, consistently, while the cell runs."""
    from omegacell.api.cli.actions import stores

    stores.backup(store, destination, output)


@store_app.command("restore", epilog=examples("omega store restore /backups/cell.db ./state"))
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `omega store backup` wrote.", metavar="SRC")],
    destination: Annotated[
        Path, typer.Argument(help="The state folder, or file, to write; no store may be there.", metavar="DEST")
    ],
    output: OutputOption = Format.TABLE,
) -> None:
    """Make a store of a backup, with a new incarnation: whoever remembers the old one reloads."""
    from omegacell.api.cli.actions import stores

    stores.restore(source, destination, output)


@store_app.command("migrate", epilog=examples("omega store migrate ./state etcd://10.0.0.1:2379,10.0.0.2:2379/east"))
def migrate(
    source: StorePathArgument,
    destination: Annotated[
        str,
        typer.Argument(help="sqlite:///PATH or etcd://HOST:PORT/PREFIX; no store may be there.", metavar="DEST"),
    ],
    output: OutputOption = Format.TABLE,
) -> None:
    """Copy a store to another engine, with its history, payloads and checkpoints, and a new incarnation.

    Stop the cell first; start it again with --store DEST. The source stays as it is.
    """
    from omegacell.api.cli.actions import stores

    stores.migrate(source, destination, output)
