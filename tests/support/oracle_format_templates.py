"""What is a well-formed template, and a well-formed wish for a child, for the slow twin."""

import string

from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import Parameters
from omegacell.core.units import MAX_QUANTITY

MAX_STAMP = 1 << 60


def is_no_template_or_right(spec: JobSpec) -> bool:
    """Say whether what makes a job a template, if anything does, is in order."""
    schedule, parameters = spec.schedule, spec.parameters
    if schedule is None and parameters is None:
        return True
    if schedule is not None and parameters is not None:
        return False
    if schedule is not None:
        is_right = is_line(schedule.cron, 1_024) and is_line(schedule.time_zone, 64)
    else:
        assert parameters is not None
        is_right = are_parameters(parameters)
    return is_right and spec.kind == Kind.BATCH and len(spec.name) <= 39


def is_line(text: str, limit: int) -> bool:
    """Say whether a text is one line of ASCII."""
    return 1 <= len(text) <= limit and all(" " <= each <= "~" for each in text)


def are_parameters(parameters: Parameters) -> bool:
    """Say whether parameters are named once each, in order."""
    both = list(parameters.required) + list(parameters.optional)
    return (
        len(both) <= 64
        and len(set(both)) == len(both)
        and sorted(parameters.required) == list(parameters.required)
        and sorted(parameters.optional) == list(parameters.optional)
        and all(is_parameter(each) for each in both)
    )


def is_parameter(name: str) -> bool:
    """Say whether a text is the name of a parameter."""
    rest = string.ascii_lowercase + string.digits + "_"
    return 1 <= len(name) <= 63 and name[0] in string.ascii_lowercase and all(each in rest for each in name)


def is_spawn(command: SpawnJob) -> bool:
    """Say whether the numbers of a wish for a child are in range; its name is looked at elsewhere."""
    return (
        1 <= command.template < 1 << 63
        and 0 <= command.instant_us <= MAX_STAMP
        and 0 <= command.submitted_at_us <= MAX_STAMP
        and 0 <= command.missed_count <= MAX_QUANTITY
        and (command.instant_us > 0 or command.missed_count == 0)
        and len(command.payload) in (0, 32)
    )
