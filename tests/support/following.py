"""A small cell in a store, and sessions on it, for tests of what follows and proposes."""

from collections.abc import Callable, Iterable
from itertools import count

import numpy as np

from omegacell.core import snapshots
from omegacell.core.cell import Cell
from omegacell.core.commands import OpenSession, Place, StopJob, SubmitJob, Transaction
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.machine_commands import Inventory, RegisterMachine, Tick
from omegacell.core.outcomes import Outcome, Status
from omegacell.core.units import Band, JobId, Revision, Role, SessionId
from omegacell.store.codec import GENESIS_SESSION, genesis_entry, to_append
from omegacell.store.faults import Fault, FaultyStore
from omegacell.store.log import Append, Store
from omegacell.store.memory import MemoryDisk, MemoryStore
from omegacell.store.proposer import Proposal, Session
from omegacell.store.replica import Replica

INCARNATION = "0" * 32
NOTHING = np.empty(0, np.int32)
SUBMITS_JOBS = OpenSession(author="api-0", role=Role.API)
PLACES_TASKS = OpenSession(author="batch-0", role=Role.SCHEDULER, scheduler="batch")

_drawn = count(1_000)


def new_disk(session_ttl_us: int = 60_000_000) -> MemoryDisk:
    """Make a memory disk with a cell just begun."""
    disk = MemoryDisk(INCARNATION)
    begin_cell(MemoryStore(disk), session_ttl_us)
    return disk


def begin_cell(store: Store, session_ttl_us: int = 60_000_000) -> None:
    """Append a genesis."""
    entry = genesis_entry("home", incarnation=store.incarnation, session_ttl_us=session_ttl_us)
    store.append([Append(entry=entry, session=GENESIS_SESSION, first_seq=1)])


def draw() -> SessionId:
    """Draw session numbers that are the same in every run."""
    return SessionId(next(_drawn))


def session_on(store: Store, opening: OpenSession = SUBMITS_JOBS) -> Session:
    """Begin a session on a replica of its own."""
    return Session(Replica(store), opening, sleep=refuse_to_sleep, draw=draw)


def refuse_to_sleep(seconds: float) -> None:
    """Stand where a proposer would wait: no test here comes to that."""
    raise AssertionError(f"slept for {seconds} s")


def faulty(disk: MemoryDisk, plan: Iterable[Fault]) -> FaultyStore:
    """Open a store whose appends go wrong by plan; foreign entries open sessions."""
    return FaultyStore(MemoryStore(disk), plan, foreign=foreign_entry)


def foreign_entry() -> Append:
    """Make somebody else's entry."""
    transaction = Transaction(session=draw(), seq=1, seen=Revision(0), commands=(SUBMITS_JOBS,))
    return to_append((transaction,))


def submit(name: str, tasks: int = 3) -> Proposal:
    """Propose a job."""
    spec = JobSpec(
        name=name,
        owner="ann",
        kind=Kind.BATCH,
        scheduler="batch",
        band=Band.BATCH,
        priority=0,
        count=tasks,
        resources=(100, 1 << 20, 0),
        driver="exec",
    )
    return Proposal(commands=(SubmitJob(spec=spec, submitted_at_us=1),), decided_from_us=5, decided_to_us=6)


def stop(job: int) -> Proposal:
    """Propose to stop a job."""
    return Proposal(commands=(StopJob(job=JobId(job)),))


def place(job: int, indices: Iterable[int], machine: int = 0) -> Proposal:
    """Propose to place tasks of a job on one machine."""
    rows = np.array(list(indices), np.int32)
    machines = np.full(len(rows), machine, np.int32)
    return Proposal(commands=(Place(job=JobId(job), indices=rows, machines=machines),))


def add_machine(session: Session, name: str = "m0", cpu_milli: int = 4_000) -> int:
    """Register a machine and take its inventory; return its row."""
    capacity = (cpu_milli, 1 << 34, 1 << 34)
    register = RegisterMachine(name=name, boot_id="boot", capacity=capacity, drivers=("exec",))
    (joined,) = committed(session.submit([Proposal(commands=(register,))]))
    jobs = np.empty(0, np.int64)
    inventory = Inventory(machine=joined.value, epoch=joined.detail, jobs=jobs, indices=NOTHING, attempts=NOTHING)
    committed(session.submit([Proposal(commands=(inventory,))]))
    return joined.value


def tick(cell: Cell, dt_us: int = 4_000_000) -> Proposal:
    """Propose the next tick; the cell takes at most two periods, 4 s, at a time."""
    return Proposal(
        commands=(Tick(after=cell.tick, dt_us=dt_us, gained=NOTHING, gained_epochs=NOTHING, lost_contact=NOTHING),)
    )


def pass_time(session: Session, until: Callable[[Cell], bool]) -> None:
    """Let the cell's time pass until something holds."""
    for _ in range(100):
        if until(session.replica.cell):
            return
        committed(session.submit([tick(session.replica.cell)]))
    raise AssertionError("100 ticks were not enough")


def committed(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """Return outcomes that are all granted."""
    assert [one.status for one in outcomes] == [Status.COMMITTED] * len(outcomes), outcomes
    return outcomes


def digest_without_revision(cell: Cell) -> bytes:
    """Return the digest of a cell but for how many transactions it has seen."""
    other = cell.clone()
    other.revision = Revision(0)
    return snapshots.digest(other)
