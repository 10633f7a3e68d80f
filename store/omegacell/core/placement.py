"""What a job says about where its tasks may run: values only, hard rules and wishes.

Hard rules are judged by `conflicts.Overlay`, the same for schedulers and for `apply`: those about one machine alone
(pool, taints, constraints) by `attributes`, those about where other tasks are (`Neighbour`, `Spread`,
``max_per_machine``) by `crowds`. Wishes (`Affinity`, a `Neighbour` or `Spread` with a weight) only schedulers read.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from omegacell.core.constraints import Constraint, Operator

MACHINE: Final = "machine"
"""The name, in place of an attribute, for each machine as a domain of its own."""

POOL: Final = "pool"
"""The attribute that says in which pool a machine is."""

DEFAULT_POOL: Final = "default"
"""The pool of machines that name none, and of jobs that name none."""

ANY_POOL: Final = "all"
"""What a job names to run in any pool."""

MAX_WEIGHT: Final = 100


class Effect(IntEnum):
    """What a taint does to tasks that do not tolerate it."""

    NO_PLACE = 0
    """None is placed there; those that run stay."""
    PREFER_NOT = 1
    """Schedulers place there last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A mark on a machine that keeps tasks away."""

    key: str
    value: str = ""
    effect: Effect = Effect.NO_PLACE

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect.name.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """Taints that a job does not mind: those of a key, with a value when one is given; all of them for the key ``*``.

    >>> Toleration(key="dedicated").covers(Taint(key="dedicated", value="gpu"))
    True
    """

    key: str
    value: str | None = None

    def covers(self, taint: Taint) -> bool:
        """Tell whether this toleration covers a taint."""
        return self.key == "*" or (self.key == taint.key and self.value in (None, taint.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """A wish: rather on machines that meet a constraint, or with a negative weight rather not; -100 to 100, not 0."""

    constraint: Constraint
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Near to, or apart from, the tasks of a job, which may be the job itself.

    Two tasks are near when their machines have the same value of an attribute. A hard rule to stay apart binds the
    other job too: whoever comes second is refused.

    Attributes:
        job: name of the other job.
        attribute: of machines; MACHINE for the machine itself.
        is_apart: stay apart, else be near.
        weight: 0 for a hard rule; 1 to 100 for a wish.
    """

    job: str
    attribute: str = MACHINE
    is_apart: bool = False
    weight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Tasks of the job evenly over the values of an attribute.

    Attributes:
        attribute: of machines; MACHINE for the machine itself.
        max_skew: hard: after a placement no value has more than so many tasks above the value with the fewest, of
            those that have a machine that may take the job; 0 for a wish.
        weight: of a wish, 1 to 100; 0 beside a ``max_skew``.
        targets: of a wish: values with the share of tasks they should have, percent; evenly when empty.
    """

    attribute: str
    max_skew: int = 0
    weight: int = 0
    targets: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRules:
    """All of it; the default asks for nothing but the default pool.

    Attributes:
        pool: name of the pool; empty for the default one, ANY_POOL for all.
        constraints: what a machine must meet.
        tolerations: taints that do not keep the tasks away.
        max_per_machine: tasks of the job on one machine at most; 0 for any number.
        neighbours, spreads: see there.
        affinities: wishes about machines.
        is_crowded: derived: any hard rule is about where other tasks are.
    """

    pool: str = ""
    constraints: tuple[Constraint, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    max_per_machine: int = 0
    neighbours: tuple[Neighbour, ...] = ()
    spreads: tuple[Spread, ...] = ()
    affinities: tuple[Affinity, ...] = ()
    is_crowded: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        is_crowded = bool(
            self.max_per_machine
            or any(not each.weight for each in self.neighbours)
            or any(each.max_skew for each in self.spreads)
        )
        object.__setattr__(self, "is_crowded", is_crowded)

    @property
    def all_constraints(self) -> tuple[Constraint, ...]:
        """The constraints, the one about the pool first."""
        if self.pool == ANY_POOL:
            return self.constraints
        return (_pool_constraint(self.pool or DEFAULT_POOL), *self.constraints)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the machine attributes that any rule or wish reads, each once."""
        named = [each.attribute for each in self.constraints]
        named += [each.constraint.attribute for each in self.affinities]
        named += [each.attribute for each in self.neighbours]
        named += [each.attribute for each in self.spreads]
        return tuple(dict.fromkeys(name for name in named if name != MACHINE))


def _pool_constraint(pool: str) -> Constraint:
    return Constraint(attribute=POOL, operator=Operator.EQUAL, values=(pool,))


NO_RULES: Final = PlacementRules()
"""What most jobs ask for."""
