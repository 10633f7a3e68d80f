"""The judge's inner loops as plain functions over columns, which a compiler may take.

This is the only module that imports numba, and it does without. `kernel` marks a function that numba compiles when it
is installed (``pip install omegacell[lab]``) and that stays plain Python when it is not: the same text, a twin that
runs everywhere. Nothing a participant of a real cell does goes through here; the judge is `apply`, and what stands here
is proved equal to it (``tests/core/test_kernels.py``).

Rules for a kernel: arguments are numpy columns, numbers and tuples of them; no object, no string, no exception. Check
first, write afterwards: `judge_claims` writes only its answer, `grant_claims` and `give_back` write columns.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from omegacell.core.outcomes import Reason
from omegacell.core.units import MAX_TASKS_PER_JOB, RESOURCE_COUNT, Atomicity, Detection

try:
    import numba
    from numba.experimental import structref
except ImportError:
    numba = None

Whole: TypeAlias = Any
"""A whole number: an int of Python's, or one out of a column; mypy does not take the one for the other."""

Columns: TypeAlias = Any
"""`MachineColumns`, or anything else that has these columns under their names."""

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Plain integers, because compiled code holds them as constants.
_NONE, _MACHINE_CHANGED = int(Reason.NONE), int(Reason.MACHINE_CHANGED)
_RESOURCES, _GANG_PARTNER = int(Reason.RESOURCES), int(Reason.GANG_PARTNER)
_COARSE, _ALL_OR_NOTHING = int(Detection.COARSE), int(Atomicity.ALL_OR_NOTHING)
_MOST, _DIMENSIONS = MAX_TASKS_PER_JOB, RESOURCE_COUNT


def has_compiler() -> bool:
    """Tell whether kernels are compiled in this process."""
    return numba is not None and not numba.config.DISABLE_JIT


def kernel(function: _Function) -> _Function:
    """Let a function be compiled when it is first called, or inside of the kernel that calls it."""
    if numba is None:
        return function
    compiled: _Function = numba.njit(error_model="numpy")(function)
    return compiled


def part(function: _Function) -> _Function:
    """Do as `kernel` does for a function that only kernels call: none of what calls from Python need is made."""
    if numba is None:
        return function
    compiled: _Function = numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return compiled


def kept_kernel(function: _Function) -> _Function:
    """Do as `kernel` does, and keep what was compiled for later processes, where there is a folder for it.

    What is kept is known by the file that the function stands in and by what the function encloses, not by the kernels
    that it calls. One that calls kernels of other files must enclose something that follows from their text.
    """
    if numba is None:
        return function
    try:
        kept: _Function = numba.njit(error_model="numpy", cache=True)(function)
    except RuntimeError:  # neither beside the file nor in the user's cache can anything be written
        return kernel(function)
    return kept


@contextmanager
def compiling_lightly() -> Iterator[None]:
    """Let what is compiled meanwhile be optimised less: a third of the time saved, for a twentieth of the speed."""
    if numba is None:
        yield
        return
    usual = numba.config.OPT
    numba.config.OPT = type(usual)(1)
    try:
        yield
    finally:
        numba.config.OPT = usual


if numba is not None:

    @structref.register
    class _ReferenceType(numba.types.StructRef):  # type: ignore[misc]  # numba carries no types
        """The type of what `make_gatherer` makes."""


def make_gatherer(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return a kernel that puts the columns of a named tuple behind one reference with the same attributes.

    A kernel that is handed a tuple of dozens of arrays gets each of their numbers as an argument of its own, and takes
    the compiler minutes. Of a reference it gets one.
    """
    if not has_compiler():
        return lambda columns: columns

    class Reference:
        """Stands for the constructor in compiled code."""

    structref.define_constructor(Reference, _ReferenceType, list(names))

    @numba.njit  # type: ignore[untyped-decorator]  # numba carries no types
    def gather(columns: Any) -> Any:
        return Reference(*columns)

    gathering: Callable[[Any], Any] = gather
    return gathering


class MachineColumns(NamedTuple):
    """The columns of a `MachineTable` that claims read and write, under its names."""

    free: NDArray[np.int64]
    allocated: NDArray[np.int64]
    changed_at: NDArray[np.int64]
    changed_before: NDArray[np.int64]
    claimed_at: NDArray[np.int64]
    claimed_by: NDArray[np.int32]


class Claims(NamedTuple):
    """The claims of one job in order, as columns of equal length, and what the judge says of each."""

    machines: NDArray[np.int64]
    reasons: NDArray[np.uint8]
    is_conflict: NDArray[np.uint8]


class Terms(NamedTuple):
    """What claims are judged against (`conflicts.Base`), and what one refusal does to the others."""

    seen: int
    floor: int
    detection: int
    atomicity: int


class Charge(NamedTuple):
    """What a granted claim takes, and in whose name: ``amounts`` ``(resources,)`` in a band."""

    amounts: NDArray[np.int64]
    band: int
    author: int


class Moment(NamedTuple):
    """The revision that is written, and the one before the first transaction of its entry."""

    revision: int
    floor: int


@kernel
def count_room(free: NDArray[np.int64], row: Whole, amounts: NDArray[np.int64]) -> Whole:
    """Return how many tasks of a shape a machine takes that is up and offers its driver; see `Overlay.room`."""
    room = _MOST
    for dimension in range(_DIMENSIONS):
        amount = amounts[dimension]
        if amount > 0:
            room = min(room, free[row, dimension] // amount)
    return max(room, 0)


@part
def takes_one(free: NDArray[np.int64], row: Whole, amounts: NDArray[np.int64]) -> bool:
    """Tell whether `count_room` is above zero, without dividing."""
    for dimension in range(_DIMENSIONS):
        if free[row, dimension] < amounts[dimension] and amounts[dimension] > 0:
            return False
    return True


@part
def find_changed(columns: Columns, row: Whole, floor: Whole) -> Whole:
    """Return when a machine last changed, the author's own changes in this entry left out."""
    changed = columns.changed_at[row]
    return columns.changed_before[row] if changed > floor else changed


@kernel
def judge_claims(
    columns: Columns, claims: Claims, amounts: NDArray[np.int64], terms: Terms, taken: NDArray[np.int64]
) -> Whole:
    """Judge claims on known machines that are up, of pending tasks of a job that goes on; return how many are granted.

    Writes ``claims.reasons`` and ``claims.is_conflict``; no column changes. ``taken`` is ``(machines,)``, all zero, and
    is so again in the end. Cost: O(claims).
    """
    refused = 0
    any_conflict = np.int64(0)
    for place in range(len(claims.machines)):
        row = claims.machines[place]
        is_changed = find_changed(columns, row, terms.floor) > terms.seen
        reason = _NONE
        if terms.detection == _COARSE and is_changed:
            reason = _MACHINE_CHANGED
        elif taken[row] < count_room(columns.free, row, amounts):
            taken[row] += 1
        else:
            reason = _RESOURCES
        claims.reasons[place] = reason
        claims.is_conflict[place] = 1 if reason != _NONE and is_changed else 0
        refused += 1 if reason != _NONE else 0
        any_conflict |= claims.is_conflict[place]
    for place in range(len(claims.machines)):
        taken[claims.machines[place]] = 0
    if refused == 0 or terms.atomicity != _ALL_OR_NOTHING:
        return len(claims.machines) - refused
    refuse_partners(claims, any_conflict)
    return 0


@part
def refuse_partners(claims: Claims, is_conflict: Whole) -> None:
    """Refuse the claims of a gang that were not refused themselves."""
    for place in range(len(claims.machines)):
        if claims.reasons[place] == _NONE:
            claims.reasons[place] = _GANG_PARTNER
            claims.is_conflict[place] = is_conflict


@kernel
def refuse_all(claims: Claims, reason: Whole, is_conflict: Whole) -> None:
    """Refuse every claim for a reason that lies in its job."""
    for place in range(len(claims.machines)):
        claims.reasons[place] = reason
        claims.is_conflict[place] = is_conflict


@part
def touch(columns: Columns, row: Whole, moment: Moment) -> None:
    """Mark a machine as changed; see `MachineTable.touch`."""
    before = columns.changed_at[row]
    if before <= moment.floor:
        columns.changed_before[row] = before
    columns.changed_at[row] = moment.revision


@kernel
def grant_claim(columns: Columns, row: Whole, charge: Charge, moment: Moment) -> None:
    """Let an attempt begin on a machine, as far as the machine's columns are concerned; see `lives.begin_attempts`."""
    for dimension in range(_DIMENSIONS):
        columns.free[row, dimension] -= charge.amounts[dimension]
        columns.allocated[row, charge.band, dimension] += charge.amounts[dimension]
    touch(columns, row, moment)
    columns.claimed_at[row] = moment.revision
    columns.claimed_by[row] = charge.author


@kernel
def grant_claims(columns: Columns, claims: Claims, charge: Charge, moment: Moment) -> None:
    """Let the attempts begin that were granted."""
    for place in range(len(claims.machines)):
        if claims.reasons[place] == _NONE:
            grant_claim(columns, claims.machines[place], charge, moment)


@kernel
def give_back(columns: Columns, row: Whole, charge: Charge, moment: Moment) -> None:
    """Let an attempt end on a machine, as far as the machine's columns are concerned; see `lives.end_attempts`."""
    for dimension in range(_DIMENSIONS):
        columns.free[row, dimension] += charge.amounts[dimension]
        columns.allocated[row, charge.band, dimension] -= charge.amounts[dimension]
    touch(columns, row, moment)
