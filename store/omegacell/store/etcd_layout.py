"""How a store lies in etcd: its keys, the bytes of what is appended, and its cursors.

::

    PREFIX/meta                                    format, incarnation, cluster, as JSON
    PREFIX/first                                   the cursor before the oldest entry kept, and how many entries of
                                                   frames that are still there lie before it
    PREFIX/head                                    how many entries the newest commit has
    PREFIX/log/SESSION/SEQ/DIGEST-COUNT[p][.n]     a frame: the entries of one append, together
    PREFIX/many/SESSION/SEQ/DIGEST-COUNT[p][.n]    stands beside a frame of several entries, so that all can be counted
    PREFIX/part/SESSION/SEQ/.../INDEX              the bytes of a frame that is too large for one key
    PREFIX/payload/HASH
    PREFIX/checkpoint/{last,lock,head/ID,chunk/ID/INDEX}
    PREFIX/void/REVISION

Rules:
    A frame is written once, only if absent, and never changed. The order of the log is that of etcd's revisions.
    ``head`` is written in every commit, so its revision is that of the newest one, also when the log is empty.
    A cursor is the revision of a commit and the place of an entry in it.
    The key of a frame follows from its bytes alone: whoever appends the same again finds it there.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple
from zlib import crc32

from omegacell.core.errors import StoreCorruptError
from omegacell.store.log import MAX_CHUNK_BYTES, Append, CheckpointId, Cursor, Stored, split_chunks

FORMAT_VERSION: Final = 1
PLACE_BITS: Final = 16
DIGEST_BYTES: Final = 8
# A frame up to this many bytes is the value of its key; a larger one lies in parts.
MAX_INLINE_BYTES: Final = MAX_CHUNK_BYTES + 1024

_INLINE: Final = 1
_IN_PARTS: Final = 2
_PREAMBLE: Final = struct.Struct("<BII")  # kind, checksum of the frame, place of its first entry in the commit
_PARTS: Final = struct.Struct("<I")
_COUNT: Final = struct.Struct("<I")
_GUARD: Final = struct.Struct("<I")


def cursor_at(revision: int, place: int) -> Cursor:
    """Return the cursor of an entry.

    >>> revision_of(cursor_at(7, 3)), place_of(cursor_at(7, 3))
    (7, 3)
    """
    return Cursor(revision << PLACE_BITS | place)


def revision_of(cursor: Cursor) -> int:
    """Return the etcd revision in a cursor."""
    return cursor >> PLACE_BITS


def place_of(cursor: Cursor) -> int:
    """Return the place in its commit in a cursor."""
    return cursor & ((1 << PLACE_BITS) - 1)


class Range(NamedTuple):
    """Keys from ``key`` up to before ``end``."""

    key: bytes
    end: bytes


def under(prefix: bytes) -> Range:
    """Return the range of all keys that begin with a prefix, which ends in a slash.

    >>> under(b"/cell/log/")
    Range(key=b'/cell/log/', end=b'/cell/log0')
    """
    return Range(prefix, prefix[:-1] + bytes([prefix[-1] + 1]))


class Keys:
    """The keys of one store.

    Args:
        prefix: What they begin with, without the last slash.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        self.everything = under(self._prefix + b"/")
        self.meta = self._prefix + b"/meta"
        self.first = self._prefix + b"/first"
        self.head = self._prefix + b"/head"
        self.log = under(self._prefix + b"/log/")
        self.many = under(self._prefix + b"/many/")
        self.parts = under(self._prefix + b"/part/")
        self.payloads = under(self._prefix + b"/payload/")
        self.voids = under(self._prefix + b"/void/")
        self.last_checkpoint = self._prefix + b"/checkpoint/last"
        self.checkpoint_lock = self._prefix + b"/checkpoint/lock"
        self.checkpoint_heads = under(self._prefix + b"/checkpoint/head/")
        self.chunks = under(self._prefix + b"/checkpoint/chunk/")

    def payload(self, payload_hash: bytes) -> bytes:
        """Return the key of a payload."""
        return self.payloads.key + payload_hash.hex().encode()

    def void(self, revision: int) -> bytes:
        """Return the key of a voided revision."""
        return self.voids.key + b"%016x" % revision

    def checkpoint_head(self, checkpoint_id: CheckpointId) -> bytes:
        """Return the key of a checkpoint's head."""
        return self.checkpoint_heads.key + b"%016x" % checkpoint_id

    def chunks_of(self, checkpoint_id: CheckpointId) -> Range:
        """Return the range of a checkpoint's chunks."""
        return under(self.chunks.key + b"%016x/" % checkpoint_id)

    def chunk(self, checkpoint_id: CheckpointId, index: int) -> bytes:
        """Return the key of a chunk."""
        return self.chunks_of(checkpoint_id).key + b"%08x" % index

    def many_of(self, log_key: bytes) -> bytes:
        """Return the key that stands beside a frame of several entries."""
        return self.many.key + log_key.removeprefix(self.log.key)

    def parts_of(self, log_key: bytes) -> Range:
        """Return the range of the parts of a frame."""
        return under(self.parts.key + log_key.removeprefix(self.log.key) + b"/")


class LogKey(NamedTuple):
    """What the key of a frame says."""

    entry_count: int
    is_in_parts: bool

    @classmethod
    def parse(cls, key: bytes) -> "LogKey":
        """Return what a key says.

        >>> LogKey.parse(b"/cell/log/7/1/00ff-1fp.2")
        LogKey(entry_count=31, is_in_parts=True)

        Raises:
            StoreCorruptError: It is none of ours.
        """
        count = key.rpartition(b"-")[2].partition(b".")[0]
        try:
            return cls(int(count.removesuffix(b"p"), 16), count.endswith(b"p"))
        except ValueError:
            raise StoreCorruptError(f"etcd key {key!r} stands in the log and is no entry of it") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A frame that is not written yet.

    Attributes:
        key: Where it goes.
        body: Its bytes.
        count: How many entries it has.
    """

    key: bytes
    body: bytes
    count: int

    @property
    def is_in_parts(self) -> bool:
        """Whether it is too large for one key."""
        return len(self.body) > MAX_INLINE_BYTES

    def parts(self) -> list[bytes]:
        """Cut a large one into parts."""
        return [guard(part) for part in split_chunks(self.body)] if self.is_in_parts else []

    def value(self, place: int) -> bytes:
        """Return what its key keeps, when its first entry has that place in the commit."""
        checksum = crc32(self.body, place)
        if self.is_in_parts:
            return _PREAMBLE.pack(_IN_PARTS, checksum, place) + _PARTS.pack(len(self.parts()))
        return _PREAMBLE.pack(_INLINE, checksum, place) + self.body


def draft_frame(keys: Keys, batch: Sequence[Append]) -> Draft:
    """Frame the entries of one append.

    >>> draft = draft_frame(Keys("/cell"), [Append(entry=b"x", session=7, first_seq=1)])
    >>> draft.key.decode()
    '/cell/log/0000000000000007/0000000000000001/990df30470ae440e-1'
    """
    lengths = struct.pack(f"<{len(batch)}I", *(len(item.entry) for item in batch))
    body = b"".join([_COUNT.pack(len(batch)), lengths, *(item.entry for item in batch)])
    digest = blake2b(body, digest_size=DIGEST_BYTES).hexdigest().encode()
    mark = b"p" if len(body) > MAX_INLINE_BYTES else b""
    name = b"%016x/%016x/%s-%x%s" % (batch[0].session, batch[0].first_seq, digest, len(batch), mark)
    return Draft(key=keys.log.key + name, body=body, count=len(batch))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame as the log keeps it.

    Attributes:
        key: Its key.
        revision: That of its commit.
        place: Of its first entry in the commit.
        count: How many entries it has.
        part_count: How many parts hold its bytes; 0 when ``body`` does.
        body: Its bytes; empty while they lie in parts.
        checksum: Of body and place.
    """

    key: bytes
    revision: int
    place: int
    count: int
    part_count: int
    body: bytes
    checksum: int

    @property
    def first(self) -> Cursor:
        """The cursor of its first entry."""
        return cursor_at(self.revision, self.place)

    @property
    def last(self) -> Cursor:
        """The cursor of its last entry."""
        return cursor_at(self.revision, self.place + self.count - 1)

    def entries(self) -> list[Stored]:
        """Return its entries.

        Raises:
            StoreCorruptError: The bytes are not those that were written.
        """
        if crc32(self.body, self.place) != self.checksum:
            raise StoreCorruptError(f"etcd key {self.key.decode()!r} is not what was written; restore a snapshot")
        (count,) = _COUNT.unpack_from(self.body)
        lengths = struct.unpack_from(f"<{count}I", self.body, _COUNT.size)
        start = _COUNT.size * (count + 1)
        entries: list[Stored] = []
        for place, length in enumerate(lengths, self.place):
            entries.append(Stored(cursor_at(self.revision, place), self.body[start : start + length]))
            start += length
        return entries


def parse_frame(key: bytes, value: bytes, revision: int) -> Frame:
    """Return the frame that a key keeps.

    Raises:
        StoreCorruptError: It is none.
    """
    said = LogKey.parse(key)
    try:
        kind, checksum, place = _PREAMBLE.unpack_from(value)
        rest = value[_PREAMBLE.size :]
        part_count = _PARTS.unpack(rest)[0] if said.is_in_parts else 0
    except struct.error:
        kind = 0
    if kind != (_IN_PARTS if said.is_in_parts else _INLINE):
        raise StoreCorruptError(f"etcd key {key.decode(errors='replace')!r} is not what was written")
    return Frame(
        key=key,
        revision=revision,
        place=place,
        count=said.entry_count,
        part_count=part_count,
        body=b"" if said.is_in_parts else rest,
        checksum=checksum,
    )


def guard(data: bytes) -> bytes:
    """Return bytes with their checksum before them."""
    return _GUARD.pack(crc32(data)) + data


def is_sound(value: bytes) -> bool:
    """Say whether guarded bytes are those that were written."""
    return len(value) >= _GUARD.size and _GUARD.unpack_from(value)[0] == crc32(value[_GUARD.size :])


def unguard(key: bytes, value: bytes) -> bytes:
    """Return guarded bytes.

    Raises:
        StoreCorruptError: They are not those that were written.
    """
    if not is_sound(value):
        raise StoreCorruptError(f"etcd key {key.decode(errors='replace')!r} is not what was written")
    return value[_GUARD.size :]
