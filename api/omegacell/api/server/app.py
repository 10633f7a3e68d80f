"""Puts an API server together and runs it: the store's host, the controllers, the services, the metrics.

    settings = ServerSettings(store_url="sqlite:///var/lib/omega/cell.db", token="...")
    await serve(settings)

`serve` returns when ``stop`` is set; an error that the fold cannot survive comes out of it, and the process must end.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from omegacell.api.grpc_errors import MAX_MESSAGE_BYTES
from omegacell.api.metrics import serve_metrics
from omegacell.api.proto.api_v1_pb2_grpc import add_AgentServicer_to_server, add_CellServicer_to_server
from omegacell.api.server.admission import Admission
from omegacell.api.server.agents import HEARTBEAT_US, LEASE_US, SILENT_AFTER_US, AgentDesk, AgentService
from omegacell.api.server.auth import TokenCheck
from omegacell.api.server.host import CellHost
from omegacell.api.server.jobs import JobCalls
from omegacell.api.server.keeping import run_checkpointer, run_keeper, run_releases, run_sweeper
from omegacell.api.server.limits import LimitCalls
from omegacell.api.server.links import Links
from omegacell.api.server.machines import MachineCalls
from omegacell.api.server.overview import OverviewCalls
from omegacell.api.server.planning import PlanningCalls
from omegacell.api.server.service import CellService
from omegacell.api.server.templates import TemplateCalls, run_schedules
from omegacell.api.server.watching import WatchHub
from omegacell.controllers.keeper import Keeper
from omegacell.controllers.schedules import Schedules
from omegacell.core.commands import CloseSession, OpenSession, Reincarnate
from omegacell.core.errors import OmegaError, UsageError
from omegacell.core.jobs import JobSpec
from omegacell.core.units import TICK_PERIOD_US, Role
from omegacell.store.checkpointer import Checkpointer
from omegacell.store.codec import GENESIS_SESSION, genesis_entry
from omegacell.store.log import START, Append, Store
from omegacell.store.proposer import Proposal

_LOG = logging.getLogger(__name__)

STOP_GRACE_S: Final = 1.0
MAX_CONCURRENT_CALLS: Final = 20_000

SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake, not a reinforcement
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What whoever runs an API server decides.

    Attributes:
        token: what every call must carry.
        address: host and port to listen on; port 0 for any.
        author: the name of this server's sessions.
        cell: the name of a cell that begins with this server.
        metrics_address: host and port of the metrics; empty for none.
        own_boot_id: boot of this host, when its agent is kept running by whoever runs this server: its machine has no
            lease and is never given up. Empty: every machine has a lease and may be lost.
    """

    token: str
    address: str = "127.0.0.1:0"
    author: str = "api-0"
    cell: str = "cell"
    metrics_address: str = ""
    own_boot_id: str = ""

    def __post_init__(self) -> None:
        if len(self.token) < 16:
            raise UsageError(f"a token of {len(self.token)} characters; expected at least 16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that listens: where, and its parts, for tests and tools."""

    address: str
    metrics_address: str
    host: CellHost
    desk: AgentDesk


def begin_cell(store: Store, name: str) -> None:
    """Write the genesis of a cell into a store that has none; two that do so at once are harmless."""
    if store.head() == START:
        entry = genesis_entry(name, incarnation=store.incarnation, at_us=time.time_ns() // 1_000)
        store.append([Append(entry=entry, session=GENESIS_SESSION, first_seq=1)])


def draw_token() -> str:
    """Draw a token."""
    return secrets.token_urlsafe(32)


async def serve(
    store: Store, settings: ServerSettings, *, stop: asyncio.Event, on_ready: Callable[[Running], None] | None = None
) -> None:
    """Run an API server over a store until ``stop`` is set; the store is not closed.

    Raises:
        UsageError: The address cannot be listened on.
        DivergedError, InvariantError: The fold cannot go on (in an exception group): the process must stop.
        StoreError: The store cannot be read.
    """
    await asyncio.to_thread(begin_cell, store, settings.cell)
    host = CellHost(store, OpenSession(author=settings.author, role=Role.API))
    keeper = Keeper(
        period_us=TICK_PERIOD_US,
        now_us=time.monotonic_ns() // 1_000,
        silent_after_us=SILENT_AFTER_US,
        own_boot_id=settings.own_boot_id,
    )
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(host.run())]
        if host.replica.is_restored:
            await host.propose(Proposal(commands=(Reincarnate(incarnation=store.incarnation),)))
            _LOG.warning("the cell goes on as incarnation %s, from a restored store", store.incarnation)
        admission = Admission(host)
        links = Links(
            payload_of=_payloads(admission),
            lease_us=LEASE_US,
            heartbeat_us=HEARTBEAT_US,
            own_boot_id=settings.own_boot_id,
        )
        desk = AgentDesk(host, links, keeper.ticker, group)
        overview = OverviewCalls(host, lambda: keeper.waiting_for_operator)
        hub = WatchHub(host.cell)
        host.listeners.append(lambda folded: hub.on_folded(host.cell, folded))
        schedules = Schedules()

        def tell(job: int, index: int, attempt: int) -> str:
            said = desk.text_of(job, index, attempt), overview.recorder.evictions.word(job, index, attempt)
            return ", ".join(filter(None, said))

        jobs = JobCalls(host, admission, hub, tell, TemplateCalls(host, admission, schedules))
        planning = PlanningCalls(host, admission, overview, tell)
        service = CellService(jobs, MachineCalls(host, desk), LimitCalls(host), overview, planning)
        running.append(group.create_task(run_keeper(host, keeper)))
        running.append(group.create_task(run_schedules(host, schedules)))
        running.append(group.create_task(run_releases(host)))
        running.append(group.create_task(run_checkpointer(host, Checkpointer(host.replica))))
        running.append(group.create_task(run_sweeper(host, admission)))
        running.append(group.create_task(_drop_when_cut_off(host, desk)))
        try:
            async with contextlib.AsyncExitStack() as stack:
                address = await stack.enter_async_context(_listening(settings, service, AgentService(desk)))
                metrics = stack.enter_context(serve_metrics(settings.metrics_address, settings.token, host, desk))
                _LOG.info("cell %s: API on %s", host.cell.name, address)
                if on_ready is not None:
                    on_ready(Running(address=address, metrics_address=metrics, host=host, desk=desk))
                await stop.wait()
                desk.drop_all("the API server is stopping")
            for task in running[1:]:
                task.cancel()  # what they propose from now on would come too late
            await _give_back(host)
        finally:
            for task in running:
                task.cancel()


async def _give_back(host: CellHost) -> None:
    """Close the session, as the last thing that is appended; a store that fails now leaves it to be expired."""
    if not host.session.is_known:
        return
    closing = asyncio.create_task(host.propose(Proposal(commands=(CloseSession(),))))
    await asyncio.sleep(0)  # now it stands in the queue
    host.is_closed = True
    try:
        async with asyncio.timeout(STOP_GRACE_S):
            await closing
    except (OmegaError, TimeoutError) as error:
        words = str(error) or f"no answer in {STOP_GRACE_S:g} s"
        _LOG.warning("the session was not closed, and will be expired: %s", words)


@contextlib.asynccontextmanager
async def _listening(settings: ServerSettings, cell: CellService, agents: AgentService) -> AsyncIterator[str]:
    server = grpc.aio.server(
        interceptors=(TokenCheck(settings.token),),
        options=SERVER_OPTIONS,
        maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS,
    )
    add_CellServicer_to_server(cell, server)
    add_AgentServicer_to_server(agents, server)
    checks: Any = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    hostname, _, _ = settings.address.rpartition(":")
    try:
        port = server.add_insecure_port(settings.address)
    except RuntimeError as error:
        raise UsageError(f"cannot listen on {settings.address}: is another server there? ({error})") from error
    await server.start()
    for name in ("", "omegacell.api.v1.Cell", "omegacell.api.v1.Agent"):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield f"{hostname}:{port}"
    finally:
        await checks.enter_graceful_shutdown()
        await server.stop(STOP_GRACE_S)


async def _drop_when_cut_off(host: CellHost, desk: AgentDesk) -> None:
    """Let agents go elsewhere while this server cannot reach the log."""
    was_writing = True
    while True:
        await asyncio.sleep(1.0)
        if was_writing and not host.can_write:
            desk.drop_all("the API server does not reach the cell's log")
        was_writing = host.can_write


def _payloads(admission: Admission) -> Callable[[JobSpec], bytes]:
    """Return a reader of payloads that remembers the last few thousand."""
    known: dict[bytes, bytes] = {}

    def payload_of(spec: JobSpec) -> bytes:
        payload = known.get(spec.payload)
        if payload is None:
            payload = admission.payload_of(spec)
            if payload is None:
                return b""
            while sum(map(len, known.values())) > (32 << 20) or len(known) >= 1_024:
                known.pop(next(iter(known)))
            known[spec.payload] = payload
        return payload

    return payload_of
