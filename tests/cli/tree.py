"""Walks the tree of commands as a user would: through its help."""

from collections.abc import Iterator
from typing import Any

import typer.main

import omegacell.api.cli.entry  # noqa: F401 -- hangs the commands on the root
from omegacell.api.cli.commands.root import app


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command with its path, groups not included."""
    group = typer.main.get_command(app) if group is None else group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = [path for path, _ in commands()]
