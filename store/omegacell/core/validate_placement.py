"""Ranges and structure of what jobs say about where their tasks go, and of taints: a part of `validate`."""

from collections.abc import Sequence
from typing import Final

from omegacell.core.constraints import NUMERIC, WITH_SEVERAL, WITHOUT_VALUE, Constraint, number_of
from omegacell.core.errors import MalformedError
from omegacell.core.jobs import Gang, JobSpec, Kind
from omegacell.core.placement import MACHINE, MAX_WEIGHT, NO_RULES, Neighbour, PlacementRules, Spread, Taint
from omegacell.core.units import MAX_NAME_LENGTH, MAX_TASKS_PER_JOB
from omegacell.core.validate_values import check_name, check_range

MAX_RULES: Final = 32
"""Constraints, tolerations, neighbours, spreads and affinities of one job, each; taints of one machine too."""

MAX_VALUES: Final = 64
MAX_VALUE_LENGTH: Final = 255
_PRINTABLE: Final = frozenset(map(chr, range(0x20, 0x7F)))


def check_placement(rules: PlacementRules) -> None:
    """Raise `MalformedError` when placement rules have a value out of range. Pure; cost: O(rules)."""
    if rules is NO_RULES:
        return
    _check_text("pool", rules.pool, MAX_NAME_LENGTH)
    check_range("max_per_machine", rules.max_per_machine, 0, MAX_TASKS_PER_JOB)
    lists = {
        "constraints": rules.constraints,
        "tolerations": rules.tolerations,
        "neighbours": rules.neighbours,
        "spreads": rules.spreads,
        "affinities": rules.affinities,
    }
    for what, values in lists.items():
        if len(values) > MAX_RULES:
            raise MalformedError(f"{len(values)} {what} in one job; at most {MAX_RULES}")
    for constraint in rules.constraints:
        _check_constraint(constraint)
    for affinity in rules.affinities:
        _check_constraint(affinity.constraint)
        _check_weight(affinity.weight, -MAX_WEIGHT)
    for toleration in rules.tolerations:
        _check_word("toleration", toleration.key)
        _check_text("toleration", toleration.value or "", MAX_VALUE_LENGTH)
    for neighbour in rules.neighbours:
        _check_neighbour(neighbour)
    for spread in rules.spreads:
        _check_spread(spread)


def check_taints(add: Sequence[Taint], remove: Sequence[str]) -> None:
    """Raise `MalformedError` when a change of taints has a value out of range, or none at all."""
    if not 1 <= len(add) + len(remove) <= MAX_RULES:
        raise MalformedError(f"{len(add) + len(remove)} taints at once; expected 1 to {MAX_RULES}")
    for taint in add:
        _check_word("taint", taint.key)
        _check_text("taint", taint.value, MAX_VALUE_LENGTH)
    for key in remove:
        _check_word("taint", key)
    if len({(taint.key, taint.effect) for taint in add}) != len(add) or len(set(remove)) != len(remove):
        raise MalformedError("a taint stands twice")


def _check_constraint(constraint: Constraint) -> None:
    _check_word("attribute", constraint.attribute)
    if constraint.attribute == MACHINE:
        raise MalformedError(f"{MACHINE!r} is no attribute that has values")
    values, operator = constraint.values, constraint.operator
    least, most = (0, 0) if operator in WITHOUT_VALUE else (1, MAX_VALUES if operator in WITH_SEVERAL else 1)
    if not least <= len(values) <= most or len(set(values)) != len(values):
        raise MalformedError(f"{constraint}: {len(values)} values; expected {least} to {most}, each once")
    for value in values:
        _check_text("value", value, MAX_VALUE_LENGTH)
        if operator in NUMERIC and number_of(value) is None:
            raise MalformedError(f"{constraint}: expected a whole number")


def _check_neighbour(neighbour: Neighbour) -> None:
    _check_word("attribute", neighbour.attribute)
    _check_word("job", neighbour.job, MAX_NAME_LENGTH)
    check_range("weight", neighbour.weight, 0, MAX_WEIGHT)


def _check_spread(spread: Spread) -> None:
    _check_word("attribute", spread.attribute)
    check_range("max_skew", spread.max_skew, 0, MAX_TASKS_PER_JOB)
    if bool(spread.max_skew) == bool(spread.weight) or (spread.max_skew and spread.targets):
        raise MalformedError("a spread has either max_skew, or a weight and perhaps targets")
    check_range("weight", spread.weight, 0, MAX_WEIGHT)
    if len(spread.targets) > MAX_VALUES or len({value for value, _ in spread.targets}) != len(spread.targets):
        raise MalformedError(f"{len(spread.targets)} targets; expected at most {MAX_VALUES}, each once")
    for value, percent in spread.targets:
        _check_text("target", value, MAX_VALUE_LENGTH)
        check_range("target", percent, 0, 100)
    if sum(percent for _, percent in spread.targets) > 100:
        raise MalformedError("targets of a spread add up to more than 100 percent")


def _check_weight(weight: int, low: int) -> None:
    if not weight:
        raise MalformedError("a wish has the weight 0")
    check_range("weight", weight, low, MAX_WEIGHT)


def _check_word(what: str, text: str, limit: int = MAX_VALUE_LENGTH) -> None:
    if not text:
        raise MalformedError(f"{what} is empty")
    _check_text(what, text, limit)


def _check_text(what: str, text: str, limit: int) -> None:
    if len(text) > limit or not _PRINTABLE.issuperset(text):
        raise MalformedError(f"{what} {text[:80]!r}; expected at most {limit} printable ASCII characters")


def check_alloc(spec: JobSpec) -> None:
    """Check an alloc set, or a job that runs inside one."""
    if spec.kind is Kind.ALLOC and (spec.alloc or spec.ports or spec.is_health_checked):
        raise MalformedError("an alloc set runs inside no other, and has neither ports nor a health check")
    if spec.alloc and spec.kind is Kind.SYSTEM:
        raise MalformedError("a system job runs inside no alloc: its tasks are for machines")
    if spec.alloc:
        check_name("alloc", spec.alloc)
    if spec.alloc and spec.devices:
        raise MalformedError("a task inside an alloc asks for no devices: it shares those of the alloc")


def check_gang(gang: Gang) -> None:
    """Check which tasks are placed together."""
    check_range("gang size", gang.size, 0, MAX_TASKS_PER_JOB)
    check_range("gang least", gang.least, 0, gang.size or MAX_TASKS_PER_JOB)
    if gang.size == 1:
        raise MalformedError("a gang of groups of one task; expected at least 2, or 0 for the whole job")
