"""One plain picture of a cell and of its slow twin, so that the two can be compared, and a difference read.

A picture is a dict of lines: a path (``task 3/0``) and everything known under it as plain values. Where the core
keeps things its own way (rows, bits, offsets), the picture says what they mean.
"""

from dataclasses import astuple
from typing import Any

from omegacell.core.cell import Cell
from omegacell.core.devices import DeviceOffer
from omegacell.core.drains import Eligibility
from omegacell.core.machines import MachineState
from omegacell.core.outcomes import Outcome, Reason, Status
from tests.support.oracle import Oracle
from tests.support.oracle_limits import cap_use, quota_use
from tests.support.oracle_preemption import count_promised
from tests.support.oracle_state import Job, State, Verdict

Picture = dict[str, Any]


def verdict_of(outcome: Outcome) -> Verdict:
    """Give an outcome of the core as a plain value."""
    refusals = outcome.refusals
    if not len(refusals):
        rows: tuple[Any, ...] = ()
    else:
        columns = [
            refusals.positions.tolist(),
            [Reason(each) for each in refusals.reasons.tolist()],
            [bool(each) for each in refusals.is_conflict.tolist()],
            refusals.dimensions.tolist(),
            refusals.shortages.tolist(),
            refusals.taken_at.tolist(),
        ]
        rows = tuple(zip(*columns, strict=True))
    return Verdict(
        outcome.revision, Status(outcome.status), Reason(outcome.reason), outcome.granted,
        outcome.value, outcome.detail, outcome.is_conflict, rows,
    )  # fmt: skip


def differences(left: Picture, right: Picture) -> list[str]:
    """Give the lines in which two pictures differ, as text."""
    paths = sorted({*left, *right})
    return [
        f"{path}:\n  core {left.get(path)}\n  twin {right.get(path)}"
        for path in paths
        if left.get(path) != right.get(path)
    ]


def picture_of_twin(twin: Oracle) -> Picture:
    """Give the picture of the slow twin."""
    state = twin.state
    picture: Picture = {
        "cell": (
            state.revision,
            state.elapsed,
            state.tick,
            state.rules,
            state.incarnation,
            state.forgotten_at,
            state.topology[-1],
            state.next_job,
        ),
        "names": dict(sorted(state.names.items())),
    }
    for row in range(len(state.machines)):
        picture[f"machine {row}"] = _twin_machine(state, row)
    for job in state.jobs.values():
        _add_twin_job(picture, job)
    _add_twin_people(picture, state)
    for (owner, band), quota in state.quotas.items():
        picture[f"quota {owner}/{band}"] = (quota.amounts, quota_use(state, owner, band), quota.changes[-1])
    for name, cap in state.caps.items():
        picture[f"cap {name}"] = (cap.amounts, cap_use(state, name), cap.changes[-1])
    return picture


def _twin_machine(state: State, row: int) -> tuple[Any, ...]:
    machine = state.machines[row]
    return (
        machine.name, machine.boot_id, machine.epoch, machine.state, machine.capacity, machine.allocated,
        [machine.free(dimension) for dimension in range(len(machine.capacity))],
        sorted(machine.drivers), machine.attributes,
        (machine.port_first, machine.port_last, machine.port_next, len(
            [1 for each in range(machine.port_first, machine.port_last + 1) if each not in machine.ports])),
        dict(sorted(machine.ports.items())),
        ([(each, _free_of(state, row, each)) for each in machine.devices], dict(sorted(machine.held.items()))),
        machine.changes[-1], machine.claimed_at, machine.claimed_by,
        machine.contact, machine.silent_ticks, machine.lost_elapsed, machine.taints,
        machine.eligibility.name, machine.drain_deadline,
    )  # fmt: skip


def _free_of(state: State, row: int, offer: DeviceOffer) -> int:
    held = state.machines[row].held
    unheld = len([index for index in range(offer.count) if (offer.name, index) not in held])
    return unheld - count_promised(state, row, offer.name)


def _add_twin_job(picture: Picture, job: Job) -> None:
    ended = -1 if job.ended_elapsed is None else job.ended_elapsed
    picture[f"job {job.id}"] = (
        job.spec.name, job.spec, job.count, len(job.tasks), job.is_stopping, job.submitted_at_us, job.changes[-1],
        ended, job.was_decided, job.why, (job.parent, job.instant_us, job.tallies),
        -1 if job.deadline is None else job.deadline,
        job.is_late,
        (job.successor or 0, int(job.updating), job.progressed),
    )  # fmt: skip
    for index, task in enumerate(job.tasks):
        picture[f"task {job.id}/{index}"] = (
            int(task.state), task.machine, task.last_machine, int(task.stopping), task.health, task.attempt,
            task.restarts, task.exit_code, task.signal, task.note, task.placed_at_us, task.started_at_us,
            task.ended_at_us, task.ended_elapsed, tuple(task.ports), tuple(tuple(each) for each in task.devices),
            tuple(task.past), task.alloc, tuple(sorted(task.waits)),
            None if task.displaced is None else tuple(astuple(task.displaced)),
        )  # fmt: skip


def _add_twin_people(picture: Picture, state: State) -> None:
    for number, session in state.sessions.items():
        verdicts = dict(sorted(session.verdicts.items()))
        picture[f"session {number}"] = (
            session.author, session.role, session.scheduler, session.last_seq, session.deadline, verdicts,
        )  # fmt: skip
    for name, author in state.authors.items():
        picture[f"author {name}"] = (
            author.decisions, author.committed, author.conflicted, author.disagreed, author.no_fit,
            author.placements, author.claims_conflicted, author.claims_disagreed, author.busy_us, author.wait_us,
            author.wait_count, author.refused_in_a_row, author.suspended_until,
            {reason.name: count for reason, count in sorted(author.refusals.items())},
        )  # fmt: skip


def picture_of_cell(cell: Cell) -> Picture:
    """Give the picture of a cell of the core."""
    names = {cell.jobs.spec_of(row).name: int(cell.jobs.id[row]) for row in range(cell.jobs.count) if cell.jobs.id[row]}
    picture: Picture = {
        "cell": (
            cell.revision,
            cell.elapsed,
            cell.tick,
            cell.rules,
            cell.incarnation,
            cell.forgotten_at,
            cell.topology_at,
            cell.jobs.next_id,
        ),
        "names": {name: job for name in sorted(names) if (job := cell.jobs.by_name(name)) is not None},
    }
    holders: dict[int, tuple[int, int]] = {}
    for job in cell.jobs.ids():
        row = cell.jobs.row_of(job)
        assert row is not None
        offset = int(cell.jobs.offset[row])
        for index in range(int(cell.jobs.extent[row])):
            holders[offset + index] = (int(job), index)
    for job in cell.jobs.ids():
        _add_job(picture, cell, job, holders)
    for row in range(cell.machines.count):
        picture[f"machine {row}"] = _machine(cell, row, holders)
    _add_people(picture, cell)
    for (owner, band), quota in cell.quotas.rows.items():
        picture[f"quota {owner}/{band}"] = (quota.amounts, list(quota.usage), quota.changed_at)
    for name, cap in cell.caps.rows.items():
        picture[f"cap {name}"] = (cap.amounts, list(cap.usage), cap.changed_at)
    return picture


def _machine(cell: Cell, row: int, holders: dict[int, tuple[int, int]]) -> tuple[Any, ...]:
    table = cell.machines
    bits = int(table.drivers[row])
    author = int(table.claimed_by[row])
    return (
        table.names[row], table.boot_ids[row], int(table.epoch[row]), MachineState(int(table.state[row])).name,
        tuple(table.capacity[row].tolist()), table.allocated[row].tolist(), table.free[row].tolist(),
        sorted(name for place, name in enumerate(table.driver_names) if bits >> place & 1),
        tuple(table.attributes[row]),
        (int(table.port_first[row]), int(table.port_last[row]), int(table.port_next[row]), int(table.port_free[row])),
        {number: holders[task] for number, task in sorted(table.ports[row].items())},
        (table.devices.offers(row), dict(sorted(_held(cell, row, holders).items()))),
        int(table.changed_at[row]), int(table.claimed_at[row]), cell.authors.rows[author].name if author >= 0 else None,
        int(table.contact_session[row]), int(table.silent_ticks[row]), int(table.lost_elapsed[row]),
        table.taints[row],
        Eligibility(int(table.eligibility[row])).name, int(table.drain_deadline[row]),
    )  # fmt: skip


def _held(cell: Cell, row: int, holders: dict[int, tuple[int, int]]) -> dict[tuple[str, int], tuple[int, int]]:
    return {
        (kind.name, index): holders[task]
        for kind in cell.machines.devices.kinds
        for index, task in kind.used.get(row, {}).items()
    }


def _add_job(picture: Picture, cell: Cell, job: int, holders: dict[int, tuple[int, int]]) -> None:
    jobs, arena, row = cell.jobs, cell.tasks, cell.jobs.row_of(job)
    assert row is not None
    number, why, spec = int(jobs.id[row]), jobs.why[row], jobs.spec_of(row)
    picture[f"job {number}"] = (
        spec.name, spec, int(jobs.count_wanted[row]), int(jobs.extent[row]), bool(jobs.stopping[row]),
        int(jobs.submitted_at_us[row]), int(jobs.changed_at[row]), int(jobs.ended_elapsed[row]),
        bool(jobs.first_decided_at_us[row]), None if why is None else (why.task_count, why.lacks, why.note),
        (
            int(jobs.parent[row]), int(jobs.instant_us[row]),
            [int(jobs.made_count[row]), int(jobs.skipped_count[row]), int(jobs.missed_count[row])],
        ),
        int(jobs.deadline[row]), bool(jobs.stop_cause[row]),
        (int(jobs.successor[row]), int(jobs.updating[row]), int(jobs.progressed_elapsed[row])),
    )  # fmt: skip
    columns = (
        arena.state, arena.machine, arena.last_machine, arena.stopping, arena.health, arena.attempt, arena.restarts,
        arena.exit_code, arena.signal, arena.note, arena.placed_at_us, arena.started_at_us, arena.ended_at_us,
        arena.ended_elapsed,
    )  # fmt: skip
    offset, extent = int(jobs.offset[row]), int(jobs.extent[row])
    values = zip(*(column[offset : offset + extent].tolist() for column in columns), strict=True)
    for index, value in enumerate(values):
        past = tuple(
            (
                each.attempt, each.machine, each.state, each.exit_code, each.signal, each.note,
                each.placed_at_us, each.started_at_us, each.ended_at_us, each.preempted_by, each.preempted_at,
            )
            for each in arena.past.get(offset + index, ())
        )  # fmt: skip
        ports, devices = arena.ports.get(offset + index, ()), arena.devices.get(offset + index, ())
        alloc = arena.allocs.of.get(offset + index, -1)
        waits, displaced = arena.waits.get(offset + index, ()), arena.preempted.get(offset + index)
        picture[f"task {number}/{index}"] = (
            *value, tuple(ports), devices, past, holders.get(alloc), tuple(sorted(waits)),
            None if displaced is None else tuple(displaced),
        )  # fmt: skip


def _add_people(picture: Picture, cell: Cell) -> None:
    for number, session in cell.sessions.items():
        verdicts = {seq: verdict_of(outcome) for seq, outcome in session.outcomes}
        picture[f"session {number}"] = (
            cell.authors.rows[session.author].name, session.role, session.scheduler, session.last_seq,
            session.deadline, verdicts,
        )  # fmt: skip
    for author in cell.authors.rows:
        reasons = {Reason(place).name: count for place, count in enumerate(author.reasons) if count}
        picture[f"author {author.name}"] = (
            author.decisions, author.committed, author.conflicted, author.disagreed, author.no_fit,
            author.placements, author.claims_conflicted, author.claims_disagreed, author.busy_us, author.wait_us,
            author.wait_count, author.refused_in_a_row, author.suspended_until, reasons,
        )  # fmt: skip
