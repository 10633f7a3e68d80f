"""Ranges and forms of single values: names, texts, amounts, rows, attributes; the part of `validate` that all share."""

import string
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from omegacell.core.dependencies import Dependency
from omegacell.core.devices import Attributes, DeviceOffer, DeviceRequest
from omegacell.core.errors import MalformedError
from omegacell.core.jobs import JobSpec
from omegacell.core.units import (
    MAX_ATTRIBUTES,
    MAX_DEPENDENCIES,
    MAX_DEVICE_COUNT,
    MAX_MACHINES,
    MAX_NAME_LENGTH,
    MAX_QUANTITY,
    MAX_TASKS_PER_JOB,
    MAX_TEXT_LENGTH,
    RESOURCE_COUNT,
)
from omegacell.core.updates import UpdatePolicy

_FIRST: Final = string.ascii_lowercase + string.digits
_NAME: Final = _FIRST + "._-"


def check_name(what: str, name: str) -> None:
    """Raise `MalformedError` unless ``name`` is a name: ``[a-z0-9][a-z0-9._-]*``, at most 63 characters."""
    # what is left after all characters that a name may hold were stripped from its ends is in no name
    if not 1 <= len(name) <= MAX_NAME_LENGTH or name[0] not in _FIRST or name.strip(_NAME):
        raise MalformedError(f"{what} {name[:80]!r} is no name; expected [a-z0-9][a-z0-9._-]*, at most 63 characters")


def check_device_name(name: str) -> None:
    """Raise `MalformedError` unless ``name`` is a name, or several joined by ``/``, at most 63 characters in all."""
    if len(name) > MAX_NAME_LENGTH:
        raise MalformedError(f"device {name[:80]!r} is no name; expected at most {MAX_NAME_LENGTH} characters")
    for part in name.split("/"):
        check_name("device", part)


def check_range(what: str, value: int, low: int, high: int) -> None:
    """Raise `MalformedError` unless a value is in a range, both ends of which it may be."""
    if not low <= value <= high:
        raise MalformedError(f"{what} is {value}; expected {low} to {high}")


def check_text(what: str, text: str) -> None:
    """Raise `MalformedError` unless a text is short and can be shown to people."""
    if len(text) > MAX_TEXT_LENGTH or (text and min(text) < " ") or "\x7f" in text:
        raise MalformedError(f"{what} must hold no control characters and be at most {MAX_TEXT_LENGTH} characters long")


def check_vector(what: str, amounts: Sequence[int]) -> None:
    """Raise `MalformedError` unless there is one quantity for each resource."""
    if len(amounts) != RESOURCE_COUNT:
        raise MalformedError(f"{what} has {len(amounts)} dimensions; expected {RESOURCE_COUNT}")
    for amount in amounts:
        check_range(what, amount, 0, MAX_QUANTITY)


def check_ascending(what: str, rows: Sequence[int]) -> None:
    """Raise `MalformedError` unless machine rows ascend, at least one."""
    if not rows or rows[0] < 0 or max(rows) >= MAX_MACHINES or any(b <= a for a, b in pairwise(rows)):
        raise MalformedError(f"{what} must be rows in ascending order, at least one")


def check_devices(devices: Sequence[DeviceOffer] | Sequence[DeviceRequest], *, limit: int) -> None:
    """Raise `MalformedError` unless devices ascend by name and each is some."""
    names = [device.name for device in devices]
    if len(names) > limit or names != sorted(set(names)):
        raise MalformedError(f"devices must ascend by name, each once, at most {limit}")
    for device in devices:
        check_device_name(device.name)
        check_range("device count", device.count, 1, MAX_DEVICE_COUNT)


def check_after(after: Sequence[Dependency]) -> None:
    """Raise `MalformedError` unless the jobs to run after ascend by name, each once, and are not too many."""
    names = [each.job for each in after]
    if len(names) > MAX_DEPENDENCIES or names != sorted(set(names)):
        raise MalformedError(f"jobs to run after must ascend by name, each once, at most {MAX_DEPENDENCIES}")
    for name in names:
        check_name("job to run after", name)


def check_update(update: UpdatePolicy) -> None:
    """Raise `MalformedError` unless a policy of updates can be kept."""
    check_range("max_parallel", update.max_parallel, 1, MAX_TASKS_PER_JOB)
    check_range("min_healthy_us", update.min_healthy_us, 0, MAX_QUANTITY)
    check_range("deadline_us", update.deadline_us, 1, MAX_QUANTITY)


def check_system(spec: JobSpec) -> None:
    """Raise `MalformedError` when a system job says how many tasks it has, or where: each machine has one."""
    rules = spec.placement
    check_range("count of a system job", spec.count, 1, 1)
    if spec.is_gang or rules.max_per_machine or rules.neighbours or rules.spreads or rules.affinities:
        raise MalformedError("a system job is no gang, and has neither max_per_machine, neighbours, spreads nor wishes")


def check_attributes(attributes: Attributes) -> None:
    """Raise `MalformedError` unless attributes ascend by name and can be shown to people."""
    names = [name for name, _ in attributes]
    if len(names) > MAX_ATTRIBUTES or names != sorted(set(names)):
        raise MalformedError(f"attributes must ascend by name, each once, at most {MAX_ATTRIBUTES}")
    for name, value in attributes:
        check_text("attribute name", name)
        check_text("attribute", value)
