"""`omega scheduler ...`: schedulers as a table; one of the user's own, run beside the cell."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omegacell.api.cli.actions.cells import scheduler_table
from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.actions.stores import find_store
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show
from omegacell.api.contexts import find_context
from omegacell.api.up.plan import plan_scheduler_process, scheduler_name
from omegacell.core.errors import UsageError
from omegacell.core.units import SECOND_US
from omegacell.core.validate_values import check_name

RECENT_US: Final = 3_600 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run it; the names are those of the command."""

    name: str | None
    state: Path | None
    store: str | None
    cell: str | None


def list_schedulers(form: Format, *, with_all: bool, cell: str | None) -> None:
    """Print the instances of schedulers that live, or were heard within the hour; or all there ever were."""
    with open_client(cell) as client:
        found = client.schedulers()
    since_us = time.time_ns() // 1_000 - RECENT_US
    rows = [row for row in found.schedulers if with_all or row.is_live or row.last_at_us >= since_us]
    left_out = len(found.schedulers) - len(rows)
    facts = {"at": plain(found.at), "schedulers": [plain(row) for row in rows], "left_out": left_out}
    tables = [scheduler_table(rows, with_heard=True)]
    if left_out:
        verb = "has" if left_out == 1 else "have"
        title = f"{left_out} more {verb} not been heard for over an hour (--all shows them)"
        tables.append(Table(columns=(), rows=(), title=title, empty=""))
    show(facts, form, *tables)


def run_scheduler(target: str, options: RunOptions) -> None:
    """Become a scheduler of the cell, until Ctrl-C."""
    name = options.name or scheduler_name(target)
    check_name("scheduler", name)
    url = find_store(options.store or str(options.state or _state_of(options.cell)))
    author = f"{name}-{os.getpid()}"
    argv = plan_scheduler_process(url, name=name, author=author, target=target)
    os.execv(argv[0], [*argv, "--fail"])


def _state_of(cell: str | None) -> str:
    context = find_context(cell)
    if not context.state_folder:
        raise UsageError("the cell is not one of this machine: name its store with --store URL")
    return context.state_folder
