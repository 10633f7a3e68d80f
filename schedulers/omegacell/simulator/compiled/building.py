"""Making the columns of a run: the cell, its machines and instances, and all jobs that will come.

What a real cell comes to by registrations, sessions and submissions is written down here in closed form; the tests hold
it against the production path, revision for revision.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.kernels import MachineColumns
from omegacell.core.units import BAND_COUNT, RESOURCE_COUNT, Atomicity, Detection
from omegacell.simulator.compiled import world as columns
from omegacell.simulator.compiled.deciding import MAX_CLAIMS, MAX_JOBS
from omegacell.simulator.compiled.draws import WIDTH, save_generator
from omegacell.simulator.compiled.world import World
from omegacell.simulator.labcell import SESSION_TTL_US
from omegacell.simulator.machines import GIB, amounts_of
from omegacell.simulator.metrics import DAY_US, SECOND
from omegacell.simulator.settings import Architecture, DecisionTime, Setup
from omegacell.simulator.workloads import KINDS, Kind, Workload

QUEUES: Final = {"batch": 0, "service": 1, "monolithic": 2, "prefill": 3}

FIRST_EVENTS: Final = 4_096
FIRST_LOG: Final = 65_536
_INSTANT: Final = DecisionTime(job_s=0.0, task_s=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One instance: its name, the scheduler's name, whose jobs it decides on and how long that takes, and its seed."""

    name: str
    queue: str
    kinds: tuple[Kind, ...]
    times: tuple[DecisionTime, DecisionTime]
    seed: int


def find_seats(setup: Setup) -> list[Seat]:
    """Return the instances of a run in their order, the prefill's last (`Simulation._make_instances`)."""
    batch, service = setup.decision[Kind.BATCH], setup.decision[Kind.SERVICE]
    seeds = setup.seed * 1_000 + 1
    prefill = Seat(name="prefill-0", queue="prefill", kinds=(Kind.PREFILL,), times=(_INSTANT, _INSTANT), seed=seeds - 1)
    if setup.architecture is Architecture.SHARED_STATE:
        seats: list[Seat] = []
        for kind in (Kind.BATCH, Kind.SERVICE):
            queue = kind.value.lower()
            for number in range(len(seats), len(seats) + setup.schedulers[kind]):
                name = f"{queue}-{number}"
                seats.append(Seat(name=name, queue=queue, kinds=(kind,), times=(batch, service), seed=seeds + number))
        return [*seats, prefill]
    times = (service if setup.architecture is Architecture.MONOLITHIC_SINGLE else batch, service)
    kinds = (Kind.BATCH, Kind.SERVICE)
    return [Seat(name="monolithic-0", queue="monolithic", kinds=kinds, times=times, seed=seeds), prefill]


def build_world(setup: Setup, jobs: Workload, prefill: Workload) -> World:
    """Return the columns before anything has happened: genesis and the machines' registrations are behind."""
    seats = find_seats(setup)
    order = np.argsort(jobs.submitted_s, kind="stable")
    records, amounts = _make_jobs(setup, prefill, jobs, order)
    lines = _assign(seats, records, amounts)
    instances = _make_instances(seats, lines, len(records))
    machines, most = setup.shape.machines, int(records.count.max(initial=1))
    width = max(MAX_CLAIMS, most) if setup.atomicity is Atomicity.ALL_OR_NOTHING else MAX_CLAIMS
    claims = (len(seats), width)
    end_us = round(setup.run_s * SECOND)
    return World(
        cell=_make_cell(setup, seats, end_us=end_us),
        **_make_machines(setup)._asdict(),
        capacity=np.tile(np.array(amounts_of(setup.shape.cpus, setup.shape.memory_gb), np.int64), (machines, 1)),
        newer=np.append(np.arange(1, machines, dtype=np.int64), np.int64(-1)),
        older=np.arange(-1, machines - 1, dtype=np.int64),
        jobs=records,
        tasks=_records(int(records.count.sum()), columns.TASK, machine=-1, next=-1),
        instances=instances,
        lines=lines,
        amounts=amounts,
        decisions=_records((len(seats), MAX_JOBS), columns.DECISION),
        claim_tasks=np.zeros(claims, np.int64),
        claim_machines=np.zeros(claims, np.int64),
        reasons=np.zeros(claims, np.uint8),
        is_conflict=np.zeros(claims, np.uint8),
        events=_records(FIRST_EVENTS, columns.EVENT),
        days=_records((len(seats) - 1, end_us // DAY_US + 1), columns.DAY),
        draws=_make_draws(seats),
        log=np.zeros(FIRST_LOG, np.int64),
        looking=np.zeros(len(lines), np.int64),
        looking_rows=np.zeros((len(seats), machines), np.int64),
        changed_rows=np.zeros((len(seats), machines), np.int64),
        is_changed=np.zeros((len(seats), machines), np.uint8),
        hopeless=np.zeros(2 * MAX_JOBS, np.int64),
        **_make_scratch(machines, most),
    )


def find_owners(names: list[str], instances: tuple[str, ...]) -> NDArray[np.int32]:
    """Return the place of each job's owner among instances in ascending order: `shares.owner_of` of many at once."""
    if len(instances) == 1:
        return np.zeros(len(names), np.int32)
    keyed = [blake2b(digest_size=8, key=blake2b(each.encode(), digest_size=16).digest()) for each in instances]
    digests = np.empty((len(instances), len(names)), np.uint64)
    raw = [name.encode() for name in names]
    for place, fresh in enumerate(keyed):
        found = bytearray()
        for name in raw:
            each = fresh.copy()
            each.update(name)
            found += each.digest()
        digests[place] = np.frombuffer(bytes(found), ">u8")
    # of equal digests the later name wins
    last: NDArray[np.int32] = (len(instances) - 1 - np.argmax(digests[::-1], axis=0)).astype(np.int32)
    return last


def _records(shape: int | tuple[int, int], dtype: np.dtype[Any], **fresh: int) -> Any:
    made = np.zeros(shape, dtype).view(np.recarray)
    for name, value in fresh.items():
        made[name] = value
    return made


def _make_cell(setup: Setup, seats: list[Seat], *, end_us: int) -> Any:
    cell = _records(1, columns.CELL)
    row = cell[0]
    row.end_us = end_us
    row.revision = 2 + 2 * setup.shape.machines
    row.newest = setup.shape.machines - 1
    row.machines = setup.shape.machines
    row.instances = len(seats)
    row.queues_end = len(seats) - 1
    is_shared = setup.architecture is Architecture.SHARED_STATE
    row.detection = setup.detection if is_shared else Detection.FINE
    return cell


def _make_machines(setup: Setup) -> MachineColumns:
    """Write down what genesis, the lab's session, and each machine's registration and inventory come to."""
    machines = setup.shape.machines
    capacity = np.array(amounts_of(setup.shape.cpus, setup.shape.memory_gb), np.int64)
    changed_at = 4 + 2 * np.arange(machines, dtype=np.int64)
    return MachineColumns(
        free=np.tile(capacity, (machines, 1)),
        allocated=np.zeros((machines, BAND_COUNT, RESOURCE_COUNT), np.int64),
        changed_at=changed_at,
        changed_before=changed_at - 1,
        claimed_at=np.zeros(machines, np.int64),
        claimed_by=np.full(machines, -1, np.int32),
    )


def _make_jobs(setup: Setup, prefill: Workload, jobs: Workload, order: NDArray[np.intp]) -> tuple[Any, Any]:
    """Return the jobs' records, and what a task of each asks for."""

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(prefill, name), getattr(jobs, name)[order]])

    counts = column("task_counts")
    records = _records(len(counts), columns.JOB, first_us=-1, scheduled_us=-1, ended_elapsed=-1, child=-1, sibling=-1)
    records.kind = column("kinds")
    records.count = counts
    records.offset = np.cumsum(counts) - counts
    records.arrives_us = np.rint(column("submitted_s") * SECOND)
    records.duration_us = np.rint(column("duration_s") * SECOND)
    records.is_gang = (records.kind != KINDS.index(Kind.PREFILL)) & (setup.atomicity is Atomicity.ALL_OR_NOTHING)
    # their number in the file, until names are no longer needed
    records.mark = column("numbers")
    amounts = np.zeros((len(counts), RESOURCE_COUNT), np.int64)
    amounts[:, 0] = np.rint(column("cpus") * 1_000)
    amounts[:, 1] = np.rint(column("memory_gb") * GIB)
    return records, amounts


def _assign(seats: list[Seat], records: Any, amounts: NDArray[np.int64]) -> Any:
    """Give each job its owner and its queue of parked jobs; return the queues, by owner and then by shape."""
    for kind in Kind:
        own = np.flatnonzero(records.kind == KINDS.index(kind))
        places = sorted((seat.name, place) for place, seat in enumerate(seats) if kind in seat.kinds)
        if len(places) > 1:
            names = [f"{kind.value.lower()}-{number}" for number in records.mark[own].tolist()]
            found = find_owners(names, tuple(name for name, _ in places))
            records.owner[own] = np.array([place for _, place in places], np.int32)[found]
        else:
            records.owner[own] = places[0][1]
        records.queue[own] = QUEUES[seats[places[0][1]].queue]
    records.mark = 0
    gangs = np.where(records.is_gang != 0, records.count, 0)
    shapes = np.zeros(len(records), np.int64)
    for column in (amounts[:, 0], amounts[:, 1], gangs):
        _, part = np.unique(column, return_inverse=True)
        _, shapes = np.unique(shapes * (int(part.max(initial=0)) + 1) + part, return_inverse=True)
    width = int(shapes.max(initial=0)) + 1
    keys, line = np.unique(records.owner.astype(np.int64) * width + shapes, return_inverse=True)
    records.shape_id = shapes
    records.line = line
    lines = _records(len(keys), columns.LINE, waiting=-1, tried=-1, before=-1, after=-1)
    lines.shape_id = keys % width
    lines.owner = keys // width
    return lines


def _make_instances(seats: list[Seat], lines: Any, jobs: int) -> Any:
    instances = _records(
        len(seats),
        columns.INSTANCE,
        wait_us=-1,
        ready_root=-1,
        timer_root=-1,
        listed_first=-1,
        listed_last=-1,
        deadline=SESSION_TTL_US,
    )
    for place, seat in enumerate(seats):
        row = instances[place]
        row.queue = QUEUES[seat.queue]
        row.author = place + 1
        row.first_line = np.searchsorted(lines.owner, place)
        row.lines = np.searchsorted(lines.owner, place, side="right") - row.first_line
        row.job_s_0, row.task_s_0 = seat.times[0].job_s, seat.times[0].task_s
        row.job_s_1, row.task_s_1 = seat.times[1].job_s, seat.times[1].task_s
    return instances


def _make_draws(seats: list[Seat]) -> NDArray[np.uint64]:
    """Return the generators of plug-ins and jitter, as `Loop` makes them."""
    draws = np.zeros((2 * len(seats), WIDTH), np.uint64)
    for place, seat in enumerate(seats):
        plugin, jitter = np.random.default_rng(seat.seed).spawn(2)
        draws[2 * place], draws[2 * place + 1] = save_generator(plugin), save_generator(jitter)
    return draws


def _make_scratch(machines: int, most: int) -> dict[str, NDArray[Any]]:
    longs = {name: np.zeros(machines, np.int64) for name in ("order", "rooms", "held", "shares", "counts")}
    return longs | {"keys": np.zeros(machines, np.float64), "levels": np.zeros(2 * most + 4, np.int64)}
