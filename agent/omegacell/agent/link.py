"""The connection to the API as an agent sees it; whoever starts an agent brings an implementation."""

from collections.abc import AsyncIterator
from typing import Protocol

from omegacell.agent.messages import Down, Up
from omegacell.core.errors import OmegaError


class LinkLostError(OmegaError):
    """The link broke; the agent goes on without it and tries again."""


class Link(Protocol):
    """An open, ordered connection to the API; the api portion implements it over its own wire."""

    async def send(self, message: Up) -> None:
        """Send; returns when the message has been handed over.

        Raises:
            LinkLostError: the link is gone.
        """
        ...

    def receive(self) -> AsyncIterator[Down]:
        """Yield what comes, until the link is gone: then it raises LinkLostError."""
        ...

    async def close(self) -> None:
        """Close it; harmless when it is closed already."""
        ...


class Connector(Protocol):
    """Whoever can open a link to the API; the api portion implements it."""

    async def connect(self) -> Link:
        """Return a new link.

        Raises:
            LinkLostError: the API cannot be reached now.
        """
        ...
