"""The random numbers of `numpy.random.Generator` over PCG64, drawn inside of kernels, bit for bit.

A generator is a row of uint64: state and increment, high word first, then whether half a word is left over, and which.
Only what the built-in schedulers and the loop draw is here: integers below 2^32, doubles, shuffles. numpy keeps these
streams stable (NEP 19 allows changes of distributions in a new version; the tests compare with the one installed).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.kernels import Whole, kernel

WIDTH: Final = 6
_MASK: Final = (1 << 64) - 1

_LOW32 = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_58 = np.uint64(58)
_63 = np.uint64(63)
_64 = np.uint64(64)
_11 = np.uint64(11)
_0 = np.uint64(0)
_1 = np.uint64(1)
_FACTOR_HIGH = np.uint64(0x2360ED051FC65DA4)
_FACTOR_LOW = np.uint64(0x4385DF649FCCF645)
_TO_DOUBLE: Final = 1.0 / 9007199254740992.0


def save_generator(generator: np.random.Generator) -> NDArray[np.uint64]:
    """Return a generator's state as a row, ``(6,)`` uint64."""
    state = generator.bit_generator.state
    number, increment = state["state"]["state"], state["state"]["inc"]
    words = (number >> 64, number & _MASK, increment >> 64, increment & _MASK, state["has_uint32"], state["uinteger"])
    return np.array(words, np.uint64)


@kernel
def draw_64(state: NDArray[np.uint64]) -> np.uint64:
    """Draw 64 bits: one step of the congruence modulo 2^128, then XSL-RR."""
    high, low = state[0], state[1]
    low_0, low_1 = low & _LOW32, low >> _32
    factor_0, factor_1 = _FACTOR_LOW & _LOW32, _FACTOR_LOW >> _32
    first = low_0 * factor_0
    middle = low_1 * factor_0 + (first >> _32)
    other = low_0 * factor_1 + (middle & _LOW32)
    carried = low_1 * factor_1 + (middle >> _32) + (other >> _32)
    new_low = low * _FACTOR_LOW
    new_high = carried + high * _FACTOR_LOW + low * _FACTOR_HIGH
    low = new_low + state[3]
    high = new_high + state[2] + (_1 if low < new_low else _0)
    state[0], state[1] = high, low
    turn = high >> _58
    word = high ^ low
    return (word >> turn) | (word << ((_64 - turn) & _63))


@kernel
def draw_32(state: NDArray[np.uint64]) -> np.uint64:
    """Draw 32 bits: the lower half of a word, and the upper half the next time."""
    if state[4] != _0:
        state[4] = _0
        return state[5]
    word = draw_64(state)
    state[4], state[5] = _1, word >> _32
    return word & _LOW32


@kernel
def draw_below(state: NDArray[np.uint64], limit: Whole) -> Whole:
    """Draw an integer below a limit under 2^32, as ``integers(0, limit)`` does: Lemire's way, nothing drawn for 1."""
    if limit <= 1:
        return 0
    wide = np.uint64(limit)
    product = draw_32(state) * wide
    rest = product & _LOW32
    if rest < wide:
        threshold = (_LOW32 - (wide - _1)) % wide
        while rest < threshold:
            product = draw_32(state) * wide
            rest = product & _LOW32
    return np.int64(product >> _32)


@kernel
def draw_up_to(state: NDArray[np.uint64], most: Whole) -> Whole:
    """Draw an integer from 0 to ``most``, which is above 0 and below 2^32, as shuffling does: masked, until it fits."""
    mask = most
    for step in (1, 2, 4, 8, 16):
        mask |= mask >> step
    value = np.int64(draw_32(state)) & mask
    while value > most:
        value = np.int64(draw_32(state)) & mask
    return value


@kernel
def draw_double(state: NDArray[np.uint64]) -> float:
    """Draw a double in [0, 1), as ``random()`` does."""
    return np.float64(draw_64(state) >> _11) * _TO_DOUBLE


@kernel
def shuffle(state: NDArray[np.uint64], values: NDArray[np.int64], count: Whole) -> None:
    """Put the first values in a random order, as ``permutation`` does with a copy of them."""
    for place in range(count - 1, 0, -1):
        other = draw_up_to(state, place)
        values[place], values[other] = values[other], values[place]
