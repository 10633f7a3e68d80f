"""What `fits` allows `apply` grants, what it denies `apply` refuses: on the same overlay, whatever the rules are."""

import random

import numpy as np
import pytest

from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.commands import Place, Transaction
from omegacell.core.jobs import TaskState
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.units import JobId, Revision
from tests.support.histories import write_history
from tests.support.oracle_duel import fold_entries


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


@pytest.mark.parametrize("chunk", range(4))
def test_one_claim_is_granted_exactly_where_it_fits(chunk: int) -> None:
    """For every job that waits and every machine: `room`, `reasons` and `apply` say the same, but for a full cap.

    A cap is not about machines: it comes first, and `caps` of the same overlay tells it.
    """
    asked = denied = capped = 0
    for seed in range(chunk, 600, 4):
        cell = cell_of(seed)
        if not cell.sessions:
            continue
        for row, index in pending_of(cell):
            spec = cell.jobs.spec_of(row)
            room = Overlay(cell).room(spec)
            has_cap_room = Overlay(cell).caps.room(row) > 0
            reasons, _ = Overlay(cell).reasons(spec)
            for machine in range(cell.machines.count):
                [said] = claim(cell, row, [index], [machine])
                assert (said is Reason.CAP_EXCEEDED) == (not has_cap_room), f"seed {seed}, {spec.name}: {said!r}"
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
            machines = [rng.randrange(cell.machines.count) for _ in indices]
            spec = cell.jobs.spec_of(row)
            overlay = Overlay(cell)
            if not (overlay.standing_reasons(spec, np.array(machines)) == Reason.NONE).all():
                continue
            fits = overlay.fits_in_order(spec, np.array(machines, np.int64))
            fits &= np.cumsum(fits) <= overlay.caps.room(row)
            said = claim(cell, row, indices, machines)
            assert fits.tolist() == [reason is Reason.NONE for reason in said], f"seed {seed}, {spec.name}: {said}"
