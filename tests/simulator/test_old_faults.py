"""Each fault of the old simulator is there by default, and gone when mended."""

import pytest

from omegacell.simulator.agenda import Agenda
from omegacell.simulator.compat.cellstate import CellState, Claim, JobRun, Rules, commit
from omegacell.simulator.compat.faults import Fault
from omegacell.simulator.compat.heap import HeapAgenda
from omegacell.simulator.compat.scenario import ConflictMode, TransactionMode
from omegacell.simulator.settings import CellShape
from tests.simulator.worlds import make_job

WHOLE, INCREMENTAL = TransactionMode.ALL_OR_NOTHING, TransactionMode.INCREMENTAL
FIT, SEQUENCE = ConflictMode.FIT, ConflictMode.SEQUENCE


def commit_late(rules: Rules, machines: list[int]) -> tuple[CellState, list[int], list[int]]:
    """Commit one-CPU claims seen on an empty cell, after another job has taken machine 1 (two machines of 2 CPUs).

    Returns the cell, and the machines of the committed and of the conflicted claims.
    """
    cell = CellState(CellShape(machines=2, cpus=2.0), scheduler_count=1)
    other = JobRun(make_job(1, 0.0, cpus=2.0), 0, 1)
    cell.take(Claim(other, 1, 0))
    job = JobRun(make_job(2, 0.0), 0, len(machines))
    claims = [Claim(job, machine, machines[:place].count(machine)) for place, machine in enumerate(machines)]
    committed, conflicted = commit(cell, claims, rules)
    return cell, [claim.machine for claim in committed], [claim.machine for claim in conflicted]


@pytest.mark.parametrize(
    ("mended", "numbers", "conflicted"),
    [
        (frozenset(), [2, 1], [1, 0, 0]),
        (frozenset({Fault.ROLLBACK_KEEPS_NUMBERS}), [0, 1], [1, 0, 0]),
        (frozenset({Fault.STOPS_AT_FIRST}), [2, 1], [1, 0, 0, 1]),
    ],
)
def test_rolled_back_transaction(mended: frozenset[Fault], numbers: list[int], conflicted: list[int]) -> None:
    """It leaves sequence numbers bumped, and stops at the first conflict."""
    rules = Rules(conflict=FIT, atomicity=WHOLE, mended=mended)
    cell, committed, found = commit_late(rules, [0, 0, 1, 1])
    assert (cell.numbers, committed, found) == (numbers, [], conflicted)
    assert cell.cpus == [0.0, 2.0]


@pytest.mark.parametrize(
    ("mended", "committed", "cpus"),
    [(frozenset(), [1], 3.0), (frozenset({Fault.OWN_CLAIMS_MOVE_NUMBERS}), [], 2.0)],
)
def test_own_claims_move_numbers(mended: frozenset[Fault], committed: list[int], cpus: float) -> None:
    """By sequence numbers, the second claim is accepted because the other job's moved the number: over-committed."""
    rules = Rules(conflict=SEQUENCE, atomicity=INCREMENTAL, mended=mended)
    cell, found, _ = commit_late(rules, [1, 1])
    assert (found, cell.cpus[1]) == (committed, cpus)


def test_ends_keep_numbers() -> None:
    """The end of a task moves no sequence number, unless that is mended."""
    cell = CellState(CellShape(machines=1), scheduler_count=1)
    claim = Claim(JobRun(make_job(1, 0.0), 0, 1), 0, 0)
    for end, expected in ((cell.give_back, 1), (cell.give_back_bumped, 3)):
        cell.take(claim)
        end(claim)
        assert cell.numbers == [expected]


@pytest.mark.parametrize(("is_patient", "hopeless_after"), [(False, 101), (True, 1_001)])
def test_gives_up_early(is_patient: bool, hopeless_after: int) -> None:
    """A job with nothing placed is given up after more than 100 attempts, not 1,000."""
    job = JobRun(make_job(1, 0.0, tasks=2), 0, 2)
    while not job.is_hopeless(is_patient=is_patient):
        job.attempts += 1
    assert job.attempts == hopeless_after


def test_ties_and_the_end() -> None:
    """Events of one time fall by a heap, and one beyond the end happens; the lab has neither."""
    old, new = HeapAgenda(0.0), Agenda(0.0)
    seen: dict[str, list[str]] = {"old": [], "new": []}
    for name, agenda in (("old", old), ("new", new)):
        for letter in "abcd":
            agenda.enter(1.0, seen[name].append, letter)
        agenda.enter(9.0, seen[name].append, "late")
        agenda.run(until=5.0)
    assert seen == {"old": ["a", "b", "d", "c", "late"], "new": ["a", "b", "c", "d"]}
    assert (old.now, new.now) == (9.0, 5.0)
