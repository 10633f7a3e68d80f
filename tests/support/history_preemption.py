"""Random claims with victims: most of them nearly right, on machines where somebody may give way."""

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from omegacell.core.commands import Command, Evict, Place, SubmitJob
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.machine_commands import Inventory, RegisterMachine, ReportKind
from omegacell.core.placement import NO_RULES
from omegacell.core.preemption import MAX_VICTIMS, NO_VICTIMS, Victims
from omegacell.core.units import Band, JobId
from tests.support.history_machines import HAPPENED_AT_US
from tests.support.oracle_preemption import find_attempt, gives_way
from tests.support.oracle_state import Job, State, Task
from tests.support.oracle_tasks import ACTIVE
from tests.support.transcript_commands import report_of

Named = tuple[int, int, int, int]

GPU = DeviceRequest(name="gpu", count=1)
RANKS = ((Band.MONITORING, 0), (Band.PRODUCTION, 0), (Band.BATCH, 2), (Band.BATCH, 1), (Band.BATCH, 0))


def victims_of(rows: list[Named]) -> Victims:
    """Give rows (claim, job, index, attempt) as columns."""
    claims, jobs, indices, attempts = zip(*rows, strict=True)
    return Victims(
        claims=np.array(claims, np.int32),
        jobs=np.array(jobs, np.int64),
        indices=np.array(indices, np.int32),
        attempts=np.array(attempts, np.int32),
    )


def holders(state: State) -> list[tuple[Job, int, Task]]:
    """Give the tasks that hold something."""
    jobs = state.jobs.values()
    return [(job, index, task) for job in jobs for index, task in enumerate(job.tasks) if task.state in ACTIVE]


def draw_preempting(rng: random.Random, state: State, place: Place) -> Place:
    """Let a claim's task push others away: mostly such as give way to it, on the machine that it claims."""
    job = state.jobs.get(int(place.job))
    active = holders(state)
    if job is None or not active:
        return place
    weak = [each for each in active if gives_way(each[0].spec, job.spec)] or active
    machines, rows = place.machines.copy(), []
    target = rng.choice(weak)[2].machine
    for claim in range(len(place.indices)):
        if rng.random() < 0.15:
            continue
        if rng.random() < 0.9:
            machines[claim] = target if rng.random() < 0.7 else rng.choice(weak)[2].machine
        there = [each for each in active if each[2].machine == int(machines[claim])]
        there = [each for each in there if each in weak or rng.random() < 0.2] or active
        for job_of, index, task in rng.sample(there, min(len(there), rng.choice((1, 1, 2, 3)))):
            attempt = max(0, task.attempt + rng.choice((0,) * 12 + (-1, 1)))
            number = job_of.id if rng.random() < 0.97 else rng.randint(1, state.next_job)
            rows.append((claim, number, index if rng.random() < 0.97 else index + 7, attempt))
    named = [row for at, row in enumerate(rows) if row[:3] not in [each[:3] for each in rows[:at]]]
    return replace(place, machines=machines, victims=victims_of(named)) if named else place


def find_pressing(rng: random.Random, state: State) -> Place | None:
    """Give claims of a job of which tasks wait and to which somebody gives way, on the machine of one who does."""
    active = holders(state)
    pairs = [
        (job, index, weak)
        for job in state.jobs.values()
        for index in range(job.count)
        for weak in active
        if not job.is_stopping and job.tasks[index].state == TaskState.PENDING and gives_way(weak[0].spec, job.spec)
    ]
    if not pairs:
        return None
    job, _, weak = rng.choice([pair for pair in pairs if pair[0].spec.devices and pair[2][2].devices] or pairs)
    indices = [index for index in range(job.count) if job.tasks[index].state == TaskState.PENDING]
    rng.shuffle(indices)
    count = rng.choice((1, 1, 1, 2, 3))
    return Place(
        job=JobId(job.id),
        indices=np.array(indices[:count], np.int32),
        machines=np.full(len(indices[:count]), weak[2].machine, np.int32),
    )


def write_cascade(state: State, spec: JobSpec, machine: RegisterMachine) -> Iterator[Command]:
    """Fill a machine for each rank with one task of it, and let the highest push the next away, and so on down."""
    plain = replace(
        spec, resources=(4, 0, 0), driver="exec", placement=NO_RULES, devices=(), ports=(), count=1, scheduler="chain"
    )
    first = len(state.machines)
    for at, (band, priority) in enumerate(RANKS):
        name, row = f"chain-{at}", first + at - 1
        yield SubmitJob(spec=replace(plain, name=name, band=band, priority=priority), submitted_at_us=1)
        if not at:
            continue
        capacity = (4, *machine.capacity[1:])
        yield replace(machine, name=name, drivers=("exec",), attributes=(), capacity=capacity, port_last=-1)
        yield inventory_of(row, 1, [])
        yield claim_of(state, name, row, ())
    for at in range(len(RANKS) - 1):
        weak = state.names.get(f"chain-{at + 1}", 1)
        task = find_attempt(state, (weak, 0, 1))
        yield claim_of(state, f"chain-{at}", first + at, ((0, weak, 0, 1),))
        if task is not None:
            yield report_of([(first + at, 1, weak, 0, 1, ReportKind.EXITED, -1, 15, 0, HAPPENED_AT_US)])


def write_contest(rng: random.Random, state: State, spec: JobSpec, machine: RegisterMachine) -> Iterator[Command]:
    """Let tasks of a low job hold all GPUs of a machine, and those of a high one push them away, more or less."""
    plain = replace(
        spec, resources=(1, 0, 0), driver="exec", placement=NO_RULES, ports=(), scheduler="chain", gang=None
    )
    low = replace(plain, name="low", band=Band.BEST_EFFORT, count=3, devices=(GPU,))
    high = replace(plain, name="high", band=Band.PRODUCTION, count=2, devices=(replace(GPU, count=rng.choice((1, 2))),))
    row = len(state.machines)
    offer = replace(machine, name="contest", drivers=("exec",), attributes=(), capacity=(rng.choice((3, 4, 9)), 9, 9))
    offer = replace(offer, port_last=-1, devices=(DeviceOffer(name=GPU.name, count=3),))
    yield offer
    yield inventory_of(row, 1, [])
    yield SubmitJob(spec=low, submitted_at_us=1)
    yield SubmitJob(spec=high, submitted_at_us=1)
    weak, strong = state.names.get("low", 1), state.names.get("high", 1)
    three = np.arange(3, dtype=np.int32)
    yield Place(job=JobId(weak), indices=three, machines=np.full(3, row, np.int32))
    held = [(weak, index, 1) for index in range(3)]
    if rng.random() < 0.3:
        yield replace(claim_of(state, "low", row, ()), indices=three[:1])
    for index in range(2):
        victims = tuple((0, *key) for key in rng.sample(held, rng.choice((1, 2, 3))))
        yield replace(claim_of(state, "high", row, victims), indices=three[index : index + 1])
    if rng.random() < 0.3:
        yield Evict(job=JobId(strong), indices=three[:1], attempts=np.ones(1, np.int32))
    if rng.random() < 0.5:
        yield replace(offer, devices=(DeviceOffer(name=GPU.name, count=rng.choice((1, 2))),))
        yield inventory_of(row, 2, held)
    epoch = state.machines[row].epoch if row < len(state.machines) else 1
    for job, index, attempt in rng.sample(held, 3):
        yield report_of([(row, epoch, job, index, attempt, ReportKind.EXITED, -1, 15, 0, HAPPENED_AT_US)])


def inventory_of(row: int, epoch: int, held: list[tuple[int, int, int]]) -> Inventory:
    """Say which attempts a machine has found."""
    jobs, indices, attempts = zip(*held, strict=True) if held else ((), (), ())
    return Inventory(
        machine=row,
        epoch=epoch,
        jobs=np.array(jobs, np.int64),
        indices=np.array(indices, np.int32),
        attempts=np.array(attempts, np.int32),
    )


def claim_of(state: State, name: str, row: int, victims: tuple[Named, ...]) -> Place:
    """Claim a machine for the first task of a job."""
    return Place(
        job=JobId(state.names.get(name, 1)),
        indices=np.zeros(1, np.int32),
        machines=np.array([row], np.int32),
        victims=victims_of(list(victims)) if victims else NO_VICTIMS,
    )


def break_victims(place: Place) -> tuple[Place, ...]:
    """Write victims that no proposer of this version writes."""
    good = (0, 1, 0, 1)
    many = [(0, 1, index, 1) for index in range(MAX_VICTIMS + 1)]
    none = np.empty(0, np.int32)
    empty = Victims(claims=none, jobs=np.empty(0, np.int64), indices=none, attempts=none)
    wrong = (
        [(len(place.indices), 1, 0, 1)],
        [(-1, 1, 0, 1)],
        [good, (0, 1, 0, 2)],
        many,
        [(0, -1, 0, 1)],
        [(0, 1, -1, 1)],
        [(0, 1, 0, -1)],
    )
    two = replace(place, indices=np.array([0, 1], np.int32), machines=np.array([0, 0], np.int32), job=JobId(1))
    return (
        *[replace(place, victims=victims_of(rows)) for rows in wrong],
        replace(two, victims=victims_of([(1, 1, 0, 1), (0, 1, 1, 1)])),
        replace(place, victims=empty),
        replace(place, victims=replace(victims_of([good]), attempts=none)),
    )
