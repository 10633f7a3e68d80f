"""Translates placement rules between the API's messages and the core's values."""

from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.rule_text import parse_constraint, parse_toleration, write_toleration
from omegacell.core.placement import NO_RULES, Affinity, Neighbour, PlacementRules, Spread


def write_placement(rules: PlacementRules) -> pb.PlacementRules | None:
    """Return the message of placement rules; None when they ask for nothing."""
    if rules == NO_RULES:
        return None
    return pb.PlacementRules(
        pool=rules.pool,
        constraints=[str(each) for each in rules.constraints],
        tolerations=[write_toleration(each) for each in rules.tolerations],
        max_per_machine=rules.max_per_machine,
        neighbours=[
            pb.Neighbour(job=each.job, attribute=each.attribute, is_apart=each.is_apart, weight=each.weight)
            for each in rules.neighbours
        ],
        spreads=[
            pb.Spread(
                attribute=each.attribute,
                max_skew=each.max_skew,
                weight=each.weight,
                targets=[pb.SpreadTarget(value=value, percent=percent) for value, percent in each.targets],
            )
            for each in rules.spreads
        ],
        affinities=[pb.Affinity(constraint=str(each.constraint), weight=each.weight) for each in rules.affinities],
    )


def read_placement(message: pb.PlacementRules) -> PlacementRules:
    """Return the rules of a message.

    Raises:
        ValueError: A text in it means nothing.
    """
    rules = PlacementRules(
        pool=message.pool,
        constraints=tuple([parse_constraint(text) for text in message.constraints]),
        tolerations=tuple([parse_toleration(text) for text in message.tolerations]),
        max_per_machine=message.max_per_machine,
        neighbours=tuple(
            [
                Neighbour(job=each.job, attribute=each.attribute, is_apart=each.is_apart, weight=each.weight)
                for each in message.neighbours
            ]
        ),
        spreads=tuple(
            [
                Spread(
                    attribute=each.attribute,
                    max_skew=each.max_skew,
                    weight=each.weight,
                    targets=tuple([(target.value, target.percent) for target in each.targets]),
                )
                for each in message.spreads
            ]
        ),
        affinities=tuple(
            [Affinity(constraint=parse_constraint(each.constraint), weight=each.weight) for each in message.affinities]
        ),
    )
    return NO_RULES if rules == NO_RULES else rules
