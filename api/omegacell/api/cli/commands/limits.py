"""`omega quota ...` and `omega scheduler caps ...`: what owners may ask for, and schedulers may hold."""

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

from omegacell.api.cli.commands.cells import scheduler_app
from omegacell.api.cli.commands.group import examples, make_group
from omegacell.api.cli.commands.root import app
from omegacell.api.cli.options import CellOption, OutputOption
from omegacell.api.cli.output import Format

quota_app = make_group("Limit what an owner's jobs may ask for in a band; judged when a job is submitted.")
app.add_typer(quota_app, name="quota")
caps_app = make_group("Limit what a scheduler's jobs may hold at once; judged when its claims commit.")
scheduler_app.add_typer(caps_app, name="caps")


class BandChoice(StrEnum):
    """The bands that can have quotas: all but the lowest."""

    BATCH = "batch"
    PRODUCTION = "production"
    MONITORING = "monitoring"


OwnerArgument: TypeAlias = Annotated[str, typer.Argument(help="Whose jobs: `owner:` of a job file.", metavar="OWNER")]
BandOption: TypeAlias = Annotated[
    BandChoice, typer.Option("--band", help="Which of them.", metavar="batch|production|monitoring")
]
CpuOption: TypeAlias = Annotated[
    str | None, typer.Option("--cpu", help="CPUs, as in 100 or 500m; none for no limit.", metavar="N")
]
MemoryOption: TypeAlias = Annotated[
    str | None, typer.Option("--memory", help="Memory, as in 64Gi or 1Ti; none for no limit.", metavar="SIZE")
]
SchedulerArgument: TypeAlias = Annotated[
    str, typer.Argument(help="The scheduler's name: `scheduler:` of a job file.", metavar="SCHEDULER")
]


@quota_app.command("list", epilog=examples("omega quota list", "omega quota list -o json"))
def list_quotas(output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """List quotas: limit, used and free; also what owners use without a quota.

    Used is what all jobs of the owner in the band ask for, placed or not, until they are at rest or asked to stop.
    """
    from omegacell.api.cli.actions import limits

    limits.show_quotas(output, cell=cell)


@quota_app.command("show", epilog=examples("omega quota show ada"))
def show_quota(owner: OwnerArgument, output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """Show what an owner may ask for in each band, and does."""
    from omegacell.api.cli.actions import limits

    limits.show_quotas(output, owner=owner, cell=cell)


@quota_app.command(
    "set",
    epilog=examples(
        "omega quota set ada --band production --cpu 100 --memory 1Ti", "omega quota set ada --band batch --disk none"
    ),
)
def set_quota(
    owner: OwnerArgument,
    band: BandOption,
    cpu: CpuOption = None,
    memory: MemoryOption = None,
    disk: Annotated[
        str | None, typer.Option("--disk", help="Disk, as in 10Ti; none for no limit.", metavar="SIZE")
    ] = None,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Limit what an owner's jobs may ask for in a band.

    What is not named stays as it is. It binds what is submitted from now on: a limit below what is used stops nothing.
    """
    from omegacell.api.cli.actions import limits

    limits.set_quota(owner, band, limits.QuotaLimits(cpu=cpu, memory=memory, disk=disk), output, cell=cell)


@quota_app.command("remove", epilog=examples("omega quota remove ada --band production"))
def remove_quota(
    owner: OwnerArgument, band: BandOption, output: OutputOption = Format.TABLE, cell: CellOption = None
) -> None:
    """Take a quota away: the owner's jobs of that band are not limited any more."""
    from omegacell.api.cli.actions import limits

    limits.remove_quota(owner, band, output, cell=cell)


@caps_app.command("list", epilog=examples("omega scheduler caps list"))
def list_caps(output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """List caps: limit, used and free; also what schedulers hold without a cap.

    Used is what placed and running tasks of the scheduler's jobs hold, and how many jobs have any.
    """
    from omegacell.api.cli.actions import limits

    limits.show_caps(output, cell=cell)


@caps_app.command(
    "set",
    epilog=examples("omega scheduler caps set batch --cpu 32 --jobs 100", "omega scheduler caps set batch --cpu none"),
)
def set_caps(
    scheduler: SchedulerArgument,
    cpu: CpuOption = None,
    memory: MemoryOption = None,
    jobs: Annotated[
        str | None,
        typer.Option("--jobs", help="Jobs with a placed or running task; none for no limit.", metavar="N"),
    ] = None,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Limit what a scheduler's jobs may hold at once.

    What is not named stays as it is. It binds what is placed from now on: a limit below what is held stops nothing.
    """
    from omegacell.api.cli.actions import limits

    limits.set_caps(scheduler, limits.CapLimits(cpu=cpu, memory=memory, jobs=jobs), output, cell=cell)


@caps_app.command("remove", epilog=examples("omega scheduler caps remove batch"))
def remove_caps(scheduler: SchedulerArgument, output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """Take a scheduler's cap away."""
    from omegacell.api.cli.actions import limits

    limits.remove_caps(scheduler, output, cell=cell)
