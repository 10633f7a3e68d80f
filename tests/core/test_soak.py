"""Eight schedulers and everybody else on one cell, for long: every invariant holds, and every fold is the same."""

from typing import get_args

import pytest

from omegacell.core.commands import Command
from omegacell.core.errors import InvariantError
from tests.support.soak import Soak

SHORT = 3_000


@pytest.mark.timeout(0)
def test_a_soak_keeps_every_invariant(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    """Core and twin agree on each outcome, invariants hold, checkpoints are confirmed, a second fold is equal.

    Every kind of command occurs, so whoever adds one writes a generator for it; so do conflicts, lost claims and more.
    """
    asked = int(request.config.getoption("--soak"))
    soak = Soak(int(request.config.getoption("--soak-seed")))
    soak.run(asked or SHORT)
    soak.finish()
    if asked:
        with capsys.disabled():
            print(f"\n{soak.figures.words()}")
    figures = soak.figures
    assert {each.__name__ for each in get_args(Command)} <= set(figures.commands)
    assert figures.checkpoints > 1
    assert figures.restarts > 0
    assert figures.inside > 0
    assert min(figures.loops.conflicts, figures.loops.granted, figures.loops.misses, figures.loops.failures) > 0
    assert len([reason for reason in figures.reasons if reason.endswith("(conflict)")]) > 10


def test_a_soak_can_be_had_again() -> None:
    """All of it follows from its seed: two of them come to the same chain, and another seed to another."""
    chains = []
    for seed in (5, 5, 6):
        soak = Soak(seed)
        soak.run(400)
        chains.append(soak.fold.chain)
    assert chains[0] == chains[1]
    assert chains[0] != chains[2]


def test_a_soak_notices_a_core_that_is_wrong() -> None:
    """It can fail: a machine that holds a little more than its tasks is found within a few hundred transactions."""
    soak = Soak(7)
    soak.run(200)
    soak.fold.cell.machines.allocated[0, 1, 0] += 1
    with pytest.raises(InvariantError, match="allocated is not what tasks hold"):
        soak.run(600)
