"""Encodes the entries of the log, and refuses whatever is not exactly what it encodes.

Rules:
    An entry holds transactions of one session, with consecutive numbers; at least one, at most 1 MiB.
    Every entry has one encoding. Bytes that decode to something which would be encoded otherwise are malformed:
    unknown fields and values, fields out of order, padding, a field given twice (proto3 would take them all).
    Two forms, two translators: the core's dataclasses and the proto's messages (`codec_commands`, `codec_jobs`).

What values may be is the business of ``omegacell.core.validate``; what they do, of ``omegacell.core.apply``.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.message import DecodeError, EncodeError

from omegacell.core.commands import Genesis, Transaction
from omegacell.core.errors import EntryTooLargeError, MalformedError
from omegacell.core.units import (
    FORMAT,
    MAX_ENTRY_BYTES,
    RESOURCE_NAMES,
    RULES,
    SECOND_US,
    SESSION_TTL_US,
    TICK_PERIOD_US,
    Atomicity,
    Detection,
    Revision,
    SessionId,
)
from omegacell.core.validate import check_transaction
from omegacell.store.codec_columns import EnumTable
from omegacell.store.codec_commands import READERS, WRITERS
from omegacell.store.log import CHAIN_BYTES, Append
from omegacell.store.proto import log_v1_pb2 as pb

GENESIS_SESSION: Final = SessionId(1)
"""The session of the genesis transaction; the cell does not remember it."""

FORGET_AFTER_US: Final = 3_600 * SECOND_US
"""How long, by default, an ended job stays in the cell."""

_DETECTIONS = EnumTable(Detection, pb.Detection, "DETECTION")
_ATOMICITIES = EnumTable(Atomicity, pb.Atomicity, "ATOMICITY")


def encode_entry(transactions: Sequence[Transaction]) -> bytes:
    """Return the entry that holds ``transactions``. Cost: O(bytes).

    Their ``position`` is not stored; decoding counts it.

    Raises:
        MalformedError: There are none, they are not consecutive ones of one session, or a value does not fit the
            format.
        EntryTooLargeError: The entry is above the limit that holds in every engine.
    """
    if not transactions:
        raise MalformedError("an entry of no transactions; expected at least one")
    try:
        entry = pb.Entry()
        entry.session = transactions[0].session
        entry.first_seq = first_seq = transactions[0].seq
        for position, transaction in enumerate(transactions):
            if transaction.session != transactions[0].session or transaction.seq != first_seq + position:
                raise MalformedError(
                    f"transaction {position} of an entry is ({transaction.session}, {transaction.seq});"
                    f" expected ({transactions[0].session}, {first_seq + position}): one session, consecutive"
                )
            _write_transaction(entry.transactions.add(), transaction)
        data = entry.SerializeToString(deterministic=True)
    except (TypeError, ValueError, OverflowError, EncodeError) as error:
        raise MalformedError(f"a value that the format does not hold: {error}") from error
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryTooLargeError(
            f"an entry of {len(transactions)} transactions has {len(data)} bytes; at most {MAX_ENTRY_BYTES} are"
            " allowed: split the job over several entries, a gang into smaller ones"
        )
    return data


def decode_entry(data: bytes) -> tuple[Transaction, ...]:
    """Return the transactions of an entry, each with its position. Cost: O(bytes); columns are not copied.

    Raises:
        MalformedError: ``data`` is not exactly what `encode_entry` writes.
    """
    if not 0 < len(data) <= MAX_ENTRY_BYTES:
        raise MalformedError(f"an entry has {len(data)} bytes; expected 1 to {MAX_ENTRY_BYTES}")
    try:
        entry = pb.Entry.FromString(data)
    except DecodeError as error:
        raise MalformedError(f"an entry of {len(data)} bytes cannot be decoded: {error}") from error
    # Unknown fields survive parsing and would be written again, so they go first.
    entry.DiscardUnknownFields()
    if entry.SerializeToString(deterministic=True) != data:
        raise MalformedError(f"an entry of {len(data)} bytes is not encoded in the one way that the format allows")
    if not entry.transactions:
        raise MalformedError("an entry holds no transaction; expected at least one")
    session = SessionId(entry.session)
    first_seq = entry.first_seq
    return tuple(
        [
            _read_transaction(message, session, first_seq + position, position=position)
            for position, message in enumerate(entry.transactions)
        ]
    )


def to_append(transactions: Sequence[Transaction], payloads: Mapping[bytes, bytes] | None = None) -> Append:
    """Return the encoded entry with what the store needs beside it.

    Raises:
        MalformedError, EntryTooLargeError: As for `encode_entry`.
    """
    entry = encode_entry(transactions)
    first = transactions[0]
    return Append(entry=entry, session=first.session, first_seq=first.seq, payloads=dict(payloads or {}))


def genesis_entry(
    cell: str,
    *,
    incarnation: str,
    at_us: int = 0,
    session_ttl_us: int = SESSION_TTL_US,
    forget_after_us: int = FORGET_AFTER_US,
) -> bytes:
    """Return the first entry of a new cell's log; append it as session `GENESIS_SESSION`, number 1.

    Args:
        cell: The cell's name.
        incarnation: The store's, 32 hex digits.
        at_us: Wall stamp, for people.
        session_ttl_us: Elapsed time after which a silent session may be expired.
        forget_after_us: Elapsed time after which an ended job may be forgotten.

    Raises:
        MalformedError: A value is out of range: a log that began with it would take nothing, ever.
    """
    genesis = Genesis(
        format=FORMAT,
        rules=RULES,
        features=(),
        resource_names=RESOURCE_NAMES,
        cell=cell,
        incarnation=incarnation,
        tick_period_us=TICK_PERIOD_US,
        session_ttl_us=session_ttl_us,
        forget_after_us=forget_after_us,
    )
    transaction = Transaction(
        session=GENESIS_SESSION,
        seq=1,
        seen=Revision(0),
        decided_from_us=at_us,
        decided_to_us=at_us,
        commands=(genesis,),
    )
    check_transaction(transaction)
    return encode_entry((transaction,))


def _write_transaction(message: pb.Transaction, transaction: Transaction) -> None:
    if len(transaction.seen_chain) != CHAIN_BYTES:
        raise MalformedError(f"seen_chain has {len(transaction.seen_chain)} bytes; expected {CHAIN_BYTES}")
    message.seen = transaction.seen
    message.seen_chain = transaction.seen_chain
    message.detection = _DETECTIONS.to_wire(transaction.detection)
    message.atomicity = _ATOMICITIES.to_wire(transaction.atomicity)
    message.decided_from_us = transaction.decided_from_us
    message.decided_to_us = transaction.decided_to_us
    for command in transaction.commands:
        writer = WRITERS.get(type(command))
        if writer is None:
            raise MalformedError(f"{type(command).__name__} is no command")
        writer(message.commands.add(), command)


def _read_transaction(message: pb.Transaction, session: SessionId, seq: int, *, position: int) -> Transaction:
    seen_chain = message.seen_chain
    if len(seen_chain) != CHAIN_BYTES:
        raise MalformedError(f"seen_chain has {len(seen_chain)} bytes; expected {CHAIN_BYTES}")
    commands = []
    for command in message.commands:
        kind = command.WhichOneof("kind")
        if kind is None:
            raise MalformedError("a command of no kind that this version knows")
        commands.append(READERS[kind](command))
    return Transaction(
        session=session,
        seq=seq,
        seen=Revision(message.seen),
        seen_chain=seen_chain,
        detection=_DETECTIONS.from_wire(message.detection),
        atomicity=_ATOMICITIES.from_wire(message.atomicity),
        decided_from_us=message.decided_from_us,
        decided_to_us=message.decided_to_us,
        commands=tuple(commands),
        position=position,
    )
