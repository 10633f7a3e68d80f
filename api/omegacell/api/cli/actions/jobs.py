"""`omega job ...`: jobs as tables."""

import signal
from collections.abc import Sequence
from typing import Any

from omegacell.api.cli.actions.placement import placement_rows
from omegacell.api.cli.actions.progress import describe
from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, ago, duration, show, size, stamp, warn, write
from omegacell.api.records import Attempt, ExitNote, Health, Job, JobDetail, Task
from omegacell.core.jobs import JobSpec, Stopping, TaskState

EXAMPLE = """\
# A job file: one document a job, several separated by `---`. `omega run FILE` submits it.
name: hello                 # unique in the cell
kind: batch                 # batch: ends when its tasks have; service: is kept running
count: 3                    # how many tasks; each finds its number in OMEGA_TASK_INDEX
resources:                  # what one task asks for
  cpu: 100m
  memory: 64Mi
restarts:
  max: 2                    # failed attempts that are tried again
task:
  exec:
    script: |
      echo "hello from task $OMEGA_TASK_INDEX of $OMEGA_JOB"
"""
"""What `omega job schema --example` prints; a test submits it."""

STOP_LIMIT_S = 600.0
PAGE = 10_000


def list_jobs(form: Format, *, cell: str | None) -> None:
    """Print the jobs, newest first."""
    with open_client(cell) as client:
        found = client.jobs()
    jobs = sorted(found.jobs, key=lambda job: -job.job_id)
    rows = [
        (
            str(job.job_id),
            job.name if job.is_current else f"{job.name} (replaced)",
            job.spec.kind.name.lower(),
            job.state.name.lower(),
            str(job.spec.count),
            *(str(count) for count in _counts(job)),
            job.spec.scheduler,
            ago(job.submitted_at_us),
        )
        for job in jobs
    ]
    counts = ("TASKS", "PENDING", "RUNNING", "STOPPING", "DONE", "FAILED")
    columns = ("ID", "JOB", "KIND", "STATE", *counts, "SCHEDULER", "AGE")
    right = frozenset({"ID", *counts, "AGE"})
    facts = {"at": plain(found.at), "jobs": [plain(job) for job in jobs]}
    least = ("SCHEDULER", "KIND") if any(job.stopping_count for job in jobs) else ("STOPPING", "SCHEDULER", "KIND")
    empty = "no jobs; submit one with `omega run FILE`"
    show(facts, form, Table(columns=columns, rows=rows, right=right, empty=empty, least=(*least, "AGE")))


def show_status(name: str, form: Format, *, limit: int, cell: str | None) -> None:
    """Print one job with its tasks and their attempts."""
    with open_client(cell) as client:
        detail = client.job(name, limit=limit or PAGE, trouble_first=limit > 0)
        shown = list(detail.tasks)
        while not limit and (more := client.job(name, first_index=len(shown), limit=PAGE).tasks):
            shown += more
    task_count = sum(detail.job.counts.values())
    facts = {
        "at": plain(detail.at),
        "job": plain(detail.job),
        "pending": _pending_facts(detail),
        "task_count": task_count,
        "tasks": [plain(task) for task in shown] if form is not Format.TABLE else [],
    }
    tables = [_head(detail.job), _attempts(shown, task_count)]
    if detail.pending is not None:
        tables.insert(1, _pending(detail))
    show(facts, form, *tables)


def _counts(job: Job) -> tuple[int, int, int, int, int]:
    counts = job.counts
    return (
        counts.get(TaskState.PENDING, 0),
        job.active_count,
        job.stopping_count,
        counts.get(TaskState.SUCCEEDED, 0),
        counts.get(TaskState.FAILED, 0),
    )


def _head(job: Job) -> Table:
    spec = job.spec
    cpu_milli, memory_bytes, disk_bytes = spec.resources
    rows = [
        ("id", f"#{job.job_id}" if job.is_current else f"#{job.job_id}, replaced by a newer job of that name"),
        ("state", job.state.name.lower()),
        (
            "kind",
            f"{spec.kind.name.lower()}, {spec.band.name.lower()} {spec.priority}" + (", gang" if spec.is_gang else ""),
        ),
        ("tasks", f"{spec.count}: {describe(job)}" + (f"; {job.healthy_count} healthy" if job.healthy_count else "")),
        (
            "each",
            f"{cpu_milli / 1000:g} cpu, {size(memory_bytes)} memory, {size(disk_bytes)} disk"
            f"{describe_devices(spec)}, driver {spec.driver}",
        ),
        *([("update", job.update.describe())] if job.update is not None else []),
        *placement_rows(spec.placement),
        ("scheduler", spec.scheduler),
        ("owner", spec.owner or "-"),
        ("submitted", stamp(job.submitted_at_us)),
        (
            "waited",
            duration(job.first_decided_at_us - job.submitted_at_us) if job.first_decided_at_us else "still waits",
        ),
    ]
    return Table(columns=("JOB", job.name), rows=rows, title="")


def describe_devices(spec: JobSpec) -> str:
    """Return what devices each task asks for, as the end of a list; nothing when it asks for none."""
    return "".join(
        f", {request.count} {request.name}"
        + (f" ({' '.join(f'{key}={value}' for key, value in request.where)})" if request.where else "")
        for request in spec.devices
    )


def _pending_facts(detail: JobDetail) -> dict[str, Any] | None:
    if detail.pending is None:
        return None
    facts: dict[str, Any] = plain(detail.pending)
    return {**facts, "lacks": [{**lack, "reason": lack["reason"].lower()} for lack in facts["lacks"]]}


def _pending(detail: JobDetail) -> Table:
    assert detail.pending is not None
    job = detail.job
    name = job.name if job.is_current else f"#{job.job_id}"
    rows = [
        (f"{lack.reason.lower()} {lack.dimension}".strip(), str(lack.machine_count)) for lack in detail.pending.lacks
    ]
    title = f"{detail.pending.task_count} pending: {detail.pending.summary}; `omega explain {name}` tells more"
    return Table(columns=("WHY NOT", "MACHINES"), rows=rows, right=frozenset({"MACHINES"}), title=title, empty="")


def _attempts(tasks: Sequence[Task], total: int) -> Table:
    columns = ("TASK", "ATTEMPT", "STATE", "MACHINE", "EXIT", "STARTED", "RAN", "NOTE")
    rows: list[tuple[str, ...]] = []
    for task in tasks:
        for past in task.past:
            rows.append(
                (str(task.index), str(past.attempt), past.state.name.lower(), *describe_run(past), past.message)
            )
        if task.last is None:
            rows.append((str(task.index), "-", task.state.name.lower(), "-", "-", "-", "-", ""))
            continue
        rows.append((str(task.index), str(task.last.attempt), _state(task), *describe_run(task.last), _note(task)))
    title = "" if len(tasks) == total else f"{len(tasks)} of {total} tasks (--tasks N shows more)"
    return Table(
        columns=columns,
        rows=rows,
        right=frozenset({"TASK", "ATTEMPT", "RAN"}),
        title=title,
        empty="no tasks shown",
        least=("STARTED", "RAN"),
    )


def _state(task: Task) -> str:
    if task.stopping is not Stopping.NO and task.state in (TaskState.PLACED, TaskState.RUNNING):
        return "stopping"
    if task.health is not Health.UNKNOWN and task.state is TaskState.RUNNING:
        return task.health.name.lower()
    return task.state.name.lower()


def describe_run(attempt: Attempt) -> tuple[str, str, str, str]:
    """Return where an attempt ran, how it ended, when it began and for how long it ran."""
    started = attempt.started_at_us or attempt.placed_at_us
    ended = attempt.ended_at_us
    ran = duration(max(0, ended - started)) if ended and started else (f"{ago(started)} so far" if started else "-")
    if ended and started and attempt.state is TaskState.LOST and attempt.note is ExitNote.NONE:
        ran = f"at most {ran}"  # no machine told of the end: the stamp is of when the cell noticed
    return attempt.machine or "-", describe_exit(attempt), stamp(started), ran


def describe_exit(attempt: Attempt) -> str:
    """Return how an attempt ended: its exit code, or the signal by its name, or "-" while it goes on."""
    note = "" if attempt.note is ExitNote.NONE else f" {attempt.note.name.lower().replace('_', ' ')}"
    if attempt.signal:
        try:
            return signal.Signals(attempt.signal).name + note
        except ValueError:
            return f"signal {attempt.signal}{note}"
    if attempt.exit_code >= 0 and attempt.ended_at_us:
        return f"{attempt.exit_code}{note}"
    return note.strip() or "-"


def _note(task: Task) -> str:
    words = [] if task.last is None or not task.last.message else [task.last.message]
    if task.devices:
        words.append(" ".join(f"{name}:{','.join(map(str, held))}" for name, held in task.devices.items()))
    if task.state is TaskState.RUNNING and task.ports:
        words.append(" ".join(f"{name}:{number}" for name, number in task.ports.items()))
    if task.restarts:
        words.append(f"{task.restarts} {'restart' if task.restarts == 1 else 'restarts'}")
    return ", ".join(words)


def stop_jobs(names: Sequence[str], form: Format, *, detach: bool, cell: str | None) -> None:
    """Stop jobs, and wait until their tasks ended."""
    stopped: list[Job] = []
    with open_client(cell) as client:
        for name in names:
            client.stop(name)
            if not detach and form is Format.TABLE:
                warn(f"{name}: stopping")
        for name in names:
            if detach:
                stopped.append(client.job(name, limit=1).job)
            else:
                stopped.append(client.wait_job(name, until=lambda job: job.state.is_ended, timeout_s=STOP_LIMIT_S))
    rows = [(job.name, job.state.name.lower()) for job in stopped]
    show({"jobs": [plain(job) for job in stopped]}, form, Table(columns=("JOB", "STATE"), rows=rows))


def show_schema(*, example: bool) -> None:
    """Print what job files look like: to a program, or to a person."""
    if example:
        write(EXAMPLE.rstrip("\n"))
        return
    import json

    from omegacell.api.spec import json_schema

    write(json.dumps(json_schema(), indent=2))
