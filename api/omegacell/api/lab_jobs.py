"""Job files as templates of the lab: what users submit, with what a simulation has to know besides.

Programs are not run in virtual time, so a task that is one lasts for as long as the caller says; its health checks
pass. What cannot be simulated is an error at its place in the file. Owners are all ``lab``, so that what comes out does
not depend on who simulates.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from omegacell.agent.payload import parse_payload
from omegacell.api.documents import Document, parse_documents, read_file
from omegacell.api.records import Submission
from omegacell.api.spec import parse_jobs
from omegacell.api.spec_after import find_circle
from omegacell.api.spec_problems import JobFileError, Problem, describe
from omegacell.core.errors import UsageError
from omegacell.simulator.machines import DRIVER
from omegacell.simulator.ruled.settings import Template

OWNER: Final = "lab"
_LEFT_OUT: Final = {
    "schedule": "expected none: the lab runs no schedules; --load says how often copies of a job arrive",
    "parameters": "expected none: the lab dispatches nothing; --load says how often copies of a job arrive",
}


def load_templates(paths: Sequence[str], *, shares: Mapping[str, float], exec_us: int | None) -> tuple[Template, ...]:
    """Return the jobs of several files as templates, in their order.

    Args:
        paths: the files; ``-`` is standard input.
        shares: how often a job arrives, by its name; 1 where nothing is said.
        exec_us: how long tasks last that are programs; None when there are to be none.

    Raises:
        UsageError: a file is not right, holds what cannot be simulated, or shares name no job; the message says where.
    """
    templates: dict[str, tuple[str, Template]] = {}
    for path in paths:
        for source, template in _load_file(path, exec_us):
            name = template.spec.name
            if name in templates:
                raise UsageError(f"{source}: job {name!r} is in {templates[name][0]}, too; expected another name")
            templates[name] = (source, replace(template, share=shares.get(name, 1.0)))
    unknown = [name for name in shares if name not in templates]
    if unknown:
        raise UsageError(f"--share {unknown[0]}: there is no such job; expected one of {', '.join(templates)}")
    circle = find_circle({name: [each.job for each in found.spec.after] for name, (_, found) in templates.items()})
    if circle:
        raise UsageError(f"these jobs would wait for each other: {' -> '.join(circle)}")
    return tuple(template for _, template in templates.values())


def _load_file(path: str, exec_us: int | None) -> Iterator[tuple[str, Template]]:
    source, data = read_file(path)
    submissions = parse_jobs(source, data, owner=OWNER)
    documents = {document.value["name"]: document for document in parse_documents(source, data)}
    problems = [
        problem
        for submission in submissions
        for problem in _find_left_out(documents[submission.spec.name], has_exec_time=exec_us is not None)
    ]
    if problems:
        raise JobFileError(problems)
    for submission in submissions:
        yield source, _template_of(submission, exec_us)


def _find_left_out(document: Document, *, has_exec_time: bool) -> Iterator[Problem]:
    """Say what of a job cannot be simulated."""
    for field, expected in _LEFT_OUT.items():
        if document.value.get(field) is not None:
            yield describe(document, (field,), expected, "")
    if not has_exec_time and "exec" in document.value.get("task", {}):
        expected = "expected task.simulated with a duration, or --exec-time: the lab runs no programs"
        yield describe(document, ("task", "exec"), expected, "")


def _template_of(submission: Submission, exec_us: int | None) -> Template:
    payload = parse_payload(submission.payload)
    run_us, exit_code = exec_us, 0
    if payload.simulated is not None:
        exit_code = payload.simulated.exit_code
        run_us = None if payload.simulated.duration_ms < 0 else payload.simulated.duration_ms * 1_000
    spec = replace(submission.spec, driver=DRIVER, is_health_checked=False)
    return Template(spec=spec, run_us=run_us, exit_code=exit_code)
