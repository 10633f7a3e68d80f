"""What an etcd store keeps beside the log: payloads, checkpoints, voided revisions.

Rules:
    One checkpoint is written at a time, under a lock that is bound to a lease: a dead writer's goes by itself.
    Every chunk is written only while the lock is the writer's own, so one that slept too long finds out.
    What is erased is compacted at once, for etcd keeps old values until then.
"""

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from omegacell.core.errors import CheckpointGoneError, StoreCorruptError, StoreError, StoreLockedError
from omegacell.store.etcd_history import list_keys
from omegacell.store.etcd_layout import Keys, guard, unguard
from omegacell.store.etcd_wire import (
    MAX_OPERATIONS,
    MAX_REQUEST_BYTES,
    Absent,
    Answer,
    Connection,
    Delete,
    Get,
    HasValue,
    KeyValue,
    Operation,
    Put,
    PutNew,
    Unchanged,
)
from omegacell.store.limits import check_checkpoint_head, check_chunk, check_chunk_totals, check_payload
from omegacell.store.log import CheckpointHead, CheckpointId, Cursor

LOCK_S: Final = 60
RENEW_S: Final = 15.0
KEY_COST_BYTES: Final = 256
MAX_CONFIRMS: Final = 16


def payload_groups(keys: Keys, payloads: Mapping[bytes, bytes]) -> Iterator[list[PutNew]]:
    """Yield what writes payloads, in groups that fit into one transaction each."""
    group: list[PutNew] = []
    size = 0
    for payload_hash, payload in payloads.items():
        cost = len(payload) + KEY_COST_BYTES
        if group and (size + cost > MAX_REQUEST_BYTES or len(group) == MAX_OPERATIONS):
            yield group
            group, size = [], 0
        group.append(PutNew(keys.payload(payload_hash), guard(payload)))
        size += cost
    if group:
        yield group


class EtcdPayloads:
    """Implements ``Payloads``."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    def get(self, payload_hash: bytes) -> bytes | None:
        """Return the payload, or None when it was never there or is erased."""
        key = self._keys.payload(payload_hash)
        (found,) = self._connection.commit([Get(key=key)]).found
        return unguard(key, found.items[0].value) if found.items else None

    def put(self, payload_hash: bytes, payload: bytes) -> None:
        """Keep a payload durably; a known hash is left alone."""
        check_payload(payload_hash, payload)
        key = self._keys.payload(payload_hash)
        self._connection.commit([Put(key, guard(payload))], when=[Absent(key)])

    def erase(self, payload_hash: bytes) -> bool:
        """Erase a payload, and the old values of everything; return whether there was one."""
        answer = self._connection.commit([Delete(self._keys.payload(payload_hash))])
        if not answer.found[0].count:
            return False
        self._connection.compact(answer.revision)
        return True

    def hashes(self) -> frozenset[bytes]:
        """Return the hashes of all payloads kept."""
        span = self._keys.payloads
        return frozenset(
            bytes.fromhex(key.removeprefix(span.key).decode()) for _, key in list_keys(self._connection, span)
        )


class EtcdCheckpoints:
    """Implements ``Checkpoints``. Each chunk is a transaction of its own, so that appends go on between them."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    def write(self, head: CheckpointHead, chunks: Iterable[bytes]) -> CheckpointHead:
        """Write chunks and then the head; see ``Checkpoints.write``."""
        check_checkpoint_head(head)
        lock = _Lock(self._connection, self._keys.checkpoint_lock)
        lock.take()
        try:
            checkpoint_id = self._begin(lock)
            try:
                return self._write(lock, checkpoint_id, head, chunks)
            except BaseException as error:
                self._clear(checkpoint_id, error)
                raise
        finally:
            lock.release()

    def heads(self) -> list[CheckpointHead]:
        """Return the heads, oldest first."""
        span = self._keys.checkpoint_heads
        (found,) = self._connection.commit([Get(key=span.key, end=span.end)]).found
        return [_parse_head(item) for item in found.items]

    def read(self, checkpoint_id: CheckpointId) -> Iterator[bytes]:
        """Yield the chunks in order; see ``Checkpoints.read``."""
        index, chunk_count = 0, 1
        while index < chunk_count:
            key = self._keys.chunk(checkpoint_id, index)
            head, chunk = self._connection.commit(
                [Get(key=self._keys.checkpoint_head(checkpoint_id)), Get(key=key)]
            ).found
            if not head.items:
                raise self._gone(checkpoint_id)
            chunk_count = _parse_head(head.items[0]).chunk_count
            if chunk_count == 0:
                return
            if not chunk.items:
                raise StoreCorruptError(
                    f"{self._connection.name}: chunk {index} of checkpoint {checkpoint_id} is missing; use another"
                )
            yield unguard(key, chunk.items[0].value)
            index += 1

    def confirm(self, checkpoint_id: CheckpointId) -> None:
        """Record that another fold came to the same digest; see ``Checkpoints.confirm``."""
        key = self._keys.checkpoint_head(checkpoint_id)
        for _ in range(MAX_CONFIRMS):
            (found,) = self._connection.commit([Get(key=key)]).found
            if not found.items:
                raise self._gone(checkpoint_id)
            head = _parse_head(found.items[0])
            if head.is_confirmed:
                return
            put = Put(key, _format_head(replace(head, is_confirmed=True)))
            if self._connection.commit([put], when=[Unchanged(key, found.items[0].mod_revision)]).is_met:
                return
        raise StoreLockedError(f"{self._connection.name}: checkpoint {checkpoint_id} is changed by others all the time")

    def delete(self, checkpoint_id: CheckpointId) -> None:
        """Delete head and chunks; one that is gone already stays so."""
        self._connection.commit(
            [Delete(self._keys.checkpoint_head(checkpoint_id)), Delete(*self._keys.chunks_of(checkpoint_id))]
        )

    def _begin(self, lock: "_Lock") -> CheckpointId:
        """Take an id, and clear what writers left that died: nobody else is writing."""
        key = self._keys.last_checkpoint
        heads, last = self._connection.commit(
            [Get(key=self._keys.checkpoint_heads.key, end=self._keys.checkpoint_heads.end), Get(key=key)]
        ).found
        known = {int(item.key.rpartition(b"/")[2], 16) for item in heads.items}
        found = {
            CheckpointId(int(chunk.split(b"/")[-2], 16)) for _, chunk in list_keys(self._connection, self._keys.chunks)
        }
        for checkpoint_id in sorted(found - known):
            lock.commit([Delete(*self._keys.chunks_of(checkpoint_id))])
        number = int(last.items[0].value) + 1 if last.items else 1
        lock.commit([Put(key, b"%d" % number)])
        return CheckpointId(number)

    def _write(
        self, lock: "_Lock", checkpoint_id: CheckpointId, head: CheckpointHead, chunks: Iterable[bytes]
    ) -> CheckpointHead:
        chunk_count = byte_count = 0
        for chunk in chunks:
            check_chunk(head, chunk_count, chunk)
            lock.commit([Put(self._keys.chunk(checkpoint_id, chunk_count), guard(chunk))])
            chunk_count += 1
            byte_count += len(chunk)
        check_chunk_totals(head, chunk_count, byte_count)
        stored = replace(head, checkpoint_id=checkpoint_id)
        lock.commit([Put(self._keys.checkpoint_head(checkpoint_id), _format_head(stored))])
        return stored

    def _clear(self, checkpoint_id: CheckpointId, reason: BaseException) -> None:
        try:
            self.delete(checkpoint_id)
        except StoreError as error:  # the next writer clears it; the reason must not be hidden
            reason.add_note(f"its chunks are still there: {error}")

    def _gone(self, checkpoint_id: CheckpointId) -> CheckpointGoneError:
        return CheckpointGoneError(
            f"{self._connection.name}: checkpoint {checkpoint_id} is gone; start again from the newest"
        )


class _Lock:
    """The right to write a checkpoint, while it is renewed in time."""

    def __init__(self, connection: Connection, key: bytes) -> None:
        self._connection = connection
        self._key = key
        self._word = secrets.token_hex(16).encode()
        self._leases: list[int] = []
        self._renewed_at = 0.0

    def take(self) -> None:
        lease = self._grant()
        mine = [HasValue(self._key, self._word)]  # an attempt whose answer was lost had taken it
        try:
            is_taken = self._connection.commit([Put(self._key, self._word, lease)], when=[Absent(self._key)]).is_met
        except KeyError:
            raise self._is_gone() from None
        if not is_taken and not self._connection.commit([], when=mine).is_met:
            self.release()
            raise StoreLockedError(
                f"{self._connection.name}: another checkpoint is being written; try again when it is done (a dead"
                f" writer's lock goes after {LOCK_S} s)"
            )

    def commit(self, then: list[Operation]) -> Answer:
        if time.monotonic() - self._renewed_at > RENEW_S:
            then = [*then, Put(self._key, self._word, self._grant())]
        try:
            answer = self._connection.commit(then, when=[HasValue(self._key, self._word)])
        except KeyError:  # the new lease ran out while etcd was away
            raise self._is_gone() from None
        if not answer.is_met:
            raise self._is_gone()
        return answer

    def _is_gone(self) -> StoreLockedError:
        return StoreLockedError(
            f"{self._connection.name}: the checkpoint took longer than {LOCK_S} s between two chunks, and its lock is"
            " gone; nothing was kept, try again"
        )

    def release(self) -> None:
        for lease in self._leases:
            self._connection.revoke(lease)

    def _grant(self) -> int:
        self._leases.append(self._connection.grant(LOCK_S))
        self._renewed_at = time.monotonic()
        return self._leases[-1]


def _format_head(head: CheckpointHead) -> bytes:
    fields = {
        "revision": head.revision,
        "cursor": head.cursor,
        "chain": head.chain.hex(),
        "digest": head.digest.hex(),
        "chunk_count": head.chunk_count,
        "byte_count": head.byte_count,
        "made_at_us": head.made_at_us,
        "is_confirmed": head.is_confirmed,
        "checkpoint_id": head.checkpoint_id,
    }
    return guard(json.dumps(fields).encode())


def _parse_head(item: KeyValue) -> CheckpointHead:
    fields = json.loads(unguard(item.key, item.value))
    return CheckpointHead(
        revision=fields["revision"],
        cursor=Cursor(fields["cursor"]),
        chain=bytes.fromhex(fields["chain"]),
        digest=bytes.fromhex(fields["digest"]),
        chunk_count=fields["chunk_count"],
        byte_count=fields["byte_count"],
        made_at_us=fields["made_at_us"],
        is_confirmed=fields["is_confirmed"],
        checkpoint_id=CheckpointId(fields["checkpoint_id"]),
    )
