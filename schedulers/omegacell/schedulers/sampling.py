"""Samples of rows for schedulers that do not look at everything: cheap, random, each row once."""

from math import gcd

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def sample_rows(machine_count: int, wanted: int, rng: np.random.Generator) -> Rows:
    """Return ``wanted`` distinct machine rows in a random order: a walk of random start and stride over all rows.

    ``wanted`` must not be above ``machine_count``. Cost: O(wanted).

    >>> sorted(sample_rows(6, 6, np.random.default_rng(1)).tolist())
    [0, 1, 2, 3, 4, 5]
    """
    # one by one: numpy draws the same two numbers into an array in twice the time
    start, stride = int(rng.integers(machine_count)), int(rng.integers(machine_count))
    while gcd(stride, machine_count) != 1:
        stride = (stride + 1) % machine_count if machine_count > 1 else 1
    stride = stride or 1  # of a single machine
    return np.arange(start, start + stride * wanted, stride, dtype=np.int64) % machine_count
