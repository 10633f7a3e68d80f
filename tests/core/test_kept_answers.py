"""Answers of all machines that are kept are as good as new ones, and many claims are judged as one by one."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from omegacell.core.attributes import KEPT_BYTES, AttributeIndex
from omegacell.core.cell import Cell
from omegacell.core.constraints import Constraint, Operator
from omegacell.core.crowds import find_crowded
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.placement import Effect, PlacementRules, Spread, Taint, Toleration
from tests.support.histories import write_history
from tests.support.history_placement import CONSTRAINTS, draw_placement
from tests.support.oracle_duel import fold_entries

ZONE_A = Constraint(attribute="zone", operator=Operator.EQUAL, values=("a",))
IN_A = PlacementRules(constraints=(ZONE_A,))
OLD = Taint(key="old")
DISLIKED = Taint(key="old", effect=Effect.PREFER_NOT)


@pytest.mark.parametrize("chunk", range(2))
def test_kept_answers_are_those_of_a_fresh_index(chunk: int) -> None:
    """After every entry of random histories, all machines are said to meet what a copy that kept nothing says."""
    for seed in range(chunk, 60, 2):
        cell, rng = Cell(), random.Random(seed)
        asked = [draw_placement(rng) for _ in range(6)]
        for entry in write_history(seed):
            fold_entries(cell, [entry])
            index = cell.machines.index
            fresh = index.copy()
            every = np.arange(cell.machines.count)
            for rules in asked:
                assert index.meets_all(rules).tolist() == fresh.meets_all(rules, every).tolist(), f"seed {seed}"
                assert index.meets_all(rules, every[::2]).tolist() == fresh.meets_all(rules, every[::2]).tolist()
                for effect in Effect:
                    expected = fresh.tolerated(rules, every, effect=effect).tolist()
                    assert index.tolerated(rules, effect=effect).tolist() == expected, f"seed {seed}"
                    assert index.tolerated(rules, every, effect=effect).tolist() == expected, f"seed {seed}"
            for constraint in CONSTRAINTS:
                assert index.meets(constraint).tolist() == fresh.meets(constraint, every).tolist(), f"seed {seed}"


CHANGES: list[tuple[str, tuple[tuple[str, str], ...], tuple[Taint, ...], list[bool], list[bool], list[bool]]] = [
    ("nothing", (("zone", "b"),), (), [True, False], [True, True], [True, True]),
    ("an attribute", (("zone", "a"),), (), [True, True], [True, True], [True, True]),
    ("an attribute goes", (), (), [True, False], [True, True], [True, True]),
    ("another pool", (("pool", "gpu"), ("zone", "a")), (), [True, False], [True, True], [True, True]),
    ("a taint", (("zone", "b"),), (OLD,), [True, False], [True, False], [True, True]),
    ("a mild taint", (("zone", "b"),), (DISLIKED,), [True, False], [True, True], [True, False]),
]


@pytest.mark.parametrize(("pairs", "taints", "met", "tolerated", "welcome"), [row[1:] for row in CHANGES])
def test_a_change_of_a_machine_is_seen(
    pairs: tuple[tuple[str, str], ...],
    taints: tuple[Taint, ...],
    met: list[bool],
    tolerated: list[bool],
    welcome: list[bool],
) -> None:
    """Whatever changes on the second of two machines, which are both asked before, the next answer knows it."""
    index = AttributeIndex()
    index.set(0, (("zone", "a"),), ())
    index.set(1, (("zone", "b"),), ())
    assert index.meets_all(IN_A).tolist() == [True, False]
    assert index.tolerated(IN_A).tolist() == [True, True]
    assert index.tolerated(IN_A, effect=Effect.PREFER_NOT).tolist() == [True, True]
    assert index.codes("machine").tolist() == [1, 2]
    index.set(1, pairs, taints)
    assert index.meets_all(IN_A).tolist() == met
    assert index.tolerated(IN_A).tolist() == tolerated
    assert index.tolerated(IN_A, effect=Effect.PREFER_NOT).tolist() == welcome
    index.set(2, (("zone", "a"),), ())
    assert index.meets_all(IN_A).tolist() == [*met, True]
    assert index.codes("machine").tolist() == [1, 2, 3]


def test_what_is_kept_is_bounded_and_read_only() -> None:
    """Many questions do not fill the memory, and nobody can change the answer that the next one gets."""
    index = AttributeIndex()
    machines = 50_000
    for row in range(machines):
        index.set(row, (("zone", "a"),), ())
    for number in range(2 * KEPT_BYTES // machines):
        index.meets(Constraint(attribute="zone", operator=Operator.EQUAL, values=(str(number),)))
        assert sum(each.nbytes for each in index._kept.values()) <= KEPT_BYTES
    with pytest.raises(ValueError, match="read-only"):
        index.meets(ZONE_A)[0] = False
    assert index.tolerated(PlacementRules(tolerations=(Toleration(key="*"),))).all()


def judge_in_a_loop(cell: Cell, rules: PlacementRules, rows: Sequence[int], room: Sequence[int]) -> list[int]:
    """Judge claims of one task each in order, asking the crowd before each: the slow way."""
    crowd = Overlay(cell).crowd_of(spec_with(cell, rules))
    reasons, taken = [], dict.fromkeys(rows, 0)
    for row, most in zip(rows, room, strict=True):
        reason = crowd.reason(row) or (int(Reason.LIMIT) if taken[row] >= most else 0)
        if not reason:
            taken[row] += 1
            crowd.add(row)
        reasons.append(reason)
    return reasons


def spec_with(cell: Cell, rules: PlacementRules) -> JobSpec:
    """Give the spec of some job of a cell, with other rules."""
    [row, *_] = [row for job in cell.jobs.ids() if (row := cell.jobs.row_of(job)) is not None]
    return replace(cell.jobs.spec_of(row), placement=rules)


def test_many_claims_are_judged_as_one_by_one() -> None:
    """On random cells, claims in random order get the reasons that each alone gets after those before it.

    Often all are granted, which is found in one go; often some are not.
    """
    granted = refused = 0
    for seed in range(350):
        cell, rng = Cell(), random.Random(seed)
        fold_entries(cell, write_history(seed))
        if not cell.machines.count or not list(cell.jobs.ids()):
            continue
        for _ in range(8):
            rules = draw_placement(rng)
            if rng.random() < 0.5:
                rules = PlacementRules(pool="all", spreads=(Spread(attribute="zone", max_skew=rng.randint(1, 3)),))
            takers = np.flatnonzero(Overlay(cell).takers(spec_with(cell, rules))).tolist()
            rows = [rng.choice(takers) for _ in range(rng.randint(0, 7))] if takers else []
            room = [rng.choice((1, 2, 9)) for _ in range(cell.machines.count)]
            crowd = Overlay(cell).crowd_of(spec_with(cell, rules))
            of_rows = np.array([room[row] for row in rows], np.int64)
            said = find_crowded(crowd, np.array(rows, np.int64), of_rows).tolist()
            assert said == judge_in_a_loop(cell, rules, rows, of_rows.tolist()), f"seed {seed}: {rules} on {rows}"
            again = Overlay(cell).crowd_of(spec_with(cell, rules))
            assert again.takes_all(np.array(rows, np.int64), of_rows) == (not any(said)), (
                f"seed {seed}: {rules}, {rows}"
            )
            granted += bool(rows) and not any(said)
            refused += any(said)
    assert granted > 150
    assert refused > 200
