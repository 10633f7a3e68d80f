"""`omega job plan`: what submitting job files would do, as a diff."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from omegacell.api.cli.actions.jobs import held_table
from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.actions.running import load
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show, warn
from omegacell.api.errors import ExitCode
from omegacell.api.planning.records import Plan, PlanAction, PlannedJob, PlannedTask
from omegacell.api.records import Change

TIMEOUT_S = 120.0

SIGNS = {
    PlanAction.KEPT: "=",
    PlanAction.ADDED: "+",
    PlanAction.MOVED: "~",
    PlanAction.RESTARTED: "~",
    PlanAction.STOPPED: "-",
    PlanAction.EVICTED: "-",
    PlanAction.PENDING: "?",
    PlanAction.HELD: "?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """How to plan; ``task_limit`` is 0 for all tasks."""

    replace: bool
    task_limit: int
    form: Format
    cell: str | None


def plan(files: Sequence[str], options: PlanOptions) -> int:
    """Print what submitting the jobs of all files would do; return the exit code."""
    with _failing_as_plan():
        submissions = load(files, replace=options.replace)
        with open_client(options.cell, timeout_s=TIMEOUT_S) as client:
            found = client.plan(submissions)
        for job in found.jobs:
            for warning in job.warnings:
                warn(f"{job.name}: warning: {warning}")
        facts = plain(found) | {"is_change": found.is_change}
        for job, shown in zip(found.jobs, facts["jobs"], strict=True):
            shown["change"] = "refused" if job.is_refused else shown["change"]
        show(facts, options.form, *_tables(found, options.task_limit))
        _check_taken(found)
    return ExitCode.FAILED if found.is_change else ExitCode.OK


@contextmanager
def _failing_as_plan() -> Iterator[None]:
    """Give everything that goes wrong the exit code of a plan that failed: 1 means that something would change."""
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as error:
        raise CommandError(_describe(error), code=ExitCode.PLAN_FAILED) from error


def _describe(error: Exception) -> str:
    from omegacell.core.errors import OmegaError

    if isinstance(error, OmegaError | OSError):
        return str(error) or type(error).__name__
    return f"unexpected {type(error).__name__}: {error} (OMEGA_DEBUG=1 shows where)"


def _check_taken(found: Plan) -> None:
    refused = [job for job in found.jobs if job.is_refused]
    if refused:
        rest = f" ({len(refused)} of {len(found.jobs)} jobs would be refused)" if len(found.jobs) > 1 else ""
        raise CommandError(f"{refused[0].message}{rest}", code=ExitCode.PLAN_FAILED)


def _tables(found: Plan, limit: int) -> list[Table]:
    tables = [table for job in found.jobs for table in _job_tables(job, limit)]
    if found.evicted:
        rows = [("-", f"{task.job}/{task.index}", "evicted", task.machine) for task in found.evicted]
        columns = ("", "TASK", "WHAT", "FROM")
        tables.append(Table(columns=columns, rows=rows, title="tasks of other jobs that would give way"))
    change = "something would change" if found.is_change else "nothing would change"
    if any(job.is_refused for job in found.jobs):
        change = "the cell would refuse it"
    tables.append(Table(columns=(), rows=(), title=f"planned at revision {found.at.revision}: {change}", empty=""))
    return tables


def _job_tables(job: PlannedJob, limit: int) -> Iterator[Table]:
    fields = [(f"{_sign(each.before, each.after)} {each.field}", each.before, each.after) for each in job.fields]
    yield Table(columns=("FIELD", "NOW", "THEN"), rows=fields, title=_title(job), empty="")
    tasks = [task for task in job.tasks if task.action is not PlanAction.KEPT]
    shown = tasks[:limit] if limit else tasks
    if shown:
        rest = f"{len(shown)} of {len(tasks)} tasks (--tasks N shows more)" if len(shown) < len(tasks) else ""
        rows = [_task_row(job, task) for task in shown]
        yield Table(columns=("", "TASK", "WHAT", "FROM", "TO", "NOTE"), rows=rows, title=rest)
    if job.pending is not None:
        rows = [
            (f"{lack.reason.lower()} {lack.dimension}".strip(), str(lack.machine_count)) for lack in job.pending.lacks
        ]
        verb = "would wait" if job.is_change else "wait already"
        title = f"{job.pending.task_count} {verb}: {job.pending.summary}"
        yield Table(columns=("WHY NOT", "MACHINES"), rows=rows, right=frozenset({"MACHINES"}), title=title, empty="")
    if job.held is not None:
        yield held_table(job.held, verb="would be held" if job.is_change else "held already")
    if job.is_cut_off:
        yield Table(columns=(), rows=(), title="the time was over before all of its tasks were decided on", empty="")


def _title(job: PlannedJob) -> str:
    what = "refused" if job.is_refused else _CHANGES[job.change]
    if job.change is Change.REPLACED and not job.fields:
        what = "would be run again"
    if job.change is Change.UPDATED:
        what += f" step by step, {job.max_parallel} at a time"
    counts = ", ".join(f"{count} {action.name.lower()}" for action, count in job.counts.items() if count)
    by = ""
    if job.planned_by and job.planned_by != job.scheduler:
        by = f"; planned by {job.planned_by!r}, because scheduler {job.scheduler!r} runs in a process of its own"
    return f"{job.name}: {what}" + (f"; tasks: {counts}" if counts else "") + by


_CHANGES = {
    Change.CREATED: "would be created",
    Change.UNCHANGED: "unchanged",
    Change.SCALED: "would be scaled",
    Change.REPLACED: "would be replaced",
    Change.UPDATED: "would be updated",
    Change.ADJUSTED: "would be adjusted, its tasks left alone",
}


def _sign(before: str, after: str) -> str:
    if not before:
        return "+"
    return "~" if after else "-"


def _task_row(job: PlannedJob, task: PlannedTask) -> tuple[str, ...]:
    note = "once the tasks that make room have ended" if task.waits else ""
    name = f"{job.name}/{task.index}"
    return SIGNS[task.action], name, task.action.name.lower(), task.before or "-", task.after or "-", note
