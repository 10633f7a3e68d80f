"""`omega run`, `omega job ...`, `omega logs`, `omega explain`."""

from typing import Annotated, TypeAlias

import typer

from omegacell.api.cli.commands.group import examples, make_group
from omegacell.api.cli.commands.root import app
from omegacell.api.cli.options import CellOption, JobArgument, OutputOption
from omegacell.api.cli.output import Format

NameOption: TypeAlias = Annotated[
    str, typer.Option("--name", help="Name of the run; by default the job's with the time.", metavar="NAME")
]
TokenOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--token", help="Whoever gives the same token again gets the same run, and no second one.", metavar="TEXT"
    ),
]
DetachOption: TypeAlias = Annotated[bool, typer.Option("-d", "--detach", help="Do not wait for the run.")]
TimeoutOption: TypeAlias = Annotated[
    float | None,
    typer.Option("--timeout", help="Stop waiting after so many seconds; the run goes on.", min=0.0, metavar="SECONDS"),
]

job_app = make_group("List, look at and stop jobs.")
app.add_typer(job_app, name="job")


@app.command(
    "run",
    epilog=examples(
        "omega run docs/examples/hello.yaml",
        "omega run --detach batch.yaml web.yaml",
        "generate-jobs | omega run -",
    ),
)
def run(
    files: Annotated[
        list[str],
        typer.Argument(help="Job files, YAML or JSON, with one or more jobs each; - for stdin.", metavar="FILE..."),
    ],
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Submit, and do not wait.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Where a job of the same name has another spec, stop it and begin anew.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", help="Stop waiting after so many seconds; the jobs go on.", min=0.0, metavar="SECONDS"
        ),
    ] = None,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Submit jobs and wait for them.

    Batch jobs are waited for until they end, services until every task runs (and is healthy, where a health check is
    asked for). Exits with 1 when a job failed. The same job again changes nothing; with another count it is scaled.
    Jobs with a schedule or with parameters are not waited for: they run when their time has come, or when asked.
    """
    from omegacell.api.cli.actions import running

    running.run(files, running.RunOptions(detach=detach, replace=replace, timeout_s=timeout, form=output, cell=cell))


@app.command(
    "logs", epilog=examples("omega logs hello/0", "omega logs web/2 -f", "omega logs web/2 --attempt 1 --stderr")
)
def logs(
    task: Annotated[
        str, typer.Argument(help="The task: the job's name or id, a slash, its index.", metavar="JOB/INDEX")
    ],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written from now on.")] = False,
    attempt: Annotated[
        int | None, typer.Option("--attempt", help="Which attempt; the last one by default.", min=1, metavar="N")
    ] = None,
    stderr: Annotated[
        bool, typer.Option("--stderr", help="Its standard error instead of its standard output.")
    ] = False,
    cell: CellOption = None,
) -> None:
    """Print what a task wrote.

    The index may be left out for a job with one task. With -f a task that has not been started is waited for, and it
    ends when the attempt has ended and everything is printed.
    """
    from omegacell.api.cli.actions import logs as action

    action.logs(task, action.LogOptions(follow=follow, attempt=attempt, stderr=stderr, cell=cell))


@app.command("explain", epilog=examples("omega explain web", "omega explain web/2", "omega explain sums -o json"))
def explain(
    task: Annotated[
        str, typer.Argument(help="A job, by name or id; or one of its tasks, JOB/INDEX.", metavar="JOB[/INDEX]")
    ],
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Explain why a task waits, or why it is where it is.

    For what waits: what stands in the way now, the machines by reason, those that come nearest and what each lacks, the
    smallest changes that would make it fit, what would be evicted, and which claims it lost to whom. For what runs: who
    placed it at which revision, and which machines had room then and have it now.
    """
    from omegacell.api.cli.actions import explaining

    explaining.explain(task, output, cell=cell)


@job_app.command("list", epilog=examples("omega job list", "omega job list -o json"))
def list_jobs(output: OutputOption = Format.TABLE, cell: CellOption = None) -> None:
    """List the jobs of the cell, newest first."""
    from omegacell.api.cli.actions import jobs

    jobs.list_jobs(output, cell=cell)


@job_app.command("status", epilog=examples("omega job status hello", "omega job status web --tasks 100 -o yaml"))
def status(
    job: JobArgument,
    tasks: Annotated[
        int,
        typer.Option(
            "--tasks",
            help="Show at most so many tasks, those in trouble first; 0 for all.",
            min=0,
            max=100_000,
            metavar="N",
        ),
    ] = 50,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Show a job: every attempt's machine, exit, signal and time, and why its pending tasks are pending.

    Why a task is pending is said in one dominant reason, with the machines counted for every reason.
    """
    from omegacell.api.cli.actions import jobs

    jobs.show_status(job, output, limit=tasks, cell=cell)


@job_app.command(
    "plan",
    epilog=examples(
        "omega job plan web.yaml", "omega job plan --replace batch.yaml web.yaml", "generate-jobs | omega job plan -"
    ),
)
def plan(
    files: Annotated[
        list[str],
        typer.Argument(help="Job files, YAML or JSON, with one or more jobs each; - for stdin.", metavar="FILE..."),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Plan as `omega run --replace` would: in the place of another spec.")
    ] = False,
    tasks: Annotated[
        int,
        typer.Option("--tasks", help="Show at most so many tasks of each job; 0 for all.", min=0, metavar="N"),
    ] = 20,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> int:
    """Show what `omega run` would do with job files, without doing it.

    The jobs are submitted to a fork of the cell and placed there by their schedulers: which fields differ, which tasks
    are kept, added, moved, restarted, stopped or evicted, and which would wait, and why. Where tasks land may come out
    otherwise, because schedulers choose among machines at random and others commit meanwhile. Exits with 0 when nothing
    would change, 1 when something would, 255 when it cannot be planned or would be refused.
    """
    from omegacell.api.cli.actions import planning

    return planning.plan(files, planning.PlanOptions(replace=replace, task_limit=tasks, form=output, cell=cell))


@job_app.command("stop", epilog=examples("omega job stop web", "omega job stop web --detach"))
def stop(
    names: Annotated[list[str], typer.Argument(help="The jobs' names, or their ids, as in #6.", metavar="JOB...")],
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Ask, and do not wait until the tasks ended.")] = False,
    children: Annotated[
        bool, typer.Option("--children", help="Of a job with a schedule or parameters: its runs, too.")
    ] = False,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Stop jobs: pending tasks at once, running ones with SIGTERM, then SIGKILL after their grace period.

    A job with a schedule or with parameters has no more runs then; those that go on are left alone, unless --children.
    """
    from omegacell.api.cli.actions import jobs

    jobs.stop_jobs(names, output, detach=detach, children=children, cell=cell)


@job_app.command(
    "dispatch",
    epilog=examples(
        "omega job dispatch encode -p input=a.wav -p level=2",
        "cat notes.txt | omega job dispatch count-words --payload -",
        "omega job dispatch encode -p input=a.wav --token order-17 --detach -o json",
    ),
)
def dispatch(
    job: Annotated[str, typer.Argument(help="A job with parameters, by name or id.", metavar="JOB")],
    parameters: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="A parameter; may be given several times.", metavar="NAME=VALUE"),
    ] = None,
    payload: Annotated[
        str | None,
        typer.Option("--payload", help="A file whose content is handed over; - for stdin.", metavar="FILE"),
    ] = None,
    name: NameOption = "",
    token: TokenOption = "",
    detach: DetachOption = False,
    timeout: TimeoutOption = None,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Run a job that takes parameters, once, with these, and wait for the run.

    The run is a job of its own, a child of the one that is dispatched; its tasks find each parameter in a variable
    OMEGA_PARAM_NAME, and the path of the payload in OMEGA_DISPATCH_INPUT. Exits with 1 when it failed. With --token,
    the same command again gives the same run.
    """
    from omegacell.api.cli.actions import running, templates

    run = running.RunOptions(detach=detach, replace=False, timeout_s=timeout, form=output, cell=cell)
    options = templates.DispatchOptions(parameters=parameters or [], payload=payload, name=name, token=token, run=run)
    templates.dispatch(job, options)


@job_app.command("trigger", epilog=examples("omega job trigger backup", "omega job trigger backup --detach -o json"))
def trigger(
    job: Annotated[str, typer.Argument(help="A job with a schedule, by name or id.", metavar="JOB")],
    name: NameOption = "",
    token: TokenOption = "",
    detach: DetachOption = False,
    timeout: TimeoutOption = None,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Run a job that has a schedule now, and wait for the run; its schedule goes on as before.

    It runs even if another run has not ended and the schedule says `overlap: skip`. With `overlap: replace` the other
    run is stopped. Exits with 1 when it failed.
    """
    from omegacell.api.cli.actions import running, templates

    options = running.RunOptions(detach=detach, replace=False, timeout_s=timeout, form=output, cell=cell)
    templates.trigger(job, name=name, token=token, options=options)


@job_app.command("revert", epilog=examples("omega job revert web", "omega job revert web --detach"))
def revert(
    name: Annotated[str, typer.Argument(help="The service's name.", metavar="JOB")],
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Ask, and do not wait until it is done.")] = False,
    output: OutputOption = Format.TABLE,
    cell: CellOption = None,
) -> None:
    """Undo an update: bring the job back whose place this one took, task by task, as an update does.

    Tasks of the old job that the update did not touch keep running. The old job can come back until it left the cell.
    """
    from omegacell.api.cli.actions import updates

    updates.revert(name, output, detach=detach, cell=cell)


@job_app.command(
    "schema", epilog=examples("omega job schema > job.schema.json", "omega job schema --example > job.yaml")
)
def schema(
    example: Annotated[
        bool, typer.Option("--example", help="Print a commented job file to start from instead.")
    ] = False,
) -> None:
    """Print the JSON schema of job files, for editors."""
    from omegacell.api.cli.actions import jobs

    jobs.show_schema(example=example)
