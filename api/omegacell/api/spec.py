"""The job file: reads it, says what is wrong with it and where, and translates it for the cell.

    submissions = load_jobs("job.yaml")            # or "-" for standard input
    client.submit(submissions[0])

Three forms, two translators: the models of `spec_model` become the core's `JobSpec` and the agent's payload here.
"""

import difflib
import getpass
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from omegacell.agent.payload import (
    ExecConfig,
    HealthConfig,
    InlineFile,
    LimitsConfig,
    SimulatedConfig,
    TaskPayload,
    encode_payload,
)
from omegacell.api.documents import Document, Path_, parse_documents, read_file
from omegacell.api.records import Submission
from omegacell.api.spec_model import DEVICE_PATTERN, ExecPart, JobFile, json_schema
from omegacell.api.spec_placement import NAME_PATTERN, rules_of
from omegacell.core.devices import DeviceRequest
from omegacell.core.errors import UsageError
from omegacell.core.jobs import NO_LIMIT, JobSpec, Kind, OnPartition, Port
from omegacell.core.units import Band

__all__ = ["JobFileError", "Problem", "json_schema", "load_jobs", "parse_jobs", "salted_hash", "translate"]

SALT_BYTES: Final = 16
MAX_PAYLOAD_BYTES: Final = 512 << 10
MAX_PROBLEMS_SHOWN: Final = 20
CLASS_OF_KIND: Final = {"service": "latency_sensitive", "batch": "batch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a job file.

    Attributes:
        source: the file; line and column: where, from 1.
        field: the path of the field, as in ``task.exec.env``.
        expected: what should be there.
        found: what is, shortened.
    """

    source: str
    line: int
    column: int
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        found = f", found {self.found}" if self.found else ""
        where = f"{self.field}: " if self.field else ""
        return f"{self.source}:{self.line}:{self.column}: {where}{self.expected}{found}"


class JobFileError(UsageError):
    """A job file is readable and not right; one line a problem.

    Attributes:
        problems: in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        lines = [str(problem) for problem in self.problems[:MAX_PROBLEMS_SHOWN]]
        if len(self.problems) > MAX_PROBLEMS_SHOWN:
            lines.append(f"and {len(self.problems) - MAX_PROBLEMS_SHOWN} more")
        super().__init__("\n".join(lines))


def load_jobs(path: str, *, replace: bool = False, owner: str | None = None) -> list[Submission]:
    """Return the jobs of a file, or of standard input for ``-``.

    Raises:
        UsageError: It cannot be read, is too large or not right; the message gives file, line and field.
    """
    source, data = read_file(path)
    return parse_jobs(source, data, replace=replace, owner=owner)


def parse_jobs(source: str, data: bytes, *, replace: bool = False, owner: str | None = None) -> list[Submission]:
    """Return the jobs that the bytes of a file hold; each document is one.

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
    problems = _find_same_names(documents, jobs)
    submissions = [translate(job, replace=replace, owner=owner) for job in jobs]
    for document, submission in zip(documents, submissions, strict=True):
        if len(submission.payload) > MAX_PAYLOAD_BYTES:
            expected = f"expected at most {MAX_PAYLOAD_BYTES} bytes of command, environment and files"
            problems.append(_problem(document, ("task",), expected, f"{len(submission.payload)}"))
    if problems:
        raise JobFileError(problems)
    return submissions


def translate(job: JobFile, *, replace: bool = False, owner: str = "") -> Submission:
    """Return what is submitted for a job file."""
    is_service = job.kind == "service"
    kind = Kind.SERVICE if is_service else Kind.BATCH
    if job.priority is not None:
        band, number = Band[job.priority.band.upper()], job.priority.number
    else:
        band, number = (Band.PRODUCTION if is_service else Band.BATCH), 0
    max_restarts = job.restarts.max
    if max_restarts is None:
        max_restarts = -1 if is_service else 0
    max_unavailable = job.max_unavailable
    if max_unavailable is None:
        max_unavailable = 1 if is_service else NO_LIMIT
    spec = JobSpec(
        name=job.name,
        owner=job.owner or owner or default_owner(),
        kind=kind,
        scheduler=job.scheduler or job.kind,
        band=band,
        priority=number,
        count=job.count,
        resources=(job.resources.cpu, job.resources.memory, job.resources.disk),
        driver="exec" if job.task.exec is not None else "simulated",
        ports=tuple(Port(name=name, number=number) for name, number in job.ports.items()),
        is_gang=job.gang,
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
    )
    return Submission(spec=spec, payload=encode_payload(_payload_of(job)), replace=replace)


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
        exec=None if task.exec is None else _exec_of(task.exec, log_limit_bytes=task.logs.limit),
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


# --- what is wrong, and where


def _parse_document(document: Document) -> JobFile:
    value = document.value
    if not isinstance(value, dict):
        expected = "expected a job: name, count, task and so on (see `omega job schema`)"
        raise JobFileError([_problem(document, (), expected, _show(value))])
    _take_texts(document)
    try:
        return JobFile.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise JobFileError([_problem_of(document, dict(detail)) for detail in details]) from error


def _take_texts(document: Document) -> None:
    """Put values of variables and attributes back as they were written: there, ``1.10`` and ``true`` are words."""
    for path, text in document.texts.items():
        if path[:-1] == ("task", "exec", "env"):
            document.value["task"]["exec"]["env"][path[-1]] = text
        elif path[:3] == ("task", "exec", "args") and len(path) == 4:
            document.value["task"]["exec"]["args"][path[3]] = text
        elif path[:1] == ("devices",) and path[2:3] == ("where",) and len(path) == 4:
            document.value["devices"][path[1]]["where"][path[3]] = text


def _find_same_names(documents: list[Document], jobs: list[JobFile]) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    for document, job in zip(documents, jobs, strict=True):
        if job.name in seen:
            problems.append(
                _problem(document, ("name",), "expected another name for each job of a file", repr(job.name))
            )
        seen.add(job.name)
    return problems


def _problem(document: Document, path: Path_, expected: str, found: str) -> Problem:
    mark = document.mark(path)
    field = ".".join(str(step) for step in path)
    return Problem(
        source=document.source, line=mark.line, column=mark.column, field=field, expected=expected, found=found
    )


_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "expected text (in quotes, if it looks like a number)",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected a mapping of names to values",
    "model_type": "expected a mapping of fields",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "dataclass_exact_type": "expected a text, such as 'zone = a'",
    "string_too_long": "expected at most {max_length} characters",
    "too_long": "expected at most {max_length} entries",
}
_PATTERNS: Final[Mapping[str, str]] = {
    NAME_PATTERN: "expected 1 to 63 lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit",
    DEVICE_PATTERN: "expected names of lower-case letters, digits, '.', '_' and '-', joined by '/', such as nvidia/gpu",
    r"^[a-z]([a-z0-9_]{0,30})$": "expected a lower-case word of letters, digits and '_', at most 31 long",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "expected the name of an environment variable",
    r"^[^\x00]*$": "expected text without NUL characters",
    r"^[^\x00]+$": "expected text that is not empty, without NUL characters",
    r"^0?[0-7]{3}$": 'expected permission bits in octal and in quotes, such as "755"',
    r"^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}$": "expected the name or number of a user",
    r"^[!-~]([ -~]*[!-~])?$": "expected a word of printable ASCII characters, without spaces around it",
    r"^/[!-~]*$": "expected a path that begins with '/', without spaces",
}


def _problem_of(document: Document, detail: dict[str, Any]) -> Problem:
    path, is_key = _path_of(document, detail["loc"])
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return _problem(document, path, "missing; this field is required", "")
        case "extra_forbidden":
            mark = document.keys.get(path, document.mark(path))
            field = ".".join(str(step) for step in path)
            return Problem(
                source=document.source,
                line=mark.line,
                column=mark.column,
                field=field,
                expected=_word_unknown(path),
                found="",
            )
        case "value_error":
            expected = str(context["error"])
            is_about_parts = detail["loc"] == () or isinstance(_value_at(document, path), dict)
            return _problem(document, path, expected, "" if is_about_parts else _show(_value_at(document, path)))
        case "string_pattern_mismatch":
            expected = _PATTERNS[context["pattern"]]
        case kind:
            expected = _EXPECTED.get(kind, f"expected something else ({detail['msg']})").format(**context)
    return _problem(document, path, expected, _show(path[-1] if is_key else _value_at(document, path)))


def _path_of(document: Document, location: tuple[str | int, ...]) -> tuple[Path_, bool]:
    """Drop what pydantic adds to a path (names of union members, "[key]") and keep what stands in the file."""
    is_key = bool(location) and location[-1] == "[key]"
    path: list[str | int] = []
    value = document.value
    for place, step in enumerate(location):
        is_entry = isinstance(value, dict) and step in value
        is_place = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if is_entry or is_place:
            value = value[step]
        elif place < len(location) - 1 or not isinstance(value, dict) or is_key:
            continue
        path.append(step)
    return tuple(path), is_key


def _value_at(document: Document, path: Path_) -> object:
    value = document.value
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return value


def _word_unknown(path: Path_) -> str:
    model: type[BaseModel] | None = JobFile
    steps = iter(path[:-1])
    for step in steps:
        field = model.model_fields.get(str(step)) if model else None
        model = _model_of(field) if field else None
        if field and get_origin(field.annotation) is dict:
            next(steps, None)  # a key that the user chose
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    if near:
        return f"unknown field; did you mean {near[0]!r}?"
    return f"unknown field; expected one of {', '.join(known)}"


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    choices = (field.annotation, *getattr(field.annotation, "__args__", ()))
    for choice in choices:
        for each in (choice, *getattr(choice, "__args__", ())):
            if isinstance(each, type) and issubclass(each, BaseModel):
                return each
    return None


def _show(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            text = repr(value)
            return text if len(text) <= 60 else f"{text[:57]}..."
