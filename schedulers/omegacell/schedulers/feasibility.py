"""Which machines take a task, and why the others do not, on whole columns.

All answers come from the core's `Overlay`; nothing here decides what fits. `shape_of` names the part of a spec that
those answers depend on, so that they can be shared by jobs of one shape.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import find_ranks
from omegacell.core.commands import Lack
from omegacell.core.conflicts import Overlay
from omegacell.core.jobs import JobSpec, Port
from omegacell.core.outcomes import Reason
from omegacell.core.units import RESOURCE_COUNT

Shape: TypeAlias = tuple[str, tuple[int, ...], tuple[Port, ...]]
"""What `Overlay.room` reads of a spec: driver, resources, ports."""


def shape_of(spec: JobSpec) -> Shape:
    """Return the part of a spec that says where its tasks fit."""
    return spec.driver, spec.resources, spec.ports


def find_fitting(overlay: Overlay, spec: JobSpec, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which of several claims of one shape fit together, judged in order: ``(claims,)`` bool."""
    room = overlay.room(spec, rows)
    fits: NDArray[np.bool_] = room > 0 if len(rows) == 1 else find_ranks(rows) < room
    return fits


def find_lacks(overlay: Overlay, spec: JobSpec) -> tuple[Lack, ...]:
    """Count the machines that take no more task of a shape, by reason and dimension; the most frequent first.

    Cost: O(machines).
    """
    reasons, dimensions = overlay.reasons(spec)
    kinds = reasons.astype(np.int64) * (RESOURCE_COUNT + 1) + dimensions + 1
    counts = np.bincount(kinds)
    lacks = [
        Lack(
            reason=int(kind) // (RESOURCE_COUNT + 1),
            dimension=int(kind) % (RESOURCE_COUNT + 1) - 1,
            machine_count=int(counts[kind]),
        )
        for kind in np.flatnonzero(counts).tolist()
        if kind // (RESOURCE_COUNT + 1) != Reason.NONE
    ]
    return tuple(sorted(lacks, key=lambda lack: (-lack.machine_count, lack.reason, lack.dimension)))
