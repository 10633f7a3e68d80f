"""Opens the client that a command talks through."""

from omegacell.api.client import Client


def open_client(cell: str | None, *, timeout_s: float = 30.0) -> Client:
    """Return a client of the cell that the user means.

    Raises:
        NoContextError: No cell is known here.
        UsageError: The context file is damaged.
    """
    return Client.from_context(cell, timeout_s=timeout_s)
