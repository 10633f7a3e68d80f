"""Which jobs arrive when: copies of templates, drawn from one seed.

Templates that wait for each other, or name each other as neighbours, arrive together, and their copies name each other.
Arrivals are a Poisson process, cut off at the end of the run; each kind of arrival is as likely as its share says. How
many there are follows from the load that is asked for.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from omegacell.core.errors import UsageError
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.units import RESOURCE_NAMES, SECOND_US
from omegacell.simulator.drawing import Draws
from omegacell.simulator.machines import Machine
from omegacell.simulator.ruled.settings import RuledSetup, Template

MAX_ARRIVALS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A job that is submitted.

    Attributes:
        template: its place among the templates.
        at_us: when.
        spec: what is submitted.
        run_us: how long its tasks run; None for ever.
    """

    template: int
    at_us: int
    spec: JobSpec
    run_us: int | None


def draw_arrivals(setup: RuledSetup) -> list[Arrival]:
    """Return all that is submitted, by time: what stands first, alloc sets before what runs inside them.

    Raises:
        UsageError: what stands asks for more than the load, or so little is asked for that too much would have to come.
    """
    standing = [place for place, each in enumerate(setup.templates) if each.is_standing]
    standing.sort(key=lambda place: setup.templates[place].spec.kind is not Kind.ALLOC)
    arrivals = [Arrival(template=place, at_us=0, spec=setup.templates[place].spec, run_us=None) for place in standing]
    units = find_units(setup.templates)
    if not units:
        return arrivals
    draws = Draws(setup.seed)
    shares = [max(setup.templates[place].share for place in unit) for unit in units]
    choices = [(share / sum(shares), unit) for share, unit in zip(shares, units, strict=True)]
    times_us = sorted(round(draws.share() * setup.run_s * SECOND_US) for _ in range(_count_arrivals(setup, choices)))
    for number, at_us in enumerate(times_us):
        unit = units[draws.pick(choices)]
        names = {setup.templates[place].spec.name: f"{setup.templates[place].spec.name}-{number}" for place in unit}
        for place in unit:
            template = setup.templates[place]
            assert template.run_us is not None, "what is drawn has a duration"
            run_us = round(template.run_us * (0.5 + draws.share()))
            arrivals.append(Arrival(template=place, at_us=at_us, spec=_name(template.spec, names), run_us=run_us))
    return arrivals


def find_units(templates: Sequence[Template]) -> list[tuple[int, ...]]:
    """Return the templates that are drawn, as places, those together that arrive together; in their order."""
    drawn = {each.spec.name: place for place, each in enumerate(templates) if not each.is_standing}
    unit_of = {place: place for place in drawn.values()}
    for place in drawn.values():
        spec = templates[place].spec
        for name in (*(each.job for each in spec.after), *(each.job for each in spec.placement.neighbours)):
            if name in drawn:
                old, new = sorted((unit_of[place], unit_of[drawn[name]]), reverse=True)
                unit_of = {each: new if unit == old else unit for each, unit in unit_of.items()}
    units: dict[int, list[int]] = {}
    for place, unit in sorted(unit_of.items()):
        units.setdefault(unit, []).append(place)
    return [tuple(unit) for unit in units.values()]


def find_work(template: Template, machine_count: int) -> Counter[str]:
    """Return what a job holds of each resource, and of each kind of device, at a time, when all of it is placed."""
    spec = template.spec
    count = machine_count if spec.kind is Kind.SYSTEM else spec.count
    work = Counter({name: count * amount for name, amount in zip(RESOURCE_NAMES, spec.charged, strict=True)})
    work.update({each.name: count * each.count for each in spec.devices})
    return work


def find_capacity(machines: Sequence[Machine]) -> Counter[str]:
    """Return what a cell has of each resource and of each kind of device."""
    capacity: Counter[str] = Counter()
    for machine in machines:
        capacity.update(dict(zip(RESOURCE_NAMES, machine.capacity, strict=True)))
        capacity.update({offer.name: offer.count for offer in machine.devices})
    return capacity


def _count_arrivals(setup: RuledSetup, choices: Sequence[tuple[float, tuple[int, ...]]]) -> int:
    """Return how many arrivals make the load, by the resource that comes to it first; one that nobody has is none."""
    capacity, machine_count = find_capacity(setup.machines), len(setup.machines)
    held: Counter[str] = Counter()
    for template in setup.templates:
        if template.is_standing:
            held += find_work(template, machine_count)
    counts = []
    for name, has in capacity.items():
        each_us = 0.0
        for likely, unit in choices:
            for template in [setup.templates[place] for place in unit]:
                each_us += likely * find_work(template, machine_count)[name] * (template.run_us or 0)
        if each_us and has:
            counts.append((setup.load * has - held[name]) * setup.run_s * SECOND_US / each_us)
    if not counts:
        raise UsageError("the jobs that arrive ask for nothing, or run for no time: no load follows from them")
    if min(counts) <= 0:
        raise UsageError(f"what runs for ever asks for more than the load of {setup.load:g} leaves; raise the load")
    if min(counts) > MAX_ARRIVALS:
        raise UsageError(
            f"a load of {setup.load:g} for {setup.run_s:g} s takes {min(counts):.0f} arrivals, and the limit is"
            f" {MAX_ARRIVALS}: simulate less time, fewer machines or longer tasks"
        )
    return max(1, int(min(counts) + 0.5))


def _name(spec: JobSpec, names: Mapping[str, str]) -> JobSpec:
    """Return a copy's spec, which names the copies that arrive with it; a service that ends is not begun again."""
    rules = spec.placement
    if rules.neighbours:
        neighbours = tuple(replace(each, job=names.get(each.job, each.job)) for each in rules.neighbours)
        rules = replace(rules, neighbours=neighbours)
    return replace(
        spec,
        name=names[spec.name],
        placement=rules,
        after=tuple(
            sorted([replace(each, job=names.get(each.job, each.job)) for each in spec.after], key=lambda each: each.job)
        ),
        max_restarts=0 if spec.kind is Kind.SERVICE else spec.max_restarts,
    )
