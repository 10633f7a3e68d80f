"""Moves a store to another engine, with its history.

Rules:
    What moves: every entry that is kept, payloads, checkpoints, voided revisions. Cursors are the engine's own, so
    checkpoints are written with the cursors of the copy.
    The copy is another life of the cell: it has a new incarnation, and whoever remembers the old reloads.
    Nobody can open the copy before it is whole and was read back; one that broke off is made anew by the next attempt.
    The cell must be stopped: what is appended to the source while it is read would be lost, so it is refused.
"""

import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from omegacell.core.errors import StoreCorruptError, StoreError, StoreExistsError, StoreLockedError, UsageError
from omegacell.core.units import SECOND_US, TICK_PERIOD_US
from omegacell.store.engines import open_etcd, open_store
from omegacell.store.etcd_address import hide_password
from omegacell.store.log import START, UNSTORED, Append, Cursor, Store, Stored
from omegacell.store.sqlite import SqliteStore
from omegacell.store.sqlite_database import Access
from omegacell.store.sqlite_schema import check_vacant, draft_of, install, remove_database

# One page of the source is one append of the copy.
PAGE_BYTES: Final = 4 << 20
MAX_PAGE_ENTRIES: Final = 1_000
# Numbers no session draws (they are below 2^63), so that nothing meets a real entry's key.
MIGRATION_SESSION: Final = (1 << 64) - 1
SHOWN_FAULTS: Final = 3
QUIET_S: Final = 1.25 * TICK_PERIOD_US / SECOND_US
"""A cell that is up ticks sooner than that."""
POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What was moved.

    Attributes:
        entry_count: Entries.
        payload_count: Payloads.
        checkpoint_count: Checkpoints.
        void_count: Voided revisions.
        incarnation: Of the copy.
        first: Cursor before its oldest entry.
        head: Cursor of its newest entry.
    """

    entry_count: int
    payload_count: int
    checkpoint_count: int
    void_count: int
    incarnation: str
    first: Cursor
    head: Cursor


def migrate(source_url: str, destination_url: str) -> Migrated:
    """Copy a store, whose cell is stopped, to another engine.

    Raises:
        StoreNotFoundError: There is no store at the source.
        StoreExistsError: Something stands at the destination.
        StoreCorruptError: The source is damaged, or the copy is not what was read.
        StoreLockedError: The source grew meanwhile.
        UsageError: A URL names no engine, or one that keeps nothing.
    """
    with open_store(source_url, access=Access.READ_ONLY) as source, _drafting(destination_url) as copy:
        cursors = _Cursors()
        _copy_entries(source, copy, cursors)
        hashes = source.payloads.hashes()
        for payload_hash in sorted(hashes):
            payload = source.payloads.get(payload_hash)
            if payload is not None:
                copy.payloads.put(payload_hash, payload)
        voids = source.voids()
        for revision in sorted(voids):
            copy.void(revision)
        checkpoint_count = _copy_checkpoints(source, copy, cursors)
        _check(source, copy, cursors)
        return Migrated(
            entry_count=len(cursors.old) - 1,
            payload_count=len(hashes),
            checkpoint_count=checkpoint_count,
            void_count=len(voids),
            incarnation=copy.incarnation,
            first=copy.first(),
            head=copy.head(),
        )


def check_quiet(source_url: str, *, wait_s: float = QUIET_S) -> None:
    """Look at a store for longer than a cell is silent, and raise when anything is appended: its cell is up.

    Raises:
        StoreNotFoundError: There is no store at the source.
        StoreLockedError: Something was appended.
    """
    until = time.monotonic() + wait_s
    with open_store(source_url, access=Access.READ_ONLY) as source:
        head = source.head()
        while time.monotonic() < until:
            if source.read(head, PAGE_BYTES):
                raise StoreLockedError("the source's cell is up, and writes: stop it, then migrate")
            time.sleep(POLL_S)


class _Cursors:
    """Which cursor of the copy stands for one of the source."""

    def __init__(self) -> None:
        self.old: list[Cursor] = []
        self.new: list[Cursor] = []

    def add(self, old: Cursor, new: Cursor) -> None:
        self.old.append(old)
        self.new.append(new)

    def translate(self, old: Cursor) -> Cursor | None:
        """Return the copy's cursor of the last entry up to ``old``; None when that is not kept any more."""
        place = bisect_right(self.old, old) - 1
        return None if place < 0 else self.new[place]


@contextmanager
def _drafting(url: str) -> Iterator[Store]:
    """Give an empty store that gets its name when the block ends well, and vanishes when it does not."""
    parts = urlsplit(url)
    match parts.scheme:
        case "sqlite":
            path = Path("/" + unquote(parts.path).lstrip("/"))
            check_vacant(path)
            draft = draft_of(path)
            try:
                with SqliteStore(draft) as store:
                    yield store
                install(draft, path)
            finally:
                remove_database(draft)
        case "etcd":
            with open_etcd(url, is_draft=True) as store:
                yield store
                store.publish()
        case _:
            raise UsageError(
                f"store {hide_password(url)!r}: a store moves to sqlite:///PATH or etcd://HOST:PORT/PREFIX"
            )


def _copy_entries(source: Store, copy: Store, cursors: _Cursors) -> None:
    if copy.head() != START:
        raise StoreExistsError("the destination holds entries already; take another")
    after = source.first()
    cursors.add(after, _begin(copy, is_cut=after != START))
    number = 1
    while page := source.read(after, PAGE_BYTES):
        remaining = iter(page)
        while part := list(islice(remaining, MAX_PAGE_ENTRIES)):
            # Numbered anew: the source does not say which session an entry was, and two may have the same bytes.
            batch = [
                Append(entry=stored.entry, session=MIGRATION_SESSION, first_seq=number + place)
                for place, stored in enumerate(part)
            ]
            number += len(batch)
            for stored, cursor in zip(part, copy.append(batch), strict=True):
                cursors.add(stored.cursor, cursor)
        after = page[-1].cursor


def _begin(copy: Store, *, is_cut: bool) -> Cursor:
    """Return the copy's first cursor: beyond the start when the source does not reach back to genesis."""
    if not is_cut:
        return START
    (cursor,) = copy.append([Append(entry=b"\0", session=MIGRATION_SESSION, first_seq=0)])
    copy.truncate(cursor)
    return cursor


def _copy_checkpoints(source: Store, copy: Store, cursors: _Cursors) -> int:
    count = 0
    for head in source.checkpoints.heads():
        cursor = cursors.translate(head.cursor)
        if cursor is None:
            continue  # below what the log keeps: nobody can go on from it
        fresh = replace(head, cursor=cursor, checkpoint_id=UNSTORED, is_confirmed=False)
        stored = copy.checkpoints.write(fresh, source.checkpoints.read(head.checkpoint_id))
        if head.is_confirmed:
            copy.checkpoints.confirm(stored.checkpoint_id)
        count += 1
    return count


def _check(source: Store, copy: Store, cursors: _Cursors) -> None:
    """Read the copy back and compare; refuse when the source grew meanwhile."""
    faults = copy.find_faults()
    if faults:
        raise StoreCorruptError(f"the copy is damaged in {len(faults)} places: {'; '.join(faults[:SHOWN_FAULTS])}")
    theirs = _entries(source, cursors.old[0])
    count = 0
    for mine in _entries(copy, cursors.new[0]):
        stored = next(theirs, None)
        if stored is None or stored.entry != mine.entry:
            raise StoreError(f"entry {count + 1} of the copy is not what was read; nothing was kept, try again")
        count += 1
    if next(theirs, None) is not None or count != len(cursors.old) - 1:
        raise StoreLockedError("the source changed while it was read: stop its cell, then migrate")


def _entries(store: Store, after: Cursor) -> Iterator[Stored]:
    while page := store.read(after, PAGE_BYTES):
        yield from page
        after = page[-1].cursor
