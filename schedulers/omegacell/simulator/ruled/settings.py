"""What a simulation of jobs with rules is told: machines, templates of jobs, schedulers, and how much is to come.

A template is a job as a user would submit it. Most are *drawn*: copies of it arrive all the time, named after it with a
number. One whose tasks run for ever (a system job, an alloc set, a task without a duration) *stands*: it is submitted
once, under its own name, when time begins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from omegacell.core.errors import UsageError
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.units import MAX_NAME_LENGTH, Detection
from omegacell.schedulers.interface import Scheduler
from omegacell.simulator.machines import Machine
from omegacell.simulator.settings import DecisionTime

SUFFIX_LENGTH: Final = 8
"""What a copy's number adds to the template's name at most: a dash, and numbers up to ten million."""

MAX_SCHEDULERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A job of which copies arrive, or which stands.

    Attributes:
        spec: what is submitted; its driver is the simulator's.
        run_us: how long a task runs, microseconds; copies from half as long to half as long again. None for ever.
        exit_code: how a task ends that is not asked to.
        share: how often it arrives, relative to the others; of those that arrive together the largest counts.
    """

    spec: JobSpec
    run_us: int | None
    exit_code: int = 0
    share: float = 1.0

    @property
    def is_standing(self) -> bool:
        """Whether it is submitted once, when time begins."""
        return self.run_us is None or self.spec.kind in (Kind.SYSTEM, Kind.ALLOC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciders:
    """The instances of one scheduler: what each decides with, how many there are, and how long a decision takes."""

    plugin: Callable[[], Scheduler]
    count: int = 1
    decision: DecisionTime = field(default_factory=DecisionTime)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledSetup:
    """One simulation.

    Attributes:
        machines: the cell.
        templates: the jobs, in the order of their files.
        schedulers: by the name that jobs give.
        load: as much is to arrive as keeps so much of the cell's busiest resource in use, were it all placed at once;
            what stands is counted in.
        detection: how claims are judged.
        seed: all random numbers follow from it.
        run_s: how long, seconds.
    """

    machines: tuple[Machine, ...]
    templates: tuple[Template, ...]
    schedulers: Mapping[str, Deciders]
    load: float = 0.8
    detection: Detection = Detection.FINE
    seed: int = 0
    run_s: float = 3_600.0

    def check(self) -> None:
        """Raise when a simulation cannot be made of this.

        Raises:
            UsageError: there is no machine, template, scheduler or time, or a template names what is not there.
        """
        if not self.machines or not self.templates:
            raise UsageError("a simulation needs a machine and a job at least")
        if not self.run_s > 0 or not self.load > 0:
            raise UsageError("a run must last longer than 0 s, at a load above 0")
        for name, deciders in self.schedulers.items():
            if not 1 <= deciders.count <= MAX_SCHEDULERS:
                raise UsageError(f"{deciders.count} instances of scheduler {name!r}; expected 1 to {MAX_SCHEDULERS}")
        for template in self.templates:
            self._check_template(template)

    def _check_template(self, template: Template) -> None:
        spec, name = template.spec, template.spec.name
        if spec.scheduler not in self.schedulers:
            raise UsageError(f"job {name}: there is no scheduler {spec.scheduler!r} in this simulation")
        if not template.is_standing and len(name) > MAX_NAME_LENGTH - SUFFIX_LENGTH:
            most = MAX_NAME_LENGTH - SUFFIX_LENGTH
            raise UsageError(f"job {name}: its copies get a number; expected a name of at most {most} characters")
        if not template.share > 0:
            raise UsageError(f"job {name}: its share is {template.share}; expected more than 0")
        known = {each.spec.name: each for each in self.templates}
        for awaited in spec.after:
            other = known.get(awaited.job)
            if other is None or (template.is_standing and not other.is_standing):
                what = (
                    "is none of the simulated jobs" if other is None else "arrives again and again, and this job once"
                )
                raise UsageError(f"job {name}: after: {awaited.job!r} {what}")
        inside = known.get(spec.alloc)
        if spec.alloc and (inside is None or inside.spec.kind is not Kind.ALLOC):
            raise UsageError(f"job {name}: alloc: there is no alloc set {spec.alloc!r} among the simulated jobs")
        if inside is not None and any(
            own > has for own, has in zip(spec.resources, inside.spec.resources, strict=True)
        ):
            raise UsageError(f"job {name}: alloc: an alloc of {spec.alloc!r} is smaller than one of its tasks")
