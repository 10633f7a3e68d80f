"""What makes a job a template, out of the head of a snapshot; the part of `snapshots` that is about it."""

from typing import Any

from omegacell.core.templates import CatchUp, InputRule, Overlap, Parameters, Schedule


def read_schedule(row: dict[str, Any] | None) -> Schedule | None:
    """Return a schedule from its fields."""
    if row is None:
        return None
    return Schedule(**{**row, "overlap": Overlap(row["overlap"]), "catch_up": CatchUp(row["catch_up"])})


def read_parameters(row: dict[str, Any] | None) -> Parameters | None:
    """Return parameters from their fields."""
    if row is None:
        return None
    return Parameters(required=tuple(row["required"]), optional=tuple(row["optional"]), input=InputRule(row["input"]))
