"""Satisfies what the lower rooms ask for with what the others have: the one place where they meet.

Schedulers declare a `Port` onto a cell, and get a replica and a store; simulated machines are a pure `Fleet`, and get
a link. The agent's own connector is `agent_link`, the controllers' shell is in `server.keeping`.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from omegacell.agent.drivers.simulated import Fleet
from omegacell.agent.link import Connector, Link, LinkLostError
from omegacell.agent.messages import Heartbeat, MachineOffer, Registered, Rejected, Up
from omegacell.agent.stamps import boot_us, wall_us
from omegacell.core.cell import Cell
from omegacell.core.commands import NO_CHAIN, Transaction
from omegacell.core.deltas import Delta
from omegacell.core.outcomes import Outcome
from omegacell.store.codec import to_append
from omegacell.store.log import Store
from omegacell.store.replica import Replica

RETRY_S: Final = 1.0
SIMULATED_DRIVER: Final = "simulated"


class ReplicaPort:
    """A scheduler's port: a private copy of the cell that follows a store; see `omegacell.schedulers.runner.Port`.

    Args:
        store: The cell's; not closed here.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replica = Replica(store)
        self._gathered: Delta | None = None

    @property
    def cell(self) -> Cell:
        """The copy as last folded; another object when it had to be replaced."""
        return self._replica.cell

    def catch_up(self) -> Delta:
        """Fold everything up to the head of the log; return what was touched since the last call."""
        folded = self._replica.catch_up()
        delta = folded.delta if self._gathered is None else join_deltas(self._gathered, folded.delta)
        self._gathered = None
        return delta

    def append(self, transactions: Sequence[Transaction]) -> Sequence[Outcome | None]:
        """Append one entry, fold up to it, and return the outcomes in order; None for one nobody remembers."""
        replica = self._replica
        chain = replica.chain_at(transactions[0].seen) or NO_CHAIN
        entry = to_append([replace(transaction, seen_chain=chain) for transaction in transactions])
        [cursor] = self._store.append([entry])
        outcomes: list[Outcome] = []
        while replica.cursor < cursor:
            folded = replica.catch_up()
            outcomes += [one.outcome for one in folded.applied if one.cursor == cursor]
            self._gathered = folded.delta if self._gathered is None else join_deltas(self._gathered, folded.delta)
        if len(outcomes) == len(transactions):
            return outcomes
        return [replica.cell.outcome_of(transaction.session, transaction.seq) for transaction in transactions]

    def wait(self, timeout_us: int) -> None:
        """Return when the log has grown, when the time is over, or when the store is woken."""
        self._store.wait(self._replica.cursor, timeout_us / 1e6)


def join_deltas(first: Delta, second: Delta) -> Delta:
    """Return what was touched by either of two, the first's jobs before the second's."""
    return Delta(
        jobs=tuple(dict.fromkeys((*first.jobs, *second.jobs))),
        reshaped=first.reshaped | second.reshaped,
        tasks=np.union1d(first.tasks, second.tasks),
        machines=np.union1d(first.machines, second.machines),
        is_sessions_changed=first.is_sessions_changed or second.is_sessions_changed,
        is_ticked=first.is_ticked or second.is_ticked,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetShape:
    """Simulated machines, all alike.

    Attributes:
        count: how many.
        prefix: what their names begin with; a number follows.
        capacity: what each offers, ``(resources,)`` base units.
    """

    count: int
    prefix: str = "sim"
    capacity: tuple[int, ...] = (16_000, 64 << 30, 1 << 40)


def make_fleet(shape: FleetShape, state: Path) -> Fleet:
    """Return simulated machines; their boot identity is kept in ``state``, so that a restart finds them again."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = state / "boot-id"
    if not path.exists():
        path.write_text(secrets.token_hex(16), encoding="ascii")
    boot_id = path.read_text(encoding="ascii")
    width = max(4, len(str(shape.count - 1)))
    offers = [
        MachineOffer(
            name=f"{shape.prefix}-{number:0{width}}",
            boot_id=boot_id,
            capacity=shape.capacity,
            attributes=(("simulated", "true"),),
            drivers=(SIMULATED_DRIVER,),
        )
        for number in range(shape.count)
    ]
    return Fleet(offers)


async def run_fleet(fleet: Fleet, connector: Connector, *, stop: asyncio.Event) -> None:
    """Play simulated machines over one link, and over another when it breaks, until ``stop`` is set."""
    playing = asyncio.create_task(_play(fleet, connector))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((playing, stopping), return_when=asyncio.FIRST_COMPLETED)
    for task in (playing, stopping):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await playing


async def _play(fleet: Fleet, connector: Connector) -> None:
    while True:
        with contextlib.suppress(LinkLostError):
            link = await connector.connect()
            try:
                async with asyncio.TaskGroup() as group:
                    _FleetSession(fleet, link, group)
            except* LinkLostError:
                fleet.on_closed()
            finally:
                await link.close()
        # A group that fails while it is being cancelled raises only its errors (until Python 3.13).
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise asyncio.CancelledError
        for _ in range(10):  # tasks go on without a link
            fleet.on_time(wall_us(), boot_us())
            await asyncio.sleep(RETRY_S / 10)


class _FleetSession:
    """One link of a fleet."""

    def __init__(self, fleet: Fleet, link: Link, group: asyncio.TaskGroup) -> None:
        self._fleet = fleet
        self._link = link
        self._group = group
        self._queue: asyncio.Queue[Up] = asyncio.Queue()
        self._is_due_changed = asyncio.Event()
        self._heartbeat_s = 0.0
        for task in (self._send(), self._receive(), self._keep_time()):
            group.create_task(task)
        self._say(fleet.on_open)

    def _say(self, step: Callable[[], list[Up]]) -> None:
        for message in step():
            self._queue.put_nowait(message)
        self._is_due_changed.set()

    async def _send(self) -> None:
        while True:
            await self._link.send(await self._queue.get())

    async def _receive(self) -> None:
        async for message in self._link.receive():
            if isinstance(message, Registered) and not self._heartbeat_s:
                self._heartbeat_s = message.heartbeat_us / 1e6
                self._group.create_task(self._beat())
            if isinstance(message, Rejected):
                self._group.create_task(self._register_again(message.names))
            self._say(lambda message=message: self._fleet.on_message(message, wall_us()))  # type: ignore[misc]
        raise LinkLostError("the other end closed the link")

    async def _register_again(self, names: tuple[str, ...]) -> None:
        await asyncio.sleep(RETRY_S)
        self._say(lambda: self._fleet.switch_on(names))

    async def _beat(self) -> None:
        while True:
            self._queue.put_nowait(Heartbeat(sent_boot_us=boot_us(), missing=self._fleet.missing_rows()))
            await asyncio.sleep(self._heartbeat_s)

    async def _keep_time(self) -> None:
        """Step the fleet when its next task ends."""
        while True:
            self._is_due_changed.clear()
            due_us = self._fleet.next_time_us()
            wait_s = RETRY_S if due_us is None else min(RETRY_S, max(0.0, (due_us - wall_us()) / 1e6))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_due_changed.wait(), wait_s)
            due_us = self._fleet.next_time_us()
            if due_us is not None and due_us <= wall_us():
                self._say(lambda: self._fleet.on_time(wall_us(), boot_us()))
                self._is_due_changed.clear()
            await asyncio.sleep(0)


def monotonic_us() -> int:
    """Return microseconds on a clock that never goes back."""
    return time.monotonic_ns() // 1_000
