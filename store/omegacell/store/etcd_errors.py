"""Says what etcd's failures mean: which may pass, and what a person can do about the others."""

import re
from dataclasses import dataclass
from typing import Final

from omegacell.core.errors import (
    StoreCorruptError,
    StoreDeniedError,
    StoreError,
    StoreFullError,
    StoreIOError,
    StoreUnreachableError,
    StoreUnsupportedError,
)
from omegacell.store.etcd_address import EtcdAddress
from omegacell.store.etcd_wire import CompactedError

LEASE_GONE: Final = "requested lease not found"
COMPACTED: Final = "required revision has been compacted"
NO_SPACE: Final = "database space exceeded"
_CONNECTING: Final = re.compile(r"^failed to connect to all addresses; last error: \w+: (?:ipv[46]:)?")
NO_LEADER: Final = ("no leader", "leader changed")


@dataclass(frozen=True, slots=True)
class EtcdFailure:
    """A call that failed: gRPC's name for it, and etcd's words."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about a failure.

    Attributes:
        may_pass: Another endpoint, or the same a moment later, may do it.
        is_login: A new token may do it.
    """

    may_pass: bool = False
    is_login: bool = False


def find_remedy(failure: EtcdFailure) -> Remedy:
    """Return what to do about a failure.

    >>> find_remedy(EtcdFailure("UNAVAILABLE", "etcdserver: no leader")).may_pass
    True
    >>> find_remedy(EtcdFailure("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded")).may_pass
    False
    """
    match failure.code:
        case "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "ABORTED" | "CANCELLED" | "INTERNAL" | "UNKNOWN":
            return Remedy(may_pass=True)
        case "RESOURCE_EXHAUSTED":
            return Remedy(may_pass=NO_SPACE not in failure.words)
        case "UNAUTHENTICATED":
            return Remedy(may_pass=True, is_login=True)
        case "INVALID_ARGUMENT" if "auth store is old" in failure.words or "user name is empty" in failure.words:
            return Remedy(may_pass=True, is_login=True)
        case _:
            return Remedy()


def explain(failure: EtcdFailure, address: EtcdAddress) -> Exception:
    """Return the error that says what happened, and what to do."""
    words = _cause_of(failure.words)
    if COMPACTED in words:
        return CompactedError(words)
    if LEASE_GONE in words:
        return KeyError(words)
    return _store_error(failure, words, address)


def _cause_of(words: str) -> str:
    """Return what a person wants to know of etcd's words, and of gRPC's about a connection that does not come about.

    >>> _cause_of("failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to \
remote host: Connection refused")
    '127.0.0.1:1: Failed to connect to remote host: Connection refused'
    >>> _cause_of("errors resolving far:7: [field:hostname lookup error:address lookup failed]")
    'far:7: there is no such host'
    >>> _cause_of("etcdserver: no leader")
    'no leader'
    """
    words = words.removeprefix("etcdserver: ")
    if words.startswith("errors resolving "):
        return f"{words.removeprefix('errors resolving ').partition(': ')[0]}: there is no such host"
    return _CONNECTING.sub("", words)


def _store_error(failure: EtcdFailure, words: str, address: EtcdAddress) -> StoreError:
    name = address.name
    match failure.code:
        case "RESOURCE_EXHAUSTED" if NO_SPACE in words:
            return StoreFullError(
                f"{name}: etcd's space quota is used up (NOSPACE): compact and defragment every member, or raise"
                " --quota-backend-bytes, then `etcdctl alarm disarm`; nothing acknowledged is lost"
            )
        case "UNAUTHENTICATED" | "PERMISSION_DENIED" | "INVALID_ARGUMENT" if _is_denial(words):
            who = f"user {address.user!r}" if address.user else "no user (the URL names none)"
            return StoreDeniedError(f"{name}: etcd refused {who}: {words}; check user, password and role")
        case "FAILED_PRECONDITION" if "authentication is not enabled" in words:
            return StoreDeniedError(f"{name}: the URL names user {address.user!r}, but etcd's authentication is off")
        case "DATA_LOSS":
            return StoreCorruptError(f"{name}: etcd says that its data is corrupt: {words}; restore a snapshot")
        case "UNIMPLEMENTED":
            return StoreUnsupportedError(f"{name}: this is no etcd 3.4 or later: {words}")
        case "UNAVAILABLE" | "DEADLINE_EXCEEDED" if any(each in words for each in NO_LEADER):
            return StoreUnreachableError(
                f"{name}: etcd has no leader ({words}): more than half of its members must be up and reach each other"
            )
        case "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "UNAUTHENTICATED":
            return StoreUnreachableError(
                f"{name}: no endpoint answered for {address.patience_s:g} s ({words}): check the endpoints, that etcd"
                " runs, and TLS on both sides"
            )
        case _:
            return StoreIOError(f"{name}: etcd failed: {failure.code}: {words}")


def _is_denial(words: str) -> bool:
    return any(each in words for each in ("authentication failed", "permission denied", "auth", "user name is empty"))
