"""Constraints that nothing meets together: named exactly where they can be, with none to spare."""

import random
from itertools import permutations

import pytest

from omegacell.core.constraints import Constraint, Operator, find_contradiction, is_met

O = Operator  # noqa: E741


def on(operator: Operator, *values: str, attribute: str = "x") -> Constraint:
    """Return a constraint on an attribute."""
    return Constraint(attribute=attribute, operator=operator, values=values)


ZONE_B = on(O.EQUAL, "b", attribute="zone")
# constraints, the places of those that contradict each other
CASES: list[tuple[list[Constraint], tuple[int, ...]]] = [
    ([on(O.EQUAL, "a"), ZONE_B], ()),
    ([on(O.EQUAL, "a"), on(O.EQUAL, "b")], (0, 1)),
    ([ZONE_B, on(O.GREATER, "8"), on(O.EXISTS), on(O.LESS, "4")], (1, 3)),
    ([on(O.EXISTS), on(O.NOT_EXISTS)], (0, 1)),
    ([on(O.GREATER, "3"), on(O.LESS, "5")], ()),
    ([on(O.GREATER, "3"), on(O.LESS, "4")], (0, 1)),
    ([on(O.IN, "a", "b"), on(O.NOT_EQUAL, "a"), on(O.NOT_EQUAL, "b")], (0, 1, 2)),
    ([on(O.IN, "a", "b"), on(O.EXISTS), on(O.NOT_EQUAL, "a"), ZONE_B, on(O.NOT_EQUAL, "b")], (0, 2, 4)),
    ([on(O.IN, "a", "b"), on(O.NOT_EQUAL, "a"), on(O.NOT_EQUAL, "c")], ()),
    ([on(O.GREATER_OR_EQUAL, "4"), on(O.LESS_OR_EQUAL, "4"), on(O.NOT_EQUAL, "4")], (0, 1, 2)),
    (
        [on(O.GREATER_OR_EQUAL, "4"), on(O.LESS_OR_EQUAL, "6"), on(O.NOT_IN, "4", "6"), on(O.NOT_EQUAL, "5")],
        (0, 1, 2, 3),
    ),
    ([on(O.GREATER_OR_EQUAL, "4"), on(O.LESS_OR_EQUAL, "6"), on(O.NOT_IN, "4", "6")], ()),
    ([on(O.GLOB, "a*"), on(O.NOT_GLOB, "a*")], (0, 1)),
    ([on(O.GLOB, "a*"), on(O.NOT_GLOB, "ab*")], ()),
    ([on(O.EQUAL, "b"), on(O.GLOB, "a*")], (0, 1)),
    ([on(O.IN, "ab", "ac"), on(O.GLOB, "a*"), on(O.NOT_GLOB, "*b"), on(O.NOT_GLOB, "*c")], (0, 2, 3)),
    ([on(O.VERSION_GREATER, "2"), on(O.VERSION_LESS, "1")], (0, 1)),
    ([on(O.VERSION_GREATER, "1"), on(O.VERSION_LESS, "2")], ()),
]


@pytest.mark.parametrize(("constraints", "places"), CASES)
def test_a_contradiction_is_named(constraints: list[Constraint], places: tuple[int, ...]) -> None:
    """The constraints that nothing meets together, in the order in which they stand."""
    assert find_contradiction(constraints) == tuple(constraints[place] for place in places)


def test_what_is_said_is_true_and_nothing_is_missed() -> None:
    """In 2,000 draws of comparisons with small numbers and texts, as trying every value says; none is to spare."""
    rng = random.Random(1)
    everything = [None, "", "text", "a", "b", *map(str, range(-3, 10))]
    amounts = [*map(str, range(6)), "a", "b"]
    shapes = [(operator, 1) for operator in (O.EQUAL, O.NOT_EQUAL)] + [(O.IN, 2), (O.NOT_IN, 2), (O.EXISTS, 0)]
    numeric = (O.LESS, O.LESS_OR_EQUAL, O.GREATER, O.GREATER_OR_EQUAL)
    found_count = 0
    for _ in range(2_000):
        drawn = [
            on(operator, *rng.sample(amounts, count)) for operator, count in rng.choices(shapes, k=rng.randint(1, 4))
        ]
        drawn += [on(operator, str(rng.randint(0, 5))) for operator in rng.choices(numeric, k=rng.randint(0, 2))]
        found = find_contradiction(drawn)
        assert bool(found) is not any(all(is_met(each, value) for each in drawn) for value in everything), drawn
        for spare in found:
            others = [each for each in found if each is not spare]
            assert any(all(is_met(each, value) for each in others) for value in everything), found
        found_count += bool(found)
    assert 200 < found_count < 1_900


def test_the_order_changes_nothing_but_the_order() -> None:
    """Whatever stands first, the same three are named."""
    three = [on(O.IN, "a", "b"), on(O.NOT_EQUAL, "a"), on(O.NOT_EQUAL, "b")]
    for order in permutations(three):
        assert find_contradiction(order) == order
