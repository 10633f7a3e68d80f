"""How the slow twin judges scheduling transactions: claim by claim, in order, on a copy of what is taken so far."""

from copy import deepcopy
from dataclasses import dataclass, field

from omegacell.core.commands import Evict, Place, Scheduling, Transaction, Unplaced
from omegacell.core.devices import DeviceRequest
from omegacell.core.drains import Eligibility, EvictCause
from omegacell.core.jobs import Stopping, TaskState
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import MAX_REFUSED_IN_A_ROW, RESOURCE_COUNT, SUSPENSION_US, Atomicity, Detection
from tests.support.oracle_allocs import Alloc, Entered, choose, nearest_lack, open_allocs
from tests.support.oracle_limits import find_cap_lack
from tests.support.oracle_placement import CROWDED, is_crowd_changed, placement_reason
from tests.support.oracle_preemption import (
    Relief,
    count_promised,
    devices_of,
    displace,
    ending_on,
    find_attempt,
    find_victim_refusal,
    give_devices,
    total_of,
    victims_of,
)
from tests.support.oracle_state import (
    UP,
    Author,
    Displaced,
    Job,
    Key,
    Machine,
    Row,
    State,
    Verdict,
    changed_before,
    charged,
)
from tests.support.oracle_system import is_system
from tests.support.oracle_tasks import ACTIVE, Ending, close_alloc, end_attempt, serves, settle, touch

SCHEDULING = (Place, Evict, Unplaced)
NOTHING = Relief([0] * RESOURCE_COUNT, {})


@dataclass(slots=True)
class Judging:
    """One transaction while it is judged: what its own granted claims took so far."""

    state: State
    seen: int
    since: int  # the last revision before the entry: the author's own changes in it do not count
    is_coarse: bool
    taken: dict[int, list[int]] = field(default_factory=dict)
    ports: dict[int, list[int]] = field(default_factory=dict)
    devices: dict[tuple[int, str], int] = field(default_factory=dict)
    tasks: list[tuple[int, int]] = field(default_factory=list)
    claims: list[tuple[int, int]] = field(default_factory=list)  # job id and machine row of what was granted
    evicted: list[tuple[int, int]] = field(default_factory=list)
    entered: Entered = field(default_factory=list)
    displaced: list[Key] = field(default_factory=list)  # who gave way to claims of it
    displaced_before: list[Key] = field(default_factory=list)  # of those, to claims of earlier commands
    granted: list[Job] = field(default_factory=list)

    def has_changed(self, changes: list[int]) -> bool:
        """Say whether something changed after the base."""
        return changed_before(changes, self.since) > self.seen


@dataclass(frozen=True, slots=True)
class Granted:
    """A granted claim, before it is written."""

    job: Job
    index: int
    row: int
    victims: list[Key]
    waits: list[Key]
    alloc: Alloc | None


@dataclass(frozen=True, slots=True)
class Marked:
    """A granted eviction, before it is written."""

    job: Job
    index: int


def judge_scheduling(state: State, transaction: Transaction, commands: tuple[Scheduling, ...]) -> Verdict:
    """Judge claims and evictions in order, then write what was granted."""
    judging = Judging(
        state,
        seen=transaction.seen,
        since=state.revision - 1 - transaction.position,
        is_coarse=transaction.detection == Detection.COARSE,
    )
    found: list[Granted | Marked | Row] = []
    ends: list[int] = []
    for command in commands:
        judging.displaced_before = list(judging.displaced)
        if isinstance(command, Place):
            found += judge_place(judging, command, len(found))
        elif isinstance(command, Evict):
            for index, attempt in zip(command.indices.tolist(), command.attempts.tolist(), strict=True):
                found.append(judge_eviction(judging, command, index, attempt, len(found)))
        ends.append(len(found))
    if all(isinstance(each, Unplaced) and each.job not in state.jobs for each in commands):
        is_conflict = unknown_job_is_conflict(judging, commands[0].job)
        return Verdict(state.revision, Status.REFUSED, Reason.UNKNOWN_JOB, is_conflict=is_conflict)
    rows = [each for each in found if isinstance(each, tuple)]
    granted = [each for each in found if not isinstance(each, tuple)]
    if rows and transaction.atomicity == Atomicity.ALL_OR_NOTHING:
        rows = gang_rows(found)
        granted = []
    if rows and not granted:
        return Verdict(state.revision, Status.REFUSED, rows=tuple(rows))
    for command, first, last in zip(commands, [0, *ends], ends, strict=False):
        write_granted(state, transaction, [each for each in found[first:last] if not isinstance(each, tuple)])
        if isinstance(command, Unplaced) and command.job in state.jobs:
            job = state.jobs[command.job]
            job.why = (command.task_count, command.lacks, command.note)
            settle(state, job)
    return Verdict(state.revision, Status.PARTIAL if rows else Status.COMMITTED, granted=len(granted), rows=tuple(rows))


def write_granted(state: State, transaction: Transaction, granted: list[Granted | Marked]) -> None:
    """Write what one command was granted: the claims first, group by group, then who gives way to them."""
    claims = [each for each in granted if isinstance(each, Granted)]
    for claim in sorted(claims, key=lambda each: group_of(each.job, each.index)):
        write_claim(state, claim, transaction)
    for claim in claims:
        note_displacement(state, claim)
    for claim in claims:
        write_displacement(state, claim, transaction)
    for each in granted:
        if isinstance(each, Marked):
            write_eviction(state, each, transaction)


def judge_place(judging: Judging, command: Place, first: int) -> list[Granted | Row]:
    """Judge the claims of one `Place` in order, those of a gang group by group: too little of a group is refused.

    ``first`` is the position of its first claim in the transaction.
    """
    indices = command.indices.tolist()
    job = judging.state.jobs.get(command.job)
    gang = None if job is None else job.spec.gang
    if job is None or gang is None:
        return [judge_claim(judging, command, at, first + at) for at in range(len(indices))]
    size = gang.size or job.count
    answers: dict[int, Granted | Row] = {}
    for group in sorted({group_of(job, index) for index in indices}):
        mine = [at for at, index in enumerate(indices) if group_of(job, index) == group]
        before = deepcopy((judging.taken, judging.ports, judging.devices))
        kept = list(judging.tasks), list(judging.claims), list(judging.evicted), list(judging.displaced)
        granted, entered = list(judging.granted), list(judging.entered)
        said = {at: judge_claim(judging, command, at, first + at) for at in mine}
        members = range(group * size, min(job.count, (group + 1) * size))
        placed = [
            index
            for index in members
            if job.tasks[index].state not in (TaskState.PENDING, TaskState.HELD) or (job.id, index) in judging.tasks
        ]
        is_enough = len(placed) >= min(gang.least or len(members), len(members))
        if not is_enough and any(isinstance(each, Granted) for each in said.values()):
            judging.taken, judging.ports, judging.devices = before
            judging.tasks, judging.claims, judging.evicted, judging.displaced = kept
            judging.granted, judging.entered = granted, entered
            said = refuse_group(said, first, is_job_changed=judging.has_changed(job.changes))
        answers |= said
    return [answers[at] for at in range(len(indices))]


def group_of(job: Job, index: int) -> int:
    """Give the group of a task: all of a job that is one gang, or none, are of one."""
    return index // job.spec.gang.size if job.spec.gang is not None and job.spec.gang.size else 0


def refuse_group(said: dict[int, Granted | Row], first: int, *, is_job_changed: bool) -> dict[int, Granted | Row]:
    """Refuse what was granted of a group: with what was refused of it, else because it was too little."""
    refused = [each for each in said.values() if isinstance(each, tuple)]
    reason = Reason.GANG_PARTNER if refused else Reason.GANG_INCOMPLETE
    is_conflict = any(each[2] for each in refused) if refused else is_job_changed
    return {
        at: each if isinstance(each, tuple) else (first + at, reason, is_conflict, -1, 0, 0)
        for at, each in said.items()
    }


def gang_rows(found: list[Granted | Marked | Row]) -> list[Row]:
    """Refuse every partner of what was refused."""
    is_conflict = any(each[2] for each in found if isinstance(each, tuple))
    return [
        each if isinstance(each, tuple) else (position, Reason.GANG_PARTNER, is_conflict, -1, 0, 0)
        for position, each in enumerate(found)
    ]


def unknown_job_is_conflict(judging: Judging, job_id: int) -> bool:
    """Say whether an unknown job was perhaps there at the base: it had a number, and something was forgotten since."""
    return 1 <= job_id < judging.state.next_job and judging.state.forgotten_at > judging.seen


def judge_claim(  # noqa: PLR0911 -- one return a reason
    judging: Judging, command: Place, claim: int, position: int
) -> Granted | Row:
    """Judge one claim against the cell and what the transaction took before."""
    state, job_id = judging.state, int(command.job)
    index, row = int(command.indices[claim]), int(command.machines[claim])
    job = state.jobs.get(job_id)
    if job is None:
        return (position, Reason.UNKNOWN_JOB, unknown_job_is_conflict(judging, job_id), -1, 0, 0)
    is_job_changed = judging.has_changed(job.changes)
    if job.is_stopping:
        return (position, Reason.JOB_STOPPING, is_job_changed, -1, 0, 0)
    machine = state.machine(row)
    if machine is None:
        return (position, Reason.UNKNOWN_MACHINE, False, -1, 0, 0)
    if index >= job.count:
        return (position, Reason.UNKNOWN_TASK, is_job_changed, -1, 0, 0)
    if is_system(job.spec) and index != row:
        return (position, Reason.NOT_ITS_MACHINE, False, -1, 0, 0)
    if job.tasks[index].state != TaskState.PENDING:
        return (position, Reason.TASK_NOT_PENDING, is_job_changed, -1, 0, 0)
    if (job_id, index) in judging.tasks:
        return (position, Reason.CLAIMED_TWICE, False, -1, 0, 0)
    over = find_cap_lack(state, job, judging.granted)
    if over is not None:
        is_cap_changed = judging.has_changed(state.caps[job.spec.scheduler].changes)
        return (position, Reason.CAP_EXCEEDED, is_cap_changed, *over, 0)
    victims = victims_of(command, claim)
    reason, is_conflict = find_victim_refusal(judging, job, index, row, victims)
    if reason:
        return (position, reason, is_conflict, -1, 0, 0)
    has_changed = judging.has_changed(machine.changes)
    reason, dimension, shortage = lack(judging, job, row, has_changed, NOTHING)
    taken: list[Key] = []
    waits: list[Key] = []
    if reason in (Reason.RESOURCES, Reason.DEVICES_EXHAUSTED) and victims:
        ending = ending_on(judging, row)
        fresh = [key for key in victims if key not in ending and key not in judging.displaced]
        for count in range(len(fresh) + 1):
            taken = fresh[:count]
            giving = [*ending, *taken]
            relief = Relief(total_of(state, giving), devices_of(state, row, giving))
            reason, dimension, shortage = lack(judging, job, row, has_changed, relief)
            if not reason:
                break
        waits = [key for key in [*ending, *taken] if not state.jobs[key[0]].tasks[key[1]].waits]
    if reason in CROWDED:
        has_changed = has_changed or is_job_changed or is_crowd_changed(state, job, judging.has_changed, judging.seen)
    if reason:
        return (position, reason, has_changed, dimension, shortage, machine.claimed_at)
    judging.tasks.append((job_id, index))
    judging.claims.append((job_id, row))
    judging.granted.append(job)
    alloc = enter_alloc(judging, job, row)
    displace(judging, row, taken)
    take(judging, job, row)
    take_devices(judging, job, row)
    return Granted(job, index, row, taken, waits, alloc)


def lack(  # noqa: PLR0911 -- one return a reason
    judging: Judging, job: Job, row: int, has_changed: bool, relief: Relief
) -> tuple[Reason, int, int]:
    """Say why a machine cannot take a task of a job: the first reason, its dimension and its shortage.

    ``relief`` is what is counted as free though others hold it.
    """
    machine = judging.state.machines[row]
    taken = judging.taken.get(row, [0] * RESOURCE_COUNT)
    if judging.is_coarse and has_changed:
        return Reason.MACHINE_CHANGED, -1, 0
    if machine.state != UP:
        return Reason.MACHINE_NOT_UP, -1, 0
    if job.spec.driver not in machine.drivers:
        return Reason.DRIVER_MISSING, -1, 0
    if machine.eligibility != Eligibility.OPEN:
        return Reason.MACHINE_CORDONED, -1, 0
    allocs = open_allocs(judging.state, job.spec.alloc, row, judging.evicted)
    if job.spec.alloc and not allocs:
        return Reason.NO_ALLOC, -1, 0
    reason = placement_reason(judging.state, job, row, judging.claims, judging.evicted)
    if reason:
        return reason, -1, 0
    for place, request in enumerate(job.spec.devices):
        shortage = request.count - len(suitable(machine, request))
        if shortage > 0:
            return Reason.DEVICE_MISSING, place, shortage
    port_reason = lack_of_ports(judging, job, row)
    if port_reason:
        return port_reason, -1, 0
    for place, request in enumerate(job.spec.devices):
        shortage = request.count - count_free(judging, row, request) - relief.devices.get(request.name, 0)
        if shortage > 0:
            return Reason.DEVICES_EXHAUSTED, place, shortage
    if job.spec.alloc and choose(judging.state, job.spec, allocs, judging.entered) is None:
        return Reason.ALLOC_FULL, *nearest_lack(judging.state, job.spec, allocs, judging.entered)
    for dimension, demand in enumerate(charged(job.spec)):
        free = machine.free(dimension) - taken[dimension] + relief.amounts[dimension]
        if demand and demand > free:
            return Reason.RESOURCES, dimension, demand - free
    return Reason.NONE, -1, 0


def lack_of_ports(judging: Judging, job: Job, row: int) -> Reason:
    """Say why a machine has no ports for a task of a job."""
    machine = judging.state.machines[row]
    used = [*machine.ports, *judging.ports.get(row, [])]
    static = [port.number for port in job.spec.ports if port.number]
    dynamic_count = len(job.spec.ports) - len(static)
    if any(machine.port_first <= number <= machine.port_last for number in static):
        return Reason.PORT_IN_RANGE
    if any(number in used for number in static):
        return Reason.PORT_TAKEN
    if dynamic_count > len([1 for number in port_range(machine) if number not in used]):
        return Reason.PORTS_EXHAUSTED
    return Reason.NONE


def port_range(machine: Machine) -> range:
    """Give the numbers from which a machine's ports are granted."""
    return range(machine.port_first, machine.port_last + 1)


def take(judging: Judging, job: Job, row: int) -> None:
    """Take what a claim asks for; which ports it will get is only guessed here: as many, and none that is taken."""
    machine = judging.state.machines[row]
    taken = judging.taken.setdefault(row, [0] * RESOURCE_COUNT)
    for dimension, demand in enumerate(charged(job.spec)):
        taken[dimension] += demand
    judging.ports.setdefault(row, []).extend(choose_ports(machine, job, judging.ports.get(row, [])))


def choose_ports(machine: Machine, job: Job, others: list[int]) -> list[int]:
    """Choose the ports of a claim, upwards from where the last grant ended, round the range."""
    cursor = machine.port_next
    numbers: list[int] = []
    for port in job.spec.ports:
        number = port.number
        if not number:
            while cursor in machine.ports or cursor in others or cursor in numbers:
                cursor = after(machine, cursor)
            number = cursor
            cursor = after(machine, cursor)
        numbers.append(number)
    return numbers


def enter_alloc(judging: Judging, job: Job, row: int) -> Alloc | None:
    """Take room in the first alloc on a machine that has it, for a task that runs inside one."""
    if not job.spec.alloc:
        return None
    allocs = open_allocs(judging.state, job.spec.alloc, row, judging.evicted)
    alloc = choose(judging.state, job.spec, allocs, judging.entered)
    assert alloc is not None
    judging.entered.append((alloc, job.spec))
    return alloc


def after(machine: Machine, number: int) -> int:
    """Give the port after a port; after the last comes the first."""
    return number + 1 if number < machine.port_last else machine.port_first


def suitable(machine: Machine, request: DeviceRequest) -> list[int]:
    """Give the indices of a machine's devices that are such as a job asks for, whoever has them."""
    offer = machine.device(request.name)
    if offer is None or any((name, value) not in offer.attributes for name, value in request.where):
        return []
    return list(range(offer.count))


def count_free(judging: Judging, row: int, request: DeviceRequest) -> int:
    """Count those of them that nobody holds, was promised or was given by this transaction; can be less than none."""
    unheld = [
        index for index in suitable(judging.state.machines[row], request)
        if (request.name, index) not in judging.state.machines[row].held
    ]  # fmt: skip
    promised = count_promised(judging.state, row, request.name)
    return len(unheld) - promised - judging.devices.get((row, request.name), 0)


def take_devices(judging: Judging, job: Job, row: int) -> None:
    """Take devices for each thing a claim asks for."""
    for request in job.spec.devices:
        taken = judging.devices.get((row, request.name), 0)
        judging.devices[row, request.name] = taken + request.count


def judge_eviction(judging: Judging, command: Evict, index: int, attempt: int, position: int) -> Marked | Row:
    """Judge one eviction; one that names another attempt than the present one hits nothing."""
    job_id = int(command.job)
    job = judging.state.jobs.get(job_id)
    if job is None:
        return (position, Reason.UNKNOWN_JOB, unknown_job_is_conflict(judging, job_id), -1, 0, 0)
    if index >= len(job.tasks):
        return (position, Reason.UNKNOWN_TASK, judging.has_changed(job.changes), -1, 0, 0)
    task = job.tasks[index]
    if task.attempt != attempt or task.state not in ACTIVE:
        return (position, Reason.STALE_ATTEMPT, judging.has_changed(job.changes), -1, 0, 0)
    if command.cause == EvictCause.DRAIN:
        machine = judging.state.machines[task.machine]
        if machine.eligibility != Eligibility.DRAINING:
            return (position, Reason.NOT_DRAINING, judging.has_changed(machine.changes), -1, 0, 0)
        if not is_within_budget(judging, job, index, machine):
            current = judging.state.current(job)
            group = (job, current, *judging.state.olds(current))
            return (position, Reason.JOB_DISRUPTED, any(judging.has_changed(each.changes) for each in group), -1, 0, 0)
    judging.evicted.append((job_id, index))
    return Marked(job, index)


def is_within_budget(judging: Judging, job: Job, index: int, machine: Machine) -> bool:
    """Say whether a draining machine may take one more task of a job away."""
    current = judging.state.current(job)
    limit = current.spec.max_unavailable
    if limit == -1 or index >= current.count or not is_available(judging, job, index):
        return True
    if machine.drain_deadline != -1 and machine.drain_deadline <= judging.state.elapsed:
        return True
    group = (current, *judging.state.olds(current))
    unavailable = [
        each
        for each in range(current.count)
        if not any(each < len(one.tasks) and is_available(judging, one, each) for one in group)
    ]
    return len(unavailable) + 1 <= limit


def is_available(judging: Judging, job: Job, index: int) -> bool:
    """Say whether a task is wanted and serves, after what this transaction evicted so far."""
    return (job.id, index) not in judging.evicted and serves(job, index)


def write_claim(state: State, claim: Granted, transaction: Transaction) -> None:
    """Put a task on its machine."""
    job, machine, task = claim.job, state.machines[claim.row], claim.job.tasks[claim.index]
    task.state = TaskState.PLACED
    task.machine = task.last_machine = claim.row
    task.attempt += 1
    task.stopping = Stopping.NO
    task.health = task.started_at_us = task.ended_at_us = task.signal = task.note = 0
    task.placed_at_us = transaction.decided_to_us
    task.exit_code = -1
    task.ports = choose_ports(machine, job, [])
    task.waits = list(claim.waits)
    if not task.waits:
        give_devices(machine, job, claim.index)
    task.alloc = claim.alloc
    for dimension, demand in enumerate(charged(job.spec)):
        machine.allocated[job.spec.band][dimension] += demand
    for port, number in zip(job.spec.ports, task.ports, strict=True):
        machine.ports[number] = (job.id, claim.index)
        if not port.number:
            machine.port_next = after(machine, number)
    touch(machine.changes, state.revision)
    machine.claimed_at = state.revision
    machine.claimed_by = state.sessions[transaction.session].author
    touch(job.changes, state.revision)
    settle(state, job)


def note_displacement(state: State, claim: Granted) -> None:
    """Note of those who give way to a claim to whom they do; what an earlier command asked to end stays as it is."""
    own = claim.job.tasks[claim.index].displaced
    for key in claim.victims:
        task = find_attempt(state, key)
        if task is not None and task.stopping == Stopping.NO:
            depth = 1 if own is None else own.depth + 1
            task.displaced = Displaced(task.attempt, claim.job.id, claim.index, state.revision, depth)


def write_displacement(state: State, claim: Granted, transaction: Transaction) -> None:
    """Ask those who give way to a claim to end; who was inside an alloc that did so before is asked already."""
    for key in claim.victims:
        task = find_attempt(state, key)
        if task is not None and task.stopping == Stopping.NO:
            ask_to_end(state, state.jobs[key[0]], key[1], transaction)


def write_eviction(state: State, eviction: Marked, transaction: Transaction) -> None:
    """Ask a task to end as EVICTED; one that is asked already stays as it is."""
    task = eviction.job.tasks[eviction.index]
    if task.state in ACTIVE and task.stopping == Stopping.NO:
        ask_to_end(state, eviction.job, eviction.index, transaction)


def ask_to_end(state: State, job: Job, index: int, transaction: Transaction) -> None:
    """Ask an active task to end as EVICTED: at once when no machine knows of it yet."""
    if job.tasks[index].waits:
        end_attempt(state, job, index, Ending(TaskState.EVICTED, transaction.decided_to_us))
    else:
        job.tasks[index].stopping = Stopping.EVICT
        close_alloc(state, job, index)
    touch(job.changes, state.revision)
    settle(state, job)


def count_scheduling(
    state: State, transaction: Transaction, commands: tuple[Scheduling, ...], verdict: Verdict
) -> None:
    """Bring the author's counters up to date; they count refused transactions too."""
    author = state.authors.setdefault(state.sessions[transaction.session].author, Author())
    decided = [each.job for each in commands if isinstance(each, Place | Unplaced)]
    if decided:
        author.decisions += 1
        author.busy_us += max(0, transaction.decided_to_us - transaction.decided_from_us)
        author.no_fit += any(isinstance(each, Unplaced) for each in commands)
    if any(isinstance(each, Place) for each in commands):
        count_claims(author, commands, verdict)
    for job in [state.jobs[each] for each in decided if each in state.jobs]:
        if not job.was_decided:
            job.was_decided = True
            author.wait_us += max(0, transaction.decided_from_us - job.submitted_at_us)
            author.wait_count += 1
    author.refused_in_a_row = author.refused_in_a_row + 1 if verdict.status == Status.REFUSED else 0
    if author.refused_in_a_row >= MAX_REFUSED_IN_A_ROW:
        author.refused_in_a_row = 0
        author.suspended_until = state.elapsed + SUSPENSION_US


def count_claims(author: Author, commands: tuple[Scheduling, ...], verdict: Verdict) -> None:
    """Count one decision's claims by what became of them."""
    conflicted = [row for row in verdict.rows if row[2]]
    author.committed += verdict.status == Status.COMMITTED
    author.conflicted += len(conflicted) > 0
    author.disagreed += len(conflicted) < len(verdict.rows)
    author.claims_conflicted += len(conflicted)
    author.claims_disagreed += len(verdict.rows) - len(conflicted)
    for row in verdict.rows:
        author.refusals[row[1]] = author.refusals.get(row[1], 0) + 1
    author.placements += placement_count(commands, verdict) if verdict.granted else 0


def placement_count(commands: tuple[Scheduling, ...], verdict: Verdict) -> int:
    """Count the granted claims of a transaction, its evictions left out."""
    refused = {row[0] for row in verdict.rows}
    count = position = 0
    for command in commands:
        if isinstance(command, Place | Evict):
            for _ in range(len(command.indices)):
                count += isinstance(command, Place) and position not in refused
                position += 1
    return count
