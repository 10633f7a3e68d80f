"""Small cells and jobs with rules, for the tests of their simulation."""

from dataclasses import replace
from typing import Any

from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.units import SECOND_US, Band
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.system import SystemScheduler
from omegacell.simulator.machines import DRIVER, GIB, Machine
from omegacell.simulator.ruled.arrivals import Arrival
from omegacell.simulator.ruled.settings import Deciders, RuledSetup, Template
from omegacell.simulator.ruled.simulation import RuledSimulation
from omegacell.simulator.settings import DecisionTime

SECOND = DecisionTime(job_s=1.0, task_s=0.0)
"""Every decision takes a second, so that times can be worked out by hand."""

SCHEDULERS = {
    "batch": Deciders(plugin=BatchScheduler, decision=SECOND),
    "service": Deciders(plugin=ServiceScheduler, decision=SECOND),
    "system": Deciders(plugin=SystemScheduler, decision=SECOND),
}


def make_machine(name: str, cpus: int = 4, **fields: Any) -> Machine:
    """Return a machine with so many CPUs and as many GiB."""
    return Machine(name=name, capacity=(cpus * 1_000, cpus * GIB, cpus * GIB), **fields)


def make_template(name: str, kind: Kind = Kind.BATCH, *, run_s: float | None = 100.0, **fields: Any) -> Template:
    """Return a job of one task of a CPU, unless ``fields`` say otherwise."""
    values: dict[str, Any] = {
        "name": name,
        "owner": "lab",
        "kind": kind,
        "scheduler": {Kind.BATCH: "batch", Kind.SYSTEM: "system"}.get(kind, "service"),
        "band": Band.BATCH if kind is Kind.BATCH else Band.PRODUCTION,
        "priority": 0,
        "count": 1,
        "resources": (1_000, GIB, 0),
        "driver": DRIVER,
        "max_restarts": 0 if kind is Kind.BATCH else -1,
    }
    spec = JobSpec(**(values | fields))
    return Template(spec=spec, run_us=None if run_s is None else round(run_s * SECOND_US))


def make_setup(machines: list[Machine], *templates: Template, **fields: Any) -> RuledSetup:
    """Return a setup of them, of which every decision takes a second."""
    values: dict[str, Any] = {"machines": tuple(machines), "templates": templates, "schedulers": SCHEDULERS}
    return RuledSetup(**(values | fields))


def simulate(machines: list[Machine], *arriving: tuple[float, Template], run_s: float = 500.0) -> RuledSimulation:
    """Let each job arrive once, at its time, and return the simulation after its run; `metrics_of` has the metrics."""
    templates = [template for _, template in arriving]
    arrivals = [
        Arrival(template=place, at_us=round(at_s * SECOND_US), spec=template.spec, run_us=template.run_us)
        for place, (at_s, template) in enumerate(arriving)
    ]
    simulation = RuledSimulation(make_setup(machines, *templates, run_s=run_s), arrivals=arrivals)
    simulation.run()
    return simulation


def with_share(template: Template, share: float) -> Template:
    """Return a template that arrives so often."""
    return replace(template, share=share)
