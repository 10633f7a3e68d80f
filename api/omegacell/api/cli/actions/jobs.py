"""`omega job ...`: jobs as tables."""

import signal
from collections.abc import Sequence
from typing import Any

from omegacell.api.cli.actions.families import (
    children_table,
    group,
    kind_word,
    parent_rows,
    state_word,
    status_rows,
    template_rows,
)
from omegacell.api.cli.actions.insides import contents, find_guests, word_guests
from omegacell.api.cli.actions.placement import placement_rows
from omegacell.api.cli.actions.progress import describe
from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, ago, duration, show, size, stamp, warn, write
from omegacell.api.records import Attempt, ExitNote, Health, HeldReason, Job, JobDetail, JobState, Task
from omegacell.api.spec_gang import describe_gang
from omegacell.core.dependencies import Dependency
from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState

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
    grouped = group(found.jobs)
    jobs = [job for job, _ in grouped]
    any_held = any(job.held is not None for job in jobs)
    rows = [
        (
            str(job.job_id),
            "  " * is_under + (job.name if job.is_current else f"{job.name} (replaced)"),
            kind_word(job),
            state_word(job),
            str(job.spec.count),
            *(str(count) for count in _counts(job)),
            job.spec.scheduler,
            ago(job.submitted_at_us),
            *([job.held.summary if job.held is not None else ""] if any_held else []),
        )
        for job, is_under in grouped
    ]
    counts = ("TASKS", "PENDING", "RUNNING", "STOPPING", "DONE", "FAILED")
    columns = ("ID", "JOB", "KIND", "STATE", *counts, "SCHEDULER", "AGE", *(["HELD"] if any_held else []))
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
        "template": None if detail.template is None else plain(detail.template),
    }
    is_standing = detail.template is not None and detail.job.state is JobState.HELD
    tables = [_head(detail)]
    if detail.job.spec.kind is Kind.ALLOC:
        tables.append(contents(shown))
    if not is_standing:
        tables.append(_attempts(shown, task_count))
    if detail.template is not None:
        tables.append(children_table(detail.template))
    if detail.pending is not None:
        tables.insert(1, _pending(detail))
    if detail.job.held is not None:
        tables.insert(1, held_table(detail.job.held))
    show(facts, form, *tables)


def amounts(cpu_milli: int, memory_bytes: int, disk_bytes: int) -> str:
    """Return amounts of resources in a few words."""
    return f"{cpu_milli / 1000:g} cpu, {size(memory_bytes)} memory, {size(disk_bytes)} disk"


def _counts(job: Job) -> tuple[int, int, int, int, int]:
    counts = job.counts
    return (
        counts.get(TaskState.PENDING, 0),
        job.active_count,
        job.stopping_count,
        counts.get(TaskState.SUCCEEDED, 0),
        counts.get(TaskState.FAILED, 0),
    )


def _head(detail: JobDetail) -> Table:
    job, spec = detail.job, detail.job.spec
    cpu_milli, memory_bytes, disk_bytes = spec.resources
    rows = [
        ("id", f"#{job.job_id}" if job.is_current else f"#{job.job_id}, replaced by a newer job of that name"),
        ("state", state_word(job) + (" at its deadline" if job.is_stopped_late else "")),
        *parent_rows(job),
        *template_rows(spec),
        *([] if detail.template is None else status_rows(spec, detail.template)),
        (
            "kind",
            f"{kind_word(job)}, {spec.band.name.lower()} {spec.priority}"
            + (f", {describe_gang(spec.gang)}" if spec.gang is not None else ""),
        ),
        ("tasks", _describe_tasks(job) + (f"; {job.healthy_count} healthy" if job.healthy_count else "")),
        (
            "each",
            f"{amounts(cpu_milli, memory_bytes, disk_bytes)}{describe_devices(spec)}, driver {spec.driver}",
        ),
        *([("update", job.update.explain())] if job.update is not None else []),
        *([("inside", f"alloc set {spec.alloc}")] if spec.alloc else []),
        *placement_rows(spec.placement),
        *([("after", ", ".join(describe_dependency(each) for each in spec.after))] if spec.after else []),
        *([("time limit", duration(spec.max_run_us))] if spec.max_run_us else []),
        *([("deadline", _describe_deadline(job))] if spec.deadline_us else []),
        ("scheduler", spec.scheduler),
        ("owner", spec.owner or "-"),
        ("submitted", stamp(job.submitted_at_us)),
    ]
    if not spec.template_kind:
        is_tried = bool(job.first_decided_at_us)
        waited = duration(job.first_decided_at_us - job.submitted_at_us) if is_tried else "still waits"
        rows.append(("waited", waited))
    return Table(columns=("JOB", job.name), rows=rows, title="")


def _describe_deadline(job: Job) -> str:
    after = f"{duration(job.spec.deadline_us)} after its submission"
    if job.state.is_ended or job.is_stopped_late:
        return after
    return f"{after}, {'passed' if not job.deadline_left_us else f'in {duration(job.deadline_left_us)}'}"


def _describe_tasks(job: Job) -> str:
    """Return how many tasks there are and how they are; of a system job also on how many of the machines."""
    if job.spec.kind is not Kind.SYSTEM:
        return f"{job.spec.count}: {describe(job)}"
    running = max(0, job.counts.get(TaskState.RUNNING, 0) - job.stopping_count)
    others = job.spec.count - job.wanted_count
    rest = f", {others} machine{' does' if others == 1 else 's do'} not match" if others else ""
    return f"on every matching machine: {running} of {job.wanted_count} run{rest} ({describe(job)})"


def describe_devices(spec: JobSpec) -> str:
    """Return what devices each task asks for, as the end of a list; nothing when it asks for none."""
    return "".join(
        f", {request.count} {request.name}"
        + (f" ({' '.join(f'{key}={value}' for key, value in request.where)})" if request.where else "")
        for request in spec.devices
    )


def describe_dependency(dependency: Dependency) -> str:
    """Return a job that another waits for, with what must become of it.

    >>> from omegacell.core.dependencies import Condition
    >>> describe_dependency(Dependency(job="db", condition=Condition.AVAILABLE))
    'db available'
    """
    return f"{dependency.job} {dependency.condition.name.lower()}"


def held_table(held: HeldReason, *, verb: str = "held") -> Table:
    """Return what held tasks wait for, job by job."""
    rows = [
        (
            wait.job if not wait.job_id else f"{wait.job} (#{wait.job_id})",
            wait.condition.name.lower(),
            f"{wait.done_count} of {wait.wanted_count}" if wait.job_id else "not there",
            "stuck" if wait.is_stuck else "",
        )
        for wait in held.waits
    ]
    title = f"{held.task_count} {verb}: {held.summary}"
    if held.lacks:
        lacks = [(f"{lack.reason.lower()} {lack.dimension}".strip(), str(lack.machine_count)) for lack in held.lacks]
        return Table(columns=("NO MATCH", "MACHINES"), rows=lacks, right=frozenset({"MACHINES"}), title=title, empty="")
    return Table(columns=("WAITS FOR", "TO BE", "TASKS", ""), rows=rows, title=title, empty="")


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
                (str(task.index), str(past.attempt), past.state.name.lower(), *describe_run(past), _end_note(past))
            )
        if task.last is None:
            where = task.own_machine or "-"
            rows.append((str(task.index), "-", task.state.name.lower(), where, "-", "-", "-", task.mismatch))
            continue
        run = (task.last.machine, "-", "-", "-") if task.waits_for else describe_run(task.last)
        rows.append((str(task.index), str(task.last.attempt), _state(task), *run, _note(task)))
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
    if task.waits_for and task.state is TaskState.PLACED:
        return "waiting"
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


def _end_note(attempt: Attempt) -> str:
    """Return what is known of an attempt's end: to whom it gave way, and its own last words."""
    gave_way = f"gave way to {attempt.preempted_by} at {attempt.preempted_at}" if attempt.preempted_by else ""
    return ", ".join(words for words in (gave_way, attempt.message) if words)


def _note(task: Task) -> str:
    words = [f"in {task.alloc}"] if task.alloc else []
    words += [] if task.last is None or not _end_note(task.last) else [_end_note(task.last)]
    if task.waits_for:
        more = f" and {len(task.waits_for) - 2} more" if len(task.waits_for) > 2 else ""
        words.append(f"until {', '.join(task.waits_for[:2])}{more} ended")
    if task.devices:
        words.append(" ".join(f"{name}:{','.join(map(str, held))}" for name, held in task.devices.items()))
    if task.state is TaskState.RUNNING and task.ports:
        words.append(" ".join(f"{name}:{number}" for name, number in task.ports.items()))
    if task.restarts:
        words.append(f"{task.restarts} {'restart' if task.restarts == 1 else 'restarts'}")
    return ", ".join(words)


def stop_jobs(names: Sequence[str], form: Format, *, detach: bool, children: bool, cell: str | None) -> None:
    """Stop jobs, and wait until their tasks ended."""
    stopped: list[Job] = []
    with open_client(cell) as client:
        for name in names:
            guests = [each for each in find_guests(client, name) if each not in names]
            client.stop(name, with_children=children)
            if guests:
                warn(f"{name}: {word_guests(guests)}")
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
