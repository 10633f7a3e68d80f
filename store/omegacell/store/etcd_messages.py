"""Translates the engine's plain values to etcd's messages, and answers back.

The message classes are given by the caller: only ``etcd`` knows the package that they come from.
"""

from collections.abc import Sequence
from typing import Any, Final, assert_never

from google.protobuf.unknown_fields import UnknownFieldSet

from omegacell.store.etcd_wire import (
    Absent,
    Answer,
    Condition,
    Delete,
    Found,
    Get,
    HasValue,
    KeyValue,
    Operation,
    Present,
    Put,
    PutNew,
    Unchanged,
)

# StatusResponse.dbSizeInUse, since etcd 3.4: the package's messages are older.
USED_BYTES_FIELD: Final = 9


def txn_request(
    messages: Any,
    then: Sequence[Operation],
    *,
    when: Sequence[Condition] = (),
    otherwise: Sequence[Operation] = (),
) -> Any:
    """Return the message of a transaction."""
    return messages.TxnRequest(
        compare=[_compare(messages, each) for each in when],
        success=[_operation(messages, each) for each in then],
        failure=[_operation(messages, each) for each in otherwise],
    )


def read_answer(response: Any) -> Answer:
    """Return what a transaction's message says."""
    return Answer(
        is_met=response.succeeded,
        revision=response.header.revision,
        found=tuple(_read_found(each) for each in response.responses),
    )


def read_used_bytes(response: Any) -> int | None:
    """Return what etcd says that it uses of its database; None when it is too old to say."""
    fields = UnknownFieldSet(response)
    for field in (fields[place] for place in range(len(fields))):
        if field.field_number == USED_BYTES_FIELD:
            return int(field.data)
    return None


def range_request(messages: Any, get: Get, *, revision: int = 0) -> Any:
    """Return the message of a read, as of a revision; 0 for now."""
    return messages.RangeRequest(
        key=get.key,
        range_end=get.end or b"",
        limit=get.limit,
        revision=revision,
        keys_only=not get.has_values and not get.is_count,
        count_only=get.is_count,
    )


def read_range(found: Any) -> Found:
    """Return what a read's message says."""
    items = tuple(KeyValue(each.key, each.value, each.mod_revision, each.lease) for each in found.kvs)
    return Found(items, found.count, found.more)


def _read_found(response: Any) -> Found:
    kind = response.WhichOneof("response")
    if kind == "response_range":
        return read_range(response.response_range)
    if kind == "response_delete_range":
        return Found(count=response.response_delete_range.deleted)
    return Found()


def _compare(messages: Any, condition: Condition) -> Any:
    compare = messages.Compare
    match condition:
        case Absent(key):
            return compare(result=compare.EQUAL, target=compare.CREATE, key=key, create_revision=0)
        case Present(key):
            return compare(result=compare.GREATER, target=compare.CREATE, key=key, create_revision=0)
        case Unchanged(key, mod_revision):
            return compare(result=compare.EQUAL, target=compare.MOD, key=key, mod_revision=mod_revision)
        case HasValue(key, value):
            return compare(result=compare.EQUAL, target=compare.VALUE, key=key, value=value)
        case _:
            assert_never(condition)


def _operation(messages: Any, operation: Operation) -> Any:
    match operation:
        case Get():
            return messages.RequestOp(request_range=range_request(messages, operation))
        case Put(key, value, lease):
            return messages.RequestOp(request_put=messages.PutRequest(key=key, value=value, lease=lease))
        case PutNew(key, value):
            return messages.RequestOp(request_txn=txn_request(messages, [Put(key, value)], when=[Absent(key)]))
        case Delete(key, end):
            return messages.RequestOp(request_delete_range=messages.DeleteRangeRequest(key=key, range_end=end or b""))
        case _:
            assert_never(operation)
