"""What a scheduler answered, checked before it is appended: a plug-in's slip must not become a refusal in the log.

A claim that the author's own copy would not grant is a bug of the plug-in. It is named here in one line that says
which claim, what was wrong and what was expected, and the job waits with that reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from omegacell.core.apply_preempt import judge_preempting
from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s, are_equal, find_highest, find_lowest, is_zero
from omegacell.core.commands import Place
from omegacell.core.conflicts import Base
from omegacell.core.errors import MalformedError, PluginError
from omegacell.core.jobs import Kind
from omegacell.core.lives import Stamp
from omegacell.core.outcomes import Reason, name_dimension
from omegacell.core.overlays import Overlay
from omegacell.core.preempt_claims import evict_on
from omegacell.core.preemption import NO_VICTIMS, Victims
from omegacell.core.quick import quick
from omegacell.core.units import Detection
from omegacell.core.validate_preemption import check_victims
from omegacell.schedulers.feasibility import are_fitting, find_fitting
from omegacell.schedulers.interface import Placement, TaskGroup, join_victims


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupClaims:
    """The claims on one group: task indices and machine rows, int32 columns of equal length.

    ``victims`` are to give way to them; ``evicted`` are the task rows that will, as the copy of the cell says.
    """

    group: TaskGroup
    indices: Int32s
    machines: Int32s
    victims: Victims = NO_VICTIMS
    evicted: tuple[int, ...] = ()

    @property
    def place(self) -> Place:
        """The command that makes them."""
        return Place(
            job=self.group.job,
            indices=self.indices.astype(np.int32),
            machines=self.machines.astype(np.int32),
            victims=self.victims,
        )


def place_all(claims: Sequence[GroupClaims]) -> Place:
    """Return the command that makes claims on several groups of one job."""
    return Place(
        job=claims[0].group.job,
        indices=np.concatenate([each.indices for each in claims]).astype(np.int32),
        machines=np.concatenate([each.machines for each in claims]).astype(np.int32),
        victims=join_victims([(len(each.machines), each.victims) for each in claims]),
    )


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
    for place, each in enumerate(claims):
        if len(each.machines):
            _check_claims(each, cell=cell, overlay=after)
            if each.victims is not NO_VICTIMS:
                claims[place] = each = replace(each, evicted=_check_victims(each, cell=cell, overlay=after))
            if after is not overlay:
                after.take(each.group.spec, each.machines)
                for task in each.evicted:
                    evict_on(cell, after, task)
    return claims


def _check_columns(placement: Placement) -> None:
    if placement.victims is not NO_VICTIMS:
        _check_victim_columns(placement)
    columns: tuple[object, ...] = (placement.groups, placement.indices, placement.machines)
    for name, column in zip(("groups", "indices", "machines"), columns, strict=True):
        if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.kind not in "iu":
            raise PluginError(f"Placement.{name} must be a flat integer array")
        if len(column) != len(placement.machines):
            raise PluginError(f"Placement.{name} has {len(column)} claims, machines has {len(placement.machines)}")


def _check_victim_columns(placement: Placement) -> None:
    victims: object = placement.victims
    if not isinstance(victims, Victims):
        raise PluginError(f"Placement.victims is {type(victims).__name__}, expected Victims")
    for name, dtype in (("claims", np.int32), ("jobs", np.int64), ("indices", np.int32), ("attempts", np.int32)):
        column: object = getattr(victims, name)
        if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype != dtype:
            raise PluginError(f"Placement.victims.{name} must be a flat array of {np.dtype(dtype).name}")
        if len(column) != len(victims.claims):
            raise PluginError(f"Placement.victims.{name} has {len(column)} victims, claims has {len(victims.claims)}")
    if len(victims) and not 0 <= int(victims.claims.min()) <= int(victims.claims.max()) < len(placement):
        raise PluginError(
            f"Placement.victims names claims {victims.claims.min()} to {victims.claims.max()} of {len(placement)}"
        )


def _claims_of(group: TaskGroup, placement: Placement, *, is_only: bool) -> GroupClaims:
    victims = placement.victims if len(placement.victims) else NO_VICTIMS
    if is_only and not group.number and is_zero(placement.groups):
        return GroupClaims(group=group, indices=placement.indices, machines=placement.machines, victims=victims)
    chosen = placement.groups == group.number
    if victims is not NO_VICTIMS:
        victims = _victims_of(chosen, victims)
    return GroupClaims(
        group=group, indices=placement.indices[chosen], machines=placement.machines[chosen], victims=victims
    )


def _victims_of(chosen: NDArray[np.bool_], victims: Victims) -> Victims:
    """Return the victims of some of the claims, which are counted among these only."""
    mine = np.flatnonzero(chosen[victims.claims])
    if not len(mine):
        return NO_VICTIMS
    places = np.cumsum(chosen) - 1
    return Victims(
        claims=places[victims.claims[mine]].astype(np.int32),
        jobs=victims.jobs[mine],
        indices=victims.indices[mine],
        attempts=victims.attempts[mine],
    )


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
    if claims.victims is NO_VICTIMS and not are_fitting(overlay, group.spec, machines):
        refused = ~find_fitting(overlay, group.spec, machines)
        raise PluginError(_misfit(claims, int(np.flatnonzero(refused)[0]), cell=cell, overlay=overlay))


def _check_victims(claims: GroupClaims, *, cell: Cell, overlay: Overlay) -> tuple[int, ...]:
    """Let the judge look at claims with victims, on this copy of the cell; return who gives way."""
    place, name = claims.place, claims.group.spec.name
    try:
        check_victims(place)
    except MalformedError as error:
        raise PluginError(f"claims of {name}: {error}") from error
    base = Base(seen=cell.revision, floor=cell.revision, detection=Detection.FINE)
    stamp = Stamp(revision=cell.revision + 1, floor=cell.revision, at_us=0, author=0)
    verdict = judge_preempting(cell, place, overlay=overlay, base=base, stamp=stamp)
    if len(verdict.refusals):
        first, reason = int(verdict.refusals.positions[0]), Reason(int(verdict.refusals.reasons[0]))
        machine = cell.machines.names[int(claims.machines[first])]
        named = [f"#{job}/{index}" for job, index in _named_by(claims.victims, first)]
        raise PluginError(
            f"claims machine {machine} for {name}/{claims.indices[first]} with victims {', '.join(named) or 'none'}: "
            f"{reason.name}"
        )
    return verdict.evicted


def _named_by(victims: Victims, claim: int) -> list[tuple[int, int]]:
    mine = victims.claims == claim
    return list(zip(victims.jobs[mine].tolist(), victims.indices[mine].tolist(), strict=True))


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
