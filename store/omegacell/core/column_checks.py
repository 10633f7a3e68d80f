"""Whether columns hold what they may: lengths and ranges. What each command may hold is in `validate`."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import find_highest
from omegacell.core.errors import MalformedError

_UNSIGNED: Final[dict[type[np.signedinteger], np.dtype[np.unsignedinteger]]] = {
    np.int32: np.dtype(np.uint32),
    np.int64: np.dtype(np.uint64),
}


def check_rows(what: str, column: NDArray[np.integer], limit: int) -> None:
    """Raise `MalformedError` unless a column holds at least one value, none negative, all below ``limit``."""
    if not len(column):
        raise MalformedError(f"column {what} is empty")
    unsigned = column.view(np.dtype(f"u{column.dtype.itemsize}"))
    if find_highest(unsigned) >= limit:
        raise MalformedError(f"column {what} holds {column.min()} to {column.max()}; expected 0 to {limit - 1}")


def are_below(limit: int, dtype: type[np.signedinteger], *columns: NDArray[np.signedinteger]) -> bool:
    """Tell whether columns of a dtype hold anything, nothing negative and nothing from ``limit`` on; at one go."""
    joined = np.concatenate(columns)
    if not len(joined) or joined.dtype != dtype:
        return False
    return int(np.maximum.reduce(joined.view(_UNSIGNED[dtype]))) < limit


def are_among(codes: bytes, column: NDArray[np.uint8]) -> bool:
    """Tell whether a column holds nothing but some codes."""
    return column.dtype == np.uint8 and not column.tobytes().translate(None, codes)


def check_equal(*columns: NDArray[np.integer]) -> None:
    """Raise `MalformedError` unless columns are of one length."""
    if any(len(column) != len(columns[0]) for column in columns):
        raise MalformedError(f"columns of unequal length: {[len(column) for column in columns]}")
