"""Which machines an instance of a scheduler had better take for now, so that instances seldom want the same one.

Live instances of one scheduler share its jobs by name (`shares`), and by lots the machines that they prefer: every
machine is in the lot of one instance at a time. It is a preference and no partition. An instance sees and may claim
every machine, and does where its lot has no room or fits much worse; whoever ignores lots only conflicts more.

Lots change hands as the log grows, every `REVISIONS`. An instance's jobs are not like those of the others: machines
that stayed its own for good would strand what its jobs never ask for.
"""

from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

REVISIONS: Final = 256
"""After so many revisions every lot is another instance's: many times as many as pass during one decision."""

_SPREAD: Final = np.int64(0x9E3779B1)
"""Scatters machines over lots, because neighbouring rows are often alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One lot of several; the only one by default, which is the whole cell.

    Attributes:
        number: which one, from 0.
        of: how many there are.
    """

    number: int = 0
    of: int = 1

    @classmethod
    def at(cls, revision: int, *, instance: str, instances: tuple[str, ...]) -> Self:
        """Return the lot that one of the live instances, in ascending order, has at a revision.

        >>> [Lot.at(revision, instance="b", instances=("a", "b")).number for revision in (1, 255, 256, 512)]
        [1, 1, 0, 1]
        >>> Lot.at(1, instance="c", instances=("a", "b"))
        Lot(number=0, of=1)
        """
        if instance not in instances:
            return cls()
        return cls(number=(instances.index(instance) + revision // REVISIONS) % len(instances), of=len(instances))

    def find_others(self, machine_count: int) -> NDArray[np.bool_]:
        """Return which machines are in the lots of others: ``(machines,)`` bool. Cost: O(machines).

        >>> Lot().find_others(3).tolist()
        [False, False, False]
        """
        rows = np.arange(machine_count, dtype=np.int64)
        others: NDArray[np.bool_] = (rows * _SPREAD >> 16) % self.of != self.number
        return others


WHOLE: Final = Lot()
"""The lot of an instance that is alone."""


class Member(Protocol):
    """One of the live instances of a scheduler: a `Backlog`."""

    instance: str
    instances: tuple[str, ...]


def lot_of(member: Member, revision: int) -> Lot:
    """Return which machines an instance had better take at a revision."""
    return Lot.at(revision, instance=member.instance, instances=member.instances)
