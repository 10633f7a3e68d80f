"""In what two jobs differ, field by field, in the words of job files.

A field of `JobSpec` that the table here does not know is shown under its own name, so a new one is never left out.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from itertools import takewhile
from typing import Any, Final

from omegacell.api.planning.words import amount, span
from omegacell.core.dependencies import Dependency
from omegacell.core.devices import DeviceRequest
from omegacell.core.jobs import NO_LIMIT, WHOLE_JOB, Gang, JobSpec, Port
from omegacell.core.placement import PlacementRules
from omegacell.core.templates import Parameters, Schedule
from omegacell.core.units import RESOURCE_NAMES
from omegacell.core.updates import UpdatePolicy

TEXT_LENGTH: Final = 80

NO_PAYLOAD: Final = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that differs, as text; empty where it is not there."""

    field: str
    before: str
    after: str


def find_differences(
    before: JobSpec, after: JobSpec, *, payloads: tuple[bytes, bytes] = (NO_PAYLOAD, NO_PAYLOAD)
) -> tuple[Difference, ...]:
    """Return the fields in which two jobs differ, in the order of the spec, then what their tasks run.

    >>> from dataclasses import replace
    >>> from omegacell.schedulers.testing import make_spec
    >>> spec = make_spec("a", count=3, memory_bytes=2 << 30)
    >>> smaller = replace(spec, count=2, resources=(100, 3 << 29, 0))
    >>> [(each.field, each.before, each.after) for each in find_differences(spec, smaller)]
    [('count', '3', '2'), ('resources.memory', '2 GiB', '1.5 GiB')]
    """
    olds, news = _texts_of(before, payloads[0]), _texts_of(after, payloads[1])
    names = [*olds, *(name for name in news if name not in olds)]
    pairs = [(name, olds.get(name, ""), news.get(name, "")) for name in names if olds.get(name) != news.get(name)]
    cut = [(name, *_cut(before, after)) for name, before, after in pairs]
    return tuple(Difference(field=name, before=before, after=after) for name, before, after in cut)


def _texts_of(spec: JobSpec, payload: bytes) -> dict[str, str]:
    texts: dict[str, str] = {}
    for field in fields(spec):
        write = _FIELDS.get(field.name, _plain)
        texts.update(write(field.name, getattr(spec, field.name)))
    if payload:
        texts.update(_task_texts(json.loads(payload)))
    return texts


def _plain(name: str, value: Any) -> Iterator[tuple[str, str]]:
    yield name, _text(value)


def _named(path: str) -> Callable[[str, Any], Iterator[tuple[str, str]]]:
    return lambda _, value: iter([(path, _text(value))])


def _lasting(path: str) -> Callable[[str, Any], Iterator[tuple[str, str]]]:
    return lambda _, value: iter([(path, span(value))])


def _limit(path: str) -> Callable[[str, Any], Iterator[tuple[str, str]]]:
    return lambda _, value: iter([(path, span(value) if value else "none")])


def _unlimited(path: str) -> Callable[[str, Any], Iterator[tuple[str, str]]]:
    return lambda _, value: iter([(path, "unlimited" if value == NO_LIMIT else str(value))])


def _resources(_: str, value: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    for name, quantity in zip(RESOURCE_NAMES, value, strict=True):
        yield f"resources.{name.split('_')[0]}", amount(name, quantity)


def _ports(_: str, value: tuple[Port, ...]) -> Iterator[tuple[str, str]]:
    for port in value:
        yield f"ports.{port.name}", str(port.number or "any")


def _devices(_: str, value: tuple[DeviceRequest, ...]) -> Iterator[tuple[str, str]]:
    for request in value:
        where = " ".join(f"{name}={wanted}" for name, wanted in request.where)
        yield f"devices.{request.name}", f"{request.count}{f' with {where}' if where else ''}"


def _placement(_: str, rules: PlacementRules) -> Iterator[tuple[str, str]]:
    texts = {
        "pool": rules.pool or "default",
        "constraints": ", ".join(map(str, rules.constraints)),
        "tolerations": ", ".join(
            each.key if each.value is None else f"{each.key} = {each.value}" for each in rules.tolerations
        ),
        "max_per_machine": str(rules.max_per_machine or "any"),
        "prefer": ", ".join(f"{each.constraint} ({each.weight})" for each in rules.affinities),
    }
    yield from ((name, text) for name, text in texts.items() if text)
    for each in rules.neighbours:
        wish = f" ({each.weight})" if each.weight else ""
        yield f"{'apart' if each.is_apart else 'near'}.{each.job}.{each.attribute}", f"yes{wish}"
    for spread in rules.spreads:
        targets = ", ".join(f"{name} {percent} %" for name, percent in spread.targets)
        shown = f"weight {spread.weight}" if spread.weight else f"max_skew {spread.max_skew}"
        yield f"spread.{spread.attribute}", f"{shown}{f', {targets}' if targets else ''}"


def _update(_: str, policy: UpdatePolicy | None) -> Iterator[tuple[str, str]]:
    if policy is not None:
        yield "update.max_parallel", str(policy.max_parallel)
        yield "update.min_healthy", span(policy.min_healthy_us)
        yield "update.deadline", span(policy.deadline_us)
        yield "update.on_failure", policy.on_failure.name.lower()


def _schedule(_: str, value: Schedule | None) -> Iterator[tuple[str, str]]:
    if value is not None:
        yield "schedule.cron", value.cron
        yield "schedule.time_zone", value.time_zone
        yield "schedule.overlap", _text(value.overlap)
        yield "schedule.catch_up", _text(value.catch_up)


def _parameters(_: str, value: Parameters | None) -> Iterator[tuple[str, str]]:
    if value is not None:
        yield "parameters.required", ", ".join(value.required) or "none"
        yield "parameters.optional", ", ".join(value.optional) or "none"
        yield "parameters.payload", _text(value.input)


def _after(_: str, value: tuple[Dependency, ...]) -> Iterator[tuple[str, str]]:
    for each in value:
        yield f"after.{each.job}", each.condition.name.lower()


def _gang(_: str, value: Gang | None) -> Iterator[tuple[str, str]]:
    if value is None or value == WHOLE_JOB:
        yield "gang", _text(value is not None)
        return
    yield "gang.size", str(value.size or "all")
    yield "gang.min", str(value.least or "all")


def _nothing(_: str, __: Any) -> Iterator[tuple[str, str]]:
    return iter(())


_FIELDS: Final[Mapping[str, Callable[[str, Any], Iterator[tuple[str, str]]]]] = {
    "band": _named("priority.band"),
    "priority": _named("priority.number"),
    "resources": _resources,
    "ports": _ports,
    "devices": _devices,
    "placement": _placement,
    "gang": _gang,
    "max_restarts": _unlimited("restarts.max"),
    "max_unavailable": _unlimited("max_unavailable"),
    "is_health_checked": _nothing,
    "restart_delay_us": _lasting("restarts.delay"),
    "grace_us": _lasting("grace"),
    "max_run_us": _limit("time_limit"),
    "deadline_us": _limit("deadline"),
    "payload": _nothing,
    "update": _update,
    "schedule": _schedule,
    "parameters": _parameters,
    "after": _after,
}
"""How fields of a spec are called and written in job files, where that is not their own name."""


def _task_texts(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give every value of what tasks run, as a job file says it.

    >>> dict(_task_texts({"version": 1, "exec": {"command": ["/bin/sh", "-c", "echo a"], "log_limit_bytes": 65536}}))
    {'task.exec.script': 'echo a', 'task.logs.limit': '64 KiB'}
    >>> dict(_task_texts({"health": {"interval_ms": 500}, "limits": {"cpu_milli": 1500, "memory_bytes": 0}}))
    {'task.health.interval': '500ms', 'limits.cpu': '1.5', 'limits.memory': 'none'}
    """
    for path, value in _leaves("task", task):
        match path:
            case "task.version":
                continue
            case "task.exec.command" if value[:2] == ["/bin/sh", "-c"] and len(value) == 3:
                yield "task.exec.script", value[2]
            case "task.exec.command":
                yield path, _text(value[0])
                if value[1:]:
                    yield "task.exec.args", _text(value[1:])
            case "task.exec.log_limit_bytes":
                yield "task.logs.limit", amount("memory_bytes", value)
            case "task.limits.is_latency_sensitive":
                yield "class", "latency_sensitive" if value else "batch"
            case "task.limits.cpu_milli":
                yield "limits.cpu", amount("cpu_milli", value) if value else "none"
            case "task.limits.memory_bytes":
                yield "limits.memory", amount("memory_bytes", value) if value else "none"
            case _ if path.endswith("_ms"):
                yield path.removesuffix("_ms"), "forever" if value < 0 else span(value * 1_000)
            case _:
                yield path, _text(value)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give every value of a JSON document with its path; lists are one value."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(f"{path}.{key}", each)
    else:
        yield path, value


def _text(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name.lower()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _cut(before: str, after: str) -> tuple[str, str]:
    """Return two different texts on one line each, long ones cut around the first place where they differ.

    >>> _cut("a  b", "a b"), _cut("1", "")
    (('"a  b"', '"a b"'), ('1', ''))
    >>> [text[:8] + text[-8:] for text in _cut("x" * 200 + "1", "x" * 200 + "2")]
    ['…xxxxxxxxxxxxxx1', '…xxxxxxxxxxxxxx2']
    """
    texts = [" ".join(text.split()) for text in (before, after)]
    if texts[0] == texts[1]:  # they differ in white space only
        texts = [json.dumps(text, ensure_ascii=False) for text in (before, after)]
    start = 0
    if before and after and max(map(len, texts)) > TEXT_LENGTH:
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False))
        start = max(0, len(list(shared)) - TEXT_LENGTH // 4)
    old, new = (
        "…" * (start > 0) + text[start : start + TEXT_LENGTH] + "…" * (len(text) > start + TEXT_LENGTH)
        for text in texts
    )
    return old, new
