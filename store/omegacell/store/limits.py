"""Refuses what no engine takes, in the same words in every engine.

The limits themselves are numbers of the contract and stand in ``log``.
"""

from collections.abc import Sequence

from omegacell.core.errors import EntryTooLargeError, StoreError
from omegacell.store.log import (
    CHAIN_BYTES,
    DIGEST_BYTES,
    MAX_BATCH_BYTES,
    MAX_CHUNK_BYTES,
    MAX_ENTRY_BYTES,
    MAX_HASH_BYTES,
    MAX_PAYLOAD_BYTES,
    UNSTORED,
    Append,
    CheckpointHead,
    Cursor,
)


def check_batch(batch: Sequence[Append]) -> int:
    """Refuse what no engine takes; return the bytes of the batch, payloads included.

    Raises:
        EntryTooLargeError: An entry, a payload or the whole batch is above its limit.
        StoreError: An entry is empty, or a payload's hash is not 1 to ``MAX_HASH_BYTES`` long.
    """
    total = 0
    for position, item in enumerate(batch):
        size = len(item.entry)
        if size > MAX_ENTRY_BYTES:
            raise EntryTooLargeError(
                f"entry {position} of the batch (session {item.session}, sequence number {item.first_seq}) has"
                f" {size} bytes; at most {MAX_ENTRY_BYTES} are allowed: split the job over several entries"
            )
        if size == 0:
            raise StoreError(f"entry {position} of the batch is empty; an entry holds at least one transaction")
        total += size
        for payload_hash, payload in item.payloads.items():
            check_payload(payload_hash, payload)
            total += len(payload)
    if total > MAX_BATCH_BYTES:
        raise EntryTooLargeError(
            f"a batch of {len(batch)} entries has {total} bytes; at most {MAX_BATCH_BYTES} are allowed in one append"
        )
    return total


def check_payload(payload_hash: bytes, payload: bytes) -> None:
    """Refuse a payload that no engine takes.

    Raises:
        EntryTooLargeError: The payload is above ``MAX_PAYLOAD_BYTES``.
        StoreError: The hash is not 1 to ``MAX_HASH_BYTES`` long.
    """
    if not 0 < len(payload_hash) <= MAX_HASH_BYTES:
        raise StoreError(f"a payload's hash has {len(payload_hash)} bytes; expected 1 to {MAX_HASH_BYTES}")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise EntryTooLargeError(
            f"payload {payload_hash.hex()} has {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are allowed:"
            " keep large files outside of the job"
        )


def check_checkpoint_head(head: CheckpointHead) -> None:
    """Refuse a head that cannot describe a checkpoint.

    Raises:
        StoreError: A field has the wrong length or sign, or the head is stored already.
    """
    if len(head.chain) != CHAIN_BYTES or len(head.digest) != DIGEST_BYTES:
        raise StoreError(
            f"checkpoint of revision {head.revision}: chain and digest have {len(head.chain)} and {len(head.digest)}"
            f" bytes; expected {CHAIN_BYTES} and {DIGEST_BYTES}"
        )
    if head.checkpoint_id != UNSTORED:
        raise StoreError(f"checkpoint {head.checkpoint_id} is stored already; a new one has no id")
    if min(head.revision, head.cursor, head.chunk_count, head.byte_count) < 0:
        raise StoreError(f"checkpoint of revision {head.revision}: a number in its head is negative")


def check_chunk(head: CheckpointHead, index: int, chunk: bytes) -> None:
    """Refuse a chunk that no engine takes.

    Raises:
        EntryTooLargeError: The chunk is above ``MAX_CHUNK_BYTES``.
    """
    if len(chunk) > MAX_CHUNK_BYTES:
        raise EntryTooLargeError(
            f"chunk {index} of the checkpoint of revision {head.revision} has {len(chunk)} bytes;"
            f" at most {MAX_CHUNK_BYTES} are allowed"
        )


def check_chunk_totals(head: CheckpointHead, chunk_count: int, byte_count: int) -> None:
    """Refuse chunks that are not what the head says.

    Raises:
        StoreError: Their number or length differs.
    """
    if (chunk_count, byte_count) != (head.chunk_count, head.byte_count):
        raise StoreError(
            f"checkpoint of revision {head.revision}: {chunk_count} chunks of {byte_count} bytes were given, its head"
            f" says {head.chunk_count} of {head.byte_count}; nothing was kept"
        )


def describe_truncated(after: Cursor, first: Cursor) -> str:
    """Word the refusal to read below what is kept."""
    return (
        f"the log is truncated up to cursor {first}: entries after {after} are not all kept; the oldest that can be"
        f" read follow cursor {first}: load the newest checkpoint and go on from there"
    )


def describe_lost(cursor: Cursor, head: Cursor) -> str:
    """Word the discovery that the log ends elsewhere than it must."""
    return (
        f"the log's head is {head}, and entries up to {cursor} are known: acknowledged entries are lost, or the cursor"
        " is of another store; keep a copy of the cell's folder, and restore a backup with `omega store restore`"
    )
