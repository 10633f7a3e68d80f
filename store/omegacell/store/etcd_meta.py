"""What an etcd store says of itself: its format, its incarnation, and the cluster on which it was made.

Rules:
    A store found on another cluster than it was made on was restored from a snapshot: it gets a new incarnation.
    A draft is being filled by a migration: nobody else opens it.
"""

import json
import logging
import secrets
from dataclasses import dataclass, replace
from typing import Final

from omegacell.core.errors import (
    NotAStoreError,
    StoreExistsError,
    StoreLockedError,
    StoreNotFoundError,
    StoreVersionError,
)
from omegacell.store.etcd_layout import FORMAT_VERSION, Keys
from omegacell.store.etcd_wire import Absent, Connection, Delete, Get, HasValue, KeyValue, Put, Unchanged
from omegacell.store.sqlite_database import Access

_LOG = logging.getLogger(__name__)

MAX_TURNS: Final = 16
# What one transaction deletes: etcd does nothing else meanwhile.
ERASE_STEP: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What a store says of itself.

    Attributes:
        format_version: Of the layout.
        incarnation: Its life.
        cluster: The etcd cluster on which that life began.
        is_draft: Whether a migration is filling it.
    """

    format_version: int
    incarnation: str
    cluster: str
    is_draft: bool

    def encode(self) -> bytes:
        """Return what its key keeps."""
        fields = {
            "format": self.format_version,
            "incarnation": self.incarnation,
            "cluster": self.cluster,
            "is_draft": self.is_draft,
        }
        return json.dumps(fields).encode()


def mint(connection: Connection, *, is_draft: bool = False) -> Meta:
    """Return a new life on this cluster."""
    return Meta(
        format_version=FORMAT_VERSION,
        incarnation=secrets.token_hex(16),
        cluster=connection.cluster,
        is_draft=is_draft,
    )


def open_meta(connection: Connection, keys: Keys, access: Access) -> Meta:
    """Return what the store says, after making it if that is asked for.

    Raises:
        StoreNotFoundError: There is none, and it must be there.
        StoreVersionError: It has another format, or other keys stand in its place.
        StoreLockedError: A migration is filling it.
    """
    for _ in range(MAX_TURNS):
        (found,) = connection.commit([Get(key=keys.meta)]).found
        if found.items:
            meta = _parse(connection, found.items[0])
            if meta.is_draft:
                raise StoreLockedError(
                    f"{connection.name}: a migration is filling this store, or broke off: run it again, or take"
                    " another prefix"
                )
            if meta.cluster == connection.cluster or access is Access.READ_ONLY:
                return meta
            _LOG.warning("%s: restored from a snapshot: a new incarnation begins", connection.name)
            fresh = mint(connection)
            if connection.commit(
                [Put(keys.meta, fresh.encode())], when=[Unchanged(keys.meta, found.items[0].mod_revision)]
            ).is_met:
                return fresh
        elif access is not Access.CREATE:
            raise StoreNotFoundError(f"{connection.name}: no store is there; check the prefix")
        else:
            _check_vacant(connection, keys)
            connection.commit([Put(keys.meta, mint(connection).encode())], when=[Absent(keys.meta)])
    raise StoreLockedError(f"{connection.name}: others make and change this store all the time; try again")


def begin_draft(connection: Connection, keys: Keys) -> Meta:
    """Begin a store that only its maker opens, in place of nothing or of a draft that broke off.

    Raises:
        StoreExistsError: A store, or something else, stands there.
    """
    (found,) = connection.commit([Get(key=keys.meta)]).found
    if found.items and not _parse(connection, found.items[0]).is_draft:
        raise StoreExistsError(f"{connection.name}: there is a store already; take another prefix")
    if not found.items:
        (others,) = connection.commit([Get(key=keys.everything.key, end=keys.everything.end, is_count=True)]).found
        if others.count:
            raise StoreExistsError(f"{connection.name}: {others.count} other keys stand there; take another prefix")
    draft = mint(connection, is_draft=True)
    seen = found.items[0].mod_revision if found.items else 0
    taken = connection.commit(
        [Put(keys.meta, draft.encode())], when=[Unchanged(keys.meta, seen)], otherwise=[Get(key=keys.meta)]
    )
    # Taken already, when the answer to the first delivery was lost.
    if not taken.is_met and [item.value for item in taken.found[0].items] != [draft.encode()]:
        raise StoreExistsError(f"{connection.name}: somebody else makes a store there")
    # From here on whoever filled the draft before writes no more.
    _clear(connection, keys)
    return draft


def publish(connection: Connection, keys: Keys, draft: Meta) -> Meta:
    """Let everybody open a draft that is whole; return what it says of itself now.

    Raises:
        StoreExistsError: It is not this draft that stands there.
    """
    meta = replace(draft, is_draft=False)
    answer = connection.commit(
        [Put(keys.meta, meta.encode())], when=[HasValue(keys.meta, draft.encode())], otherwise=[Get(key=keys.meta)]
    )
    # Published already, when the answer to the first delivery was lost.
    if not answer.is_met and [item.value for item in answer.found[0].items] != [meta.encode()]:
        raise StoreExistsError(f"{connection.name}: somebody else makes a store there; nothing was kept")
    return meta


def erase(connection: Connection, keys: Keys) -> None:
    """Delete a store, some keys at a time and what says that it is one last, and let etcd forget it."""
    _clear(connection, keys)
    answer = connection.commit([Delete(keys.meta)])
    if answer.found[0].count:
        connection.compact(answer.revision)


def _clear(connection: Connection, keys: Keys) -> None:
    """Delete all but what says that it is a store."""
    everything = keys.everything
    for start, end in ((everything.key, keys.meta), (keys.meta + b"\0", everything.end)):
        while True:
            (found,) = connection.commit([Get(key=start, end=end, limit=ERASE_STEP, has_values=False)]).found
            if not found.items:
                break
            connection.commit([Delete(found.items[0].key, found.items[-1].key + b"\0")])


def _check_vacant(connection: Connection, keys: Keys) -> None:
    (found,) = connection.commit([Get(key=keys.everything.key, end=keys.everything.end, limit=1)]).found
    if found.items and found.items[0].key != keys.meta:
        raise NotAStoreError(
            f"{connection.name}: key {found.items[0].key.decode(errors='replace')!r} stands there and no store;"
            " take another prefix"
        )


def _parse(connection: Connection, item: KeyValue) -> Meta:
    try:
        fields = json.loads(item.value)
        meta = Meta(
            format_version=int(fields["format"]),
            incarnation=str(fields["incarnation"]),
            cluster=str(fields["cluster"]),
            is_draft=bool(fields["is_draft"]),
        )
    except (ValueError, KeyError, TypeError):
        raise NotAStoreError(
            f"{connection.name}: key {item.key.decode(errors='replace')!r} is not what a store writes; take another"
            " prefix"
        ) from None
    if meta.format_version != FORMAT_VERSION:
        raise StoreVersionError(
            f"{connection.name}: written in format {meta.format_version}; this version reads {FORMAT_VERSION}"
        )
    return meta
