"""`omega logs`: what a task wrote, byte for byte."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.output import warn
from omegacell.api.client import Client
from omegacell.api.errors import NotFoundError
from omegacell.api.grpc_errors import REASON_NOT_STARTED
from omegacell.api.records import LogPart, LogStream
from omegacell.core.errors import UsageError

WAIT_PERIOD_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What of it is wanted; the names are those of the command."""

    follow: bool
    attempt: int | None
    stderr: bool
    cell: str | None


def logs(task: str, options: LogOptions) -> None:
    """Print the output of a task."""
    job, index = split_task(task)
    with open_client(options.cell) as client:
        if index is None:
            index = _find_only(client, job)
        for part in _parts(client, f"{job}/{index}", options):
            sys.stdout.buffer.write(part.data)
            sys.stdout.buffer.flush()


def split_task(text: str) -> tuple[str, int | None]:
    """Return job and index of JOB/INDEX; None where the index was left out.

    >>> split_task("web/2"), split_task("web")
    (('web', 2), ('web', None))
    """
    job, slash, index = text.partition("/")
    if not job or (slash and not (index.isascii() and index.isdigit())):
        raise UsageError(f"task {text!r}: expected JOB/INDEX, such as web/0")
    return job, int(index) if slash else None


def _find_only(client: Client, name: str) -> int:
    count = client.job(name, limit=1).job.spec.count
    if count > 1:
        raise UsageError(f"job {name} has {count} tasks: say which, {name}/0 to {name}/{count - 1}")
    return 0


def _parts(client: Client, task: str, options: LogOptions) -> Iterator[LogPart]:
    """Yield the output; a task that is followed is waited for until it is started, or its job has ended."""
    stream = LogStream.STDERR if options.stderr else LogStream.STDOUT
    is_told = False
    while True:
        try:
            yield from client.logs(task, attempt=options.attempt or 0, stream=stream, follow=options.follow)
        except NotFoundError as error:
            is_early = options.follow and options.attempt is None and error.reason == REASON_NOT_STARTED
            if not is_early or client.job(task.partition("/")[0], limit=1).job.state.is_ended:
                raise
            if not is_told:
                warn(f"{task} has not been started yet; waiting for it")
                is_told = True
            time.sleep(WAIT_PERIOD_S)
        else:
            return
