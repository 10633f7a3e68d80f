"""What a job file says of allocs: `kind: alloc` for a set of reservations, `alloc: NAME` for a job inside one.

An alloc runs nothing of a user's. What holds its place on a machine is a program that only waits; it is made up here,
so that the rest of the job file, and whoever reads what a job runs, need to know nothing of it.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from omegacell.api.spec_model import JobFile

KIND: Final = "alloc"
HOLDER: Final = ("sleep", "infinity")
"""What runs in an alloc beside the tasks inside."""


def add_task(value: object) -> object:
    """Return a job file in which an alloc set has a task that waits for ever, real or simulated; others as they are."""
    if not isinstance(value, dict) or value.get("kind") != KIND:
        return value
    task = value.get("task")
    if task is None:
        return {**value, "task": {"exec": {"command": HOLDER[0], "args": list(HOLDER[1:])}}}
    if isinstance(task, dict) and task.get("simulated", "") in ({}, None):
        return {**value, "task": {**task, "simulated": {"duration": "forever"}}}
    return value


def check_alloc(job: "JobFile") -> None:
    """Raise `ValueError` when a job file asks of an alloc set, or of a job inside one, what it cannot have."""
    if job.kind == KIND:
        command = None if job.task.exec is None else (job.task.exec.command, *job.task.exec.args)
        is_simulated = job.task.simulated is not None and job.task.simulated.duration == "forever"
        if command != HOLDER and not is_simulated:
            raise ValueError(
                "task: an alloc set runs nothing of its own; leave the task out (or write `task: {simulated: {}}` for"
                " simulated machines), and let a job with `alloc: NAME` run inside"
            )
        if job.ports:
            raise ValueError("ports: an alloc set has none; the jobs inside ask for their own")
        if job.alloc is not None:
            raise ValueError("alloc: an alloc set runs inside no other")
    elif job.alloc is not None and job.kind == "system":
        raise ValueError("alloc: a system job runs inside none; its tasks are for machines")
    elif job.alloc is not None and job.devices:
        raise ValueError("devices: a task inside an alloc shares those of the alloc; ask for them in the alloc set")


def adapt_schema(schema: dict[str, Any]) -> None:
    """Say in the JSON schema of a job file that only an alloc set needs no task. Mutates."""
    schema["required"].remove("task")
    schema["anyOf"] = [{"required": ["task"]}, {"properties": {"kind": {"const": KIND}}, "required": ["kind"]}]
