"""What a scheduler answered, checked before it is appended: a plug-in's slip must not become a refusal in the log.

A claim that the author's own copy would not grant is a bug of the plug-in. It is named here in one line that says
which claim, what was wrong and what was expected, and the job waits with that reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s, are_equal, find_highest, find_lowest, is_zero
from omegacell.core.errors import PluginError
from omegacell.core.jobs import Kind
from omegacell.core.outcomes import name_dimension
from omegacell.core.overlays import Overlay
from omegacell.core.quick import quick
from omegacell.schedulers.feasibility import are_fitting, find_fitting
from omegacell.schedulers.interface import Placement, TaskGroup


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupClaims:
    """The claims on one group: task indices and machine rows, int32 columns of equal length."""

    group: TaskGroup
    indices: Int32s
    machines: Int32s


def check_placement(
    placement: object, groups: Sequence[TaskGroup], *, cell: Cell, overlay: Overlay
) -> list[GroupClaims]:
    """Return the claims of each group in order of the groups, some of them empty.

    The overlay is left as it was. Cost: O(claims log(claims)).

    Raises:
        PluginError: the answer is no placement, or a claim in it could not be granted.
    """
    if not isinstance(placement, Placement):
        raise PluginError(f"place returned {type(placement).__name__}, expected a Placement")
    _check_columns(placement)
    claims = [_claims_of(group, placement, is_only=len(groups) == 1) for group in groups]
    if sum([len(each.machines) for each in claims]) != len(placement):
        wrong = int(placement.groups[~np.isin(placement.groups, np.arange(len(groups)))][0])
        raise PluginError(f"a claim names group {wrong}, and the groups are 0 to {len(groups) - 1}")
    after = overlay if len(groups) == 1 else overlay.fork()
    for each in claims:
        if len(each.machines):
            _check_claims(each, cell=cell, overlay=after)
            if after is not overlay:
                after.take(each.group.spec, each.machines)
    return claims


def _check_columns(placement: Placement) -> None:
    columns: tuple[object, ...] = (placement.groups, placement.indices, placement.machines)
    for name, column in zip(("groups", "indices", "machines"), columns, strict=True):
        if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.kind not in "iu":
            raise PluginError(f"Placement.{name} must be a flat integer array")
        if len(column) != len(placement.machines):
            raise PluginError(f"Placement.{name} has {len(column)} claims, machines has {len(placement.machines)}")


def _claims_of(group: TaskGroup, placement: Placement, *, is_only: bool) -> GroupClaims:
    if is_only and not group.number and is_zero(placement.groups):
        return GroupClaims(group=group, indices=placement.indices, machines=placement.machines)
    chosen = placement.groups == group.number
    return GroupClaims(group=group, indices=placement.indices[chosen], machines=placement.machines[chosen])


def _check_claims(claims: GroupClaims, *, cell: Cell, overlay: Overlay) -> None:
    group, indices, machines = claims.group, claims.indices, claims.machines
    name = group.spec.name
    if indices is not group.indices:
        places = np.minimum(np.searchsorted(group.indices, indices), group.count - 1)
        strange = group.indices[places] != indices
        if strange.any():
            raise PluginError(f"claims task {name}/{indices[strange][0]}, which is not among the {group.count} pending")
        ordered = np.sort(indices)
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(again):
            raise PluginError(f"claims task {name}/{again[0]} twice")
    if find_lowest(machines) < 0 or find_highest(machines) >= cell.machines.count:
        outside = (machines < 0) | (machines >= cell.machines.count)
        raise PluginError(
            f"claims machine row {machines[outside][0]} for {name}; the cell has rows 0 to {cell.machines.count - 1}"
        )
    if group.spec.kind is Kind.SYSTEM and not are_equal(indices.astype(np.int64), machines.astype(np.int64)):
        stray = int(np.flatnonzero(indices != machines)[0])
        raise PluginError(
            f"claims machine row {machines[stray]} for {name}/{indices[stray]}, a task of a system job: it belongs to"
            f" row {indices[stray]}"
        )
    if not are_fitting(overlay, group.spec, machines):
        refused = ~find_fitting(overlay, group.spec, machines)
        raise PluginError(_misfit(claims, int(np.flatnonzero(refused)[0]), cell=cell, overlay=overlay))


def _misfit(claims: GroupClaims, place: int, *, cell: Cell, overlay: Overlay) -> str:
    """Say why a claim does not fit, after the claims before it on the same machine."""
    row = int(claims.machines[place])
    after = overlay.fork()
    before = claims.machines[:place]
    after.take(claims.group.spec, before[before == row])
    reason, dimension, shortage = after.find_lack(claims.group.spec, row)
    lacks = name_dimension(reason, dimension, claims.group.spec)
    what = f"{lacks} is short by {shortage}" if lacks else reason.name
    task = f"{claims.group.spec.name}/{claims.indices[place]}"
    return f"claims machine {cell.machines.names[row]} (row {row}) for {task}, which does not fit: {what}"
