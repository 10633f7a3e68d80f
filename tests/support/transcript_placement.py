"""Placement rules and taints as transcripts spell them."""

import shlex

from omegacell.api.rule_text import parse_constraint, parse_taint, parse_toleration, write_toleration
from omegacell.core.machine_commands import SetTaints
from omegacell.core.placement import NO_RULES, Affinity, Neighbour, PlacementRules, Spread


def read_placement(options: dict[str, str]) -> PlacementRules:
    """Read rules.

    ``pool=P where='zone = a; ...' tolerate='k; ...' max=1 neighbours='apart:JOB:ATTR; near:JOB:ATTR:WEIGHT'
    spread='ATTR:SKEW; ATTR:0:WEIGHT' prefer='zone = a @ 50'``.
    """
    rules = PlacementRules(
        pool=options.get("pool", ""),
        constraints=tuple(parse_constraint(each) for each in _parts(options, "where")),
        tolerations=tuple(parse_toleration(each) for each in _parts(options, "tolerate")),
        max_per_machine=int(options.get("max", 0)),
        neighbours=tuple(_neighbour(each) for each in _parts(options, "neighbours")),
        spreads=tuple(_spread(each) for each in _parts(options, "spread")),
        affinities=tuple(_affinity(each) for each in _parts(options, "prefer")),
    )
    return NO_RULES if rules == NO_RULES else rules


def write_placement(rules: PlacementRules) -> str:
    """Write placement rules as `read_placement` takes them, with a space before each."""
    parts = {
        "pool": rules.pool,
        "where": "; ".join(str(each) for each in rules.constraints),
        "tolerate": "; ".join(write_toleration(each) for each in rules.tolerations),
        "max": str(rules.max_per_machine or ""),
        "neighbours": "; ".join(_show_neighbour(each) for each in rules.neighbours),
        "spread": "; ".join(f"{each.attribute}:{each.max_skew}:{each.weight}" for each in rules.spreads),
        "prefer": "; ".join(f"{each.constraint} @ {each.weight}" for each in rules.affinities),
    }
    return "".join(f" {shlex.quote(f'{key}={text}')}" for key, text in parts.items() if text)


def read_taints(words: list[str], options: dict[str, str]) -> SetTaints:
    """``taint M ... add='key=value:no_place; ...' remove='key; ...'``."""
    return SetTaints(
        machines=tuple(int(word) for word in words),
        add=tuple(parse_taint(each) for each in _parts(options, "add")),
        remove=tuple(_parts(options, "remove")),
    )


def write_taints(command: SetTaints) -> str:
    """Write a change of taints."""
    parts = {"add": "; ".join(str(each) for each in command.add), "remove": "; ".join(command.remove)}
    shown = "".join(f" {shlex.quote(f'{key}={text}')}" for key, text in parts.items() if text)
    return f"taint {' '.join(map(str, command.machines))}{shown}"


def _parts(options: dict[str, str], key: str) -> list[str]:
    return [part.strip() for part in options.get(key, "").split(";") if part.strip()]


def _neighbour(text: str) -> Neighbour:
    side, job, attribute, weight = (*text.split(":"), "0")[:4]
    return Neighbour(job=job, attribute=attribute, is_apart=side == "apart", weight=int(weight))


def _show_neighbour(neighbour: Neighbour) -> str:
    side = "apart" if neighbour.is_apart else "near"
    return f"{side}:{neighbour.job}:{neighbour.attribute}:{neighbour.weight}"


def _spread(text: str) -> Spread:
    attribute, max_skew, weight = (*text.split(":"), "0")[:3]
    return Spread(attribute=attribute, max_skew=int(max_skew), weight=int(weight))


def _affinity(text: str) -> Affinity:
    constraint, _, weight = text.rpartition("@")
    return Affinity(constraint=parse_constraint(constraint.strip()), weight=int(weight))
