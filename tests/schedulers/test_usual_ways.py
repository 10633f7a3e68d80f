"""Where a scheduler has a quick way for what is usual, it says what the general way says."""

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.core.cell import Cell
from omegacell.core.jobs import TaskState
from omegacell.core.overlays import Overlay
from omegacell.schedulers.feasibility import are_fitting, find_fitting
from omegacell.schedulers.pending import find_due
from omegacell.schedulers.sampling import sample_rows
from omegacell.schedulers.shares import owner_of
from tests.support.histories import write_history
from tests.support.oracle_duel import fold_entries

NAMES = st.lists(st.from_regex(r"[a-z]{1,5}-[0-9]", fullmatch=True), min_size=1, max_size=6, unique=True)


@given(st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True), NAMES)
def test_the_owner_is_the_instance_with_the_highest_hash(job: str, names: list[str]) -> None:
    """Hashes that go on from a key that they have taken in are those of both names."""

    def rank(instance: str) -> tuple[bytes, str]:
        key = blake2b(instance.encode(), digest_size=16).digest()
        return blake2b(job.encode(), digest_size=8, key=key).digest(), instance

    assert owner_of(job, tuple(sorted(names))) == max(names, key=rank)


@given(st.integers(1, 5_000), st.integers(0, 99))
def test_samples_begin_with_the_same_two_numbers(machine_count: int, seed: int) -> None:
    """Drawn one by one, start and stride are the two numbers that numpy draws into an array."""
    rng, twin = np.random.default_rng(seed), np.random.default_rng(seed)
    for _ in range(5):
        sample = sample_rows(machine_count, min(2, machine_count), rng)
        assert sample[0] == twin.integers(0, machine_count, 2)[0]
    assert rng.bit_generator.state == twin.bit_generator.state


@pytest.mark.parametrize("chunk", range(2))
def test_claims_fit_together_when_each_does(chunk: int) -> None:
    """`are_fitting` is all of `find_fitting`, whether or not a machine is claimed twice."""
    for seed in range(chunk, 100, 2):
        cell = Cell()
        fold_entries(cell, write_history(seed))
        draw = np.random.default_rng(seed)
        for spec in [spec for spec in cell.jobs.specs if spec is not None and cell.machines.count]:
            rows = draw.integers(cell.machines.count, size=draw.integers(1, 4))
            overlay = Overlay(cell)
            assert are_fitting(overlay, spec, rows) == find_fitting(overlay, spec, rows).all()


def test_all_that_wait_are_due_unless_they_failed() -> None:
    """`find_due` gives what a loop over the tasks of a job gives, for jobs in every state of many histories."""
    for seed in range(100):
        cell = Cell()
        fold_entries(cell, write_history(seed))
        jobs, tasks = cell.jobs, cell.tasks
        for row in range(jobs.count if cell.machines.count else 0):
            extent = range(int(jobs.offset[row]), int(jobs.offset[row]) + int(jobs.extent[row]))
            waiting = [task - extent.start for task in extent if tasks.state[task] == TaskState.PENDING]
            if jobs.specs[row] is None or any(tasks.restarts[extent.start + index] for index in waiting):
                continue
            due, held_us = find_due(cell, row, elapsed=0, wall_us=0, limit=3)
            assert (due.tolist(), held_us) == (waiting[:3], None)
            assert due.dtype == np.int32
