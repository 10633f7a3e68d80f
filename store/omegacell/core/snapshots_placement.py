"""Placement rules as JSON values and back, for `snapshots`."""

from typing import Any

from omegacell.core.constraints import Constraint, Operator
from omegacell.core.placement import Affinity, Neighbour, PlacementRules, Spread, Toleration


def placement_row(rules: PlacementRules) -> dict[str, Any]:
    """Return placement rules as plain lists, numbers and texts."""
    return {
        "pool": rules.pool,
        "constraints": [_constraint_row(each) for each in rules.constraints],
        "tolerations": [[each.key, each.value] for each in rules.tolerations],
        "max_per_machine": rules.max_per_machine,
        "neighbours": [[each.job, each.attribute, each.is_apart, each.weight] for each in rules.neighbours],
        "spreads": [
            [each.attribute, each.max_skew, each.weight, [list(target) for target in each.targets]]
            for each in rules.spreads
        ],
        "affinities": [[*_constraint_row(each.constraint), each.weight] for each in rules.affinities],
    }


def read_placement(row: dict[str, Any]) -> PlacementRules:
    """Return the placement rules that `placement_row` wrote."""
    return PlacementRules(
        pool=row["pool"],
        constraints=tuple(_read_constraint(each) for each in row["constraints"]),
        tolerations=tuple(Toleration(key=key, value=value) for key, value in row["tolerations"]),
        max_per_machine=row["max_per_machine"],
        neighbours=tuple(
            Neighbour(job=job, attribute=attribute, is_apart=is_apart, weight=weight)
            for job, attribute, is_apart, weight in row["neighbours"]
        ),
        spreads=tuple(
            Spread(
                attribute=attribute,
                max_skew=max_skew,
                weight=weight,
                targets=tuple((value, percent) for value, percent in targets),
            )
            for attribute, max_skew, weight, targets in row["spreads"]
        ),
        affinities=tuple(Affinity(constraint=_read_constraint(each[:3]), weight=each[3]) for each in row["affinities"]),
    )


def _constraint_row(constraint: Constraint) -> list[Any]:
    return [constraint.attribute, constraint.operator, list(constraint.values)]


def _read_constraint(row: list[Any]) -> Constraint:
    attribute, operator, values = row
    return Constraint(attribute=attribute, operator=Operator(operator), values=tuple(values))
