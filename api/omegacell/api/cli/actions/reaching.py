"""Opens the client that a command talks through."""

from collections.abc import Iterator
from contextlib import contextmanager

from omegacell.api.client import Client
from omegacell.api.contexts import Context, find_context
from omegacell.api.errors import UnreachableError
from omegacell.api.up.defaults import is_up, others_up

RESTART_LIMIT_S = 3.0
"""How long a command waits for the API of a cell that is up here: it was killed, and is started again."""


@contextmanager
def open_client(cell: str | None, *, timeout_s: float = 30.0) -> Iterator[Client]:
    """Give a client of the cell that the user means.

    Raises:
        NoContextError: No cell is known here.
        UnreachableError: It does not answer; the message says which cell it is, and which others are up.
        UsageError: The context file is damaged.
    """
    context = find_context(cell)
    with Client.from_context(context, timeout_s=timeout_s) as client:
        if is_up(context):
            client.await_server(RESTART_LIMIT_S)
        try:
            yield client
        except UnreachableError as error:
            raise UnreachableError(_name_cells(str(error), context)) from error


def _name_cells(message: str, context: Context) -> str:
    if not context.name:
        return message
    others = ", ".join(f"{each.name} (--cell {each.name})" for each in others_up(context.name))
    return f"cell {context.name}: {message}" + (f"; up here: {others}" if others else "")
