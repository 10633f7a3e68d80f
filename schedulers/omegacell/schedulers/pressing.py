"""A placement with victims: what a scheduler adds to its claims when some of a group's tasks found no room.

One call at the end of ``place``, for any scheduler that sets ``preempts``: see ``docs/plugins.md``.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.core.jobs import Kind
from omegacell.core.preemption import NO_VICTIMS, Victims
from omegacell.schedulers.interface import Placement, TaskGroup
from omegacell.schedulers.view import CellView


def place_pressing(
    group: TaskGroup, cell: CellView, machines: NDArray[np.int64], rng: np.random.Generator
) -> Placement:
    """Return claims on machines that have room, and for the tasks left over claims to which others give way.

    ``machines`` has a row for each task that found room, all of them together. Costs next to nothing when all found
    room, or when nobody in the cell gives way to the group. Tasks of system jobs have machines of their own, and press
    nobody.
    """
    left = group.count - len(machines)
    if not left or group.spec.kind is Kind.SYSTEM or not cell.outranks(group):
        return Placement.of(group, machines)
    view = cell
    if len(machines):
        view = cell.tentative()
        assert view.try_claim(group, machines), "what has room is claimed first"
    may_press = cell.gives_room(group)
    # a task to which nobody gives way needs the room that there is
    order = np.argsort(may_press, kind="stable")
    ready = min(left, int(np.count_nonzero(may_press[order[len(machines) :]])))
    found = view.make_room(group, ready, rng)
    if not len(found.machines):
        return Placement.of(group, machines)
    pressing = order[len(order) - ready :][: len(found.machines)]
    indices = group.indices[np.concatenate((order[: len(machines)], pressing))]
    return Placement(
        groups=np.full(len(indices), group.number, np.int32),
        indices=indices.astype(np.int32),
        machines=np.concatenate((machines, found.machines)).astype(np.int32),
        victims=name_victims(view, found.claims + len(machines), found.victims),
    )


def name_victims(cell: CellView, claims: NDArray[np.int64], tasks: NDArray[np.int64]) -> Victims:
    """Return task rows as the victims of a placement, each of the claim in that place of it, ascending."""
    if not len(tasks):
        return NO_VICTIMS
    jobs, indices, attempts = cell.keys_of(tasks)
    return Victims(claims=claims.astype(np.int32), jobs=jobs, indices=indices, attempts=attempts)
