"""A snapshot that was damaged is refused, whatever was damaged in it."""

import contextlib
import random

import pytest

from omegacell.core import snapshots
from omegacell.core.cell import Cell
from omegacell.core.errors import MalformedError, OmegaError
from tests.support.histories import write_history
from tests.support.oracle_duel import fold_entries
from tests.support.oracle_mirror import verdict_of


def some_cell() -> Cell:
    """Give a cell in which something happened."""
    cell = Cell()
    fold_entries(cell, write_history(11))
    return cell


def test_an_empty_cell_is_written_and_read() -> None:
    """Before genesis a cell has a snapshot too."""
    assert snapshots.digest(snapshots.decode(snapshots.encode(Cell()))) == snapshots.digest(Cell())


def test_a_snapshot_cut_short_is_refused() -> None:
    """Every proper beginning of a snapshot is refused with an error of ours."""
    data = snapshots.encode(some_cell())
    for length in [*range(0, len(data), 97), len(data) - 1]:
        with pytest.raises(OmegaError):
            snapshots.decode(data[:length])


def test_a_damaged_snapshot_is_refused_or_shows_in_its_digest() -> None:
    """A changed byte is an error, or at least another digest: nobody takes it for what was written."""
    cell = some_cell()
    data, digest = snapshots.encode(cell), snapshots.digest(cell)
    rng = random.Random(5)
    for _ in range(1_000):
        damaged = bytearray(data)
        at = rng.randrange(len(data))
        damaged[at] ^= rng.randrange(1, 256)
        assert snapshots.digest_of(bytes(damaged)) != digest
        with contextlib.suppress(MalformedError):
            assert snapshots.decode(bytes(damaged)) is not cell


def test_outcomes_that_a_cell_remembers_are_written_and_read() -> None:
    """Whatever a session was answered is the same after a checkpoint: reasons, shortages, and who was first.

    A claim refused for a cap used to be written with a wider column than is read, where nothing else was refused.
    """
    for seed in range(300):
        cell = Cell()
        fold_entries(cell, write_history(seed))
        again = snapshots.decode(snapshots.encode(cell))
        assert snapshots.digest(again) == snapshots.digest(cell), f"seed {seed}"
        for number, session in cell.sessions.items():
            expected = [(seq, verdict_of(outcome)) for seq, outcome in session.outcomes]
            assert [(seq, verdict_of(each)) for seq, each in again.sessions[number].outcomes] == expected, (
                f"seed {seed}"
            )
