"""What must hold of a whole cell, recomputed by another path than the one that wrote it.

Plain loops over tasks and machines: slow, obviously right, and sharing no code with `apply`. Run by tests after every
history, by ``omega store verify``, and never in a hot path.
"""

from collections import Counter

from omegacell.core.cell import Cell
from omegacell.core.drains import NO_DEADLINE, Eligibility
from omegacell.core.errors import InvariantError
from omegacell.core.jobs import ACTIVE_STATES, STATE_COUNT, Kind, StopCause, TaskState
from omegacell.core.machines import MachineState
from omegacell.core.preemption import MAX_CASCADE
from omegacell.core.units import BAND_COUNT, RESOURCE_COUNT


def check(cell: Cell) -> None:
    """Raise `InvariantError` at the first thing that does not hold. Pure; cost: O(cell), in plain Python."""
    _check_extents(cell)
    _check_jobs(cell)
    _check_templates(cell)
    _check_tasks(cell)
    _check_machines(cell)
    _check_ports(cell)
    _check_devices(cell)
    _check_allocs(cell)
    _check_quotas(cell)
    _check_caps(cell)
    _check_waits(cell)
    _check_preempted(cell)


def _require(is_true: bool, what: str) -> None:
    if not is_true:
        raise InvariantError(what)


def _check_extents(cell: Cell) -> None:
    jobs, arena = cell.jobs, cell.tasks
    extents = [(int(jobs.offset[row]), int(jobs.extent[row]), row) for row in range(jobs.count) if jobs.id[row]]
    extents += [(offset, length, -1) for offset, length in arena.free_extents]
    at = 0
    for offset, length, row in sorted(extents):
        _require(offset == at, f"task rows {at} to {offset} belong to nobody or to two")
        at = offset + length
        owners = {int(owner) for owner in arena.job[offset:at]}
        _require(owners <= {row}, f"task rows {offset} to {at} of job row {row} name {sorted(owners)}")
    _require(at == arena.count, f"the arena has {arena.count} rows, its extents {at}")


def _check_jobs(cell: Cell) -> None:
    jobs, arena = cell.jobs, cell.tasks
    for row in range(jobs.count):
        if not jobs.id[row]:
            _require(row in jobs.free_rows, f"job row {row} is neither used nor free")
            continue
        spec, job = jobs.spec_of(row), int(jobs.id[row])
        _require(jobs.row_of(job) == row, f"job {job} is not found in its row {row}")
        offset, extent = int(jobs.offset[row]), int(jobs.extent[row])
        _require(spec.count == jobs.count_wanted[row] <= extent, f"job {job} wants {spec.count} of {extent} tasks")
        found = Counter(int(state) for state in arena.state[offset : offset + extent])
        counts = [found.get(state, 0) for state in range(STATE_COUNT)]
        _require(counts == jobs.counts[row].tolist(), f"job {job} counts {jobs.counts[row].tolist()}, has {counts}")
        if spec.kind is Kind.SYSTEM:
            limit = max(1, cell.machines.count)
            _require(spec.count == extent <= limit, f"job {job} has {extent} tasks for {limit} machines")
        is_ended = not any(counts[: TaskState.SUCCEEDED])
        _require(is_ended == (jobs.ended_elapsed[row] >= 0), f"job {job} is marked wrongly as ended or not")
        _check_pair(cell, row)
        has_deadline = jobs.deadline[row] >= spec.deadline_us > 0
        is_timed = spec.deadline_us and not spec.template_kind
        _require(has_deadline or (not is_timed and jobs.deadline[row] == -1), f"job {job} has a wrong deadline")
        is_late = jobs.stop_cause[row] == StopCause.DEADLINE
        is_cause = not is_late or (jobs.stopping[row] and 0 <= jobs.deadline[row] <= cell.elapsed)
        _require(bool(is_cause), f"job {job} was stopped at a deadline that has not passed")
        if jobs.stopping[row]:
            waiting = counts[TaskState.PENDING] + counts[TaskState.HELD]
            _require(waiting == 0, f"job {job} is stopping and has pending or held tasks")
        for index in range(spec.count, extent):
            is_waiting = arena.state[offset + index] in (TaskState.PENDING, TaskState.HELD)
            _require(not is_waiting, f"job {job} waits for unwanted task {index}")


def _check_pair(cell: Cell, row: int) -> None:
    jobs = cell.jobs
    job, name, successor = int(jobs.id[row]), jobs.spec_of(row).name, int(jobs.successor[row])
    if jobs.updating[row]:
        _require(jobs.by_name(name) == job and not successor, f"job {job} is updated to and is not current")
        _require(not jobs.stopping[row], f"job {job} is updated to and stops")
    if not successor:
        return
    new = jobs.row_of(successor)
    assert new is not None, f"job {job} has a successor that left"
    _require(jobs.spec_of(new).name == name, f"job {job} and its successor {successor} have different names")
    _require(not jobs.successor[new], f"the successor {successor} of job {job} has one itself")
    _require(row in jobs.predecessors_of(new), f"job {job} is not found as a predecessor of {successor}")
    _require(not jobs.counts[row, TaskState.HELD], f"job {job} has a successor and holds tasks")
    both = min(int(jobs.extent[row]), int(jobs.extent[new]))
    olds = cell.tasks.state[int(jobs.offset[row]) :][:both].tolist()
    news = cell.tasks.state[int(jobs.offset[new]) :][:both].tolist()
    for index, (before, after) in enumerate(zip(olds, news, strict=True)):
        waits = before < TaskState.SUCCEEDED and after in (TaskState.PENDING, *ACTIVE_STATES)
        _require(not waits, f"task {index} of job {job} goes on beside that of its successor {successor}")


def _check_templates(cell: Cell) -> None:
    jobs, arena = cell.jobs, cell.tasks
    templates = {int(jobs.id[row]) for row in range(jobs.count) if jobs.id[row] and jobs.template[row]}
    instants: set[tuple[int, int]] = set()
    for row in range(jobs.count):
        if not jobs.id[row]:
            continue
        spec, job, parent = jobs.spec_of(row), int(jobs.id[row]), int(jobs.parent[row])
        kind = 1 if spec.schedule is not None else 2 if spec.parameters is not None else 0
        _require(jobs.template[row] == kind, f"job {job} is marked as template of kind {jobs.template[row]}")
        offset, extent = int(jobs.offset[row]), int(jobs.extent[row])
        states = {int(state) for state in arena.state[offset : offset + extent]}
        resting = {int(TaskState.HELD), int(TaskState.STOPPED)}
        _require(not kind or states <= resting, f"template {job} has tasks that are neither held nor stopped")
        _require(parent < jobs.next_id, f"job {job} is a child of job {parent}, which was never there")
        _require(not (kind and parent), f"template {job} is a child of {parent}")
        instant = (parent, int(jobs.instant_us[row]))
        if parent in templates and instant[1]:
            _require(instant not in instants, f"two children of template {parent} were made for {instant[1]}")
            instants.add(instant)


def _check_tasks(cell: Cell) -> None:
    arena, jobs = cell.tasks, cell.jobs
    for row in range(arena.count):
        if arena.job[row] < 0:
            continue
        is_active = TaskState(int(arena.state[row])) in ACTIVE_STATES
        _require(is_active == (arena.machine[row] >= 0), f"task row {row} is active on no machine, or rests on one")
        _require(
            arena.state[row] not in (TaskState.LOST, TaskState.EVICTED), f"task row {row} rests in a passing state"
        )
        if is_active:
            if jobs.kind[arena.job[row]] == Kind.SYSTEM:
                index = row - int(jobs.offset[arena.job[row]])
                _require(arena.machine[row] == index, f"task row {row}, {index} of a system job, is not on its machine")
            _require(arena.attempt[row] > 0, f"task row {row} is active without an attempt")
            state = cell.machines.state[arena.machine[row]]
            _require(state != MachineState.DOWN, f"task row {row} is on a lost machine")
            if jobs.stopping[arena.job[row]]:
                _require(arena.stopping[row] != 0, f"task row {row} was not told to stop with its job")
        else:
            _require(arena.stopping[row] == 0, f"task row {row} is stopping and not active")


def _check_machines(cell: Cell) -> None:
    machines, arena, jobs = cell.machines, cell.tasks, cell.jobs
    held = [[[0] * RESOURCE_COUNT for _ in range(BAND_COUNT)] for _ in range(machines.count)]
    for row in range(arena.count):
        if arena.job[row] >= 0 and arena.machine[row] >= 0:
            spec = jobs.spec_of(int(arena.job[row]))
            for dimension, amount in enumerate(spec.charged):
                held[int(arena.machine[row])][spec.band][dimension] += amount
    for driver in machines.driver_names:
        bit = machines.driver_bit(driver)
        expected = [
            bool(drivers & bit) and state == MachineState.UP and eligibility == Eligibility.OPEN
            for drivers, state, eligibility in zip(
                machines.drivers.tolist(), machines.state.tolist(), machines.eligibility.tolist(), strict=True
            )
        ]
        _require(machines.takers(driver).tolist() == expected, f"the machines that take {driver} are others")
    contacts = zip(machines.contact_session.tolist(), machines.silent_ticks.tolist(), strict=True)
    silent = [session == 0 and ticks > 0 for session, ticks in contacts]
    _require(machines.silent().tolist() == silent, "the silent machines are others")
    for row in range(machines.count):
        name = machines.names[row]
        has_deadline = machines.drain_deadline[row] != NO_DEADLINE
        is_draining = machines.eligibility[row] == Eligibility.DRAINING
        _require(is_draining or not has_deadline, f"machine {name} has a deadline and does not drain")
        _require(machines.row_of(name) == row, f"machine {name} is not found in its row {row}")
        _require(machines.allocated[row].tolist() == held[row], f"machine {name}: allocated is not what tasks hold")
        for dimension in range(RESOURCE_COUNT):
            used = sum(held[row][band][dimension] for band in range(BAND_COUNT))
            free = int(machines.capacity[row, dimension]) - used
            _require(int(machines.free[row, dimension]) == free, f"machine {name}: free of {dimension} is not {free}")


def find_overcommitted(cell: Cell) -> list[str]:
    """Return the machines of which more is held, or promised, than they have; only one that shrank may.

    Held is what was begun there and has not ended; promised is what goes on there, and what waits for room.
    """
    machines, arena, jobs = cell.machines, cell.tasks, cell.jobs
    held = [[0] * RESOURCE_COUNT for _ in range(machines.count)]
    promised = [[0] * RESOURCE_COUNT for _ in range(machines.count)]
    for task in range(arena.count):
        if arena.job[task] < 0 or arena.machine[task] < 0:
            continue
        sums = [] if task in arena.waits else [held]
        sums += [] if arena.stopping[task] else [promised]
        for each in sums:
            for dimension, amount in enumerate(jobs.spec_of(int(arena.job[task])).resources):
                each[int(arena.machine[task])][dimension] += amount
    return [
        machines.names[row]
        for row in range(machines.count)
        if any(
            max(held[row][dimension], promised[row][dimension]) > int(machines.capacity[row, dimension])
            for dimension in range(RESOURCE_COUNT)
        )
    ]


def _check_waits(cell: Cell) -> None:
    arena, jobs = cell.tasks, cell.jobs
    for task, keys in arena.waits.items():
        _require(arena.state[task] == TaskState.PLACED, f"task row {task} waits for room and is not placed")
        _require(arena.stopping[task] == 0, f"task row {task} waits for room, and should have ended at once")
        _require(len(dict.fromkeys(keys)) == len(keys) > 0, f"task row {task} waits for {keys}")
        for job, index, attempt in keys:
            row = jobs.row_of(job)
            _require(row is not None, f"task row {task} waits for job {job}, which is gone")
            other = int(jobs.offset[row]) + index
            is_same = int(arena.attempt[other]) == attempt and arena.machine[other] == arena.machine[task]
            _require(is_same, f"task row {task} waits for attempt {attempt} of {job}/{index}, which is not there")
            _require(arena.stopping[other] != 0, f"task row {task} waits for {job}/{index}, which is not ending")
            _require(other not in arena.waits, f"task row {task} waits for {job}/{index}, which was not begun")


def _check_preempted(cell: Cell) -> None:
    arena = cell.tasks
    for task, known in arena.preempted.items():
        _require(arena.job[task] >= 0, f"task row {task} of no job was displaced")
        _require(1 <= known.depth <= MAX_CASCADE, f"task row {task} was displaced {known.depth} deep")
        _require(known.attempt <= arena.attempt[task], f"task row {task} was displaced in attempt {known.attempt}")
        is_begun = arena.state[task] == TaskState.RUNNING and arena.attempt[task] != known.attempt
        _require(not is_begun, f"task row {task} runs again and was displaced")
        if arena.machine[task] >= 0 and arena.attempt[task] == known.attempt:
            _require(arena.stopping[task] != 0, f"task row {task} was displaced and goes on")


def _check_ports(cell: Cell) -> None:
    machines, arena, jobs = cell.machines, cell.tasks, cell.jobs
    expected: list[dict[int, int]] = [{} for _ in range(machines.count)]
    for row, numbers in arena.ports.items():
        _require(arena.machine[row] >= 0, f"task row {row} holds ports and no machine")
        wanted = len(jobs.spec_of(int(arena.job[row])).ports)
        _require(len(numbers) == wanted, f"task row {row} holds {len(numbers)} ports of {wanted}")
        for number in numbers:
            ports = expected[int(arena.machine[row])]
            _require(number not in ports, f"port {number} is granted twice on machine row {arena.machine[row]}")
            ports[number] = row
    for row in range(machines.count):
        _require(machines.ports[row] == expected[row], f"machine row {row}: its ports are not those of its tasks")
        first, last = int(machines.port_first[row]), int(machines.port_last[row])
        used = sum(first <= number <= last for number in expected[row])
        free = max(0, last - first + 1) - used
        _require(int(machines.port_free[row]) == free, f"machine row {row}: {free} ports are free, not what it says")


def _check_devices(cell: Cell) -> None:
    machines, arena, jobs = cell.machines, cell.tasks, cell.jobs
    expected: dict[tuple[str, int], dict[int, int]] = {}
    for row, granted in arena.devices.items():
        _require(arena.machine[row] >= 0, f"task row {row} holds devices and no machine")
        requests = jobs.spec_of(int(arena.job[row])).devices
        counts, wanted = [len(indices) for indices in granted], [request.count for request in requests]
        _require(counts == wanted, f"task row {row} holds {counts} devices of {wanted}")
        for request, indices in zip(requests, granted, strict=True):
            used = expected.setdefault((request.name, int(arena.machine[row])), {})
            for index in indices:
                _require(index not in used, f"{request.name} {index} is granted twice on {arena.machine[row]}")
                used[index] = row
    for row in range(arena.count):
        if arena.job[row] >= 0 and arena.machine[row] >= 0 and jobs.spec_of(int(arena.job[row])).devices:
            kept = arena.owed if row in arena.waits else arena.devices
            _require(row in kept, f"task row {row} was granted no devices, nor promised any")
    _require(all(row in arena.waits for row in arena.owed), f"promised devices, and waiting no more: {arena.owed}")
    promises = Counter[tuple[str, int]]()
    for row in arena.owed:
        for request in jobs.spec_of(int(arena.job[row])).devices:
            promises[request.name, int(arena.machine[row])] += request.count
    for kind in machines.devices.kinds:
        _require(len(kind.offered) == machines.count, f"devices {kind.name} know {len(kind.offered)} machines")
        used_variants = sorted({int(variant) for variant in kind.variant if variant >= 0})
        known = [place for place, attributes in enumerate(kind.variants) if attributes is not None]
        _require(used_variants == known, f"devices {kind.name}: variants {known} of {used_variants}")
        for row in range(machines.count):
            used = expected.pop((kind.name, row), {})
            _require(kind.used.get(row, {}) == used, f"machine row {row}: its {kind.name} are not those of its tasks")
            offered = int(kind.offered[row])
            _require((offered > 0) == (kind.variant[row] >= 0), f"machine row {row}: {kind.name} without a variant")
            promised = promises.get((kind.name, row), 0)
            _require(kind.promised.get(row, 0) == promised, f"machine row {row}: {promised} {kind.name} are promised")
            free = offered - sum(index < offered for index in used) - promised
            _require(int(kind.free[row]) == free, f"machine row {row}: {free} {kind.name} are free")
    _require(not expected, f"tasks hold devices of unknown kinds: {sorted(expected)}")


def _check_allocs(cell: Cell) -> None:
    arena, jobs = cell.tasks, cell.jobs
    expected: dict[int, set[int]] = {}
    left: dict[int, list[int]] = {}
    for row in range(arena.count):
        spec = jobs.spec_of(int(arena.job[row])) if arena.job[row] >= 0 else None
        is_inside = spec is not None and bool(spec.alloc) and arena.machine[row] >= 0
        _require(is_inside == (row in arena.allocs.of), f"task row {row} is in an alloc and should not be, or is not")
        if spec is None or not is_inside:
            continue
        alloc = arena.allocs.of[row]
        box = jobs.spec_of(int(arena.job[alloc]))
        _require(
            box.kind is Kind.ALLOC and box.name == spec.alloc, f"task row {row} is in {box.name}, not {spec.alloc}"
        )
        _require(arena.state[alloc] == TaskState.RUNNING, f"task row {row} is in alloc row {alloc}, which does not run")
        _require(arena.machine[alloc] == arena.machine[row], f"task row {row} is on another machine than its alloc")
        is_told = arena.stopping[alloc] == 0 or arena.stopping[row] != 0
        _require(is_told, f"task row {row} was not told to end with its alloc row {alloc}")
        expected.setdefault(alloc, set()).add(row)
        held = left.setdefault(alloc, list(box.resources))
        left[alloc] = [free - amount for free, amount in zip(held, spec.resources, strict=True)]
    found = {alloc: set(tasks) for alloc, tasks in arena.allocs.inside.items()}
    _require(found == expected, f"allocs hold {found}, their tasks say {expected}")
    for alloc, amounts in left.items():
        _require(min(amounts) >= 0, f"alloc row {alloc} holds more than it has: {amounts} left")
    for name in dict.fromkeys(spec.alloc for spec in jobs.specs if spec is not None and spec.alloc):
        named = [row for row, spec in enumerate(jobs.specs) if spec is not None and spec.alloc == name]
        known = jobs.find_guests(name)
        _require(sorted(known) == named, f"job rows {known} are known to run in {name}; {named} do")
    has_sets = any(spec is not None and spec.kind is Kind.ALLOC for spec in jobs.specs)
    _require(jobs.has_alloc_sets == has_sets, f"the cell has alloc sets: {has_sets}, and believes otherwise")


def _check_quotas(cell: Cell) -> None:
    jobs, arena = cell.jobs, cell.tasks
    for (owner, band), quota in cell.quotas.rows.items():
        _require(band > 0, f"the lowest band has a quota, of {owner}")
        expected = [0] * RESOURCE_COUNT
        for row in range(jobs.count):
            spec = jobs.specs[row]
            if spec is None or jobs.stopping[row] or jobs.template[row] or (spec.owner, spec.band) != (owner, band):
                continue
            offset, extent = int(jobs.offset[row]), int(jobs.extent[row])
            states = arena.state[offset : offset + extent].tolist()
            if any(state < TaskState.SUCCEEDED for state in states):
                count = spec.count - states.count(TaskState.HELD) * (spec.kind is Kind.SYSTEM)
                share = [amount * count for amount in spec.charged]
                new = None if not jobs.successor[row] else jobs.specs[jobs.row_of(int(jobs.successor[row])) or 0]
                if new is not None and new.band == spec.band:
                    pairs = list(zip(spec.charged, new.charged, strict=True))
                    share = [
                        sum(had - min(had, asked if index < new.count else 0) for index in range(spec.count))
                        for had, asked in pairs
                    ]
                expected = [used + amount for used, amount in zip(expected, share, strict=True)]
        _require(quota.usage == expected, f"quota of {owner}, band {band}: usage {quota.usage}, jobs ask {expected}")


def _check_caps(cell: Cell) -> None:
    jobs, arena = cell.jobs, cell.tasks
    held: dict[str, list[int]] = {name: [0, 0] for name in cell.caps.rows}
    holders: dict[str, set[int]] = {name: set() for name in cell.caps.rows}
    for task in range(arena.count):
        spec = jobs.specs[int(arena.job[task])] if arena.job[task] >= 0 and arena.machine[task] >= 0 else None
        if spec is not None and spec.scheduler in held:
            held[spec.scheduler] = [used + spec.charged[at] for at, used in enumerate(held[spec.scheduler])]
            holders[spec.scheduler].add(int(arena.job[task]))
    for name, cap in cell.caps.rows.items():
        expected = [*held[name], len(holders[name])]
        _require(cap.usage == expected, f"cap of {name}: usage {cap.usage}, tasks hold {expected}")
