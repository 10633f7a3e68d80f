"""`omega run`: submits the jobs of files, waits for them, and says how they came out."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegacell.api.cli.actions.families import state_word
from omegacell.api.cli.actions.jobs import describe_exit
from omegacell.api.cli.actions.progress import open_progress
from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.actions.waiting import Waiting
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show, stamp, warn
from omegacell.api.client import Client
from omegacell.api.errors import ExitCode, RefusedError, StaleWatchError, UnreachableError
from omegacell.api.records import Job, JobState, Submission, Submitted
from omegacell.core.dependencies import Condition
from omegacell.core.errors import UsageError
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.units import JobId

RECONNECT_LIMIT_S = 60.0
RECONNECT_PERIOD_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run; the names are those of the command."""

    detach: bool
    replace: bool
    timeout_s: float | None
    form: Format
    cell: str | None


def run(files: Sequence[str], options: RunOptions) -> None:
    """Submit the jobs of all files, once all of them are right, and wait for them."""
    submissions = load(files, replace=options.replace)
    with open_client(options.cell) as client:
        submitted = list(client.submit_many(submissions))
        _check_taken(submitted, submissions)
        for each in submitted:
            warn(f"{each.name}: {each.change.name.lower()} (id {each.job_id})")
            for warning in each.warnings:
                warn(f"{each.name}: warning: {warning}")
        if options.detach:
            rows = [(each.name, str(each.job_id), each.change.name.lower()) for each in submitted]
            facts = {"submitted": [plain(each) for each in submitted]}
            show(facts, options.form, Table(columns=("JOB", "ID", "CHANGE"), rows=rows, right=frozenset({"ID"})))
            return
        ids = {each.name: each.job_id for each in submitted}
        health = frozenset(each.spec.name for each in submissions if _has_health(each))
        follow(client, ids, options, health=health)


def follow(
    client: Client, ids: Mapping[str, JobId], options: RunOptions, *, health: frozenset[str] = frozenset()
) -> None:
    """Wait for jobs, say how they came out, and fail when one did; ``health`` names those with a health check."""
    jobs = _wait(client, ids, health, options)
    for job in jobs:
        _tell_template(client, job)
    _show_result(jobs, options.form)
    _check_result(client, jobs)


def _tell_template(client: Client, job: Job) -> None:
    """Say when a template runs: nobody waits for that."""
    if job.spec.parameters is not None:
        warn(f"{job.name}: runs with `omega job dispatch {job.name}`")
    if job.spec.schedule is not None:
        status = client.job(job.name, limit=1).template
        if status is not None and status.next_us:
            warn(f"{job.name}: runs next at {stamp(status.next_us[0])}")


def load(files: Sequence[str], *, replace: bool) -> list[Submission]:
    """Return the jobs of all files, once all of them are right; each comes after those that it waits for."""
    from omegacell.api.spec import load_jobs
    from omegacell.api.spec_after import find_circle, sort_jobs

    submissions = [each for file in files for each in load_jobs(file, replace=replace)]
    names = [each.spec.name for each in submissions]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) <= MAX_CHECKED else []
    if twice:
        raise UsageError(f"job {twice[0]} is in these files more than once; give each job its own name")
    circle = find_circle({each.spec.name: [other.job for other in each.spec.after] for each in submissions})
    if circle:
        words = f"jobs of these files would wait for each other: {' -> '.join(circle)}"
        raise UsageError(f"{words}; take one of these out of `after`")
    return sort_jobs(submissions)


MAX_CHECKED = 10_000
"""Beyond so many jobs nobody is told that a name comes twice: the later one counts."""


def _check_taken(submitted: Sequence[Submitted], submissions: Sequence[Submission]) -> None:
    refused = [each for each in submitted if each.is_refused]
    if not refused:
        return
    taken = len(submissions) - len(refused)
    rest = f" ({len(refused)} of {len(submitted)} jobs were refused, {taken} were taken)" if len(submitted) > 1 else ""
    raise RefusedError(f"{refused[0].message}{rest}", reason=refused[0].reason)


def is_there(job: Job, *, has_health: bool) -> bool:
    """Whether waiting is over: a batch job ended; a service runs whole, and healthy where that is checked.

    A system job is whole on all machines that match.
    """
    if job.state.is_ended or job.spec.template_kind:
        return True
    if job.spec.kind is Kind.BATCH:
        return False
    running = job.counts.get(TaskState.RUNNING, 0) - job.stopping_count
    return running >= job.wanted_count and (not has_health or job.healthy_count >= job.wanted_count)


def _has_health(submission: Submission) -> bool:
    return bool(json.loads(submission.payload or b"{}").get("health"))


def _wait(client: Client, ids: Mapping[str, JobId], health: frozenset[str], options: RunOptions) -> list[Job]:
    """Follow the jobs until each is there; return them as they are then, in the order of the files."""
    found: dict[str, Job] = {}
    deadline = time.monotonic() + options.timeout_s if options.timeout_s is not None else None
    with open_progress(is_shown=options.form is Format.TABLE) as progress, Waiting(client) as waiting:
        try:
            for job in _changes(client, tuple(ids), deadline):
                if job.job_id < ids[job.name]:
                    _check_not_reverted(job)
                    continue
                found[job.name] = job
                progress.update(job)
                waiting.update(job)
                if len(found) == len(ids) and _is_over(found, health):
                    break
        except KeyboardInterrupt:
            raise CommandError(_farewell(found, ids, "interrupted"), code=ExitCode.INTERRUPTED) from None
        if len(found) < len(ids) or not _is_over(found, health):
            reason = waiting.describe(ids)
            why = f"the time is over; {reason}" if reason else "the time is over"
            raise CommandError(_farewell(found, ids, why), code=ExitCode.FAILED)
    return [found[name] for name in ids]


def _check_not_reverted(job: Job) -> None:
    """Raise when an older job takes the place back of the one that is waited for."""
    if job.update is not None and job.update.is_revert:
        raise CommandError(f"{job.name}: the update was stuck and is reverted to job #{job.job_id}")


def _is_over(found: Mapping[str, Job], health: frozenset[str]) -> bool:
    """Whether each job is there, or waits in vain for one that is."""
    waiting = [job for job in found.values() if not is_there(job, has_health=job.name in health)]
    return not waiting or len(find_in_vain(found)) == len(waiting)


def find_in_vain(jobs: Mapping[str, Job]) -> list[Job]:
    """Return those held jobs that will stay so, because others of these jobs ended, or stay held, themselves."""
    held = {name: job for name, job in jobs.items() if job.state is JobState.HELD and not job.spec.template_kind}
    in_vain: dict[str, Job] = {}
    is_settled = False
    while not is_settled:
        more = {
            name: job
            for name, job in held.items()
            if name not in in_vain
            and any(each.job in in_vain or _is_failed(jobs.get(each.job), each.condition) for each in job.spec.after)
        }
        in_vain |= more
        is_settled = not more
    return [job for name, job in held.items() if name in in_vain]


def _is_failed(job: Job | None, condition: Condition) -> bool:
    """Whether a job ended without what is waited for: not one that the cell says nothing of, it may yet come."""
    if job is None or condition is Condition.ENDED:
        return False
    if condition is Condition.SUCCEEDED:
        return job.state in (JobState.FAILED, JobState.STOPPED)
    return job.state.is_ended if job.spec.kind is Kind.SERVICE else job.state is JobState.STOPPED


def _farewell(found: Mapping[str, Job], ids: Mapping[str, Any], why: str) -> str:
    going = [name for name in ids if name not in found or not found[name].state.is_ended]
    shown = " ".join(going[:5]) + (" ..." if len(going) > 5 else "")
    return f"{why}; the jobs go on: `omega job stop {shown}` stops them"


def _changes(client: Client, names: tuple[str, ...], deadline: float | None) -> Iterator[Job]:
    """Yield jobs as they change, over restarts of the API; end when the time is over."""
    wanted = set(names)
    silent_since = time.monotonic()
    while deadline is None or time.monotonic() < deadline:
        timeout_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            for changes in client.watch(names, timeout_s=timeout_s):
                silent_since = time.monotonic()
                yield from (job for job in changes.jobs if job.is_current and job.name in wanted)
        except StaleWatchError:
            continue
        except UnreachableError:
            if time.monotonic() - silent_since > RECONNECT_LIMIT_S:
                raise
        time.sleep(RECONNECT_PERIOD_S)


def _show_result(jobs: Sequence[Job], form: Format) -> None:
    columns = ("JOB", "STATE", "TASKS", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED")
    rows = [
        (
            job.name,
            state_word(job),
            str(job.spec.count),
            str(job.active_count),
            *(str(job.counts.get(state, 0)) for state in (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.STOPPED)),
        )
        for job in jobs
    ]
    show({"jobs": [plain(job) for job in jobs]}, form, Table(columns=columns, rows=rows, right=frozenset(columns[2:])))
    for job in jobs:
        if job.stopping_count:
            warn(f"{job.name}: {job.stopping_count} more tasks are stopping")
    sys.stdout.flush()


def _check_result(client: Client, jobs: Sequence[Job]) -> None:
    """Raise when a job did not come out well, and say which task to look at."""
    bad = [job for job in jobs if job.state in (JobState.FAILED, JobState.STOPPED)]
    if not bad:
        return
    job = bad[0]
    held = [each.name for each in find_in_vain({each.name: each for each in jobs})]
    waiting = f"; still held: {', '.join(held[:5])}{', ...' if len(held) > 5 else ''}" if held else ""
    if job.state is JobState.STOPPED:
        late = " at its deadline" if job.is_stopped_late else ""
        raise CommandError(f"{job.name} was stopped{late}{waiting}")
    tasks = client.job(job.name, limit=10_000).tasks
    failed = next((task for task in tasks if task.state is TaskState.FAILED and task.last is not None), None)
    count = job.counts.get(TaskState.FAILED, 0)
    words = f"{job.name} failed: {count} of {job.spec.count} tasks"
    if failed is not None and failed.last is not None:
        said = f": {failed.last.message}" if failed.last.message else ""
        words += f"; task {failed.index} on {failed.last.machine} ended with {describe_exit(failed.last)}{said}"
        words += f"; see `omega logs {job.name}/{failed.index} --stderr`"
    rest = f" (and {len(bad) - 1} more jobs)" if len(bad) > 1 else ""
    raise CommandError(words + rest + waiting)
