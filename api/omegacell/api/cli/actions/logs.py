"""`omega logs`: what a task wrote, byte for byte."""

import sys
from dataclasses import dataclass

from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.records import LogStream
from omegacell.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What of it is wanted; the names are those of the command."""

    follow: bool
    attempt: int | None
    stderr: bool
    cell: str | None


def logs(task: str, options: LogOptions) -> None:
    """Print the output of a task."""
    task = check_task(task)
    stream = LogStream.STDERR if options.stderr else LogStream.STDOUT
    with open_client(options.cell) as client:
        parts = client.logs(task, attempt=options.attempt or 0, stream=stream, follow=options.follow)
        for part in parts:
            sys.stdout.buffer.write(part.data)
            sys.stdout.buffer.flush()


def check_task(text: str) -> str:
    """Return JOB/INDEX, completed where the index was left out because it is 0.

    >>> check_task("web/2"), check_task("web")
    ('web/2', 'web/0')
    """
    job, slash, index = text.partition("/")
    if not job or (slash and not (index.isascii() and index.isdigit())):
        raise UsageError(f"task {text!r}: expected JOB/INDEX, such as web/0")
    return f"{job}/{int(index or 0)}"
