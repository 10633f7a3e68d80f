"""The command that makes a child of a template. A member of the union in `commands`."""

from dataclasses import dataclass

from omegacell.core.units import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnJob:
    """Make a child of a template: a job with its spec, but for the name and what it runs.

    Attributes:
        template: the template.
        name: the child's name.
        instant_us: the instant of the schedule that it is made for, wall stamp; 0 when somebody asked for it.
        submitted_at_us: wall stamp.
        payload: hash of what its tasks run, 32 bytes; empty for what the template names.
        missed_count: instants of the schedule that are passed over with this one; for people.
    """

    template: JobId
    name: str
    instant_us: int
    submitted_at_us: int
    payload: bytes = b""
    missed_count: int = 0
