"""Random placement rules and taints, about few values of few attributes, so that they meet often."""

import random

from omegacell.core.constraints import Constraint, Operator
from omegacell.core.machine_commands import SetTaints
from omegacell.core.placement import (
    NO_RULES,
    Affinity,
    Effect,
    Neighbour,
    PlacementRules,
    Spread,
    Taint,
    Toleration,
)

MACHINE_ATTRIBUTES = (
    (),
    (("cores", "4"), ("zone", "a")),
    (("cores", "8"), ("zone", "b")),
    (("zone", "b"),),
    (("pool", "gpu"), ("zone", "a")),
    (("arch", "arm64"), ("zone", "c")),
)
ATTRIBUTES = ("zone", "zone", "zone", "cores", "machine")
JOBS = ("web", "sort", "a.b_c-1", "other")
TAINTS = (
    Taint(key="old", value="yes"),
    Taint(key="old", value="no"),
    Taint(key="soft", effect=Effect.PREFER_NOT),
    Taint(key="mine"),
)
CONSTRAINTS = (
    Constraint(attribute="zone", operator=Operator.EQUAL, values=("a",)),
    Constraint(attribute="zone", operator=Operator.NOT_EQUAL, values=("a",)),
    Constraint(attribute="zone", operator=Operator.IN, values=("a", "b")),
    Constraint(attribute="zone", operator=Operator.NOT_IN, values=("b", "c")),
    Constraint(attribute="cores", operator=Operator.GREATER, values=("4",)),
    Constraint(attribute="cores", operator=Operator.LESS, values=("8",)),
    Constraint(attribute="cores", operator=Operator.GREATER_OR_EQUAL, values=("8",)),
    Constraint(attribute="cores", operator=Operator.VERSION_LESS, values=("4.1",)),
    Constraint(attribute="cores", operator=Operator.VERSION_EQUAL, values=("4.0",)),
    Constraint(attribute="zone", operator=Operator.GLOB, values=("?",)),
    Constraint(attribute="arch", operator=Operator.NOT_GLOB, values=("arm*",)),
    Constraint(attribute="arch", operator=Operator.EXISTS),
    Constraint(attribute="arch", operator=Operator.NOT_EXISTS),
)


def draw_placement(rng: random.Random) -> PlacementRules:
    """Draw the rules of a job: one or two of a kind, seldom many."""
    rules = PlacementRules(
        pool=rng.choice(("", "", "", "all", "gpu")),
        constraints=tuple(rng.sample(CONSTRAINTS, rng.choice((0, 0, 0, 1)))),
        tolerations=tuple(
            rng.sample(
                (Toleration(key="old"), Toleration(key="old", value="yes"), Toleration(key="*")), rng.choice((0, 0, 1))
            )
        ),
        max_per_machine=rng.choice((0, 0, 1, 2)),
        neighbours=tuple(_neighbour(rng) for _ in range(rng.choice((0, 0, 1, 2)))),
        spreads=tuple(_spread(rng) for _ in range(rng.choice((0, 1, 1, 2)))),
        affinities=tuple(
            Affinity(constraint=each, weight=50) for each in rng.sample(CONSTRAINTS, rng.choice((0, 0, 1)))
        ),
    )
    return NO_RULES if rules == NO_RULES else rules


def draw_taints(rng: random.Random, rows: list[int]) -> SetTaints:
    """Draw a change of taints of machines."""
    add = {(each.key, each.effect): each for each in rng.sample(TAINTS, rng.choice((0, 1, 1, 2)))}
    remove = tuple(rng.sample(("old", "soft", "mine"), rng.choice((0, 1, 1, 2))))
    if not add and not remove:
        remove = ("old",)
    return SetTaints(machines=tuple(rows), add=tuple(add.values()), remove=remove)


def _neighbour(rng: random.Random) -> Neighbour:
    return Neighbour(
        job=rng.choice(JOBS),
        attribute=rng.choice(ATTRIBUTES),
        is_apart=rng.random() < 0.7,
        weight=rng.choice((0, 0, 0, 10)),
    )


def _spread(rng: random.Random) -> Spread:
    weight = rng.choice((0, 0, 0, 20))
    return Spread(attribute=rng.choice(ATTRIBUTES), max_skew=0 if weight else rng.choice((1, 1, 2)), weight=weight)
