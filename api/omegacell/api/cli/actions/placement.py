"""Placement rules as rows of a table: what a job says about where its tasks run, as its file would say it."""

from omegacell.api.rule_text import write_toleration
from omegacell.core.placement import Neighbour, PlacementRules, Spread


def placement_rows(rules: PlacementRules) -> list[tuple[str, str]]:
    """Return a row for each kind of rule that a job has; none for a job without."""
    rows = [
        ("pool", rules.pool),
        ("constraints", ", ".join(str(each) for each in rules.constraints)),
        ("tolerates", ", ".join(write_toleration(each) for each in rules.tolerations)),
        ("per machine", f"at most {rules.max_per_machine}" if rules.max_per_machine else ""),
        ("near", ", ".join(_neighbour(each) for each in rules.neighbours if not each.is_apart)),
        ("apart", ", ".join(_neighbour(each) for each in rules.neighbours if each.is_apart)),
        ("spread", ", ".join(_spread(each) for each in rules.spreads)),
        ("prefers", ", ".join(f"{each.constraint} ({each.weight:+})" for each in rules.affinities)),
    ]
    return [(title, text) for title, text in rows if text]


def _neighbour(rule: Neighbour) -> str:
    wish = f", weight {rule.weight}" if rule.weight else ""
    return f"{rule.job} (by {rule.attribute}{wish})"


def _spread(rule: Spread) -> str:
    if rule.max_skew:
        return f"over {rule.attribute}, skew at most {rule.max_skew}"
    targets = "".join(f", {value} {percent} %" for value, percent in rule.targets)
    return f"over {rule.attribute}, weight {rule.weight}{targets}"
