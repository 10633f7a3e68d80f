"""What is well formed about placement rules and taints, for the slow twin."""

from omegacell.core.constraints import Constraint, Operator
from omegacell.core.machine_commands import SetTaints
from omegacell.core.placement import PlacementRules, Spread
from omegacell.core.units import MAX_MACHINES, MAX_NAME_LENGTH, MAX_TASKS_PER_JOB

MOST = 32
MOST_VALUES = 64
LONGEST = 255
NUMBERS = (Operator.LESS, Operator.LESS_OR_EQUAL, Operator.GREATER, Operator.GREATER_OR_EQUAL)


def is_text(text: str, longest: int = LONGEST) -> bool:
    """Say whether a text is printable ASCII and not too long."""
    return len(text) <= longest and all(" " <= each <= "~" for each in text)


def is_word(text: str, longest: int = LONGEST) -> bool:
    """Say whether a text is one that is not empty."""
    return text != "" and is_text(text, longest)


def is_number(text: str) -> bool:
    """Say whether a text is a whole number of at most 18 digits."""
    digits = text[1:] if text.startswith("-") else text
    return 1 <= len(digits) <= 18 and all(each in "0123456789" for each in digits)


def is_constraint(constraint: Constraint) -> bool:
    """Say whether a constraint has as many values as its operator takes."""
    count = len(constraint.values)
    if constraint.operator in (Operator.EXISTS, Operator.NOT_EXISTS):
        is_right = count == 0
    elif constraint.operator in (Operator.IN, Operator.NOT_IN):
        is_right = 1 <= count <= MOST_VALUES and len(set(constraint.values)) == count
    else:
        is_right = count == 1
    return (
        is_right
        and is_word(constraint.attribute)
        and constraint.attribute != "machine"
        and all(is_text(each) for each in constraint.values)
        and (constraint.operator not in NUMBERS or is_number(constraint.values[0]))
    )


def is_spread(spread: Spread) -> bool:
    """Say whether a spread is a rule or a wish, and not both."""
    is_rule = spread.max_skew > 0 and spread.weight == 0 and not spread.targets
    is_wish = spread.max_skew == 0 and 1 <= spread.weight <= 100
    values = [value for value, _ in spread.targets]
    return (
        (is_rule or is_wish)
        and is_word(spread.attribute)
        and spread.max_skew <= MAX_TASKS_PER_JOB
        and len(values) <= MOST_VALUES
        and len(set(values)) == len(values)
        and all(is_text(value) and 0 <= percent <= 100 for value, percent in spread.targets)
        and sum(percent for _, percent in spread.targets) <= 100
    )


def is_placement(rules: PlacementRules) -> bool:
    """Say whether all placement rules of a job are in range."""
    lists = (rules.constraints, rules.tolerations, rules.neighbours, rules.spreads, rules.affinities)
    return (
        is_text(rules.pool, MAX_NAME_LENGTH)
        and 0 <= rules.max_per_machine <= MAX_TASKS_PER_JOB
        and all(len(each) <= MOST for each in lists)
        and all(is_constraint(each) for each in rules.constraints)
        and all(is_constraint(each.constraint) and 1 <= abs(each.weight) <= 100 for each in rules.affinities)
        and all(is_word(each.key) and is_text(each.value or "") for each in rules.tolerations)
        and all(
            is_word(each.attribute) and is_word(each.job, MAX_NAME_LENGTH) and 0 <= each.weight <= 100
            for each in rules.neighbours
        )
        and all(is_spread(each) for each in rules.spreads)
    )


def is_taint_change(command: SetTaints) -> bool:
    """Say whether a change of taints names machines in order and each mark once."""
    rows = list(command.machines)
    marks = [(each.key, each.effect) for each in command.add]
    return (
        rows != []
        and all(0 <= each < MAX_MACHINES for each in rows)
        and rows == sorted(set(rows))
        and 1 <= len(command.add) + len(command.remove) <= MOST
        and all(is_word(each.key) and is_text(each.value) for each in command.add)
        and all(is_word(each) for each in command.remove)
        and len(set(marks)) == len(marks)
        and len(set(command.remove)) == len(command.remove)
    )
