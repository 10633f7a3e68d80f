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
        said = LogKey.parse(key)
        if said.entry_count > 1:
            pending.append(Delete(keys.many_of(key)))
        if said.is_in_parts:
            pending.append(Delete(*keys.parts_of(key)))
        if len(pending) >= MAX_OPERATIONS - 3:
            connection.commit(pending)
            pending = []
    if pending:
        connection.commit(pending)


def delete_orphans(connection: Connection, keys: Keys, upto: Cursor) -> None:
    """Delete parts whose frame was never written, because its author died, and that are older than ``upto``."""
    written = (key for _, key in list_keys(connection, keys.parts, until=revision_of(upto)))
    for owner in _owners(keys, written):
        connection.commit([Delete(*keys.parts_of(owner))], when=[Absent(owner)])


def count_skipped(connection: Connection, keys: Keys, upto: Cursor) -> int:
    """Return how many entries up to ``upto`` lie in frames that reach beyond it, and so stay."""
    skipped = 0
    revision = revision_of(upto)
    for _, key in list_keys(connection, keys.log, since=revision, until=revision):
        for item in connection.commit([Get(key=key)]).found[0].items:
            frame = parse_frame(key, item.value, item.mod_revision)
            if frame.first <= upto < frame.last:
                skipped += upto - frame.first + 1
    return skipped


def _reaches_beyond(connection: Connection, key: bytes, upto: Cursor) -> bool:
    items = connection.commit([Get(key=key)]).found[0].items
    return any(parse_frame(key, item.value, item.mod_revision).last > upto for item in items)


def _owners(keys: Keys, written: Iterable[bytes]) -> list[bytes]:
    names = {key.removeprefix(keys.parts.key).rpartition(b"/")[0] for key in written}
    return [keys.log.key + name for name in sorted(names)]
