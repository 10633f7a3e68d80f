"""`omega lab ...`: simulations in virtual time."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from omegacell.api.cli.commands.group import examples, make_group
from omegacell.api.cli.commands.root import app
from omegacell.api.cli.options import OutputOption
from omegacell.api.cli.output import Format

lab_app = make_group("Simulate whole cells in virtual time, and compare with other simulators.")
app.add_typer(lab_app, name="lab")


WORKLOAD_HELP = (
    "Jobs, as CSV, gzipped or not: id, workload, submitted, num_tasks, duration, cpus_per_task, mem_per_task."
)

MachinesOption: TypeAlias = Annotated[int, typer.Option("--machines", help="Machines in the cell.", min=1, metavar="N")]
CpusOption: TypeAlias = Annotated[float, typer.Option("--cpus", help="CPUs of each machine.", min=0.001, metavar="N")]
MemoryOption: TypeAlias = Annotated[
    float, typer.Option("--memory-gb", help="Memory of each machine, GB.", min=0.001, metavar="N")
]
SecondsOption: TypeAlias = Annotated[
    float, typer.Option("--seconds", help="How long to simulate.", min=1.0, metavar="SECONDS")
]
BatchCountOption: TypeAlias = Annotated[
    int, typer.Option("--batch-schedulers", help="Instances for batch jobs.", min=1, max=64, metavar="N")
]
ServiceCountOption: TypeAlias = Annotated[
    int, typer.Option("--service-schedulers", help="Instances for service jobs.", min=1, max=64, metavar="N")
]
BatchPolicyOption: TypeAlias = Annotated[
    str,
    typer.Option("--batch-policy", help="What places batch jobs: a scheduler, module:Class or file.", metavar="NAME"),
]
ServicePolicyOption: TypeAlias = Annotated[
    str, typer.Option("--service-policy", help="And what places services.", metavar="NAME")
]
PrefillOption: TypeAlias = Annotated[
    Path | None, typer.Option("--prefill", help="What stands in the cell before, as CSV.", metavar="FILE")
]


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
    workload: Annotated[Path | None, typer.Option("--workload", help=WORKLOAD_HELP, metavar="FILE")] = None,
    prefill: PrefillOption = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="Configurations and their metrics, as CSV.", metavar="FILE")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", help="Rows simulated at the same time.", min=1, max=64, metavar="N")
    ] = 1,
    output: OutputOption = Format.TABLE,
) -> None:
    """Run what the public Omega simulator ran, in compatibility mode, and compare everything.

    Says for each file or row `equal`, or what differs first. Exits with 1 when anything differs.
    """
    from omegacell.api.cli.actions import lab

    lab.golden(files or [], lab.ResultFiles.of(workload, prefill, results), workers=workers, form=output)


@lab_app.command(
    "run",
    epilog=examples(
        "omega lab run --workload JOBS.csv.gz --machines 300 --seconds 7200 --batch-schedulers 4",
        "omega lab run --cell c --seconds 86400 --batch-schedulers 3",
        "omega lab run --workload JOBS.csv --architecture two_level --t-job-service 10 -o json",
        "omega lab run --cell c --seconds 600 --batch-schedulers 4 --batch-policy batch --service-policy service",
    ),
)
def run(
    workload: Annotated[Path | None, typer.Option("--workload", help=WORKLOAD_HELP, metavar="FILE")] = None,
    cell: Annotated[
        str | None,
        typer.Option("--cell", help="A synthetic cell instead of files: c, 12,500 machines.", metavar="NAME"),
    ] = None,
    prefill: PrefillOption = None,
    architecture: Annotated[
        str,
        typer.Option(
            "--architecture", help="monolithic_single, monolithic_multi, two_level or shared_state.", metavar="NAME"
        ),
    ] = "shared_state",
    machines: Annotated[
        int | None,
        typer.Option("--machines", help="Machines; 300, or as many as the synthetic cell has.", min=1, metavar="N"),
    ] = None,
    cpus: CpusOption = 4.0,
    memory_gb: MemoryOption = 16.0,
    seconds: SecondsOption = 86_400.0,
    batch_schedulers: BatchCountOption = 1,
    service_schedulers: ServiceCountOption = 1,
    batch_policy: BatchPolicyOption = "first-fit",
    service_policy: ServicePolicyOption = "least-loaded",
    t_job_batch: Annotated[
        float, typer.Option("--t-job-batch", help="Seconds for a batch job.", min=0.0, metavar="SECONDS")
    ] = 0.1,
    t_task_batch: Annotated[
        float, typer.Option("--t-task-batch", help="And for each task of it.", min=0.0, metavar="SECONDS")
    ] = 0.005,
    t_job_service: Annotated[
        float, typer.Option("--t-job-service", help="Seconds for a service job.", min=0.0, metavar="SECONDS")
    ] = 0.1,
    t_task_service: Annotated[
        float, typer.Option("--t-task-service", help="And for each task of it.", min=0.0, metavar="SECONDS")
    ] = 0.005,
    coarse: Annotated[bool, typer.Option("--coarse", help="A claim conflicts when its machine changed.")] = False,
    gang: Annotated[bool, typer.Option("--gang", help="A transaction is granted whole or not at all.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="All random numbers follow from it.", min=0, metavar="N")] = 0,
    path: Annotated[
        str,
        typer.Option("--path", help="production, compiled, or auto: compiled where it can be.", metavar="PATH"),
    ] = "auto",
    output: OutputOption = Format.TABLE,
) -> None:
    """Simulate a cell: the real judge, loop and schedulers, in virtual time.

    Shows wait, busyness and conflict fraction as the Omega paper defines them. One seed gives one run, on either path.
    """
    from omegacell.api.cli.actions import lab

    options = lab.RunOptions(
        source=lab.Source(workload=workload, prefill=prefill, cell=cell),
        path=path,
        shape=(machines, cpus, memory_gb),
        architecture=architecture,
        schedulers=(batch_schedulers, service_schedulers),
        policies=(batch_policy, service_policy),
        batch_s=(t_job_batch, t_task_batch),
        service_s=(t_job_service, t_task_service),
        is_coarse=coarse,
        is_gang=gang,
        seconds=seconds,
        seed=seed,
    )
    lab.simulate(options, output)


@lab_app.command("faults", epilog=examples("omega lab faults --workload JOBS.csv.gz --prefill PREFILL.csv"))
def faults(
    workload: Annotated[Path, typer.Option("--workload", help=WORKLOAD_HELP, metavar="FILE")],
    prefill: PrefillOption = None,
    machines: MachinesOption = 300,
    cpus: CpusOption = 4.0,
    memory_gb: MemoryOption = 16.0,
    seconds: SecondsOption = 7_200.0,
    output: OutputOption = Format.TABLE,
) -> None:
    """Mend each fault of the public Omega simulator alone, and show what moves; then compare it with the product."""
    from omegacell.api.cli.actions import lab

    lab.faults(workload, prefill, (machines, cpus, memory_gb), seconds=seconds, form=output)
