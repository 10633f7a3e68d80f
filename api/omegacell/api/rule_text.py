"""Constraints, taints and tolerations as people write them, and back.

    zone = a            zone != a           zone in (a, b)      zone not in (a, b)
    cores >= 8          ssd exists          ssd not exists      model glob a100*
    kernel.version version >= 5.10          dedicated=gpu:no_place

A value that holds a comma, a bracket, or a space at an end stands in double quotes. The core's ``str`` writes what is
read here. Errors are `ValueError`, because pydantic collects them with the field's place.
"""

import re
from typing import Final

from omegacell.core.constraints import NUMERIC, SYMBOLS, WITH_SEVERAL, WITHOUT_VALUE, Constraint, Operator, number_of
from omegacell.core.placement import MACHINE, Effect, Taint, Toleration

CONSTRAINT_EXPECTED: Final = (
    "ATTRIBUTE and one of: = V, != V, in (V, W), not in (V, W), < N, <= N, > N, >= N, exists, not exists, "
    "glob PATTERN, not glob PATTERN, version = V, version < V, version <= V, version > V, version >= V"
)
_SPELLINGS: Final = sorted(SYMBOLS.items(), key=lambda item: -len(item[1]))
_WORD: Final = re.compile(r'"([^"]*)"|([^,"()\[\]]+)')


def parse_constraint(text: str) -> Constraint:
    """Return the constraint that a text spells.

    Raises:
        ValueError: It spells none.

    >>> str(parse_constraint("zone  in (a,b)")), str(parse_constraint("kernel version >= 5.10"))
    ('zone in (a, b)', 'kernel version >= 5.10')
    """
    attribute, operator, rest = _split(text)
    if attribute == MACHINE:
        raise ValueError(f"{text!r}: {MACHINE!r} is no attribute that has values; use max_per_machine, near or apart")
    if operator in WITHOUT_VALUE:
        values: tuple[str, ...] = ()
        if rest:
            raise ValueError(f"{text!r}: expected nothing after {SYMBOLS[operator]!r}, found {rest!r}")
    elif operator in WITH_SEVERAL:
        values = _parse_list(text, rest)
    else:
        values = (_parse_value(text, rest),)
    if operator in NUMERIC and number_of(values[0]) is None:
        raise ValueError(
            f"{text!r}: {SYMBOLS[operator]!r} compares whole numbers; for versions write 'version >= 5.10'"
        )
    if SYMBOLS[operator].startswith("version") and not values[0].removeprefix("v")[:1].isdigit():
        raise ValueError(f"{text!r}: expected a version that begins with a number, such as 5.10")
    return Constraint(attribute=attribute, operator=operator, values=values)


def parse_taint(text: str) -> Taint:
    """Return the taint that ``KEY[=VALUE]:EFFECT`` spells.

    Raises:
        ValueError: It spells none.

    >>> str(parse_taint("dedicated=gpu:no_place"))
    'dedicated=gpu:no_place'
    """
    mark, _, effect = text.rpartition(":")
    key, _, value = mark.partition("=")
    known = {each.name.lower(): each for each in Effect}
    if not key or effect not in known:
        raise ValueError(f"{text!r}: expected KEY=VALUE:EFFECT, EFFECT one of {', '.join(known)}")
    return Taint(key=key.strip(), value=value.strip(), effect=known[effect])


def parse_toleration(text: str) -> Toleration:
    """Return the toleration that ``KEY``, ``KEY = VALUE`` or ``*`` spells.

    Raises:
        ValueError: It spells none.

    >>> parse_toleration("dedicated = gpu")
    Toleration(key='dedicated', value='gpu')
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or " " in key or (key == "*" and equals):
        raise ValueError(f"{text!r}: expected KEY, KEY = VALUE, or '*' for every taint")
    return Toleration(key=key, value=value if equals else None)


def write_toleration(toleration: Toleration) -> str:
    """Return a toleration as `parse_toleration` reads it."""
    return toleration.key if toleration.value is None else f"{toleration.key} = {toleration.value}"


def _split(text: str) -> tuple[str, Operator, str]:
    """Find the first operator behind the attribute; of two that begin alike, the longer."""
    attribute, _, rest = text.strip().partition(" ")
    match = re.match(r"[^\s=!<>]+", attribute)
    if match and match.end() < len(attribute):
        attribute, rest = attribute[: match.end()], f"{attribute[match.end() :]} {rest}"
    rest = " ".join(rest.split(" ")).strip()
    for operator, symbol in _SPELLINGS:
        words = symbol.split()
        found = re.match(r"\s*".join(map(re.escape, words)) + (r"(?=\s|\(|$)" if words[-1].isalpha() else ""), rest)
        if match and found:
            return attribute, operator, rest[found.end() :].strip()
    raise ValueError(f"{text!r}: expected {CONSTRAINT_EXPECTED}")


def _parse_list(text: str, rest: str) -> tuple[str, ...]:
    inner = rest.strip()
    if inner[:1] in ("(", "[") and inner[-1:] not in (")", "]"):
        raise ValueError(f'{text!r}: the bracket is not closed; in a list of YAML put it in quotes, ["zone in (a, b)"]')
    if not (inner[:1] in ("(", "[") and inner[-1:] in (")", "]")):
        raise ValueError(f"{text!r}: expected a list in brackets, such as (a, b)")
    words = [quoted or plain.strip() for quoted, plain in _WORD.findall(inner[1:-1])]
    values = tuple(dict.fromkeys(word for word in words if word))
    if not values:
        raise ValueError(f"{text!r}: expected at least one value in the brackets")
    return values


def _parse_value(text: str, rest: str) -> str:
    value = rest[1:-1] if len(rest) > 1 and rest[0] == rest[-1] == '"' else rest
    if not value:
        raise ValueError(f"{text!r}: expected a value at the end")
    if rest[0] == "=":
        raise ValueError(f"{text!r}: did you mean {text.replace('==', '=')!r}?")
    if rest[0] in "<>!~":
        raise ValueError(f"{text!r}: {rest[0]!r} does not belong to the operator; expected {CONSTRAINT_EXPECTED}")
    return value
