"""What an agent must know after it was killed, on disk: see `events.Remembered`."""

import json
import os
from dataclasses import asdict

from omegacell.agent.events import Remembered
from omegacell.core.errors import StoreCorruptError

_NAME = "remembered.json"


def load_remembered(state: str) -> Remembered:
    """Return what was saved last; an agent that never was knows nothing.

    Raises:
        StoreCorruptError: the file is not what was written.
    """
    path = os.path.join(state, _NAME)
    try:
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
        return Remembered(
            incarnation=str(fields["incarnation"]),
            revision=int(fields["revision"]),
            retired=tuple(str(one) for one in fields["retired"]),
        )
    except FileNotFoundError:
        return Remembered()
    except (ValueError, KeyError, TypeError) as error:
        raise StoreCorruptError(f"{path}: {error!r}; remove it only if no task runs on this machine") from error


def save_remembered(state: str, remembered: Remembered) -> None:
    """Make it durable: when this returns it survives power loss, and until then the old one does."""
    path = os.path.join(state, _NAME)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(asdict(remembered), file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.new", path)
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
