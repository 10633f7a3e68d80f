"""Friendly quantities of a job file: ``500m`` of CPU, ``256Mi`` of memory, ``30s`` of time, as exact integers.

Nothing is rounded: what is no whole number of base units is refused. Every refusal is a ValueError that says what was
expected, because pydantic and the command line word it for the user.
"""

import re
from decimal import Decimal
from typing import Final

from omegacell.core.units import MAX_QUANTITY

_NUMBER: Final = re.compile(r"\d{1,18}(\.\d{1,18})?", re.ASCII)
_AMOUNT: Final = re.compile(r"(\d{1,18}(?:\.\d{1,18})?) ?([A-Za-z]*)", re.ASCII)
_DURATION_PART: Final = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(us|ms|s|m|h|d)", re.ASCII)

_BYTE_UNITS: Final = {
    "": 1,
    "B": 1,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "P": 10**15,
    "Ti": 1 << 40,
    "Pi": 1 << 50,
}
_BYTE_UNITS_WITH_B: Final = _BYTE_UNITS | {f"{unit}B": scale for unit, scale in _BYTE_UNITS.items() if unit not in "B"}
_TIME_UNITS_US: Final = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}

CPU_EXPECTED: Final = 'a number of CPUs such as 0.5 or 2, or thousandths such as "500m"'
BYTES_EXPECTED: Final = 'a number of bytes, or an amount such as "256Mi", "1Gi" or "500M"'
DURATION_EXPECTED: Final = 'a time such as "500ms", "30s", "5m" or "1h30m", or a number of seconds'


def parse_cpu(value: object, *, most: int = MAX_QUANTITY) -> int:
    """Return thousandths of a CPU, at most so many.

    >>> parse_cpu(0.5), parse_cpu("250m"), parse_cpu(2)
    (500, 250, 2000)

    Raises:
        ValueError: It is none, or finer than a thousandth.
    """
    text = _text_of(value, CPU_EXPECTED)
    if text.endswith("m") and _NUMBER.fullmatch(text[:-1]):
        return _whole(Decimal(text[:-1]), CPU_EXPECTED, most)
    if _NUMBER.fullmatch(text):
        return _whole(Decimal(text) * 1000, CPU_EXPECTED, most)
    raise ValueError(f"expected {CPU_EXPECTED}")


def parse_bytes(value: object, *, most: int = MAX_QUANTITY) -> int:
    """Return bytes, at most so many.

    >>> parse_bytes("256Mi"), parse_bytes("1.5Gi"), parse_bytes(4096)
    (268435456, 1610612736, 4096)

    Raises:
        ValueError: It is none, or no whole number of bytes.
    """
    match = _AMOUNT.fullmatch(_text_of(value, BYTES_EXPECTED))
    if match is None or match[2] not in _BYTE_UNITS_WITH_B:
        raise ValueError(f"expected {BYTES_EXPECTED}")
    return _whole(Decimal(match[1]) * _BYTE_UNITS_WITH_B[match[2]], BYTES_EXPECTED, most)


def parse_duration(value: object) -> int:
    """Return microseconds.

    >>> parse_duration("1h30m"), parse_duration("500ms"), parse_duration(30)
    (5400000000, 500000, 30000000)

    Raises:
        ValueError: It is none, or finer than a microsecond.
    """
    text = _text_of(value, DURATION_EXPECTED)
    if _NUMBER.fullmatch(text):
        return _whole(Decimal(text) * 1_000_000, DURATION_EXPECTED)
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"expected {DURATION_EXPECTED}")
    return _whole(sum(Decimal(number) * _TIME_UNITS_US[unit] for number, unit in parts), DURATION_EXPECTED)


def _text_of(value: object, expected: str) -> str:
    match value:
        case bool():
            raise ValueError(f"expected {expected}")
        case int() | float() if value < 0:
            raise ValueError(f"expected {expected}, not below 0")
        case str() if re.match(r"\s*-[\d.]", value):
            raise ValueError(f"expected {expected}, not below 0")
        case str():
            return value.strip()
        case int():
            return str(value)
        case float():
            return format(Decimal(repr(value)), "f") if abs(value) < 1e18 else "too large"
        case _:
            raise ValueError(f"expected {expected}")


def _whole(amount: Decimal | int, expected: str, most: int = MAX_QUANTITY) -> int:
    if amount != int(amount):
        raise ValueError(f"expected {expected}; this is finer than the smallest unit")
    if amount > most:
        raise ValueError(f"expected {expected}, at most {most} base units")
    return int(amount)
