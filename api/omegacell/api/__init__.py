"""How people and programs use a cell: job files, the gRPC server and client, and the `omega` command.

    from omegacell.api import Client

    with Client.from_context() as client:
        print(client.status().revision)

Nothing heavy is imported until it is used, because the start of the `omega` command is a budget.

    >>> import omegacell.api
    >>> "Client" in dir(omegacell.api)
    True
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegacell.api.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> object:
    if name == "Client":
        from omegacell.api.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
