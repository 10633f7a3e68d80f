"""Makes cells for benches: genesis, machines that are up, jobs, all through the log as anyone else would."""

import secrets
from collections.abc import Iterator

import numpy as np

from omegacell.core.commands import (
    Command,
    Genesis,
    OpenSession,
    Place,
    SubmitJob,
    Transaction,
)
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.machine_commands import Inventory, RegisterMachine
from omegacell.core.units import (
    FORMAT,
    RESOURCE_NAMES,
    RULES,
    SECOND_US,
    SESSION_TTL_US,
    TICK_PERIOD_US,
    Band,
    JobId,
    Revision,
    Role,
    SessionId,
)

MACHINE_CAPACITY = (32_000, 128 << 30, 1 << 40)
TASK_RESOURCES = (1, 1 << 20, 1 << 20)
DRIVER = "simulated"
FORGET_AFTER_US = 3_600 * SECOND_US


def genesis(cell: str = "bench") -> Genesis:
    """Return the beginning of a cell."""
    return Genesis(
        format=FORMAT,
        rules=RULES,
        features=(),
        resource_names=RESOURCE_NAMES,
        cell=cell,
        incarnation=secrets.token_hex(16),
        tick_period_us=TICK_PERIOD_US,
        session_ttl_us=SESSION_TTL_US,
        forget_after_us=FORGET_AFTER_US,
    )


class Author:
    """Numbers the transactions of one session."""

    def __init__(self, name: str = "bench", *, role: Role = Role.SCHEDULER) -> None:
        self._session = SessionId(secrets.randbits(62) + 1)
        self._opening = OpenSession(author=name, role=role, scheduler="batch" if role is Role.SCHEDULER else "")
        self._seq = 0

    def write(self, *commands: Command, seen: int) -> Transaction:
        """Return the next transaction of the session."""
        self._seq += 1
        opening: tuple[Command, ...] = (self._opening,) if self._seq == 1 else ()
        return Transaction(session=self._session, seq=self._seq, seen=Revision(seen), commands=opening + commands)


def begin(machine_count: int) -> Iterator[Transaction]:
    """Yield the transactions that make a cell with machines that are up, revisions 1 to ``2 * machine_count + 1``."""
    yield Transaction(session=SessionId(1), seq=1, seen=Revision(0), commands=(genesis(),))
    author = Author("api-0", role=Role.API)
    none32, none64 = np.empty(0, np.int32), np.empty(0, np.int64)
    revision = 1
    for row in range(machine_count):
        register = RegisterMachine(
            name=f"m{row}",
            boot_id="boot",
            capacity=MACHINE_CAPACITY,
            drivers=(DRIVER,),
            port_first=20_000,
            port_last=29_999,
        )
        yield author.write(register, seen=revision)
        inventory = Inventory(machine=row, epoch=1, jobs=none64, indices=none32, attempts=none32)
        yield author.write(inventory, seen=revision + 1)
        revision += 2


def submit(name: str, count: int) -> SubmitJob:
    """Return the submission of a batch job of small tasks."""
    spec = JobSpec(
        name=name,
        owner="bench",
        kind=Kind.BATCH,
        scheduler="batch",
        band=Band.BATCH,
        priority=0,
        count=count,
        resources=TASK_RESOURCES,
        driver=DRIVER,
    )
    return SubmitJob(spec=spec, submitted_at_us=1)


def place(job: int, first: int, rows: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> Place:
    """Return claims for the tasks of a job from ``first`` on, one on each machine row given."""
    indices = np.arange(first, first + len(rows), dtype=np.int32)
    return Place(job=JobId(job), indices=indices, machines=rows)
