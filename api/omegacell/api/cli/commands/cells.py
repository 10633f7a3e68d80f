"""`omega machine|scheduler|cell ...`, `omega history`, `omega conflicts`, `omega version`: looking at a cell."""

from typing import Annotated

import typer

from omegacell.api.cli.commands.group import examples, make_group
from omegacell.api.cli.commands.root import app
from omegacell.api.cli.options import CellOption, OutputOption, StateOption
from omegacell.api.cli.output import Format

machine_app = make_group("List and look at machines; take them out of service; give up a lost one.")
app.add_typer(machine_app, name="machine")
scheduler_app = make_group("List schedulers; run one of your own beside the cell.")
app.add_typer(scheduler_app, name="scheduler")
cell_app = make_group("Look at the cell as a whole.")
app.add_typer(cell_app, name="cell")

MachineArgument = Annotated[str, typer.Argument(help="The machine's name.", metavar="MACHINE")]
MachinesArgument = Annotated[list[str], typer.Argument(help="The machines' names.", metavar="MACHINE...")]


@machine_app.command("list", epilog=examples("omega machine list"))
def list_machines(output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """List machines: state, whether they are offered work, what they have, and how much of it is taken."""
    from omegacell.api.cli.actions import machines

    machines.list_machines(output, cell=cell)


@machine_app.command("status", epilog=examples("omega machine status node-1"))
def machine_status(machine: MachineArgument, output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """Show a machine: resources, drivers, attributes, ports, devices, tasks, and what keeps its drain."""
    from omegacell.api.cli.actions import machines

    machines.show_status(machine, output, cell=cell)


@machine_app.command("cordon", epilog=examples("omega machine cordon node-1 node-2"))
def machine_cordon(names: MachinesArgument, output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """Offer machines no new work; what runs there goes on.

    A machine that drains stops doing so, and keeps what it still has. It stays cordoned over restarts, until
    `omega machine uncordon`.
    """
    from omegacell.api.cli.actions import drains
    from omegacell.core.drains import Eligibility

    drains.set_eligibility(names, Eligibility.CORDONED, output, cell=cell)


@machine_app.command("uncordon", epilog=examples("omega machine uncordon node-1"))
def machine_uncordon(names: MachinesArgument, output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """Offer machines work again; a drain ends, and what it has not moved stays."""
    from omegacell.api.cli.actions import drains
    from omegacell.core.drains import Eligibility

    drains.set_eligibility(names, Eligibility.OPEN, output, cell=cell)


@machine_app.command(
    "drain",
    epilog=examples(
        "omega machine drain node-1",
        "omega machine drain node-1 node-2 --deadline 10m",
        "omega machine drain node-1 --no-wait && omega machine status node-1",
    ),
)
def machine_drain(
    names: MachinesArgument,
    deadline: Annotated[
        str | None,
        typer.Option(
            "--deadline",
            help="After so long (10m, 1h30m) evict what is left, whatever jobs allow; `none` takes a deadline away. By"
            " default what drains already keeps its deadline, and the others have none.",
            metavar="TIME",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Whether to wait until nothing is left.")] = True,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", help="Stop waiting after so many seconds; the drain goes on.", min=0.0, metavar="SECONDS"
        ),
    ] = None,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Move all work off machines, and wait until nothing is left there.

    They are offered no new work. What runs there is evicted, at a bounded rate, and placed elsewhere: no job has more
    tasks unavailable because of it than its max_unavailable allows (services: 1 unless they say otherwise). The drain
    is kept in the cell: it goes on after Ctrl-C and over restarts, and the same command again waits on. Exits with 1
    when the time is over, or when the drain can never finish, and says which job keeps it.
    """
    from omegacell.api.cli.actions import drains

    options = drains.DrainOptions(deadline=deadline, wait=wait, timeout_s=timeout, form=output, cell=cell)
    drains.drain(names, options)


@machine_app.command("lost", epilog=examples("omega machine lost node-1"))
def machine_lost(
    names: MachinesArgument,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Declare machines lost now: their tasks are placed elsewhere.

    For a person who knows that they are gone. If such a machine lives after all, it stops its stale tasks when it
    comes back, and until then they may run twice.
    """
    from omegacell.api.cli.actions import machines

    machines.lose(names, output, cell=cell)


@machine_app.command(
    "taint",
    epilog=examples(
        "omega machine taint node-1 --add dedicated=gpu:no_place",
        "omega machine taint node-1 node-2 --remove dedicated",
        "omega machine taint node-1 --add old:prefer_not",
    ),
)
def machine_taint(
    names: Annotated[list[str], typer.Argument(help="The machines' names.", metavar="MACHINE...")],
    add: Annotated[
        list[str] | None,
        typer.Option("--add", help="A mark to put on, KEY[=VALUE]:no_place or :prefer_not.", metavar="TAINT"),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="The key of marks to take off.", metavar="KEY")
    ] = None,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Mark machines so that only jobs that tolerate the mark are placed there, or take marks off.

    Tasks that run there stay. With prefer_not, schedulers place there when nothing else is left. A machine keeps its
    marks when it comes back.
    """
    from omegacell.api.cli.actions import machines

    machines.taint(names, machines.TaintChange(add=tuple(add or ()), remove=tuple(remove or ())), output, cell=cell)


@scheduler_app.command("list", epilog=examples("omega scheduler list", "omega scheduler list --all"))
def list_schedulers(
    with_all: Annotated[
        bool, typer.Option("--all", help="Also those that ended, and were not heard for over an hour.")
    ] = False,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """List schedulers: their instances, when each was last heard, and what they committed."""
    from omegacell.api.cli.actions import schedulers

    schedulers.list_schedulers(output, with_all=with_all, cell=cell)


@scheduler_app.command(
    "run", epilog=examples("omega scheduler run ./mine.py:Mine", "omega scheduler run batch --name extra")
)
def run_scheduler(
    target: Annotated[
        str,
        typer.Argument(
            help="What to run: an installed scheduler's name, module:Class, or file.py:Class.", metavar="TARGET"
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="The scheduler's name, which jobs give in `scheduler:`; by default its target's.",
            metavar="NAME",
        ),
    ] = None,
    state: StateOption = None,
    store: Annotated[
        str | None,
        typer.Option("--store", help="Its store: URL, file or folder; by default that of the cell.", metavar="STORE"),
    ] = None,
    cell: CellOption = None,
) -> None:
    """Run a scheduler beside the cell, in the foreground, until Ctrl-C.

    Any number of schedulers may run; where two claim the same room, the log says who was first, and the other tries
    again. Needs access to the cell's store: run it on the machine of `omega up`, as the same user.
    """
    from omegacell.api.cli.actions import schedulers

    schedulers.run_scheduler(target, schedulers.RunOptions(name=name, state=state, store=store, cell=cell))


@cell_app.command("status", epilog=examples("omega cell status", "omega cell status -o json"))
def cell_status(output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """Show the cell: machines, tasks, room, and what each scheduler committed."""
    from omegacell.api.cli.actions import cells

    cells.show_status(output, cell=cell)


@app.command(
    "history",
    epilog=examples(
        "omega history", "omega history --job hello -n 100", "omega history --author batch-0 --status refused"
    ),
)
def history(
    job: Annotated[str, typer.Option("--job", help="Only what concerns this job.", metavar="JOB")] = "",
    author: Annotated[
        str, typer.Option("--author", help="Only what this one asked for: batch-0, ...", metavar="NAME")
    ] = "",
    kind: Annotated[
        str, typer.Option("--kind", help="Only this kind: submit, place, report, ...", metavar="KIND")
    ] = "",
    status: Annotated[
        str, typer.Option("--status", help="Only with this outcome: committed, partial, refused, ...", metavar="STATUS")
    ] = "",
    before: Annotated[
        int, typer.Option("--before", help="Only revisions below this one.", min=0, metavar="REVISION")
    ] = 0,
    count: Annotated[int, typer.Option("-n", "--count", help="At most so many.", min=1, max=100_000, metavar="N")] = 30,
    ticks: Annotated[bool, typer.Option("--ticks", help="Also ticks and session renewals.")] = False,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is committed from now on.")] = False,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Show who asked for what, and what became of it.

    Oldest first, as in the log. SEEN is the revision its author had seen: a conflict comes from what lies between.
    """
    from omegacell.api.cli.actions import cells
    from omegacell.api.figures import HistoryQuery

    query = HistoryQuery(before=before, limit=count, author=author, job=job, kind=kind, status=status, with_ticks=ticks)
    cells.show_history(query, output, follow=follow, cell=cell)


@app.command("conflicts", epilog=examples("omega conflicts", "omega conflicts --store backup/cell.db -o json"))
def conflicts(
    store: Annotated[
        str | None,
        typer.Option("--store", help="Answer from this store or copy of it, with nothing running.", metavar="PATH"),
    ] = None,
    count: Annotated[
        int,
        typer.Option("-n", "--count", help="List the last so many refused claims.", min=0, max=100_000, metavar="N"),
    ] = 20,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Show conflicts by scheduler and by reason.

    The conflict fraction is conflicts per successful transaction, as in the Omega paper: 3 means four attempts. All of
    it follows from the log; from a copy of the store the answer is the same.
    """
    from omegacell.api.cli.actions import cells

    cells.show_conflicts(output, count=count, store=store, cell=cell)


@app.command("version", epilog=examples("omega version"))
def version(output: OutputOption = Format.TABLE) -> None:
    """Show the version, and the format and rules it knows."""
    from omegacell.api.cli.actions import versions

    versions.show_version(output)
