"""What a task costs on a machine: the pure functions that scoring policies are made of (`filling.Cost`).

Each is a function of what the machine has left and of what the task asks for, both as shares of the machine; lower is
better. Only the order counts. What fits is not decided here.
"""

from typing import Final

import numpy as np

from omegacell.schedulers.filling import Floats

FILL_WEIGHT: Final = 0.1
"""What filling a machine counts in `cost_of_stranding` against what it strands; from 0 to 0.1 all pack as well."""

PVM_BASE: Final = 100.0
"""The base of E-PVM's cost: the price of a full dimension over that of an empty one."""


def cost_of_nothing(left: Floats, ask: Floats) -> Floats:
    """Return 0 for every machine: whichever comes first is as good as any."""
    return np.zeros(np.broadcast_shapes(left.shape, ask.shape)[:-1])


def cost_of_room_left(left: Floats, ask: Floats) -> Floats:
    """Return what stays free, summed over resources: the fuller a machine gets, the better (best fit).

    >>> cost_of_room_left(np.array([[0.5, 0.75], [1.0, 1.0]]), np.array([[0.25, 0.25]])).tolist()
    [0.75, 1.5]
    """
    return _total(left - ask)


def cost_of_load(left: Floats, ask: Floats) -> Floats:
    """Return what is not free then: the emptier a machine stays, the better (worst fit)."""
    return -_total(left - ask)


def cost_of_angle(left: Floats, ask: Floats) -> Floats:
    """Return the negative dot product of what is left and what is asked for (Tetris, section 3.2).

    A machine is good that has much left of what the task needs much of.
    """
    return -_total(left * ask)


def cost_of_opportunity(left: Floats, ask: Floats) -> Floats:
    """Return how much the price of a machine's load rises, exponential in each resource (E-PVM, section 4).

    The price of a resource that is used to a share ``u`` is ``PVM_BASE ** u``; so what is nearly used up is dear.
    """
    before: Floats = PVM_BASE ** (1.0 - left)
    return _total(before * (PVM_BASE**ask - 1.0))


def cost_of_stranding(left: Floats, ask: Floats) -> Floats:
    """Return what is stranded then, and a little of what stays free (Borg, section 3.2: the hybrid that packs better).

    Once the scarcest resource of a machine is used up, what is left of the others is stranded. So what is left of each
    beyond the scarcest counts: a machine is good that is evenly used then, and best of all one that is quite full.

    >>> cost_of_stranding(np.array([[0.5, 0.75], [0.5, 0.5]]), np.array([[0.25, 0.5], [0.25, 0.5]])).round(2).tolist()
    [0.05, 0.28]
    """
    after = left - ask
    total = _total(after)
    cost: Floats = total - after.shape[-1] * _find_scarcest(after) + FILL_WEIGHT * total
    return cost


def find_most_saved(ask: Floats) -> float:
    """Return by how much a task can lower what the next one costs by `cost_of_stranding`, on any of some machines.

    What is beyond the scarcest, and what stays free, shrink at most by all that the task takes.

    >>> round(find_most_saved(np.array([[0.25, 0.5], [0.25, 0.25]])), 3)
    0.825
    """
    return (1.0 + FILL_WEIGHT) * float(_total(ask).max(initial=0.0))


def _find_scarcest(shares: Floats) -> Floats:
    scarcest: Floats = shares[..., 0]
    for resource in range(1, shares.shape[-1]):
        scarcest = np.minimum(scarcest, shares[..., resource])
    return scarcest


def _total(shares: Floats) -> Floats:
    """Add up resources; one after the other, which is several times as fast as a sum over a short axis."""
    total: Floats = shares[..., 0].copy()
    for resource in range(1, shares.shape[-1]):
        total += shares[..., resource]
    return total
