"""Deletes the old end of an etcd store's log, in transactions that etcd takes by default.

Nothing here asks whether it may: the mark before which nothing is read stands already.
"""

from collections.abc import Iterable

from omegacell.store.etcd_history import list_keys
from omegacell.store.etcd_layout import Keys, LogKey, parse_frame, revision_of
from omegacell.store.etcd_wire import MAX_OPERATIONS, Absent, Connection, Delete, Get
from omegacell.store.log import Cursor


def delete_frames(connection: Connection, keys: Keys, upto: Cursor) -> None:
    """Delete the frames whose last entry is at ``upto`` or before."""
    pending: list[Delete] = []
    for revision, key in list(list_keys(connection, keys.log, until=revision_of(upto))):
        if revision == revision_of(upto) and _reaches_beyond(connection, key, upto):
            continue
        pending.append(Delete(key))
        if LogKey.parse(key).is_in_parts:
            pending.append(Delete(*keys.parts_of(key)))
        if len(pending) >= MAX_OPERATIONS - 1:
            connection.commit(pending)
            pending = []
    if pending:
        connection.commit(pending)


def delete_orphans(connection: Connection, keys: Keys, upto: Cursor) -> None:
    """Delete parts whose frame was never written, because its author died, and that are older than ``upto``."""
    written = (key for _, key in list_keys(connection, keys.parts, until=revision_of(upto)))
    for owner in _owners(keys, written):
        connection.commit([Delete(*keys.parts_of(owner))], when=[Absent(owner)])


def count_entries(connection: Connection, keys: Keys, first: Cursor) -> int:
    """Return how many entries there are after ``first``."""
    count = 0
    for revision, key in list_keys(connection, keys.log, since=revision_of(first)):
        count += LogKey.parse(key).entry_count
        if revision == revision_of(first):
            for item in connection.commit([Get(key=key)]).found[0].items:
                frame = parse_frame(key, item.value, item.mod_revision)
                count -= min(frame.count, max(0, first - frame.first + 1))
    return count


def _reaches_beyond(connection: Connection, key: bytes, upto: Cursor) -> bool:
    items = connection.commit([Get(key=key)]).found[0].items
    return any(parse_frame(key, item.value, item.mod_revision).last > upto for item in items)


def _owners(keys: Keys, written: Iterable[bytes]) -> list[bytes]:
    names = {key.removeprefix(keys.parts.key).rpartition(b"/")[0] for key in written}
    return [keys.log.key + name for name in sorted(names)]
