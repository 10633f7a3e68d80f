"""How the slow twin judges placement rules: a machine at a time, every task counted anew."""

from collections.abc import Callable
from fnmatch import fnmatchcase

from omegacell.core.constraints import Constraint, Operator
from omegacell.core.drains import Eligibility
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.outcomes import Reason
from omegacell.core.placement import Effect, Neighbour, Spread
from tests.support.oracle_allocs import open_allocs
from tests.support.oracle_state import UP, Job, Machine, State

CROWDED = (Reason.NEIGHBOUR, Reason.TOO_MANY_ON_MACHINE, Reason.SPREAD_SKEWED)
Claims = list[tuple[int, int]]


def placement_reason(state: State, job: Job, row: int, claims: Claims, evicted: Claims) -> Reason:
    """Say which rule of a job keeps one more task off a machine, after the claims and evictions granted before."""
    rules, machine = job.spec.placement, state.machines[row]
    if not meets_constraints(job.spec, machine):
        return Reason.CONSTRAINT
    if not is_tolerated(job.spec, machine):
        return Reason.TAINTED
    for neighbour in rules.neighbours:
        if not neighbour.weight and not suits_neighbour(state, job, neighbour, row, claims):
            return Reason.NEIGHBOUR
    for other in current_jobs(state):
        for rule in other.spec.placement.neighbours:
            # an update's rule about tasks of its own name binds the tasks of the new job, not those of the old one
            is_hard = rule.is_apart and not rule.weight and other.spec.name != job.spec.name
            if is_hard and rule.job == job.spec.name and meets(state, other, rule, row, claims):
                return Reason.NEIGHBOUR
    if rules.max_per_machine and places(state, job, claims).count(row) >= rules.max_per_machine:
        return Reason.TOO_MANY_ON_MACHINE
    for spread in rules.spreads:
        if spread.max_skew and not is_even(state, job, spread, row, claims, evicted=evicted):
            return Reason.SPREAD_SKEWED
    return Reason.NONE


def meets_constraints(spec: JobSpec, machine: Machine) -> bool:
    """Say whether a machine is in the job's pool and meets all its constraints."""
    rules = spec.placement
    has = dict(machine.attributes)
    pool = has.get("pool", "default")
    has["pool"] = pool
    is_in_pool = rules.pool == "all" or pool == (rules.pool or "default")
    return is_in_pool and all(is_met(each, has.get(each.attribute)) for each in rules.constraints)


def is_tolerated(spec: JobSpec, machine: Machine) -> bool:
    """Say whether every taint that keeps tasks away is tolerated."""
    for taint in machine.taints:
        covering = [
            each
            for each in spec.placement.tolerations
            if each.key == "*" or (each.key == taint.key and (each.value is None or each.value == taint.value))
        ]
        if taint.effect == Effect.NO_PLACE and not covering:
            return False
    return True


def is_met(constraint: Constraint, value: str | None) -> bool:
    """Say whether a value meets a constraint, by the words of the manual."""
    wanted = constraint.values
    match constraint.operator:
        case Operator.EXISTS:
            return value is not None
        case Operator.NOT_EXISTS:
            return value is None
        case Operator.EQUAL | Operator.IN:
            return value is not None and value in wanted
        case Operator.NOT_EQUAL | Operator.NOT_IN:
            return value is None or value not in wanted
        case Operator.GLOB:
            return value is not None and fnmatchcase(value, wanted[0])
        case Operator.NOT_GLOB:
            return value is None or not fnmatchcase(value, wanted[0])
        case other:
            is_version = "VERSION" in other.name
            if value is None or not (is_version or value.isdigit()):
                return False
            return compares(other.name.removeprefix("VERSION_"), numbers_of(value), numbers_of(wanted[0]))


def numbers_of(text: str) -> list[int]:
    """Give the numbers between the dots of a plain version, or of a plain number."""
    return [int(part) for part in text.split(".")]


def compares(operator: str, one: list[int], other: list[int]) -> bool:
    """Compare numbers part by part; parts that are missing are 0."""
    length = max(len(one), len(other))
    one, other = one + [0] * (length - len(one)), other + [0] * (length - len(other))
    return {
        "EQUAL": one == other,
        "LESS": one < other,
        "LESS_OR_EQUAL": one <= other,
        "GREATER": one > other,
        "GREATER_OR_EQUAL": one >= other,
    }[operator]


def current_jobs(state: State) -> list[Job]:
    """Give the jobs whose names are theirs, and those that such a job takes the place of in an update."""
    jobs = state.jobs.values()
    return [job for job in jobs if state.names.get(job.spec.name) == job.id or job.successor is not None]


def places(state: State, job: Job, claims: Claims) -> list[int]:
    """Give the machine of every task of a job, or of its update, that is on one, and of those claimed before."""
    current = state.current(job)
    group = [current, *state.olds(current)]
    tasks = [task for each in group for task in each.tasks]
    held = [task.machine for task in tasks if task.state in (TaskState.PLACED, TaskState.RUNNING)]
    return held + [row for job_id, row in claims if job_id in [each.id for each in group]]


def value_of(state: State, attribute: str, row: int) -> str | None:
    """Give the domain of a machine."""
    if attribute == "machine":
        return f"machine {row}"
    has = dict(state.machines[row].attributes)
    if attribute == "pool":
        return has.get("pool", "default")
    return has.get(attribute)


def values_of(state: State, attribute: str, rows: list[int]) -> list[str]:
    """Give the domains of machines that have one, with repetitions."""
    values = [value_of(state, attribute, row) for row in rows]
    return [value for value in values if value is not None]


def meets(state: State, job: Job, rule: Neighbour, row: int, claims: Claims) -> bool:
    """Say whether a machine is in a domain where a job has a task."""
    return value_of(state, rule.attribute, row) in values_of(state, rule.attribute, places(state, job, claims))


def suits_neighbour(state: State, job: Job, rule: Neighbour, row: int, claims: Claims) -> bool:
    """Say whether a machine is near to, or apart from, the tasks that a rule names."""
    named = [each for each in current_jobs(state) if each.spec.name == rule.job]
    is_near = bool(named) and meets(state, named[0], rule, row, claims)
    if rule.is_apart:
        return not is_near
    is_first = rule.job == job.spec.name and not values_of(state, rule.attribute, places(state, job, claims))
    return is_near or (is_first and value_of(state, rule.attribute, row) is not None)


def is_even(state: State, job: Job, spread: Spread, row: int, claims: Claims, *, evicted: Claims) -> bool:
    """Say whether one more task in a domain leaves it no more than the skew above the domain with the fewest."""
    mine = value_of(state, spread.attribute, row)
    if mine is None:
        return False
    eligible = [
        at
        for at, machine in enumerate(state.machines)
        if machine.state == UP
        and machine.eligibility == Eligibility.OPEN
        and job.spec.driver in machine.drivers
        and meets_constraints(job.spec, machine)
        and is_tolerated(job.spec, machine)
        and (not job.spec.alloc or open_allocs(state, job.spec.alloc, at, evicted))
    ]
    held = values_of(state, spread.attribute, places(state, job, claims))
    counts = {value: held.count(value) for value in values_of(state, spread.attribute, eligible)}
    after = held.count(mine) + 1
    others = [count for value, count in counts.items() if value != mine]
    return after - min([after, *others]) <= spread.max_skew


def is_crowd_changed(state: State, job: Job, has_changed: Callable[[list[int]], bool], seen: int) -> bool:
    """Say whether what rules about other tasks read changed after the base: machines, neighbours, or who there is."""
    if has_changed(state.topology) or state.forgotten_at > seen:
        return True
    named = [each.job for each in job.spec.placement.neighbours if not each.weight]
    named += [job.spec.alloc] if job.spec.alloc else []
    for other in current_jobs(state):
        is_ours = bool(job.successor or state.olds(job)) and other.spec.name == job.spec.name
        is_repelling = other is not job and any(
            rule.job == job.spec.name and rule.is_apart and not rule.weight for rule in other.spec.placement.neighbours
        )
        if (other.spec.name in named or is_repelling or is_ours) and has_changed(other.changes):
            return True
    return False
