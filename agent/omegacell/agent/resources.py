"""What this machine really has, and what an agent therefore offers.

Everything can be overridden by who runs the agent; a reserve is kept back for the system. In a control group with a
memory limit, or on a part of the CPUs, the smaller number counts.
"""

import os
import platform
import re
import shutil
import socket
from dataclasses import dataclass
from typing import Final

import psutil

from omegacell.agent.messages import AttemptKey, HeldState, MachineOffer
from omegacell.agent.supervisor.processes import read_boot_id
from omegacell.core.devices import DeviceOffer
from omegacell.core.errors import UsageError
from omegacell.core.units import MAX_NAME_LENGTH

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """What is kept back for the system and the agent."""

    cpu_milli: int = 0
    memory_bytes: int = 256 << 20
    disk_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What to say instead of what was found; None for what was found.

    Attributes:
        name: of the machine.
        cpu_milli: offered, reserve and all.
        memory_bytes: likewise.
        disk_bytes: likewise.
        attributes: added to those found, or instead of them.
        devices: the devices it has; none are found by themselves.
    """

    name: str | None = None
    cpu_milli: int | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    devices: tuple[DeviceOffer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What an agent offers, but for the attempts it holds.

    Attributes:
        name: of the machine.
        boot_id: of this boot.
        capacity: ``(resources,)`` integers in base units.
        attributes: sorted by name.
        drivers: it offers.
        devices: it has, sorted by name.
    """

    name: str
    boot_id: str
    capacity: tuple[int, ...]
    attributes: tuple[tuple[str, str], ...]
    drivers: tuple[str, ...]
    devices: tuple[DeviceOffer, ...] = ()

    def offer(self, held: dict[AttemptKey, HeldState], incarnation: str) -> MachineOffer:
        """Return the offer to register with; what is held belongs to ``incarnation``."""
        return MachineOffer(
            name=self.name,
            boot_id=self.boot_id,
            capacity=self.capacity,
            attributes=self.attributes,
            drivers=self.drivers,
            devices=self.devices,
            held=tuple(held),
            held_states=tuple(held.values()),
            incarnation=incarnation,
        )


def find_machine(state: str, *, overrides: Overrides, reserve: Reserve, drivers: tuple[str, ...]) -> Machine:
    """Return what this machine offers.

    Args:
        state: folder whose file system the tasks' disk is taken from.
        overrides: what to say instead.
        reserve: what is kept back from what was found.
        drivers: names of the drivers.

    Raises:
        UsageError: an override is impossible, or nothing is left above the reserve.
    """
    cpu_milli = _choose(overrides.cpu_milli, len(os.sched_getaffinity(0)) * 1000 - reserve.cpu_milli, "cpu_milli")
    memory = _choose(overrides.memory_bytes, _find_memory_bytes() - reserve.memory_bytes, "memory_bytes")
    disk = _choose(overrides.disk_bytes, shutil.disk_usage(state).free - reserve.disk_bytes, "disk_bytes")
    attributes = {**_find_attributes(), **dict(overrides.attributes)}
    return Machine(
        name=_choose_name(overrides.name),
        boot_id=read_boot_id(),
        capacity=(cpu_milli, memory, disk),
        attributes=tuple(sorted(attributes.items())),
        drivers=drivers,
        devices=tuple(sorted(overrides.devices, key=lambda device: device.name)),
    )


def _choose(override: int | None, found: int, name: str) -> int:
    value = max(found, 0) if override is None else override
    if value < 0 or (value == 0 and name == "cpu_milli"):
        raise UsageError(f"{name}: {value} cannot be offered, expected a positive number; set it or lower the reserve")
    return value


def _choose_name(override: str | None) -> str:
    if override is None:
        return make_name(socket.gethostname())
    if not _NAME.match(override):
        raise UsageError(f"machine name {override!r}: expected lower-case letters, digits, '.', '_' or '-'")
    return override


def make_name(hostname: str) -> str:
    """Return a machine's name made of a host's.

    >>> make_name("Build_Box (2)")
    'build_box--2'
    """
    text = re.sub(r"[^a-z0-9._-]", "-", hostname.lower())[:MAX_NAME_LENGTH].strip("._-")
    return text or "machine"


def _find_memory_bytes() -> int:
    """Return the memory of this machine, or of the control group that holds us when that is less."""
    total = int(psutil.virtual_memory().total)
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, encoding="ascii") as file:
                text = file.read().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total


def _find_attributes() -> dict[str, str]:
    return {
        "arch": platform.machine(),
        "cpu_count": str(os.cpu_count() or 1),
        "hostname": socket.gethostname(),
        "kernel": platform.release(),
        "os": platform.system().lower(),
        "python": platform.python_version(),
    }
