"""`omega bench ...`: what this machine can do."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from omegacell.api.cli.commands.group import examples, make_group
from omegacell.api.cli.commands.root import app
from omegacell.api.cli.options import OutputOption
from omegacell.api.cli.output import Format

bench_app = make_group(
    "Measure this machine. Every answer names the processor, Python and the file system; figures from a file system in"
    " memory are refused, because nothing is durable there."
)
app.add_typer(bench_app, name="bench")

FolderOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        help="Measure in a temporary folder made here; by default in the user's state folder.",
        metavar="DIR",
    ),
]


@bench_app.command(
    "commit",
    epilog=examples("omega bench commit", "omega bench commit --store sqlite: --store etcd://127.0.0.1:2379/bench"),
)
def commit(
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long each part is measured.", min=0.1, metavar="SECONDS")
    ] = 5.0,
    writers: Annotated[
        int, typer.Option("--writers", help="Threads that append at the same time.", min=1, max=64, metavar="N")
    ] = 8,
    store: Annotated[
        list[str] | None,
        typer.Option(
            "--store",
            help="What to measure: sqlite: (in the folder), or etcd://HOST:PORT/PREFIX. Several stand side by side.",
            metavar="URL",
        ),
    ] = None,
    schedulers: Annotated[
        str, typer.Option("--schedulers", help="How many schedulers place at the same time.", metavar="N,N...")
    ] = "1,2,4",
    folder: FolderOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Measure durable appends, alone and by several writers, whole commits, and placements by several schedulers."""
    from omegacell.api.bench import commit as bench

    options = bench.CommitOptions(
        seconds=seconds,
        writers=writers,
        folder=folder,
        stores=tuple(store or ()),
        schedulers=bench.parse_schedulers(schedulers),
    )
    bench.run(options, output)


@bench_app.command("fold", epilog=examples("omega bench fold", "omega bench fold --placements 100000 -o json"))
def fold(
    placements: Annotated[
        int, typer.Option("--placements", help="How many placements to fold.", min=1_000, metavar="N")
    ] = 1_000_000,
    claims: Annotated[
        int, typer.Option("--claims", help="Claims in a transaction.", min=1, max=10_000, metavar="N")
    ] = 100,
    machines: Annotated[int, typer.Option("--machines", help="Machines in the cell.", min=10, metavar="N")] = 10_000,
    output: OutputOption = Format.TABLE,
) -> None:
    """Measure how fast a replica decodes and applies placements."""
    from omegacell.api.bench import fold as bench

    bench.run(bench.FoldOptions(placements=placements, claims=claims, machines=machines), output)


@bench_app.command(
    "schedule", epilog=examples("omega bench schedule", "omega bench schedule --machines 1000 --seconds 1 -o json")
)
def schedule(
    machines: Annotated[
        int, typer.Option("--machines", help="Machines in the cell.", min=100, max=100_000, metavar="N")
    ] = 10_000,
    seconds: Annotated[
        float,
        typer.Option("--seconds", help="How long each kind of decision is measured.", min=0.01, metavar="SECONDS"),
    ] = 2.0,
    tasks: Annotated[
        int, typer.Option("--tasks", help="Tasks of the large job.", min=2, max=10_000, metavar="N")
    ] = 1_000,
    output: OutputOption = Format.TABLE,
) -> None:
    """Measure one decision of the built-in schedulers, with and without placement rules, and judging its claims."""
    from omegacell.api.bench import schedule as bench

    bench.run(bench.ScheduleOptions(machines=machines, seconds=seconds, tasks=tasks), output)


@bench_app.command(
    "throughput", epilog=examples("omega bench throughput", "omega bench throughput --jobs 50 --machines 500")
)
def throughput(
    jobs: Annotated[int, typer.Option("--jobs", help="Jobs in the first part.", min=1, metavar="N")] = 1_000,
    tasks: Annotated[int, typer.Option("--tasks", help="Tasks of each of them.", min=1, metavar="N")] = 100,
    singles: Annotated[
        int, typer.Option("--singles", help="Jobs of one task in the second part.", min=0, metavar="N")
    ] = 5_000,
    machines: Annotated[
        int, typer.Option("--machines", help="Simulated machines.", min=1, max=100_000, metavar="N")
    ] = 10_000,
    schedulers: Annotated[
        int, typer.Option("--schedulers", help="Instances of the scheduler at work.", min=1, max=32, metavar="N")
    ] = 1,
    scheduler: Annotated[
        str, typer.Option("--scheduler", help="Which scheduler places the jobs.", metavar="NAME")
    ] = "batch",
    timeout: Annotated[
        float, typer.Option("--timeout", help="Give up after so many seconds.", min=1.0, metavar="SECONDS")
    ] = 300.0,
    folder: FolderOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Measure placements a second in a whole cell of real processes, from the first submit to the last outcome."""
    from omegacell.api.bench import throughput as bench

    options = bench.ThroughputOptions(
        jobs=jobs,
        tasks=tasks,
        singles=singles,
        machines=machines,
        schedulers=schedulers,
        scheduler=scheduler,
        timeout_s=timeout,
        folder=folder,
    )
    bench.run(options, output)


@bench_app.command("latency", epilog=examples("omega bench latency", "omega bench latency --jobs 20 -o json"))
def latency(
    jobs: Annotated[int, typer.Option("--jobs", help="How many jobs, one after the other.", min=1, metavar="N")] = 200,
    folder: FolderOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Measure the time from submit to running of one-task jobs on an idle cell, with the real agent."""
    from omegacell.api.bench import latency as bench

    bench.run(bench.LatencyOptions(jobs=jobs, folder=folder), output)


@bench_app.command("idle", epilog=examples("omega bench idle", "omega bench idle --seconds 10"))
def idle(
    seconds: Annotated[float, typer.Option("--seconds", help="How long to watch.", min=1.0, metavar="SECONDS")] = 60.0,
    folder: FolderOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Measure what an idle cell costs: processor time of all its processes, user and system."""
    from omegacell.api.bench import idle as bench

    bench.run(bench.IdleOptions(seconds=seconds, folder=folder), output)


@bench_app.command(
    "packing",
    epilog=examples(
        "omega bench packing",
        "omega bench packing --curve -o json",
        "omega bench packing --quick --policy hybrid --policy batch,noise=0.3",
    ),
)
def packing(
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            help="Which policy: random-first-fit, worst-fit, best-fit, dot-product, e-pvm, hybrid, hybrid-noisy,"
            " hybrid-sampled, first-fit, least-loaded, batch, service, or module:Class of a plug-in; with other weights"
            " as batch,noise=0.3. May be given several times; by default all of these.",
            metavar="NAME",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            help="Orders of removing machines; by default 11, quickly or with --curve 3.",
            min=1,
            max=101,
            metavar="N",
        ),
    ] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="What each weight of the policies trades, instead of one row for each.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="A tenth of the machines, less of everything: a look, no result.")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Measure how few machines each scoring policy needs for a fixed workload, and how often its schedulers conflict.

    Borg's cell compaction: machines are removed at random until the workload no longer fits, packed from scratch each
    time; the result is the 90th percentile of the seeds, beside a bound that no policy can beat. Conflicts are those of
    four schedulers that fill a simulated cell. Takes some minutes; needs omegacell[packing].
    """
    from omegacell.api.bench import packing as bench

    bench.run(bench.PackingOptions.of(policy, seeds, is_quick=quick, is_curve=curve), output)
