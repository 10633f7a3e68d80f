"""`omega job dispatch|trigger`: runs of templates because somebody asks."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.actions.running import RunOptions, follow
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Table, show, warn
from omegacell.api.records_templates import Dispatched
from omegacell.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchOptions:
    """How to dispatch; the names are those of the command."""

    parameters: Sequence[str]
    payload: str | None
    name: str
    token: str
    run: RunOptions


def dispatch(job: str, options: DispatchOptions) -> None:
    """Run a job with parameters, and wait for the run."""
    parameters = _parse_parameters(options.parameters)
    payload = None if options.payload is None else _read_payload(options.payload)
    with open_client(options.run.cell) as client:
        made = client.dispatch(job, parameters, payload=payload, name=options.name, token=options.token)
        _tell(made, "dispatched", options.run)
        if not options.run.detach:
            follow(client, {made.name: made.job_id}, options.run)


def trigger(job: str, *, name: str, token: str, options: RunOptions) -> None:
    """Run a job with a schedule now, and wait for the run."""
    with open_client(options.cell) as client:
        made = client.trigger(job, name=name, token=token)
        _tell(made, "triggered", options)
        if not options.detach:
            follow(client, {made.name: made.job_id}, options)


def _tell(made: Dispatched, verb: str, options: RunOptions) -> None:
    warn(f"{made.name}: {'there already' if made.existed else verb} (id {made.job_id})")
    if options.detach:
        table = Table(columns=("JOB", "ID"), rows=[(made.name, str(made.job_id))], right=frozenset({"ID"}))
        show({"dispatched": plain(made)}, options.form, table)


def _parse_parameters(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UsageError(f"-p {text[:80]!r}: expected NAME=VALUE")
        if name in found:
            raise UsageError(f"-p {name}: given twice")
        found[name] = value
    return found


def _read_payload(path: str) -> bytes:
    from omegacell.api.spec_templates import MAX_INPUT_BYTES

    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--payload {path}: {error.strerror or error}") from error
    if len(data) > MAX_INPUT_BYTES:
        raise UsageError(f"--payload {path}: more than {MAX_INPUT_BYTES} bytes; hand over where it is instead")
    return data
