"""`omega lab ...`: simulations in virtual time."""

from pathlib import Path
from typing import Annotated

import typer

from omegacell.api.cli.commands.group import examples, make_group
from omegacell.api.cli.commands.root import app
from omegacell.api.cli.options import OutputOption
from omegacell.api.cli.output import Format

lab_app = make_group("Simulate whole cells in virtual time, and compare with other simulators.")
app.add_typer(lab_app, name="lab")


@lab_app.command(
    "golden",
    epilog=examples(
        "omega lab golden golden/*.json",
        "omega lab golden --workload JOBS.csv.gz --prefill PREFILL.csv --results RESULTS.csv",
    ),
)
def golden(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Golden files: a scenario and its exact outcome.", metavar="FILE...")
    ] = None,
    workload: Annotated[
        Path | None, typer.Option("--workload", help="Jobs, as CSV, gzipped or not.", metavar="FILE")
    ] = None,
    prefill: Annotated[
        Path | None, typer.Option("--prefill", help="What stands in the cell before, as CSV.", metavar="FILE")
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="Configurations and their metrics, as CSV.", metavar="FILE")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Rows simulated at the same time.", min=1, max=64)] = 1,
    output: OutputOption = Format.TABLE,
) -> None:
    """Run what the public Omega simulator ran, in compatibility mode, and compare everything.

    Says for each file or row `equal`, or what differs first. Exits with 1 when anything differs.
    """
    from omegacell.api.cli.actions import lab

    lab.golden(files or [], lab.ResultFiles.of(workload, prefill, results), workers=workers, form=output)
