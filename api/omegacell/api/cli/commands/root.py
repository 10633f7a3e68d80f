"""The root of the tree of commands; the modules beside it hang theirs on it."""

import typer

from omegacell.api.cli.commands.group import SETTINGS, examples

app = typer.Typer(
    name="omega",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
    epilog=examples("omega up", "omega run docs/examples/hello.yaml", "omega job status hello", "omega logs hello/0"),
)


@app.callback()
def root() -> None:
    """Independent schedulers, one versioned cell, optimistic commits.

    `omega up` starts a cell on this machine; the other commands find it by themselves. OMEGA_CELL, OMEGA_ADDR and
    OMEGA_TOKEN name another one. OMEGA_DEBUG=1 shows where an error came from.
    """
