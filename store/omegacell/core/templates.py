"""Templates: jobs that never run themselves; others, their children, are made of them.

A job with a `Schedule` has a child at every instant of it, a job with `Parameters` one whenever somebody dispatches it.
The text of a schedule is opaque to the core, which has no clock, no calendar and no time zones: a controller reads it
and proposes instants (`SpawnJob`), and `apply` sees to it that none is used twice.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_CRON_LENGTH: Final = 1_024
MAX_ZONE_LENGTH: Final = 64
MAX_PARAMETERS: Final = 64
MAX_TEMPLATE_NAME_LENGTH: Final = 39
"""A child's name is its template's, with at most 24 characters behind it: see who makes them."""


class Overlap(IntEnum):
    """What happens at an instant when a child that was made before is not at rest yet."""

    ALLOW = 0
    """Another one is made beside it."""
    SKIP = 1
    """The instant passes without a child."""
    REPLACE = 2
    """It is asked to stop, and another one is made, which runs after it has ended."""


class CatchUp(IntEnum):
    """What becomes of instants that passed while nobody could propose them; a rule for controllers."""

    NONE = 0
    LAST = 1
    ALL = 2


class InputRule(IntEnum):
    """Whether whoever dispatches a job hands it an input."""

    FORBIDDEN = 0
    OPTIONAL = 1
    REQUIRED = 2


class TemplateKind(IntEnum):
    """What a job is a template for."""

    NONE = 0
    """It is none: it runs itself."""
    SCHEDULED = 1
    PARAMETERISED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When children of a template are made.

    Attributes:
        cron: the line, as `controllers.cron` reads it.
        time_zone: name of the time zone in which it is meant.
        overlap: what happens while a child is not at rest.
        catch_up: what becomes of instants that were missed.
    """

    cron: str
    time_zone: str = "UTC"
    overlap: Overlap = Overlap.ALLOW
    catch_up: CatchUp = CatchUp.LAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What may be said when a job is dispatched; values and defaults are in payloads, not in the log.

    Attributes:
        required: names that must be given, ascending, each once.
        optional: names that may be given, ascending, each once, none of them required.
        input: whether there is an input besides.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    input: InputRule = InputRule.FORBIDDEN
