"""Machine attributes and taints as interned columns, and which machines meet what a job asks of them.

Each attribute name has a column of codes, one a machine: 0 where the machine lacks it, else the place of its value in
the order of appearance. A constraint is evaluated once for each distinct value and then gathered, so asking 10,000
machines costs one gather. Taints are interned as whole sets in the same way. What all machines answered is kept, by
what was asked: jobs that ask the same are of one class, and the second of them costs a look. It is forgotten when what
any machine has changes. All of it is derived from the pairs and taints that `machines` keeps, and is no part of a
cell's bytes.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.constraints import Constraint, is_met
from omegacell.core.placement import DEFAULT_POOL, MACHINE, POOL, Effect, PlacementRules, Taint, Toleration

KNOWN_LIMIT: Final = 4_096
"""Answers by value that are remembered; beyond, all are forgotten and asked again."""

KEPT_BYTES: Final = 32 << 20
"""Answers of all machines that are remembered, a byte a machine; beyond, all are forgotten and asked again."""

Codes = NDArray[np.int32]
Truth = NDArray[np.bool_]
Question: TypeAlias = Constraint | tuple[str, tuple[Constraint, ...]] | tuple[tuple[Toleration, ...], Effect]
"""What all machines can be asked: a constraint, a pool with constraints, tolerations of taints of an effect."""


class Interned:
    """A column of codes over machines; code 0 stands for no value."""

    __slots__ = ("_code_of", "codes", "values")

    def __init__(self) -> None:
        """Begin with no machines and no values."""
        self.codes: Codes = np.zeros(16, np.int32)
        self.values: list[object] = [None]
        self._code_of: dict[object, int] = {}

    def set(self, row: int, value: object) -> None:
        """Set the value of a machine, None for none. Mutates; cost: O(1) amortised."""
        if row >= len(self.codes):
            grown = np.zeros(max(row + 1, 2 * len(self.codes)), np.int32)
            grown[: len(self.codes)] = self.codes
            self.codes = grown
        self.codes[row] = 0 if value is None else self._intern(value)

    def over(self, count: int) -> Codes:
        """Return the codes of the first ``count`` machines, a read-only view."""
        if count > len(self.codes):
            self.set(count - 1, None)
        view = self.codes[:count]
        view.flags.writeable = False
        return view

    def copy(self) -> "Interned":
        """Return an equal, independent column."""
        other = Interned()
        other.codes = self.codes.copy()
        other.values = list(self.values)
        other._code_of = dict(self._code_of)
        return other

    def _intern(self, value: object) -> int:
        code = self._code_of.get(value)
        if code is None:
            code = self._code_of[value] = len(self.values)
            self.values.append(value)
        return code


class AttributeIndex:
    """Attributes and taints of all machines of a table, by row."""

    def __init__(self) -> None:
        """Begin with no machines."""
        self._count = 0
        self._columns: dict[str, Interned] = {}
        self._taints = Interned()
        self._truths: dict[Constraint, Truth] = {}
        self._tolerated: dict[tuple[tuple[Toleration, ...], Effect], Truth] = {}
        self._kept: dict[Question, Truth] = {}
        self._every: Codes | None = None

    def set(self, row: int, pairs: tuple[tuple[str, str], ...], taints: tuple[Taint, ...]) -> None:
        """Set what a machine has; rows come in ascending order the first time. Mutates; cost: O(attributes)."""
        self._count = max(self._count, row + 1)
        self._kept.clear()
        self._every = None
        given = dict(pairs)
        given.setdefault(POOL, DEFAULT_POOL)
        for name in given:
            if name not in self._columns:
                self._columns[name] = Interned()
        for name, column in self._columns.items():
            column.set(row, given.get(name))
        self._taints.set(row, taints or None)

    @property
    def is_marked(self) -> bool:
        """Whether any machine ever had a taint, or was in another pool than the default one."""
        return len(self._taints.values) > 1 or self.values_of(POOL) not in ((), (DEFAULT_POOL,))

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that any machine has or had, in order of appearance."""
        return tuple(self._columns)

    def values_of(self, name: str) -> tuple[str, ...]:
        """Return the values that an attribute has or had anywhere, in order of appearance."""
        column = self._columns.get(name)
        return () if column is None else tuple(str(value) for value in column.values[1:])

    def codes(self, name: str) -> Codes:
        """Return the code of an attribute's value on each machine, ``(machines,)`` int32, 0 where there is none.

        For MACHINE every machine has a code of its own.
        """
        if name == MACHINE:
            if self._every is None:
                self._every = np.arange(1, self._count + 1, dtype=np.int32)
                self._every.flags.writeable = False
            return self._every
        column = self._columns.get(name)
        return np.zeros(self._count, np.int32) if column is None else column.over(self._count)

    def meets(self, constraint: Constraint, rows: NDArray[np.integer] | None = None) -> Truth:
        """Return which machines meet a constraint, ``(rows,)`` bool, all of them when None. Cost: O(rows).

        Of all machines the answer is read-only, and costs nothing when they were asked before.
        """
        if rows is not None:
            return self._find_met(constraint, rows)
        known = self._kept.get(constraint)
        return self._keep(constraint, self._find_met(constraint, None)) if known is None else known

    def meets_all(self, rules: PlacementRules, rows: NDArray[np.integer] | None = None) -> Truth:
        """Return which machines meet pool and constraints of a job, ``(rows,)`` bool. Cost: O(rows x constraints).

        As `meets`: of all machines read-only and kept.
        """
        key = (rules.pool, rules.constraints)
        known = self._kept.get(key)
        if known is not None:
            return known if rows is None else known.take(rows)
        met = np.ones(self._count if rows is None else len(rows), np.bool_)
        for constraint in rules.all_constraints:
            met &= self.meets(constraint, rows)
        return self._keep(key, met) if rows is None else met

    def tolerated(
        self, rules: PlacementRules, rows: NDArray[np.integer] | None = None, *, effect: Effect = Effect.NO_PLACE
    ) -> Truth:
        """Return which machines have no taint of an effect that a job does not tolerate, ``(rows,)`` bool.

        As `meets`: of all machines read-only and kept.
        """
        key = (rules.tolerations, effect)
        kept = self._kept.get(key)
        if kept is not None:
            return kept if rows is None else kept.take(rows)
        known = self._tolerated.get(key)
        if known is None or len(known) < len(self._taints.values):
            if len(self._tolerated) >= KNOWN_LIMIT:
                self._tolerated.clear()
            sets = [_taints_of(value) for value in self._taints.values]
            known = np.array([_is_tolerated(taints, rules.tolerations, effect) for taints in sets], np.bool_)
            self._tolerated[key] = known
        codes = self._taints.over(self._count)
        return self._keep(key, known.take(codes)) if rows is None else known.take(codes.take(rows))

    def copy(self) -> "AttributeIndex":
        """Return an equal, independent index. Cost: O(machines x attributes)."""
        other = AttributeIndex()
        other._count = self._count
        other._columns = {name: column.copy() for name, column in self._columns.items()}
        other._taints = self._taints.copy()
        return other

    def _find_met(self, constraint: Constraint, rows: NDArray[np.integer] | None) -> Truth:
        """Ask machines whether they meet a constraint."""
        column = self._columns.get(constraint.attribute)
        if column is None:
            count = self._count if rows is None else len(rows)
            return np.full(count, is_met(constraint, None), np.bool_)
        truth = self._truth_of(constraint, column)
        codes = column.over(self._count)
        return truth.take(codes if rows is None else codes.take(rows))

    def _keep(self, question: Question, truth: Truth) -> Truth:
        """Remember what all machines answered, until one of them changes."""
        if (len(self._kept) + 1) * self._count > KEPT_BYTES:
            self._kept.clear()
        truth.flags.writeable = False
        self._kept[question] = truth
        return truth

    def _truth_of(self, constraint: Constraint, column: Interned) -> Truth:
        """Return by code whether a value meets a constraint; values that came since are added."""
        known = self._truths.get(constraint)
        if known is None or len(known) < len(column.values):
            if len(self._truths) >= KNOWN_LIMIT:
                self._truths.clear()
            at = 0 if known is None else len(known)
            more = [is_met(constraint, None if value is None else str(value)) for value in column.values[at:]]
            added = np.array(more, np.bool_)
            known = added if known is None else np.concatenate([known, added])
            self._truths[constraint] = known
        return known


def _taints_of(value: object) -> tuple[Taint, ...]:
    return value if isinstance(value, tuple) else ()


def _is_tolerated(taints: tuple[Taint, ...], tolerations: tuple[Toleration, ...], effect: Effect) -> bool:
    return all(taint.effect is not effect or any(each.covers(taint) for each in tolerations) for taint in taints)
