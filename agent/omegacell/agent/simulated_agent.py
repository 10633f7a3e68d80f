"""The shell of `drivers.simulated`: one link and one timer for all machines of a fleet."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Final

from omegacell.agent.drivers.simulated import DRIVER_NAME, Fleet
from omegacell.agent.link import Connector
from omegacell.agent.messages import Down, LogChunk, LogRequest, MachineOffer, Rejected, Up
from omegacell.agent.stamps import boot_us, wall_us
from omegacell.agent.uplink import Uplink
from omegacell.core.devices import DeviceOffer

_FENCE_CHECK_S: Final = 1.0
_ASK_AGAIN_S: Final = 1.0
RACK_SIZE: Final = 10
ZONES: Final = ("a", "b", "c")


def make_offers(
    count: int,
    *,
    prefix: str,
    capacity: tuple[int, ...],
    boot_id: str | None = None,
    attributes: Sequence[tuple[str, str]] = (("simulated", "true"),),
) -> list[MachineOffer]:
    """Return offers of ``count`` equal machines named ``<prefix>-0001`` and so on, of one boot.

    They stand in racks of ten (``r1``, ``r2``, ...) and in turn in the zones ``a``, ``b`` and ``c``, so that there is
    something to spread over; ``attributes`` are added, and may say otherwise.

    >>> make_offers(2, prefix="sim", capacity=(4000, 8 << 30, 0))[1].name
    'sim-0002'
    """
    boot = str(uuid.uuid4()) if boot_id is None else boot_id
    width = max(4, len(str(count)))
    return [
        MachineOffer(
            name=f"{prefix}-{number:0{width}}",
            boot_id=boot,
            capacity=capacity,
            attributes=tuple(sorted({**_place_of(number), **dict(attributes)}.items())),
            drivers=(DRIVER_NAME,),
        )
        for number in range(1, count + 1)
    ]


def _place_of(number: int) -> dict[str, str]:
    return {"rack": f"r{(number - 1) // RACK_SIZE + 1}", "zone": ZONES[(number - 1) % len(ZONES)]}


def add_devices(offers: Sequence[MachineOffer], devices: Sequence[tuple[int, DeviceOffer]]) -> list[MachineOffer]:
    """Return machines with devices, each on so many of them, from the first on.

    >>> machines = make_offers(2, prefix="sim", capacity=(4000, 8 << 30, 0))
    >>> [len(machine.devices) for machine in add_devices(machines, [(1, DeviceOffer(name="gpu", count=4))])]
    [1, 0]
    """
    named = sorted(devices, key=lambda pair: pair[1].name)
    return [
        replace(offer, devices=tuple(device for last, device in named if place < last))
        for place, offer in enumerate(offers)
    ]


class SimulatedAgent:
    """Play a fleet over one link; `run` it until `stop`.

    Args:
        offers: the machines.
        connector: opens links to the API.
    """

    def __init__(self, offers: Sequence[MachineOffer], connector: Connector) -> None:
        self._fleet = Fleet(offers)
        self._uplink = Uplink(connector, self, self._read_logs, self._fleet.missing_rows)
        self._stopped = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def running_count(self) -> int:
        """How many tasks run on all machines."""
        return self._fleet.running_count

    def stop(self) -> None:
        """Make `run` return."""
        self._stopped.set()

    def switch_off(self, names: Iterable[str]) -> None:
        """Let machines vanish, as a power failure would."""
        self._fleet.switch_off(names)

    def switch_on(self, names: Sequence[str]) -> None:
        """Let machines come back, empty."""
        self._send(self._fleet.switch_on(names))

    async def run(self) -> None:
        """Be these machines until `stop`."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._uplink.run()), group.create_task(self._keep_time())]
            await self._stopped.wait()
            for task in tasks:
                task.cancel()

    def on_open(self) -> None:
        """Register the machines on an open link."""
        self._send(self._fleet.on_open())

    def on_closed(self) -> None:
        """Take note of a lost link."""
        self._fleet.on_closed()

    def on_message(self, message: Down) -> None:
        """Take a message from the API; machines that were rejected ask again a little later."""
        if isinstance(message, Rejected):
            asyncio.get_running_loop().call_later(_ASK_AGAIN_S, self.switch_on, message.names)
        self._send(self._fleet.on_message(message, wall_us()))
        self._changed.set()

    def _send(self, messages: Sequence[Up]) -> None:
        for message in messages:
            self._uplink.send(message)

    async def _keep_time(self) -> None:
        while True:
            self._send(self._fleet.on_time(wall_us(), boot_us()))
            at_us = self._fleet.next_time_us()
            wait_s = _FENCE_CHECK_S if at_us is None else min(max(at_us - wall_us(), 0) / 1e6, _FENCE_CHECK_S)
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _read_logs(self, request: LogRequest) -> AsyncIterator[LogChunk]:
        error = "a simulated task has no output"
        yield LogChunk(request_id=request.request_id, offset=0, data=b"", is_last=True, error=error)


async def run_simulated(offers: Sequence[MachineOffer], connector: Connector) -> None:
    """Play machines until SIGTERM or SIGINT."""
    agent = SimulatedAgent(offers, connector)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    await agent.run()
