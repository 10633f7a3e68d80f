"""Translates placement rules and taints between the core and the persistent format."""

from omegacell.core.constraints import Constraint, Operator
from omegacell.core.errors import MalformedError
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
from omegacell.store.codec_columns import EnumTable
from omegacell.store.proto import log_v1_pb2 as pb

_OPERATORS = EnumTable(Operator, pb.Operator, "OPERATOR")
_EFFECTS = EnumTable(Effect, pb.Effect, "EFFECT")


def write_placement(message: pb.PlacementRules, rules: PlacementRules) -> None:
    """Fill the empty ``message`` with ``rules``."""
    message.SetInParent()
    message.pool = rules.pool
    for constraint in rules.constraints:
        _write_constraint(message.constraints.add(), constraint)
    for toleration in rules.tolerations:
        has_value = toleration.value is not None
        message.tolerations.add(key=toleration.key, has_value=has_value, value=toleration.value or "")
    message.max_per_machine = rules.max_per_machine
    for each in rules.neighbours:
        message.neighbours.add(job=each.job, attribute=each.attribute, is_apart=each.is_apart, weight=each.weight)
    for spread in rules.spreads:
        added = message.spreads.add(attribute=spread.attribute, max_skew=spread.max_skew, weight=spread.weight)
        for value, percent in spread.targets:
            added.targets.add(value=value, percent=percent)
    for affinity in rules.affinities:
        wish = message.affinities.add(weight=affinity.weight)
        _write_constraint(wish.constraint, affinity.constraint)


def read_placement(message: pb.PlacementRules) -> PlacementRules:
    """Return the rules in ``message``.

    Raises:
        MalformedError: An enum has a value that this version does not know, or nothing is asked for.
    """
    rules = PlacementRules(
        pool=message.pool,
        constraints=tuple(_read_constraint(each) for each in message.constraints),
        tolerations=tuple(_read_toleration(each) for each in message.tolerations),
        max_per_machine=message.max_per_machine,
        neighbours=tuple(
            Neighbour(job=each.job, attribute=each.attribute, is_apart=each.is_apart, weight=each.weight)
            for each in message.neighbours
        ),
        spreads=tuple(
            Spread(
                attribute=each.attribute,
                max_skew=each.max_skew,
                weight=each.weight,
                targets=tuple((target.value, target.percent) for target in each.targets),
            )
            for each in message.spreads
        ),
        affinities=tuple(
            Affinity(constraint=_read_constraint(each.constraint), weight=each.weight) for each in message.affinities
        ),
    )
    if rules == NO_RULES:
        raise MalformedError("placement rules that ask for nothing are left out")
    return rules


def write_set_taints(message: pb.Command, command: SetTaints) -> None:
    """Fill an empty command."""
    taints = message.set_taints
    taints.SetInParent()
    taints.machines.extend(command.machines)
    for taint in command.add:
        taints.add.add(key=taint.key, value=taint.value, effect=_EFFECTS.to_wire(taint.effect))
    taints.remove.extend(command.remove)


def read_set_taints(message: pb.Command) -> SetTaints:
    """Return the command in ``message``."""
    taints = message.set_taints
    return SetTaints(
        machines=tuple(taints.machines),
        add=tuple(Taint(key=each.key, value=each.value, effect=_EFFECTS.from_wire(each.effect)) for each in taints.add),
        remove=tuple(taints.remove),
    )


def _write_constraint(message: pb.Constraint, constraint: Constraint) -> None:
    message.SetInParent()
    message.attribute = constraint.attribute
    message.operator = _OPERATORS.to_wire(constraint.operator)
    message.values.extend(constraint.values)


def _read_constraint(message: pb.Constraint) -> Constraint:
    return Constraint(
        attribute=message.attribute,
        operator=_OPERATORS.from_wire(message.operator),
        values=tuple(message.values),
    )


def _read_toleration(message: pb.Toleration) -> Toleration:
    if message.value and not message.has_value:
        raise MalformedError("a toleration has a value and says that it has none")
    return Toleration(key=message.key, value=message.value if message.has_value else None)
