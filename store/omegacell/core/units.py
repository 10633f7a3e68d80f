"""Names for integers: ids, revisions, resources, and the limits that every part keeps.

Rules: no value here is a float; ids are ``NewType`` so that mypy tells a machine row from a job; a limit that more
than one room must know stands here and nowhere else.
"""

from enum import IntEnum
from typing import Final, NewType

Revision = NewType("Revision", int)
"""The dense count of transactions since genesis; genesis is revision 1, 0 is the empty cell."""

JobId = NewType("JobId", int)
"""A job's number, dense from 1, never used again."""

MachineRow = NewType("MachineRow", int)
"""A machine's row in every column of the machine table: its id for ever."""

SessionId = NewType("SessionId", int)
"""A proposer's session: a random positive 63-bit number that the proposer draws."""

RESOURCE_NAMES: Final = ("cpu_milli", "memory_bytes", "disk_bytes")
"""The dimensions of a resource vector in their order; genesis states them."""

RESOURCE_COUNT: Final = len(RESOURCE_NAMES)

CAP_NAMES: Final = ("cpu_milli", "memory_bytes", "jobs")
"""The dimensions of a scheduler's cap in their order; the first two are those of resources."""

CAP_COUNT: Final = len(CAP_NAMES)

UNLIMITED: Final = -1
"""No limit, where a quota or a cap has an amount."""

FORMAT: Final = 1
"""The number of the persistent format that this version reads and writes."""

RULES: Final = 1
"""The highest ``rules`` number whose outcomes this version can compute."""

MAX_QUANTITY: Final = 1 << 50
"""No quantity of a resource and no duration is above this; wall stamps go up to 2^60."""

MAX_ID: Final = (1 << 63) - 1
"""Ids, revisions and numbers in a session."""
MAX_EPOCH: Final = (1 << 31) - 1
"""Epochs of machines, attempts and positions."""
MAX_WALL_US: Final = 1 << 60
"""Wall stamps reach beyond `MAX_QUANTITY`: microseconds since the epoch are above 2^50."""
MAX_TOTAL: Final = 1 << 60
"""No limit on a sum over many tasks (a quota, a cap) is above this."""

MAX_ENTRY_BYTES: Final = 1 << 20
"""An encoded entry is at most this long, in every engine."""

MAX_TASKS_PER_JOB: Final = 1_000_000
MAX_MACHINES: Final = 1_000_000
MAX_NAME_LENGTH: Final = 63
MAX_TEXT_LENGTH: Final = 1_024
MAX_PORTS_PER_TASK: Final = 16
MAX_ATTRIBUTES: Final = 64
MAX_DEVICES_PER_TASK: Final = 8
MAX_DEPENDENCIES: Final = 64
"""Kinds of devices that one task may ask for."""
MAX_DEVICES_PER_MACHINE: Final = 32
"""Kinds of devices that one machine may offer."""
MAX_DEVICE_COUNT: Final = 1_024
"""Devices of one kind on one machine."""
MAX_DEVICE_KINDS: Final = 256
"""Kinds of devices that the machines of one cell may ever offer."""
MAX_DIMENSIONS: Final = max(RESOURCE_COUNT, CAP_COUNT, MAX_DEVICES_PER_TASK)
"""What a refusal may lack: one of the resources, or one of the devices that a job asks for."""
MAX_DRIVERS: Final = 62
"""Drivers are interned as bits of an int64 mask."""

MAX_QUOTAS: Final = 10_000
MAX_CAPS: Final = 1_000

OUTCOMES_KEPT: Final = 64
"""Outcomes a cell remembers for each session."""

PAST_ATTEMPTS_KEPT: Final = 8
"""Ended attempts a cell remembers for a task besides the last one."""

MAX_REFUSED_IN_A_ROW: Final = 1_000
"""Wholly refused transactions in a row after which an author is suspended."""

SECOND_US: Final = 1_000_000
TICK_PERIOD_US: Final = 2 * SECOND_US
SESSION_TTL_US: Final = 60 * SECOND_US
SUSPENSION_US: Final = 10 * SECOND_US
SILENT_TICKS_TO_LOSE: Final = 3


class Band(IntEnum):
    """Borg's priority bands, low to high (Borg, section 2.5)."""

    BEST_EFFORT = 0
    BATCH = 1
    PRODUCTION = 2
    MONITORING = 3


BAND_COUNT: Final = len(Band)


class Detection(IntEnum):
    """What makes a claim conflict (Omega, section 5.2)."""

    FINE = 0
    """Refuse only what would over-commit."""
    COARSE = 1
    """Refuse when the machine changed since it was seen."""


class Atomicity(IntEnum):
    """What a conflict does to the rest of its transaction (Omega, section 3.4)."""

    INCREMENTAL = 0
    """Refuse only the conflicting claims."""
    ALL_OR_NOTHING = 1
    """Refuse the whole transaction: gang scheduling."""


class Role(IntEnum):
    """What kind of proposer a session is."""

    API = 0
    SCHEDULER = 1
    CONTROLLER = 2
