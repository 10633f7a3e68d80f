"""What a job may ask of a machine's attributes: comparisons that are cheap, total and the same everywhere.

An attribute is a name with a text value. A `Constraint` compares one attribute with values; a machine that lacks the
attribute meets only what is denied (``!=``, ``not in``, ``not exists``), as in Kubernetes. There are no regular
expressions: one bad pattern would hang every participant. `find_contradiction` names constraints that no machine
can meet together, for the edge, which refuses them. Which machines meet what is kept in `attributes`.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations
from typing import Final


class Operator(IntEnum):
    """How an attribute is compared. Numbers are decimal integers; versions are compared part by part."""

    EQUAL = 0
    NOT_EQUAL = 1
    IN = 2
    NOT_IN = 3
    LESS = 4
    LESS_OR_EQUAL = 5
    GREATER = 6
    GREATER_OR_EQUAL = 7
    EXISTS = 8
    NOT_EXISTS = 9
    VERSION_EQUAL = 10
    VERSION_LESS = 11
    VERSION_LESS_OR_EQUAL = 12
    VERSION_GREATER = 13
    VERSION_GREATER_OR_EQUAL = 14
    GLOB = 15
    NOT_GLOB = 16


SYMBOLS: Final[dict[Operator, str]] = {
    Operator.EQUAL: "=",
    Operator.NOT_EQUAL: "!=",
    Operator.IN: "in",
    Operator.NOT_IN: "not in",
    Operator.LESS: "<",
    Operator.LESS_OR_EQUAL: "<=",
    Operator.GREATER: ">",
    Operator.GREATER_OR_EQUAL: ">=",
    Operator.EXISTS: "exists",
    Operator.NOT_EXISTS: "not exists",
    Operator.VERSION_EQUAL: "version =",
    Operator.VERSION_LESS: "version <",
    Operator.VERSION_LESS_OR_EQUAL: "version <=",
    Operator.VERSION_GREATER: "version >",
    Operator.VERSION_GREATER_OR_EQUAL: "version >=",
    Operator.GLOB: "glob",
    Operator.NOT_GLOB: "not glob",
}
"""How operators are written."""

WITHOUT_VALUE: Final = frozenset({Operator.EXISTS, Operator.NOT_EXISTS})
WITH_SEVERAL: Final = frozenset({Operator.IN, Operator.NOT_IN})
NUMERIC: Final = frozenset({Operator.LESS, Operator.LESS_OR_EQUAL, Operator.GREATER, Operator.GREATER_OR_EQUAL})
_DENYING: Final = frozenset({Operator.NOT_EQUAL, Operator.NOT_IN, Operator.NOT_EXISTS, Operator.NOT_GLOB})
"""What a machine without the attribute meets."""

_VERSIONS: Final = frozenset(
    operator for operator in Operator if Operator.VERSION_EQUAL <= operator <= Operator.VERSION_GREATER_OR_EQUAL
)
_LISTING: Final = frozenset({Operator.EQUAL, Operator.IN, Operator.NOT_EXISTS})
"""These name all values that meet them."""

_PATTERNS: Final = frozenset({Operator.GLOB, Operator.NOT_GLOB})
_DIGITS: Final = frozenset("0123456789")
MAX_DIGITS: Final = 18
"""Longer runs of digits are compared as text: a number is at most 2^63."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One comparison of one attribute.

    Attributes:
        attribute: its name.
        operator: how it is compared.
        values: with what; one value, none for EXISTS and NOT_EXISTS, one or more for IN and NOT_IN.
    """

    attribute: str
    operator: Operator
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        values = ", ".join(_quote(value) for value in self.values)
        shown = f"({values})" if self.operator in WITH_SEVERAL else values
        return f"{self.attribute} {SYMBOLS[self.operator]} {shown}".rstrip()


def _quote(value: str) -> str:
    return f'"{value}"' if value != value.strip() or any(mark in value for mark in ",()[]") else value


def is_met(constraint: Constraint, value: str | None) -> bool:
    """Tell whether a machine whose attribute has ``value`` (None: has no such attribute) meets a constraint.

    >>> is_met(Constraint(attribute="cores", operator=Operator.GREATER, values=("8",)), "16")
    True
    >>> is_met(Constraint(attribute="zone", operator=Operator.NOT_EQUAL, values=("a",)), None)
    True
    """
    operator = constraint.operator
    if value is None:
        return operator in _DENYING
    match operator:
        case Operator.EXISTS | Operator.NOT_EXISTS:
            return operator is Operator.EXISTS
        case Operator.EQUAL | Operator.IN:
            return value in constraint.values
        case Operator.NOT_EQUAL | Operator.NOT_IN:
            return value not in constraint.values
        case Operator.GLOB | Operator.NOT_GLOB:
            return matches_glob(value, constraint.values[0]) == (operator is Operator.GLOB)
        case _:
            return _compares(operator, value, constraint.values[0])


def _compares(operator: Operator, value: str, wanted: str) -> bool:
    """Compare numbers, or versions; what is no number is neither less nor greater."""
    if operator in _VERSIONS:
        order = compare_versions(value, wanted)
    else:
        number, limit = number_of(value), number_of(wanted)
        if number is None or limit is None:
            return False
        order = (number > limit) - (number < limit)
    match operator:
        case Operator.LESS | Operator.VERSION_LESS:
            return order < 0
        case Operator.LESS_OR_EQUAL | Operator.VERSION_LESS_OR_EQUAL:
            return order <= 0
        case Operator.GREATER | Operator.VERSION_GREATER:
            return order > 0
        case Operator.GREATER_OR_EQUAL | Operator.VERSION_GREATER_OR_EQUAL:
            return order >= 0
        case _:
            return order == 0


def number_of(text: str) -> int | None:
    """Return the decimal integer that a text is, or None.

    >>> number_of("-12"), number_of("1.5"), number_of("")
    (-12, None, None)
    """
    digits = text.removeprefix("-")
    if not 1 <= len(digits) <= MAX_DIGITS or not _DIGITS.issuperset(digits):
        return None
    return int(text)


def compare_versions(one: str, other: str) -> int:
    """Return -1, 0 or 1: which version is the older. Parts stand between dots; what follows ``-`` is a pre-release.

    Numbers are compared as numbers, other parts as ASCII text, numbers below texts, a missing part as 0, and a
    pre-release below its release (Semantic Versioning 2.0, section 11). What follows ``+`` does not count.

    >>> compare_versions("5.10.2", "5.9"), compare_versions("1.0", "1.0.0"), compare_versions("2.0-rc1", "2.0")
    (1, 0, -1)
    """
    (numbers, pre), (numbers2, pre2) = _split_version(one), _split_version(other)
    length = max(len(numbers), len(numbers2))
    padded = numbers + [(0, 0, "")] * (length - len(numbers))
    padded2 = numbers2 + [(0, 0, "")] * (length - len(numbers2))
    key, key2 = (padded, not pre, pre), (padded2, not pre2, pre2)
    return (key > key2) - (key < key2)


_Part = tuple[int, int, str]


def _split_version(text: str) -> tuple[list[_Part], list[_Part]]:
    release, _, pre = text.partition("+")[0].partition("-")
    return [_part_of(each) for each in release.removeprefix("v").split(".")], (
        [_part_of(each) for each in pre.split(".")] if pre else []
    )


def _part_of(text: str) -> _Part:
    number = number_of(text)
    return (1, 0, text) if number is None or number < 0 else (0, number, "")


def matches_glob(text: str, pattern: str) -> bool:
    """Tell whether a pattern of ``*`` (anything) and ``?`` (one character) covers a text. Cost: O(text x pattern).

    >>> matches_glob("a100-80gb", "a100*"), matches_glob("v100", "a?00")
    (True, False)
    """
    at = place = 0
    star, resume = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] != "*" and pattern[place] in ("?", text[at]):
            at, place = at + 1, place + 1
        elif place < len(pattern) and pattern[place] == "*":
            star, resume = place, at
            place += 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return pattern[place:].strip("*") == ""


def find_contradiction(constraints: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """Return constraints that no value of their attribute meets together, none of them to spare; none when there are.

    Exact for texts, and for numbers over all integers. A pattern is compared with what others name and with its own
    denial only, and a version not with a number: of those that may perhaps be met together nothing is said.

    >>> no_zone = Constraint(attribute="zone", operator=Operator.NOT_EXISTS)
    >>> zone_a = Constraint(attribute="zone", operator=Operator.EQUAL, values=("a",))
    >>> find_contradiction([zone_a, no_zone]) == (zone_a, no_zone)
    True
    """
    for one, other in combinations(constraints, 2):
        if one.attribute == other.attribute and _is_contradictory((one, other)):
            return one, other
    for attribute in dict.fromkeys(each.attribute for each in constraints):
        together = tuple(each for each in constraints if each.attribute == attribute)
        if len(together) > 2 and _is_contradictory(together):
            return _without_spare(together)
    return ()


def _without_spare(together: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
    """Return the constraints of a contradiction without those that it does not need."""
    for each in together:
        others = tuple(other for other in together if other is not each)
        if _is_contradictory(others):
            together = others
    return together


def _is_contradictory(together: tuple[Constraint, ...]) -> bool:
    """Whether it is certain that no value meets all of some constraints on one attribute."""
    operators = {each.operator for each in together}
    if operators == _PATTERNS and len(together) == 2:
        return together[0].values == together[1].values
    if not _is_decidable(operators, len(together)):
        return False
    return not any(all(is_met(each, value) for each in together) for value in _candidates(together))


def _is_decidable(operators: AbstractSet[Operator], count: int) -> bool:
    """Whether `_candidates` holds a value that meets so many constraints whenever there is one.

    The least number that meets some is a limit, or follows one or what is excluded. More than two versions may leave
    room that no candidate is in.
    """
    if operators & _LISTING:
        return True
    if operators & _PATTERNS or (count > 2 and operators & _VERSIONS):
        return False
    return not (operators & NUMERIC and operators & _VERSIONS)


def _candidates(together: Sequence[Constraint]) -> list[str | None]:
    """Return values of which one meets all of some constraints if any value does, where `_is_decidable`."""
    named = [value for each in together for value in each.values]
    near = [str(number + step) for text in named if (number := number_of(text)) is not None for step in (-1, 1)]
    versions = [text for value in named for text in (f"{value}.1", f"{value}-0", "0", "999999999")]
    return [None, "", "\x01", *named, *near, *versions]
