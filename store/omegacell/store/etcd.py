"""The engine for several machines: a store in etcd. Here is the connection; `EtcdStore` does the rest.

Only this module uses the `etcd3` package: its endpoints, which make the channels, and the messages and stubs of etcd's
API. Its client and its watcher are not used: that client forgets an endpoint for minutes after one failure and never
renews its token, and that watcher drops what it watched when the connection breaks
(docs/decisions/0002-cslab-etcd3.md).

Rules:
    A call tries every endpoint in turn until its patience ends. What may be sent twice is the engine's business.
    Messages may be as large as etcd makes them: gRPC's own limit of 4 MiB ends a watch of large entries for ever.
    Every answer names the cluster; one of another cluster is refused.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, Final

import etcd3
import grpc
from etcd3 import etcdrpc

from omegacell.core.errors import ClosedError, StoreFullError, StoreLockedError, StoreReplacedError, UsageError
from omegacell.store.etcd_address import EtcdAddress
from omegacell.store.etcd_errors import EtcdFailure, explain, find_remedy
from omegacell.store.etcd_messages import range_request, read_answer, read_range, read_used_bytes, txn_request
from omegacell.store.etcd_store import EtcdStore
from omegacell.store.etcd_wire import (
    Answer,
    CompactedError,
    Condition,
    Found,
    Get,
    KeyValue,
    Operation,
    Status,
    WatchBrokenError,
)

__all__ = ["EtcdConnection", "EtcdStore", "EtcdWatching"]

# The first attempt on one endpoint: a request that a dying leader swallowed must not use up the whole patience. Each
# that runs out doubles the next, for a disk may just be slow.
FIRST_ATTEMPT_S: Final = 1.5
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 0.5
CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_retries", 0),
    # each connection its own: a handle that is closed must leave nothing behind
    ("grpc.use_local_subchannel_pool", 1),
)
# A member without a leader says so at once instead of when the deadline passes.
NEEDS_LEADER: Final = (("hasleader", "true"),)
JOIN_S: Final = 5.0
MAX_READS: Final = 8


class EtcdWatching:
    """Implements ``Watching``."""

    def __init__(
        self, stub: Any, request: Any, metadata: tuple[tuple[str, str], ...], fail: Callable[[], None]
    ) -> None:
        self._requests: SimpleQueue[Any] = SimpleQueue()
        self._requests.put(request)
        self._threads: list[threading.Thread] = []
        self._is_sending = threading.Event()
        self._is_done = threading.Event()
        self._fail = fail
        self._call = stub.Watch(self._send(), metadata=metadata)
        self._call.add_done_callback(self._note_done)

    def _note_done(self, _: object) -> None:
        """Called by the thread that gRPC keeps for the channel."""
        self._threads.append(threading.current_thread())
        self._is_done.set()

    def _send(self) -> Iterator[Any]:
        """Iterated by the thread that gRPC keeps for the requests."""
        self._threads.append(threading.current_thread())
        self._is_sending.set()
        while (request := self._requests.get()) is not None:
            yield request

    def __iter__(self) -> Iterator[Sequence[KeyValue]]:
        """Yield what was written, in order; see ``Watching``."""
        try:
            for response in self._call:
                if response.compact_revision:
                    raise CompactedError(f"etcd compacted up to revision {response.compact_revision}")
                if response.canceled:
                    raise WatchBrokenError("etcd ended the watch")
                yield [
                    KeyValue(event.kv.key, event.kv.value, event.kv.mod_revision, event.kv.lease)
                    for event in response.events
                    if event.type == event.PUT
                ]
        except grpc.RpcError as error:
            self._fail()
            raise WatchBrokenError(_failure_of(error).words) from error
        raise WatchBrokenError("the connection was closed")

    def close(self) -> None:
        """End it; may be called from any thread."""
        self._call.cancel()
        self._requests.put(None)

    def join(self) -> None:
        """Return once the threads that gRPC keeps for it are gone."""
        deadline = time.monotonic() + JOIN_S
        for event in (self._is_sending, self._is_done):
            event.wait(max(0.0, deadline - time.monotonic()))
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))


class EtcdConnection:
    """Implements ``Connection`` with the `etcd3` package.

    Args:
        address: Where etcd is.

    Raises:
        StoreError: No endpoint answers, or none lets us in.
    """

    def __init__(self, address: EtcdAddress) -> None:
        self._address = address
        credentials = _credentials(address)
        self._endpoints = [
            etcd3.Endpoint(host, port, secure=address.is_encrypted, creds=credentials, opts=CHANNEL_OPTIONS)
            for host, port in address.endpoints
        ]
        self._mutex = threading.Lock()
        self._in_use = 0
        self._token: str | None = None
        self._cluster = 0
        self._is_closed = False
        try:
            self.status()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """Endpoints and prefix."""
        return self._address.name

    @property
    def cluster(self) -> str:
        """The cluster's id."""
        return f"{self._cluster:x}"

    @property
    def patience_s(self) -> float:
        """How long a call tries."""
        return self._address.patience_s

    def commit(
        self,
        then: Sequence[Operation],
        *,
        when: Sequence[Condition] = (),
        otherwise: Sequence[Operation] = (),
    ) -> Answer:
        """Do ``then`` in one transaction when all conditions hold, else ``otherwise``."""
        gets = [each for each in then if isinstance(each, Get)]
        is_reading = len(gets) == len(then) and not when
        if is_reading and len(gets) == 1:
            return self._read(gets)
        request = txn_request(etcdrpc, then, when=when, otherwise=otherwise)
        try:
            return read_answer(self._call(lambda channel: etcdrpc.KVStub(channel).Txn, request))
        except StoreFullError:
            # A full etcd refuses every transaction, also one that only reads; plain reads it answers.
            if not is_reading or not gets:
                raise
            return self._read(gets)

    def _read(self, gets: Sequence[Get]) -> Answer:
        """Read one after the other, all as of the revision of the first."""
        for _ in range(MAX_READS):
            revision = 0
            found: list[Found] = []
            try:
                for get in gets:
                    request = range_request(etcdrpc, get, revision=revision)
                    response = self._call(lambda channel: etcdrpc.KVStub(channel).Range, request)
                    revision = revision or response.header.revision
                    found.append(read_range(response))
            except CompactedError:
                continue
            return Answer(True, revision, tuple(found))
        raise StoreLockedError(f"{self.name}: others compact etcd all the time; try again")

    def compact(self, revision: int) -> None:
        """Let etcd forget what was superseded or deleted before ``revision``; done already is done."""
        request = etcdrpc.CompactionRequest(revision=revision)
        try:
            self._call(lambda channel: etcdrpc.KVStub(channel).Compact, request)
        except CompactedError:
            return

    def grant(self, ttl_s: int) -> int:
        """Return a lease."""
        request = etcdrpc.LeaseGrantRequest(TTL=ttl_s)
        return int(self._call(lambda channel: etcdrpc.LeaseStub(channel).LeaseGrant, request).ID)

    def revoke(self, lease: int) -> None:
        """End a lease; one that ended stays so."""
        request = etcdrpc.LeaseRevokeRequest(ID=lease)
        try:
            self._call(lambda channel: etcdrpc.LeaseStub(channel).LeaseRevoke, request)
        except KeyError:
            return

    def status(self) -> Status:
        """Ask the member in use how it is."""
        response = self._call(lambda channel: etcdrpc.MaintenanceStub(channel).Status, etcdrpc.StatusRequest())
        used = read_used_bytes(response)
        return Status(
            version=response.version,
            byte_count=response.dbSize,
            used_byte_count=response.dbSize if used is None else used,
        )

    def watch(self, key: bytes, end: bytes, *, start: int) -> EtcdWatching:
        """Watch a range from revision ``start`` on."""
        create = etcdrpc.WatchCreateRequest(key=key, range_end=end, start_revision=start)
        with self._mutex:
            if self._is_closed:
                raise ClosedError("the store is closed")
            position = self._in_use
            stub = etcdrpc.WatchStub(self._endpoints[position].channel)
            metadata = self._metadata()

        def fail() -> None:
            with self._mutex:
                self._token = None
            self._turn(position)

        if self._address.user is not None and len(metadata) == len(NEEDS_LEADER):
            self.status()  # logs in
            metadata = self._metadata()
        try:
            return EtcdWatching(stub, etcdrpc.WatchRequest(create_request=create), metadata, fail)
        except ValueError as error:  # gRPC's word for a channel that is closed
            raise ClosedError("the store is closed") from error

    def close(self) -> None:
        """Close all channels. Closing twice is allowed."""
        with self._mutex:
            if self._is_closed:
                return
            self._is_closed = True
        for endpoint in self._endpoints:
            endpoint.close()

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = self._token
        return NEEDS_LEADER if token is None else (*NEEDS_LEADER, ("token", token))

    def _turn(self, failed: int) -> None:
        """Use the next endpoint, unless somebody turned already."""
        with self._mutex:
            if self._in_use == failed:
                self._in_use = (failed + 1) % len(self._endpoints)

    def _call(self, method: Callable[[Any], Any], request: Any) -> Any:
        """Call until an endpoint answers or the patience ends."""
        deadline = time.monotonic() + self.patience_s
        pause_s = FIRST_PAUSE_S
        attempts = 0
        attempt_s = FIRST_ATTEMPT_S
        while True:
            if self._is_closed:
                raise ClosedError("the store is closed")
            position = self._in_use
            remaining_s = deadline - time.monotonic()
            try:
                return self._attempt(position, method, request, max(0.05, min(attempt_s, remaining_s)))
            except grpc.RpcError as error:
                failure = _failure_of(error)
            except ValueError as error:  # gRPC's word for a channel that is closed
                raise ClosedError("the store is closed") from error
            attempts += 1
            attempt_s *= 2 if failure.code == "DEADLINE_EXCEEDED" else 1
            remedy = find_remedy(failure)
            if remedy.is_login:
                self._token = None
            if not remedy.may_pass or (remedy.is_login and self._address.user is None):
                raise explain(failure, self._address)
            self._turn(position)
            if time.monotonic() + pause_s >= deadline:
                raise explain(failure, self._address)
            if attempts % len(self._endpoints) == 0:
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _attempt(self, position: int, method: Callable[[Any], Any], request: Any, timeout_s: float) -> Any:
        channel = self._endpoints[position].channel
        if self._address.user is not None and self._token is None:
            login = etcdrpc.AuthenticateRequest(name=self._address.user, password=self._address.password)
            self._token = etcdrpc.AuthStub(channel).Authenticate(login, timeout=timeout_s).token
        response = method(channel)(request, timeout=timeout_s, metadata=self._metadata())
        self._check_cluster(response.header.cluster_id)
        return response

    def _check_cluster(self, cluster: int) -> None:
        if not self._cluster:
            self._cluster = cluster
        if cluster != self._cluster:
            raise StoreReplacedError(
                f"{self.name}: an endpoint belongs to etcd cluster {cluster:x}; the store was opened on cluster"
                f" {self._cluster:x}: name endpoints of one cluster, and open it again"
            )


def _credentials(address: EtcdAddress) -> Any:
    if not address.is_encrypted:
        return None
    try:
        ca, certificate, key = (
            None if path is None else path.read_bytes() for path in (address.ca, address.certificate, address.key)
        )
    except OSError as error:
        raise UsageError(f"{address.name}: cannot read {error.filename}: {error.strerror}") from error
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _failure_of(error: Any) -> EtcdFailure:
    return EtcdFailure(code=error.code().name, words=error.details() or error.code().name)
