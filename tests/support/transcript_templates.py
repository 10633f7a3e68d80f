"""Spells templates, and the command that makes their children, in transcripts."""

from omegacell.core.jobs import JobSpec
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import CatchUp, InputRule, Overlap, Parameters, Schedule
from omegacell.core.units import JobId


def read_schedule(text: str) -> Schedule | None:
    """Read ``schedule=CRON:OVERLAP:CATCH_UP``, the line's fields joined by ``_``."""
    if not text:
        return None
    cron, overlap, catch_up, *_ = [*text.split(":"), "allow", "last"] if ":" not in text else [*text.split(":"), "last"]
    return Schedule(cron=cron.replace("_", " "), overlap=Overlap[overlap.upper()], catch_up=CatchUp[catch_up.upper()])


def read_parameters(text: str) -> Parameters | None:
    """Read ``parameters=REQUIRED,?OPTIONAL:INPUT``."""
    if not text:
        return None
    names, _, rule = text.partition(":")
    words = [word for word in names.split(",") if word]
    return Parameters(
        required=tuple(sorted(word for word in words if not word.startswith("?"))),
        optional=tuple(sorted(word[1:] for word in words if word.startswith("?"))),
        input=InputRule[rule.upper()] if rule else InputRule.FORBIDDEN,
    )


def write_template(spec: JobSpec) -> str:
    """Write what makes a job a template, and a payload, with a space before each; nothing for nothing."""
    schedule, parameters = spec.schedule, spec.parameters
    payload = f" payload={spec.payload.decode()}" if spec.payload else ""
    if schedule is not None:
        rules = f"{schedule.overlap.name.lower()}:{schedule.catch_up.name.lower()}"
        return f" schedule={schedule.cron.replace(' ', '_')}:{rules}{payload}"
    if parameters is not None:
        names = [*parameters.required, *(f"?{name}" for name in parameters.optional)]
        return f" parameters={','.join(names)}:{parameters.input.name.lower()}{payload}"
    return payload


def read_spawn(words: list[str], options: dict[str, str]) -> SpawnJob:
    """Read ``spawn TEMPLATE NAME instant=US at=US missed=N payload=TEXT``."""
    return SpawnJob(
        template=JobId(int(words[0])),
        name=words[1],
        instant_us=int(options.get("instant", 0)),
        submitted_at_us=int(options.get("at", 0)),
        payload=options.get("payload", "").encode(),
        missed_count=int(options.get("missed", 0)),
    )


def write_spawn(command: SpawnJob) -> str:
    """Write a wish for a child."""
    times = f"instant={command.instant_us} at={command.submitted_at_us} missed={command.missed_count}"
    payload = f" payload={command.payload.decode()}" if command.payload else ""
    return f"spawn {command.template} {command.name} {times}{payload}"
