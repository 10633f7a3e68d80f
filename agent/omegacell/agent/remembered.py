"""What an agent must know after it was killed, on disk: see `events.Remembered`.

The file has two slots of a fixed length that are written in turn, so that a torn write leaves the other slot, and a
save is one write in place and one ``fdatasync`` of data alone: it stands before every start that is wanted. A slot is
a checksum, a number that grows, and JSON.
"""

import json
import os
import zlib
from dataclasses import asdict
from typing import Final

from omegacell.agent.events import Remembered
from omegacell.core.errors import InvariantError, StoreCorruptError

_SLOT_BYTES: Final = 8192


class RememberedFile:
    """The file of one agent; `load` it once before the first `save`.

    Args:
        path: made when it is not there.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._number = 0
        if os.fstat(self._fd).st_size == 0:
            # At its full length from the start, so that no later save changes more than data.
            os.pwrite(self._fd, b"\0" * (2 * _SLOT_BYTES), 0)
            os.fsync(self._fd)
            folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(folder)
            os.close(folder)

    def load(self) -> Remembered:
        """Return what was saved last; an agent that never was knows nothing.

        Raises:
            StoreCorruptError: neither slot is what was written.
        """
        slots = [os.pread(self._fd, _SLOT_BYTES, place * _SLOT_BYTES) for place in (0, 1)]
        found = [parsed for slot in slots if (parsed := _parse(slot)) is not None]
        if not found and all(slot.strip(b"\0") for slot in slots):
            raise StoreCorruptError(f"{self._path}: not what was written; remove it only if no task runs here")
        self._number, remembered = max(found, key=lambda pair: pair[0], default=(0, Remembered()))
        return remembered

    def save(self, remembered: Remembered) -> None:
        """Make it durable: when this returns it survives power loss, and until then what was before does."""
        self._number += 1
        text = json.dumps({"number": self._number, **asdict(remembered)}, separators=(",", ":")).encode()
        slot = b"%08x " % zlib.crc32(text) + text + b"\n"
        if len(slot) > _SLOT_BYTES:
            raise InvariantError(f"{len(slot)} bytes to remember, expected at most {_SLOT_BYTES}")
        os.pwrite(self._fd, slot.ljust(_SLOT_BYTES, b"\0"), self._number % 2 * _SLOT_BYTES)
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _parse(slot: bytes) -> tuple[int, Remembered] | None:
    """Return the number and content of a slot, or None when it was never, or not completely, written."""
    head, _, rest = slot.partition(b" ")
    text = rest.rstrip(b"\0").removesuffix(b"\n")
    if head != b"%08x" % zlib.crc32(text):
        return None
    fields = json.loads(text)
    retired = tuple(fields["retired"])
    return fields["number"], Remembered(incarnation=fields["incarnation"], revision=fields["revision"], retired=retired)
