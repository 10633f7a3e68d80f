"""What must hold of a whole cell, recomputed by another path than the one that wrote it.

Plain loops over tasks and machines: slow, obviously right, and sharing no code with `apply`. Run by tests after every
history, by ``omega store verify``, and never in a hot path.
"""

from collections import Counter

from omegacell.core.cell import Cell
from omegacell.core.drains import NO_DEADLINE, Eligibility
from omegacell.core.errors import InvariantError
from omegacell.core.jobs import ACTIVE_STATES, STATE_COUNT, TaskState
from omegacell.core.machines import MachineState
from omegacell.core.units import BAND_COUNT, RESOURCE_COUNT


def check(cell: Cell) -> None:
    """Raise `InvariantError` at the first thing that does not hold. Pure; cost: O(cell), in plain Python."""
    _check_extents(cell)
    _check_jobs(cell)
    _check_tasks(cell)
    _check_machines(cell)
    _check_ports(cell)
    _check_devices(cell)
    _check_quotas(cell)
    _check_caps(cell)


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
        is_ended = not any(counts[: TaskState.SUCCEEDED])
        _require(is_ended == (jobs.ended_elapsed[row] >= 0), f"job {job} is marked wrongly as ended or not")
        _check_pair(cell, row)
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
            for dimension, amount in enumerate(spec.resources):
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
    """Return the machines that hold more than their capacity; only a machine that shrank when registering may."""
    machines = cell.machines
    return [
        machines.names[row] for row in range(machines.count) if any(free < 0 for free in machines.free[row].tolist())
    ]


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
            _require(row in arena.devices, f"task row {row} was granted no devices")
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
            free = offered - sum(index < offered for index in used)
            _require(int(kind.free[row]) == free, f"machine row {row}: {free} {kind.name} are free")
    _require(not expected, f"tasks hold devices of unknown kinds: {sorted(expected)}")


def _check_quotas(cell: Cell) -> None:
    jobs, arena = cell.jobs, cell.tasks
    for (owner, band), quota in cell.quotas.rows.items():
        _require(band > 0, f"the lowest band has a quota, of {owner}")
        expected = [0] * RESOURCE_COUNT
        for row in range(jobs.count):
            spec = jobs.specs[row]
            if spec is None or jobs.stopping[row] or (spec.owner, spec.band) != (owner, band):
                continue
            offset, extent = int(jobs.offset[row]), int(jobs.extent[row])
            if any(state < TaskState.SUCCEEDED for state in arena.state[offset : offset + extent].tolist()):
                share = [amount * spec.count for amount in spec.resources]
                new = None if not jobs.successor[row] else jobs.specs[jobs.row_of(int(jobs.successor[row])) or 0]
                if new is not None and new.band == spec.band:
                    pairs = list(zip(spec.resources, new.resources, strict=True))
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
            held[spec.scheduler] = [used + spec.resources[at] for at, used in enumerate(held[spec.scheduler])]
            holders[spec.scheduler].add(int(arena.job[task]))
    for name, cap in cell.caps.rows.items():
        expected = [*held[name], len(holders[name])]
        _require(cap.usage == expected, f"cap of {name}: usage {cap.usage}, tasks hold {expected}")
