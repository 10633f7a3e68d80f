"""What a task runs: the part of a job's spec that the cell never reads and a driver does.

The API's portion makes it from a job file, already checked, with `encode_payload`; it travels as canonical JSON bytes
(``{"exec": {...}, "health": {...}, "version": 1}``, keys sorted) under a salted hash, and only `parse_payload` reads
it. A field that is not known is refused: it was written by a newer version and means something.
"""

import base64
import binascii
import json
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Final, TypeVar

from omegacell.core.errors import MalformedError

PAYLOAD_VERSION: Final = 1

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineFile:
    """A file written into the working folder before the command runs.

    Attributes:
        path: relative to the working folder, without ``..``.
        content: its bytes.
        mode: permission bits.
    """

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """What a task may use beyond what it asks for; what the cell counts is what it asks for.

    Attributes:
        cpu_milli: never more CPU than this, even when there is more; 0 for whatever is idle.
        memory_bytes: beyond it the task is killed; 0 for what it asks for.
        is_latency_sensitive: goes before batch tasks where CPU is short.
    """

    cpu_milli: int = 0
    memory_bytes: int = 0
    is_latency_sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecConfig:
    """What the `exec` driver runs.

    Attributes:
        command: program and arguments; no shell is involved.
        env: environment added to the clean one, name and value.
        user: the user to run as; empty for the machine's default.
        files: files to write first.
        log_limit_bytes: how much of each output is kept at least; older bytes are freed.
        pids: processes and threads the task may have, where control groups allow to say so; 0 for the default.
    """

    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    files: tuple[InlineFile, ...] = ()
    log_limit_bytes: int = 8 << 20
    pids: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedConfig:
    """What the `simulated` driver pretends.

    Attributes:
        duration_ms: how long a task runs; -1 for ever.
        exit_code: how it ends.
    """

    duration_ms: int = 1_000
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """An HTTP health check: a GET that must be answered with a status below 400.

    Attributes:
        port: name of the task's port.
        path: path and query.
        interval_ms: between checks.
        timeout_ms: for one check.
        grace_ms: after the start, before failures count.
        healthy_after: answers in a row that make it healthy.
        unhealthy_after: failures in a row that make it unhealthy.
    """

    port: str
    path: str = "/"
    interval_ms: int = 5_000
    timeout_ms: int = 2_000
    grace_ms: int = 10_000
    healthy_after: int = 1
    unhealthy_after: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPayload:
    """What a task runs; exactly what its driver needs is there."""

    exec: ExecConfig | None = None
    simulated: SimulatedConfig | None = None
    health: HealthConfig | None = None
    limits: LimitsConfig | None = None


def encode_payload(payload: TaskPayload) -> bytes:
    """Return the canonical bytes of a payload.

    >>> encode_payload(TaskPayload(simulated=SimulatedConfig(duration_ms=5)))
    b'{"simulated":{"duration_ms":5,"exit_code":0},"version":1}'
    """
    record: dict[str, object] = {"version": PAYLOAD_VERSION}
    parts = {"simulated": payload.simulated, "health": payload.health, "limits": payload.limits}
    for name, part in parts.items():
        if part is not None:
            record[name] = asdict(part)
    if payload.exec is not None:
        record["exec"] = {**asdict(payload.exec), "files": [_encode_file(file) for file in payload.exec.files]}
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse_payload(data: bytes) -> TaskPayload:
    """Return what `encode_payload` wrote; absent fields have their defaults.

    Raises:
        MalformedError: it is not a payload of this version; the message names the field.
    """
    try:
        record = json.loads(data)
    except ValueError as error:
        raise MalformedError(f"payload: not JSON: {error}") from error
    if not isinstance(record, dict) or record.pop("version", None) != PAYLOAD_VERSION:
        raise MalformedError(f"payload: expected an object of version {PAYLOAD_VERSION}")
    parts = ("exec", "simulated", "health", "limits")
    for name in record:
        if name not in parts:
            raise MalformedError(f"payload: unknown part {name!r}, expected one of {', '.join(parts)}")
    return TaskPayload(
        exec=_parse_exec(record["exec"]) if "exec" in record else None,
        simulated=_parse_simulated(record["simulated"]) if "simulated" in record else None,
        health=_parse_health(record["health"]) if "health" in record else None,
        limits=_parse_limits(record["limits"]) if "limits" in record else None,
    )


def _encode_file(file: InlineFile) -> dict[str, object]:
    return {"path": file.path, "content": base64.b64encode(file.content).decode("ascii"), "mode": file.mode}


def _parse_exec(record: object) -> ExecConfig:
    known = _take_fields(ExecConfig, "exec", record)
    known["command"] = _parse_strings("exec.command", known["command"])
    if not known["command"]:
        raise MalformedError("payload: exec.command: expected at least the program")
    if "env" in known:
        pairs = known["env"]
        if not isinstance(pairs, list):
            raise MalformedError("payload: exec.env: expected a list of pairs")
        known["env"] = tuple(_parse_pair(pair) for pair in pairs)
    if "files" in known:
        files = known["files"]
        if not isinstance(files, list):
            raise MalformedError("payload: exec.files: expected a list")
        known["files"] = tuple(_parse_file(file) for file in files)
    return _make(ExecConfig, "exec", known)


def _parse_simulated(record: object) -> SimulatedConfig:
    return _make(SimulatedConfig, "simulated", _take_fields(SimulatedConfig, "simulated", record))


def _parse_health(record: object) -> HealthConfig:
    return _make(HealthConfig, "health", _take_fields(HealthConfig, "health", record))


def _parse_limits(record: object) -> LimitsConfig:
    return _make(LimitsConfig, "limits", _take_fields(LimitsConfig, "limits", record))


def _parse_file(record: object) -> InlineFile:
    known = _take_fields(InlineFile, "exec.files", record)
    try:
        known["content"] = base64.b64decode(str(known["content"]), validate=True)
    except binascii.Error as error:
        raise MalformedError(f"payload: exec.files: content is not base64: {error}") from error
    return _make(InlineFile, "exec.files", known)


def _parse_strings(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise MalformedError(f"payload: {where}: expected a list of strings")
    return tuple(value)


def _parse_pair(value: object) -> tuple[str, str]:
    words = _parse_strings("exec.env", value)
    if len(words) != 2:
        raise MalformedError("payload: exec.env: expected pairs of name and value")
    return words[0], words[1]


def _take_fields(kind: type, where: str, record: object) -> dict[str, object]:
    if not isinstance(record, dict):
        raise MalformedError(f"payload: {where}: expected an object")
    known = {field.name: field for field in fields(kind)}
    for name in record:
        if name not in known:
            raise MalformedError(f"payload: {where}: unknown field {name!r}")
    for name, field in known.items():
        if name not in record and field.default is MISSING:
            raise MalformedError(f"payload: {where}: field {name!r} is missing")
    return dict(record)


def _make(kind: type[_T], where: str, known: dict[str, object]) -> _T:
    for field in fields(kind):  # type: ignore[arg-type]
        expected = {"int": int, "str": str, "bool": bool}.get(str(getattr(field.type, "__name__", field.type)))
        if expected is not None and field.name in known and type(known[field.name]) is not expected:
            raise MalformedError(f"payload: {where}.{field.name}: expected {expected.__name__}")
    return kind(**known)
