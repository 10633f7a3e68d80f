"""Turns frozen records into what JSON and YAML print.

Rules: names stay as they are in the records; enums become lower-case words; bytes become hex digits. So the fields of
``-o json`` are those of `omegacell.api.records`, documented there.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any


def plain(value: Any) -> Any:
    """Return a record, or whatever is in one, as dicts, lists, strings and numbers.

    >>> from omegacell.api.records import At, Health
    >>> plain({Health.HEALTHY: (At(revision=3, incarnation="ab"), b"1")})
    {'healthy': [{'revision': 3, 'incarnation': 'ab'}, '31']}
    """
    if isinstance(value, Enum):
        return value.name.lower()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    return [plain(each) for each in value]
