"""What holds of a cell on any history: checkpoints, clones, deltas, and refusals without a trace."""

import random

import pytest

from omegacell.core import invariants, outcomes, snapshots
from omegacell.core.apply import apply, apply_malformed
from omegacell.core.cell import Cell
from omegacell.core.commands import Transaction
from omegacell.core.deltas import Delta
from omegacell.core.outcomes import Outcome, Status
from tests.support.histories import write_history
from tests.support.oracle_duel import fold_entries
from tests.support.oracle_mirror import Picture, picture_of_cell
from tests.support.transcripts import fold_entry


def transactions_of(seed: int) -> list[Transaction]:
    """Give the transactions of a history, one after another."""
    return [each for entry in write_history(seed) for each in entry.transactions]


def followed(cell: Cell) -> Picture:
    """Give the picture of a cell, without the mark that a scheduler once tried a job: a counter's, not the job's."""
    picture = picture_of_cell(cell)
    return {path: (*line[:8], *line[9:]) if path.startswith("job ") else line for path, line in picture.items()}


def without_people(picture: Picture) -> Picture:
    """Leave out what a refused transaction may write: sessions, authors, and the revision."""
    kept = {path: line for path, line in picture.items() if not path.startswith(("session ", "author "))}
    return kept | {"cell": picture["cell"][1:]}


@pytest.mark.parametrize("seed", range(12))
def test_checkpoint_and_tail_are_the_full_replay(seed: int) -> None:
    """From a checkpoint at any revision, the rest of the log gives the same outcomes and the same digest."""
    history = transactions_of(seed)
    full = Cell()
    expected = [outcomes.encode(apply(full, each)) for each in history]
    digest = snapshots.digest(full)
    cell = Cell()
    for at, transaction in enumerate(history):
        restored = snapshots.decode(snapshots.encode(cell))
        invariants.check(restored)
        assert snapshots.digest(restored) == snapshots.digest(cell)
        assert [outcomes.encode(apply(restored, each)) for each in history[at:]] == expected[at:], f"from {at}"
        assert snapshots.digest(restored) == digest, f"from {at}"
        apply(cell, transaction)


def test_a_checkpoint_holds_everything() -> None:
    """A cell that was written and read again looks the same in every line of its picture."""
    for seed in range(80):
        cell = Cell()
        fold_entries(cell, write_history(seed))
        restored = snapshots.decode(snapshots.encode(cell))
        assert picture_of_cell(restored) == picture_of_cell(cell), f"seed {seed}"
        assert snapshots.encode(restored) == snapshots.encode(cell), f"seed {seed}"


def test_different_cells_have_different_digests() -> None:
    """The digest sees every transaction that was judged: it never stays the same, for the revision moves."""
    for seed in range(20):
        cell = Cell()
        digests = {snapshots.digest(cell)}
        history = transactions_of(seed)
        for transaction in history:
            apply(cell, transaction)
            digests.add(snapshots.digest(cell))
        assert len(digests) == len(history) + 1, f"seed {seed}"


def test_a_clone_is_independent() -> None:
    """What happens to a cell does not happen to its clone; left to itself, the clone goes the same way."""
    for seed in range(60):
        history = transactions_of(seed)
        half = len(history) // 2
        cell = Cell()
        for transaction in history[:half]:
            apply(cell, transaction)
        clone = cell.clone()
        before = snapshots.digest(clone)
        assert before == snapshots.digest(cell)
        for transaction in history[half:]:
            apply(cell, transaction)
        assert snapshots.digest(clone) == before, f"seed {seed}"
        for transaction in history[half:]:
            apply(clone, transaction)
        assert snapshots.digest(clone) == snapshots.digest(cell), f"seed {seed}"


def test_what_is_refused_leaves_no_trace() -> None:
    """A refused, repeated or malformed transaction changes counters and its session at most."""
    refused = 0
    for seed in range(120):
        cell = Cell()
        for transaction in transactions_of(seed):
            before = followed(cell)
            outcome = apply(cell, transaction)
            if outcome.status in (Status.REFUSED, Status.DUPLICATE, Status.MALFORMED):
                refused += 1
                assert without_people(followed(cell)) == without_people(before), f"seed {seed}: {outcome}"
            if is_without_any_trace(outcome):
                assert followed(cell) | {"cell": 0} == before | {"cell": 0}, f"seed {seed}: {outcome}"
    assert refused > 1_000


def is_without_any_trace(outcome: Outcome) -> bool:
    """Say whether a transaction was not even judged in its session."""
    is_outside = outcome.reason.name in ("NO_GENESIS", "SESSION_UNKNOWN", "SESSION_GAP")
    return is_outside or outcome.status in (Status.DUPLICATE, Status.MALFORMED)


def test_random_bytes_change_nothing() -> None:
    """10,000 strings of random bytes in the log of a live cell count revisions, and do nothing else."""
    rng = random.Random(2013)
    cell = Cell()
    fold_entries(cell, write_history(7))
    before, revision = picture_of_cell(cell), cell.revision
    for _ in range(10_000):
        outcomes_of = fold_entry(cell, rng.randbytes(rng.choice((0, 1, 2, 8, 64, 300))))
        assert [each.status for each in outcomes_of] == [Status.MALFORMED]
    assert cell.revision == revision + 10_000
    assert picture_of_cell(cell) | {"cell": 0} == before | {"cell": 0}
    invariants.check(cell)


def test_a_voided_revision_counts_and_does_nothing() -> None:
    """A revision that is skipped still is a revision."""
    cell = Cell()
    fold_entries(cell, write_history(3))
    before, revision = picture_of_cell(cell), cell.revision
    assert apply_malformed(cell).revision == revision + 1
    assert picture_of_cell(cell) | {"cell": 0} == before | {"cell": 0}


def test_an_outcome_is_encoded_and_decoded() -> None:
    """The bytes that enter the chain hold the whole outcome."""
    for seed in range(30):
        cell = Cell()
        for transaction in transactions_of(seed):
            data = outcomes.encode(apply(cell, transaction))
            assert outcomes.encode(outcomes.decode(data)) == data


def test_a_delta_names_all_that_changed() -> None:
    """Whoever follows a cell by its deltas misses no job, machine, task or session; a drained delta is empty."""
    for seed in range(120):
        cell = Cell()
        for transaction in transactions_of(seed):
            before = followed(cell)
            apply(cell, transaction)
            after = followed(cell)
            changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
            delta = cell.drain_delta()
            missed = [path for path in changed if not is_named(path, delta, cell=cell, session=transaction.session)]
            assert missed == [], f"seed {seed} at {cell.revision}"
            assert not cell.drain_delta().jobs


def is_named(path: str, delta: Delta, *, cell: Cell, session: int) -> bool:
    """Say whether a delta accounts for a changed line of a picture."""
    kind, _, name = path.partition(" ")
    match kind:
        case "job":
            return int(name) in delta.jobs
        case "task":
            job = int(name.split("/")[0])
            return job in delta.reshaped or (job in delta.jobs and task_row(cell, name) in delta.tasks)
        case "machine":
            # Contact and silence change with ticks and with the end of the session that held it.
            return int(name) in delta.machines or delta.is_ticked or delta.is_sessions_changed
        case "session":
            return delta.is_sessions_changed or int(name) == session
        case _:
            return True


def task_row(cell: Cell, name: str) -> int:
    """Give the arena row of ``JOB/INDEX``."""
    job, _, index = name.partition("/")
    row = cell.jobs.row_of(int(job))
    assert row is not None
    return int(cell.jobs.offset[row]) + int(index)
