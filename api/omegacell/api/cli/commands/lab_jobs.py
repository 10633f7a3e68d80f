"""`omega lab jobs`: job files in virtual time."""

from typing import Annotated, TypeAlias

import typer

from omegacell.api.cli.commands.group import examples
from omegacell.api.cli.commands.lab import SecondsOption, lab_app
from omegacell.api.cli.options import OutputOption
from omegacell.api.cli.output import Format

MAX_MACHINES = 100_000

FilesArgument: TypeAlias = Annotated[
    list[str], typer.Argument(help="Job files, as `omega run` takes them; - is standard input.", metavar="FILE...")
]
MixedOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--machines",
        help="Machines of a mixed cell: four shapes, racks, zones, platforms, ports, GPUs. By default 100.",
        min=1,
        max=MAX_MACHINES,
        metavar="N",
    ),
]
MachineFileOption: TypeAlias = Annotated[
    str | None, typer.Option("--machine-file", help="The machines, as YAML, instead of a mixed cell.", metavar="FILE")
]
LoadOption: TypeAlias = Annotated[
    float,
    typer.Option("--load", help="How much of the busiest resource is asked for at a time.", min=0.001, metavar="N"),
]
ShareOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--share", help="A job arrives so often, relative to the others; 1 each.", metavar="JOB=N"),
]
ExecTimeOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--exec-time", help="How long tasks last that are programs: 90s, 10m.", metavar="TIME"),
]
SchedulersOption: TypeAlias = Annotated[
    list[str] | None, typer.Option("--schedulers", help="Instances of each scheduler, or of one.", metavar="[NAME=]N")
]
PolicyOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--policy", help="What one decides with: a scheduler, module:Class or file.", metavar="NAME=POLICY"),
]
JobTimeOption: TypeAlias = Annotated[
    list[str] | None, typer.Option("--t-job", help="Seconds to decide on a job; 0.1.", metavar="[NAME=]SECONDS")
]
TaskTimeOption: TypeAlias = Annotated[
    list[str] | None, typer.Option("--t-task", help="And for each task of it; 0.005.", metavar="[NAME=]SECONDS")
]


@lab_app.command(
    "jobs",
    epilog=examples(
        "omega lab jobs docs/examples/lab/jobs.yaml --machines 60 --load 0.9",
        "omega lab jobs docs/examples/lab/jobs.yaml --machine-file docs/examples/lab/machines.yaml --share web=2",
        "omega lab jobs JOBS.yaml --schedulers batch=4 --t-job 1 --t-job service=10 --policy batch=first-fit -o json",
    ),
)
def jobs(
    files: FilesArgument,
    machines: MixedOption = None,
    machine_file: MachineFileOption = None,
    load: LoadOption = 0.8,
    share: ShareOption = None,
    exec_time: ExecTimeOption = None,
    seconds: SecondsOption = 3_600.0,
    schedulers: SchedulersOption = None,
    policy: PolicyOption = None,
    t_job: JobTimeOption = None,
    t_task: TaskTimeOption = None,
    coarse: Annotated[bool, typer.Option("--coarse", help="A claim conflicts when its machine changed.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="All random numbers follow from it.", min=0, metavar="N")] = 0,
    output: OutputOption = Format.TABLE,
) -> None:
    """Simulate job files with all their rules: constraints, spreads, devices, ports, bands, gangs, time limits.

    Copies of each job arrive at random, as often as the load takes; tasks run for half to one and a half times their
    task.simulated.duration. A job that lasts for ever stands from the beginning. Shows what was preempted and wasted,
    which claims were refused for what, how long jobs waited, and what waits in the end and why. One seed gives one run.
    """
    from omegacell.api.cli.actions import lab_jobs

    options = lab_jobs.JobsOptions(
        files=files,
        machines=machines,
        machine_file=machine_file,
        load=load,
        shares=share or [],
        exec_time=exec_time,
        schedulers=schedulers or [],
        policies=policy or [],
        t_job=t_job or [],
        t_task=t_task or [],
        is_coarse=coarse,
        seconds=seconds,
        seed=seed,
    )
    lab_jobs.simulate_jobs(options, output)
