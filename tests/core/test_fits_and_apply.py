"""What `fits` allows `apply` grants, what it denies `apply` refuses: on the same overlay, whatever the rules are."""

import random
from dataclasses import replace

import numpy as np
import pytest

from omegacell.core import invariants
from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.commands import Place, SubmitJob, Transaction
from omegacell.core.jobs import JobSpec, Kind, TaskState
from omegacell.core.lives import Stamp, end_all_as, end_attempts
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.preempt_claims import find_held_devices
from omegacell.core.preemption import MAX_VICTIMS, may_preempt
from omegacell.core.units import JobId, Revision
from omegacell.core.waits import keys_of
from tests.support.histories import write_history
from tests.support.history_commands import GANGS, CommandWriter
from tests.support.history_preemption import victims_of
from tests.support.oracle_duel import fold_entries
from tests.support.oracle_state import State


def cell_of(seed: int) -> Cell:
    """Fold a random history."""
    cell = Cell()
    fold_entries(cell, write_history(seed))
    return cell


def pending_of(cell: Cell) -> list[tuple[int, int]]:
    """Give row and a pending task index of each job that has one and is not stopping."""
    found = []
    for job in cell.jobs.ids():
        row = cell.jobs.row_of(job)
        assert row is not None
        first = int(cell.jobs.offset[row])
        states = cell.tasks.state[first : first + int(cell.jobs.count_wanted[row])]
        waiting = np.flatnonzero(states == TaskState.PENDING).tolist()
        if waiting and not cell.jobs.stopping[row]:
            found.append((row, waiting[0]))
    return found


def claim(cell: Cell, job_row: int, indices: list[int], machines: list[int]) -> list[Reason]:
    """Let `apply` judge claims on a copy of the cell; give the reason of each, NONE where it was granted."""
    copy = cell.clone()
    number, session = next(iter(copy.sessions.items()))
    place = Place(
        job=JobId(int(cell.jobs.id[job_row])),
        indices=np.array(indices, np.int32),
        machines=np.array(machines, np.int32),
    )
    transaction = Transaction(session=number, seq=session.last_seq + 1, seen=Revision(copy.revision), commands=(place,))
    outcome = apply(copy, transaction)
    reasons = [Reason.NONE] * len(indices)
    for position, reason in zip(outcome.refusals.positions.tolist(), outcome.refusals.reasons.tolist(), strict=True):
        reasons[position] = Reason(reason)
    assert outcome.reason in (Reason.NONE, Reason.SUSPENDED)
    return reasons


def group_of(spec: JobSpec, index: int) -> int:
    """Give the group of a task of a gang."""
    assert spec.gang is not None
    return index // spec.gang.size if spec.gang.size else 0


@pytest.mark.parametrize("chunk", range(4))
def test_one_claim_is_granted_exactly_where_it_fits(chunk: int) -> None:
    """For every job that waits and every machine: `room`, `reasons` and `apply` say the same, but for a full cap.

    A cap is not about machines: it comes first, and `caps` of the same overlay tells it. Nor is a gang: it comes last,
    and `gangs` tells it. A task of a system job is refused on all machines but one, whatever they have.
    """
    asked = denied = capped = strays = 0
    for seed in range(chunk, 1200, 4):
        cell = cell_of(seed)
        if not cell.sessions:
            continue
        for row, index in pending_of(cell):
            spec = cell.jobs.spec_of(row)
            room = Overlay(cell).room(spec)
            has_cap_room = Overlay(cell).caps.room(row) > 0
            reasons, _ = Overlay(cell).reasons(spec)
            is_too_few = spec.gang is not None and Overlay(cell).gangs.find_short(row, group_of(spec, index)) > 1
            for machine in range(cell.machines.count):
                [said] = claim(cell, row, [index], [machine])
                if spec.kind is Kind.SYSTEM and machine != index:
                    strays += 1
                    assert said is Reason.NOT_ITS_MACHINE, f"seed {seed}, {spec.name} on {machine}: {said!r}"
                    continue
                assert (said is Reason.CAP_EXCEEDED) == (not has_cap_room), f"seed {seed}, {spec.name}: {said!r}"
                if is_too_few and has_cap_room and room[machine] > 0:
                    assert said is Reason.GANG_INCOMPLETE, f"seed {seed}, {spec.name} on {machine}: {said!r}"
                    continue
                if not has_cap_room:
                    capped += 1
                    continue
                assert (said is Reason.NONE) == (room[machine] > 0), f"seed {seed}, {spec.name} on {machine}: {said!r}"
                assert said == reasons[machine], f"seed {seed}, {spec.name} on {machine}"
                asked += 1
                denied += said is not Reason.NONE
    assert asked > 200
    assert denied > 50
    assert capped > 10
    assert strays > 4


@pytest.mark.parametrize("chunk", range(4))
def test_claims_that_fit_in_order_are_granted_together(chunk: int) -> None:
    """Several claims of one transaction: `fits_in_order` grants what `apply` grants, with every rule in play."""
    for seed in range(chunk, 600, 4):
        cell, rng = cell_of(seed), random.Random(seed)
        if not cell.sessions or not cell.machines.count:
            continue
        for row, _ in pending_of(cell):
            first = int(cell.jobs.offset[row])
            states = cell.tasks.state[first : first + int(cell.jobs.count_wanted[row])]
            indices = np.flatnonzero(states == TaskState.PENDING).tolist()
            spec = cell.jobs.spec_of(row)
            if spec.kind is Kind.SYSTEM:
                indices = [index for index in indices if index < cell.machines.count]
                machines = indices
            else:
                machines = [rng.randrange(cell.machines.count) for _ in indices]
            if not indices:
                continue
            overlay = Overlay(cell)
            if spec.gang is not None:
                continue
            if not (overlay.standing_reasons(spec, np.array(machines)) == Reason.NONE).all():
                continue
            fits = overlay.fits_in_order(spec, np.array(machines, np.int64))
            fits &= np.cumsum(fits) <= overlay.caps.room(row)
            said = claim(cell, row, indices, machines)
            assert fits.tolist() == [reason is Reason.NONE for reason in said], f"seed {seed}, {spec.name}: {said}"


@pytest.mark.parametrize("chunk", range(4))
def test_groups_that_find_enough_are_granted_together(chunk: int) -> None:
    """Claims on several groups: granted is what an overlay takes group by group, enough of each or nothing."""
    granted = refused = 0
    for seed in range(chunk, 600, 4):
        cell, rng = cell_of(seed), random.Random(seed)
        if not cell.sessions or not cell.machines.count:
            continue
        submit_gang(cell, rng)
        for row, _ in pending_of(cell):
            spec, first = cell.jobs.spec_of(row), int(cell.jobs.offset[row])
            if spec.gang is None:
                continue
            states = cell.tasks.state[first : first + int(cell.jobs.count_wanted[row])]
            indices = np.flatnonzero(states == TaskState.PENDING).tolist()
            rng.shuffle(indices)
            roomy = np.flatnonzero(Overlay(cell).room(spec)).tolist() or [0]
            machines = [
                rng.choice(roomy) if rng.random() < 0.9 else rng.randrange(cell.machines.count) for _ in indices
            ]
            expected = take_groups(cell, row, indices, machines)
            said = [reason is Reason.NONE for reason in claim(cell, row, indices, machines)]
            assert said == expected, f"seed {seed}, {spec.name}: {spec.gang}, {indices} on {machines}"
            granted += sum(said)
            refused += len(said) - sum(said)
    assert granted > 15
    assert refused > 30


def submit_gang(cell: Cell, rng: random.Random) -> None:
    """Let a cell have a fresh gang that asks for little, whatever its rules are."""
    spec = CommandWriter(rng, State()).spec("fresh")
    spec = replace(spec, count=rng.randint(2, 7), resources=(rng.randint(0, 1), 0, 0), gang=rng.choice(GANGS), after=())
    number, session = next(iter(cell.sessions.items()))
    submit = SubmitJob(spec=spec, submitted_at_us=1)
    apply(cell, Transaction(session=number, seq=session.last_seq + 1, seen=cell.revision, commands=(submit,)))


def take_groups(cell: Cell, row: int, indices: list[int], machines: list[int]) -> list[bool]:
    """Take claims on an overlay, group by group, where the group gets enough; say which were taken."""
    spec, overlay = cell.jobs.spec_of(row), Overlay(cell)
    taken = [False] * len(indices)
    for group in sorted({group_of(spec, index) for index in indices}):
        mine = [at for at, index in enumerate(indices) if group_of(spec, index) == group]
        rows = np.array([machines[at] for at in mine], np.int64)
        fits = overlay.fits_in_order(spec, rows)
        fits &= np.cumsum(fits) <= overlay.caps.room(row)
        if fits.sum() >= max(1, overlay.gangs.find_short(row, group)):
            overlay.take(spec, rows[fits])
            overlay.caps.take(row, int(fits.sum()))
            for at, is_taken in zip(mine, fits.tolist(), strict=True):
                taken[at] = is_taken
    return taken


@pytest.mark.parametrize("chunk", range(4))
def test_a_claim_with_victims_is_granted_exactly_where_the_rest_leaves_room(chunk: int) -> None:
    """Whoever outranks all others on a machine gets what fits there without them, and no claim evicts needlessly.

    What fits is asked of `Overlay` on a copy in which what was evicted, and what was ending, has really ended.
    """
    granted = refused = spared = 0
    for seed in range(chunk, 480, 4):
        cell = cell_of(seed)
        pairs = [(row, index, machine) for row, index in pending_of(cell) for machine in range(cell.machines.count)]
        for row, index, machine in pairs if cell.sessions else []:
            spec = cell.jobs.spec_of(row)
            there = np.flatnonzero(cell.tasks.machine == machine).tolist()
            named = [task for task in there if yields(cell, task, row)][:MAX_VICTIMS]
            if not named or Overlay(cell).caps.room(row) == 0:
                continue
            copy, reason = press(cell, row, index, machine, named)
            fits = Overlay(end_all(cell, named, machine)).reasons(spec)[0][machine] == Reason.NONE
            if reason is Reason.NONE:
                gone = np.flatnonzero(copy.tasks.stopping > cell.tasks.stopping).tolist()
                granted, spared = granted + 1, spared + (len(gone) < len(named))
                is_inside = spec.alloc and not gone  # it had room in an alloc that was named, and nobody had to go
                assert fits or is_inside or Overlay(cell).is_crowded(spec), f"seed {seed}, {spec.name} on {machine}"
                assert set(invariants.find_overcommitted(copy)) <= set(invariants.find_overcommitted(cell))
                check_nobody_needless(cell, spec, machine, gone)
            elif reason in (Reason.RESOURCES, Reason.DEVICES_EXHAUSTED):
                refused += 1
                assert not fits, f"seed {seed}, {spec.name} on {machine}"
    assert granted > 5
    assert spared > 2
    assert refused > 0


def yields(cell: Cell, task: int, job_row: int) -> bool:
    """Say whether a task may be named: it gives way, or is ending anyway."""
    spec, other = cell.jobs.spec_of(job_row), cell.jobs.spec_of(int(cell.tasks.job[task]))
    gives_way = may_preempt(spec.band, spec.priority, other.band, other.priority)
    return bool(cell.tasks.stopping[task]) or gives_way


def press(cell: Cell, job_row: int, index: int, machine: int, named: list[int]) -> tuple[Cell, Reason]:
    """Let `apply` judge one claim with victims on a copy; give the copy and the reason, NONE where it was granted."""
    copy = cell.clone()
    number, session = next(iter(copy.sessions.items()))
    keys = keys_of(cell, np.array(named, np.int64))
    place = Place(
        job=JobId(int(cell.jobs.id[job_row])),
        indices=np.array([index], np.int32),
        machines=np.array([machine], np.int32),
        victims=victims_of([(0, *key) for key in keys]),
    )
    transaction = Transaction(session=number, seq=session.last_seq + 1, seen=Revision(copy.revision), commands=(place,))
    outcome = apply(copy, transaction)
    reason = Reason(int(outcome.refusals.reasons[0])) if len(outcome.refusals) else outcome.reason
    return copy, reason


def end_all(cell: Cell, named: list[int], machine: int) -> Cell:
    """Give a copy in which the named tasks, and all that are ending on the machine, have ended."""
    copy = cell.clone()
    ending = np.flatnonzero((cell.tasks.machine == machine) & (cell.tasks.stopping > 0)).tolist()
    tasks = np.array(sorted({*named, *ending}), np.int64)
    stamp = Stamp(revision=copy.revision, floor=copy.revision - 1, at_us=0, author=0)
    end_attempts(copy, tasks, end_all_as(TaskState.EVICTED, len(tasks), at_us=0), stamp=stamp)
    return copy


def check_nobody_needless(cell: Cell, spec: JobSpec, machine: int, gone: list[int]) -> None:
    """Without the last of those that were evicted there would not have been room."""
    if not gone or any(task in cell.tasks.waits for task in gone):
        return
    ending = np.flatnonzero((cell.tasks.machine == machine) & (cell.tasks.stopping > 0)).tolist()
    free = cell.machines.free[machine].copy()
    for task in ending:
        free += cell.jobs.shape[cell.tasks.job[task]]
    lacks = [asked > has for asked, has in zip(spec.resources, free.tolist(), strict=True) if asked]
    offers = {offer.name: left for offer, left in cell.machines.devices.offers(machine)}
    for request in spec.devices:
        given = sum(find_held_devices(cell, task).get(request.name, 0) for task in ending)
        lacks.append(request.count > offers.get(request.name, 0) + given)
    assert any(lacks), f"{len(gone)} gave way needlessly on {machine}"
