"""The job file: reads it, says what is wrong with it and where, and translates it for the cell.

    submissions = load_jobs("job.yaml")            # or "-" for standard input
    client.submit(submissions[0])

Three forms, two translators: the models of `spec_model` become the core's `JobSpec` and the agent's payload here.
"""

import dataclasses
import getpass
import hashlib
import re
from typing import Final

from pydantic import ValidationError

from omegacell.agent.payload import (
    ExecConfig,
    HealthConfig,
    InlineFile,
    LimitsConfig,
    SimulatedConfig,
    TaskPayload,
    encode_payload,
)
from omegacell.api.documents import Document, parse_documents, read_file
from omegacell.api.records import Submission
from omegacell.api.spec_after import dependencies_of, find_circle, find_repeated, sort_jobs
from omegacell.api.spec_gang import gang_of
from omegacell.api.spec_model import ExecPart, JobFile, UpdatePart, json_schema
from omegacell.api.spec_placement import rules_of
from omegacell.api.spec_problems import JobFileError, Problem, describe, show, translate_errors
from omegacell.api.spec_templates import parameters_of, schedule_of, with_defaults
from omegacell.core.devices import DeviceRequest
from omegacell.core.errors import UsageError
from omegacell.core.jobs import NO_LIMIT, JobSpec, Kind, OnPartition, Port
from omegacell.core.units import Band
from omegacell.core.updates import OnFailure, UpdatePolicy

__all__ = ["JobFileError", "Problem", "json_schema", "load_jobs", "parse_jobs", "salted_hash", "translate"]

SALT_BYTES: Final = 16
MAX_PAYLOAD_BYTES: Final = 512 << 10
CLASS_OF_KIND: Final = {
    "service": "latency_sensitive",
    "system": "latency_sensitive",
    "batch": "batch",
    "alloc": "latency_sensitive",
}
SCHEDULER_OF_KIND: Final = {"service": "service", "system": "system", "batch": "batch", "alloc": "service"}


def load_jobs(path: str, *, replace: bool = False, owner: str | None = None) -> list[Submission]:
    """Return the jobs of a file, or of standard input for ``-``.

    Raises:
        UsageError: It cannot be read, is too large or not right; the message gives file, line and field.
    """
    source, data = read_file(path)
    return parse_jobs(source, data, replace=replace, owner=owner)


def parse_jobs(source: str, data: bytes, *, replace: bool = False, owner: str | None = None) -> list[Submission]:
    """Return the jobs that the bytes of a file hold; each document is one. A job comes after those it waits for.

    Args:
        source: The file's name, for messages.
        data: YAML or JSON.
        replace: Whether the jobs are to take the place of others of their names.
        owner: Whose jobs are that do not say it; by default the user's.

    Raises:
        UsageError: They are not right; the message gives file, line and field.
    """
    documents = parse_documents(source, data)
    if not documents:
        raise UsageError(f"{source}: no job in it; expected at least name and task (see `omega job schema`)")
    owner = owner or default_owner()
    jobs = [_parse_document(document) for document in documents]
    problems = [*_find_same_names(documents, jobs), *_find_repeated(documents, jobs)] or _find_circles(documents, jobs)
    places = [f"{source}:{document.mark(('name',)).line}" for document in documents]
    submissions = [
        dataclasses.replace(translate(job, replace=replace, owner=owner), place=place)
        for job, place in zip(jobs, places, strict=True)
    ]
    for document, submission in zip(documents, submissions, strict=True):
        if len(submission.payload) > MAX_PAYLOAD_BYTES:
            expected = f"expected at most {MAX_PAYLOAD_BYTES} bytes of command, environment and files"
            problems.append(describe(document, ("task",), expected, f"{len(submission.payload)}"))
    if problems:
        raise JobFileError(problems)
    return sort_jobs(submissions)


def translate(job: JobFile, *, replace: bool = False, owner: str = "") -> Submission:
    """Return what is submitted for a job file."""
    kind = Kind[job.kind.upper()]
    is_batch = kind is Kind.BATCH
    if job.priority is not None:
        band, number = Band[job.priority.band.upper()], job.priority.number
    else:
        band, number = (Band.BATCH if is_batch else Band.PRODUCTION), 0
    max_restarts = job.restarts.max
    if max_restarts is None:
        max_restarts = 0 if is_batch else -1
    max_unavailable = job.max_unavailable
    if max_unavailable is None:
        max_unavailable = 1 if kind in (Kind.SERVICE, Kind.ALLOC) else NO_LIMIT
    spec = JobSpec(
        name=job.name,
        owner=job.owner or owner or default_owner(),
        kind=Kind[job.kind.upper()],
        scheduler=job.scheduler or SCHEDULER_OF_KIND[job.kind],
        band=band,
        priority=number,
        count=job.count,
        resources=(job.resources.cpu, job.resources.memory, job.resources.disk),
        driver="exec" if job.task.exec is not None else "simulated",
        ports=tuple(Port(name=name, number=number) for name, number in job.ports.items()),
        max_restarts=max_restarts,
        restart_delay_us=job.restarts.delay,
        grace_us=job.grace,
        on_partition=OnPartition.CONTINUE if job.on_partition == "continue" else OnPartition.STOP,
        placement=rules_of(job),
        devices=tuple(
            DeviceRequest(name=name, count=device.count, where=tuple(sorted(device.where.items())))
            for name, device in sorted(job.devices.items())
        ),
        max_unavailable=max_unavailable,
        is_health_checked=job.task.health is not None,
        update=None if job.update is None else _policy_of(job.update),
        schedule=schedule_of(job),
        parameters=parameters_of(job),
        alloc=job.alloc or "",
        after=dependencies_of(job.after),
        max_run_us=job.time_limit or 0,
        deadline_us=job.deadline or 0,
        gang=gang_of(job.gang),
    )
    return Submission(spec=spec, payload=encode_payload(_payload_of(job)), replace=replace)


def _policy_of(update: UpdatePart) -> UpdatePolicy:
    return UpdatePolicy(
        max_parallel=update.max_parallel,
        min_healthy_us=update.min_healthy,
        deadline_us=update.deadline,
        on_failure=OnFailure[update.on_failure.upper()],
    )


def salted_hash(salt: bytes, payload: bytes) -> bytes:
    """Return the hash under which a payload stands beside the log, 32 bytes.

    The salt stands in front of the stored payload and is erased with it, so that what it was cannot be guessed from
    the hash that stays in the log.
    """
    return hashlib.blake2b(payload, digest_size=32, key=salt, person=b"omega-payload").digest()


def default_owner() -> str:
    """Return the user's name, as far as a cell takes it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
    return re.sub(r"[^a-z0-9._-]", "", name.lower()).lstrip("._-")[:63] or "unknown"


def _limits_of(job: JobFile) -> LimitsConfig | None:
    """Return the limits of real tasks; simulated ones use nothing."""
    if job.task.exec is None:
        return None
    return LimitsConfig(
        cpu_milli=job.resources.cpu if job.task.exec.cpu_capped else job.limits.cpu or 0,
        memory_bytes=job.limits.memory or 0,
        is_latency_sensitive=(job.app_class or CLASS_OF_KIND[job.kind]) == "latency_sensitive",
    )


def _payload_of(job: JobFile) -> TaskPayload:
    task, health = job.task, job.task.health
    return TaskPayload(
        limits=_limits_of(job),
        exec=None
        if task.exec is None
        else with_defaults(_exec_of(task.exec, log_limit_bytes=task.logs.limit), job.parameters),
        simulated=None
        if task.simulated is None
        else SimulatedConfig(
            duration_ms=-1 if task.simulated.duration == "forever" else task.simulated.duration // 1000,
            exit_code=task.simulated.exit_code,
        ),
        health=None
        if health is None
        else HealthConfig(
            port=health.port,
            path=health.path,
            interval_ms=health.interval // 1000,
            timeout_ms=health.timeout // 1000,
            grace_ms=health.grace // 1000,
            healthy_after=health.healthy_after,
            unhealthy_after=health.unhealthy_after,
        ),
    )


def _exec_of(part: ExecPart, *, log_limit_bytes: int) -> ExecConfig:
    command = ("/bin/sh", "-c", part.script) if part.script is not None else (part.command or "", *part.args)
    files = tuple(
        InlineFile(path=path, content=file.content.encode(), mode=int(file.mode, 8))
        for path, file in part.files.items()
    )
    return ExecConfig(
        command=command,
        env=tuple(part.env.items()),
        user=part.user or "",
        files=files,
        log_limit_bytes=log_limit_bytes,
        pids=part.pids,
    )


def _parse_document(document: Document) -> JobFile:
    value = document.value
    if not isinstance(value, dict):
        expected = "expected a job: name, count, task and so on (see `omega job schema`)"
        raise JobFileError([describe(document, (), expected, show(value))])
    _take_texts(document)
    try:
        return JobFile.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise JobFileError(translate_errors(document, details)) from error


def _take_texts(document: Document) -> None:
    """Put values of variables and attributes back as they were written: there, ``1.10`` and ``true`` are words."""
    for path, text in document.texts.items():
        if path[:-1] == ("task", "exec", "env"):
            document.value["task"]["exec"]["env"][path[-1]] = text
        elif path[:3] == ("task", "exec", "args") and len(path) == 4:
            document.value["task"]["exec"]["args"][path[3]] = text
        elif path[:1] == ("devices",) and path[2:3] == ("where",) and len(path) == 4:
            document.value["devices"][path[1]]["where"][path[3]] = text
        elif path[:-1] == ("parameters", "optional"):
            document.value["parameters"]["optional"][path[2]] = text


def _find_same_names(documents: list[Document], jobs: list[JobFile]) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    for document, job in zip(documents, jobs, strict=True):
        if job.name in seen:
            problems.append(
                describe(document, ("name",), "expected another name for each job of a file", repr(job.name))
            )
        seen.add(job.name)
    return problems


def _find_repeated(documents: list[Document], jobs: list[JobFile]) -> list[Problem]:
    problems = []
    for document, job in zip(documents, jobs, strict=True):
        place = find_repeated(job.after)
        if place is not None:
            problems.append(describe(document, ("after", place), "expected each job once", repr(job.after[place].job)))
    return problems


def _find_circles(documents: list[Document], jobs: list[JobFile]) -> list[Problem]:
    """Return the first circle of jobs that wait for each other, at the place where its first job names the second."""
    circle = find_circle({job.name: [part.job for part in job.after] for job in jobs})
    if not circle:
        return []
    place = next(place for place, job in enumerate(jobs) if job.name == circle[0])
    step = next(step for step, part in enumerate(jobs[place].after) if part.job == circle[1])
    words = f"these jobs would wait for each other: {' -> '.join(circle)}; take one of these out of `after`"
    return [describe(documents[place], ("after", step), words, "")]
