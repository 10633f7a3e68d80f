"""Reads a whole etcd store and says what is wrong with it."""

from collections.abc import Iterator
from typing import Final

from omegacell.core.errors import StoreCorruptError
from omegacell.store.etcd_beside import EtcdCheckpoints
from omegacell.store.etcd_history import History, list_keys
from omegacell.store.etcd_layout import Keys, is_sound
from omegacell.store.etcd_wire import Connection, Get
from omegacell.store.log import DEFAULT_READ_BYTES, Cursor

STEP: Final = 8


def find_faults(connection: Connection, keys: Keys, *, first: Cursor, head: Cursor) -> list[str]:
    """Return a line for everything that is not what was written. Cost: the whole store."""
    faults: list[str] = []
    for find in (_find_in_log(connection, keys, first, head), _find_beside(connection, keys)):
        try:
            faults.extend(find)
        except StoreCorruptError as error:
            faults.append(str(error))
    return faults


def _find_in_log(connection: Connection, keys: Keys, first: Cursor, head: Cursor) -> Iterator[str]:
    history = History(connection, keys)
    after = first
    while after < head:
        frames = history.frames(after, head, DEFAULT_READ_BYTES)
        if not frames:
            yield f"{connection.name}: the log ends at cursor {after}, not at its head {head}: entries are lost"
            return
        for frame in frames:
            entries = frame.entries()
            if len(entries) != frame.count:
                yield f"{connection.name}: the entries of {frame.key.decode()!r} are not as many as its key says"
            after = max(after, frame.last)


def _find_beside(connection: Connection, keys: Keys) -> Iterator[str]:
    for span in (keys.payloads, keys.chunks, keys.parts):
        key = span.key
        while True:
            (found,) = connection.commit([Get(key=key, end=span.end, limit=STEP)]).found
            for item in found.items:
                if not is_sound(item.value):
                    yield f"{connection.name}: etcd key {item.key.decode()!r} is not what was written"
            if not found.is_cut or not found.items:
                break
            key = found.items[-1].key + b"\0"
    for head in EtcdCheckpoints(connection, keys).heads():
        count = sum(1 for _ in list_keys(connection, keys.chunks_of(head.checkpoint_id)))
        if count != head.chunk_count:
            yield (
                f"{connection.name}: checkpoint {head.checkpoint_id} has {count} chunks; its head says"
                f" {head.chunk_count}"
            )
