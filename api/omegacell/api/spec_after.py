"""The part of a job file that says which jobs it runs after, and the order that follows for the jobs of some files.

`sort_jobs` puts jobs behind those of the same files that they wait for, whatever their order there: a job that is put
in the place of another must be there before whoever waits for its name is judged. A circle is printed as the circle.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from omegacell.api.records import Submission
from omegacell.api.spec_placement import JobName
from omegacell.core.dependencies import Condition, Dependency

_CONDITIONS: Final = {each.name.lower(): each for each in Condition}


class AfterPart(BaseModel):
    """A job that this one waits for, and what must have become of it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    job: JobName = Field(description="name of the other job, which need not be in the cell yet")
    condition: Literal["succeeded", "ended", "available"] = Field(
        default="succeeded",
        alias="is",
        description="succeeded: all its tasks have; ended: all are at rest, however; available: all run, healthy where"
        " that is checked",
    )


def _parse_after(value: object) -> object:
    return {"job": value} if isinstance(value, str) else value


After = Annotated[AfterPart, BeforeValidator(_parse_after)]


def dependencies_of(parts: Sequence[AfterPart]) -> tuple[Dependency, ...]:
    """Return what the core must know of them, by name."""
    found = [Dependency(job=part.job, condition=_CONDITIONS[part.condition]) for part in parts]
    return tuple(sorted(found, key=lambda each: each.job))


def find_repeated(parts: Sequence[AfterPart]) -> int | None:
    """Return the place of the first part whose job stands before it already; None when each stands once."""
    names = [part.job for part in parts]
    return next((place for place, name in enumerate(names) if name in names[:place]), None)


def sort_jobs(submissions: Sequence[Submission]) -> list[Submission]:
    """Return jobs in an order in which each comes after those that it waits for, else as they stand.

    Jobs in a circle come last. Cost: O(jobs and what they wait for).
    """
    if not any(each.spec.after for each in submissions):
        return list(submissions)
    by_name = {each.spec.name: place for place, each in enumerate(submissions)}
    waits = {
        place: [by_name[other.job] for other in each.spec.after if other.job in by_name]
        for place, each in enumerate(submissions)
    }
    order = _follow(waits)
    return [submissions[place] for place in order]


def _follow(waits: Mapping[int, Sequence[int]]) -> list[int]:
    """Return places so that each comes after those it waits for, by walking from each along what it waits for."""
    order: dict[int, None] = {}
    begun: dict[int, None] = {}
    for start in waits:
        stack = [start]
        while stack:
            place = stack[len(stack) - 1]
            ahead = [] if place in begun else [each for each in waits[place] if each not in begun]
            begun[place] = None
            if ahead:
                stack.extend(reversed(ahead))
                continue
            stack.pop()
            order[place] = None
    return list(order)


def find_circle(waits: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return names along one circle of jobs that wait for each other, the first one twice; empty when there is none.

    >>> find_circle({"a": ["b"], "b": ["c", "d"], "c": [], "d": ["a"]})
    ('a', 'b', 'd', 'a')
    >>> find_circle({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["elsewhere"]})
    ()
    """
    done: dict[str, None] = {}
    for start in waits:
        path: dict[str, None] = {}
        stack = [(start, iter(waits[start]))] if start not in done else []
        path[start] = None
        while stack:
            name, others = stack[len(stack) - 1]
            other = next((each for each in others if each in waits and each not in done), None)
            if other is None:
                stack.pop()
                path.pop(name)
                done[name] = None
            elif other in path:
                names = list(path)
                return (*names[names.index(other) :], other)
            else:
                path[other] = None
                stack.append((other, iter(waits[other])))
    return ()
