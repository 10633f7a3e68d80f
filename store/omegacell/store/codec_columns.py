"""Columns and enums between the core and the persistent format.

Rules: a column on disk is its rows, little-endian, one after the other; reading one copies no value and gives a
read-only array; an enum's number on disk follows from the proto, found by name, so that renumbering the core's cannot
change a log.
"""

from enum import IntEnum
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import Bytes, Int32s, Int64s
from omegacell.core.errors import MalformedError

# Native on every platform that numpy is fast on; elsewhere an array of this type still computes the same.
INT32: Final = np.dtype("<i4")
INT64: Final = np.dtype("<i8")
UINT8: Final = np.dtype("u1")


def read_int32s(data: bytes) -> Int32s:
    """Return the int32 column in ``data``, read-only and without a copy.

    Raises:
        MalformedError: It has no whole number of rows.
    """
    if len(data) & 3:
        raise MalformedError(f"a column of int32 has {len(data)} bytes; expected a multiple of 4")
    return np.frombuffer(data, INT32)


def read_int64s(data: bytes) -> Int64s:
    """Return the int64 column in ``data``, read-only and without a copy.

    Raises:
        MalformedError: It has no whole number of rows.
    """
    if len(data) & 7:
        raise MalformedError(f"a column of int64 has {len(data)} bytes; expected a multiple of 8")
    return np.frombuffer(data, INT64)


def read_bytes(data: bytes) -> Bytes:
    """Return the uint8 column in ``data``, read-only and without a copy."""
    return np.frombuffer(data, UINT8)


def column_bytes(column: NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    """Return the bytes of a column.

    Raises:
        MalformedError: It is not one-dimensional, or of another type: a cast could lose values.
    """
    if column.dtype != dtype or column.ndim != 1:
        raise MalformedError(
            f"a column is {column.ndim}-dimensional {column.dtype}; expected one dimension of {dtype.name}"
        )
    return column.tobytes()


Member = TypeVar("Member", bound=IntEnum)


class EnumTable(Generic[Member]):
    """An enum of the core beside the one of the proto, matched by name."""

    __slots__ = ("_from_wire", "_name", "_to_wire")

    def __init__(self, enum: type[Member], wire: Any, prefix: str) -> None:
        self._name = enum.__name__
        self._to_wire: dict[int, Any] = {member: wire.Value(f"{prefix}_{member.name}") for member in enum}
        self._from_wire: dict[int, Member] = {int(self._to_wire[member]): member for member in enum}

    def to_wire(self, member: Member) -> Any:
        """Return the proto's value of ``member``.

        Raises:
            MalformedError: It is no member.
        """
        try:
            return self._to_wire[member]
        except KeyError:
            raise MalformedError(f"{member!r} is no {self._name}") from None

    def from_wire(self, value: int) -> Member:
        """Return the member of the proto's ``value``.

        Raises:
            MalformedError: This version knows no such value.
        """
        try:
            return self._from_wire[value]
        except KeyError:
            raise MalformedError(f"{self._name} has no value {value}") from None
