"""Ranges and structure of templates and of the command that makes their children; the part of `validate` about them."""

import string
from typing import Final

from omegacell.core.errors import MalformedError
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import (
    MAX_CRON_LENGTH,
    MAX_PARAMETERS,
    MAX_TEMPLATE_NAME_LENGTH,
    MAX_ZONE_LENGTH,
    Parameters,
)
from omegacell.core.units import MAX_ID, MAX_NAME_LENGTH, MAX_QUANTITY, MAX_WALL_US
from omegacell.core.validate_values import check_name, check_range

_PRINTABLE: Final = frozenset(map(chr, range(0x20, 0x7F)))
_LETTERS: Final = string.ascii_lowercase
_PARAMETER: Final = frozenset(_LETTERS + string.digits + "_")


def check_template(spec: JobSpec) -> None:
    """Raise `MalformedError` when what makes a job a template is not right."""
    if spec.schedule is not None and spec.parameters is not None:
        raise MalformedError("a job with a schedule and with parameters; expected one of them")
    if spec.kind is not Kind.BATCH:
        raise MalformedError(f"a template of kind {spec.kind.name}; expected BATCH")
    if len(spec.name) > MAX_TEMPLATE_NAME_LENGTH:
        raise MalformedError(f"a template's name has {len(spec.name)} characters; expected {MAX_TEMPLATE_NAME_LENGTH}")
    if spec.schedule is not None:
        _check_line("cron", spec.schedule.cron, MAX_CRON_LENGTH)
        _check_line("time_zone", spec.schedule.time_zone, MAX_ZONE_LENGTH)
    if spec.parameters is not None:
        _check_parameters(spec.parameters)


def check_spawn(command: SpawnJob) -> None:
    """Raise `MalformedError` when a `SpawnJob` has a value out of range."""
    check_range("template", command.template, 1, MAX_ID)
    check_name("job", command.name)
    check_range("instant_us", command.instant_us, 0, MAX_WALL_US)
    check_range("submitted_at_us", command.submitted_at_us, 0, MAX_WALL_US)
    check_range("missed_count", command.missed_count, 0, MAX_QUANTITY)
    if len(command.payload) not in (0, 32):
        raise MalformedError(f"a payload hash has {len(command.payload)} bytes; expected 32 or none")
    if command.missed_count and not command.instant_us:
        raise MalformedError("instants were missed, and none is named")


def _check_parameters(parameters: Parameters) -> None:
    for names in (parameters.required, parameters.optional):
        if list(names) != sorted(set(names)):
            raise MalformedError("parameters must ascend by name, each once")
    together = (*parameters.required, *parameters.optional)
    if len(together) > MAX_PARAMETERS or len(set(together)) != len(together):
        raise MalformedError(f"a parameter stands twice, or there are more than {MAX_PARAMETERS}")
    for name in together:
        if not 1 <= len(name) <= MAX_NAME_LENGTH or name[0] not in _LETTERS or not _PARAMETER.issuperset(name):
            raise MalformedError(f"parameter {name[:80]!r}; expected [a-z][a-z0-9_]*, at most 63 characters")


def _check_line(what: str, text: str, limit: int) -> None:
    if not 1 <= len(text) <= limit or not _PRINTABLE.issuperset(text):
        raise MalformedError(f"{what} must be 1 to {limit} printable ASCII characters")
