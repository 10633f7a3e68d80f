"""Options and arguments that several commands share, so that they are spelled and explained once."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from omegacell.api.cli.output import Format

OutputOption: TypeAlias = Annotated[
    Format, typer.Option("-o", "--output", help="How to print the answer.", metavar="table|json|yaml")
]
CellOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cell",
        help="Which cell, by the name it was started with; by default $OMEGA_CELL, else the last one started.",
        metavar="NAME",
    ),
]
JobArgument: TypeAlias = Annotated[str, typer.Argument(help="The job's name, or its id, as in #6.", metavar="JOB")]
StateOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--state",
        help="The folder that keeps the cell: its store, its logs, its settings. By default omegacell/NAME in"
        " $XDG_STATE_HOME, else in ~/.local/state (for root: /var/lib).",
        metavar="DIR",
    ),
]
StorePathArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="The store: a path to cell.db, a state folder, or a URL (sqlite:///..., etcd://...).", metavar="STORE"
    ),
]
