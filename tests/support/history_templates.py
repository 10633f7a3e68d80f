"""Random templates, and wishes for children of them that nearly make sense, read off the slow twin's state."""

import random
from dataclasses import replace

from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import CatchUp, InputRule, Overlap, Parameters, Schedule
from omegacell.core.units import SECOND_US, JobId
from tests.support.oracle_limits import is_template
from tests.support.oracle_state import State

CHILD_NAMES = ("web-1", "web-2", "sort-1", "sort-2")


def draw_template(rng: random.Random, spec: JobSpec) -> JobSpec:
    """Make a template of a job now and then; one that is none as often as the format has to refuse one."""
    if rng.random() > 0.1:
        return spec
    schedule = Schedule(cron="* * * * *", overlap=rng.choice(list(Overlap)), catch_up=rng.choice(list(CatchUp)))
    parameters = Parameters(required=("input",), input=rng.choice(list(InputRule)))
    kind = Kind.SERVICE if rng.random() < 0.03 else Kind.BATCH
    if rng.random() < 0.7:
        return replace(spec, kind=kind, schedule=schedule)
    return replace(spec, kind=kind, parameters=parameters)


def draw_spawn(rng: random.Random, state: State, job_id: JobId, *, at_us: int) -> SpawnJob:
    """Draw a wish for a child: of a template mostly, for its next instants or one that is over."""
    templates = [job for job in state.jobs.values() if is_template(job.spec) and not job.is_stopping]
    template = rng.choice(templates) if templates and rng.random() < 0.92 else state.jobs.get(job_id)
    last = 0 if template is None else template.instant_us
    instant = 0 if rng.random() < 0.3 else max(1, last + rng.choice((-1, 0, 1, 1, 1, 1, 2, 3)) * 60 * SECOND_US)
    if rng.random() < 0.04:
        instant = -1
    names = [*CHILD_NAMES, *(job.spec.name for job in state.jobs.values())]
    return SpawnJob(
        template=job_id if template is None else JobId(template.id),
        name=f"t-{rng.randint(0, 10_000)}" if rng.random() < 0.5 else rng.choice(names),
        instant_us=instant,
        submitted_at_us=at_us,
        payload=rng.choice((b"", b"", b"p" * 32, b"short" if rng.random() < 0.1 else b"")),
        missed_count=rng.randint(0, 3) if instant > 0 and rng.random() < 0.2 else 0,
    )
