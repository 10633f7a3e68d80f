"""The machines of simulated cells: equal ones, or a mix of shapes with attributes, devices and ports.

The mix is made up, but for its shapes and how many of each there are: those of the four most frequent kinds of machine
in Google's trace of 2011 (Reiss and others, SoCC 2012, table 1).
"""

from dataclasses import dataclass, replace
from typing import Final

from omegacell.core.devices import DeviceOffer
from omegacell.core.placement import Taint
from omegacell.simulator.drawing import Draws

DRIVER: Final = "simulated"
CORE: Final = 1_000
GIB: Final = 1 << 30
PORTS: Final = (20_000, 20_999)
"""The first and the last port that a machine of a mix grants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A kind of machine: a name, how many of 2,000 are of it, and what each has."""

    name: str
    count: int
    capacity: tuple[int, ...]


SHAPES: Final = (
    Shape(name="standard", count=1_087, capacity=(32 * CORE, 128 * GIB, 2_048 * GIB)),
    Shape(name="lean", count=623, capacity=(32 * CORE, 64 * GIB, 2_048 * GIB)),
    Shape(name="rich", count=162, capacity=(32 * CORE, 192 * GIB, 1_024 * GIB)),
    Shape(name="large", count=128, capacity=(64 * CORE, 256 * GIB, 4_096 * GIB)),
)

PLATFORMS: Final = ((0.45, ("a", "5.10")), (0.30, ("b", "6.1")), (0.25, ("c", "6.6")))
"""How likely which platform is, with its kernel."""

SSD_SHARE: Final = 0.35
EDGE_EVERY: Final = 100
"""One machine in so many is at the edge of the network; the picky tasks want those."""

RACK_SIZE: Final = 40
SMALL_RACK_SIZE: Final = 10
ZONES: Final = ("a", "b", "c")
GPUS: Final = DeviceOffer(name="gpu", count=4, attributes=(("model", "a100"),))
"""What each machine of the shape ``rich`` of a mixed cell has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine of a cell.

    Attributes:
        name: its name.
        capacity: what it has, ``(resources,)`` base units.
        attributes: name and value pairs, names in ascending order.
        devices: its devices, names in ascending order, each once.
        ports: the first and the last port that it grants; the last below the first when there are none.
        taints: the marks that keep tasks away.
    """

    name: str
    capacity: tuple[int, ...]
    attributes: tuple[tuple[str, str], ...] = ()
    devices: tuple[DeviceOffer, ...] = ()
    ports: tuple[int, int] = (0, -1)
    taints: tuple[Taint, ...] = ()


def amounts_of(cpus: float, memory_gb: float) -> tuple[int, ...]:
    """Return CPUs and gigabytes as resources in base units.

    >>> amounts_of(0.25, 1.5)
    (250, 1610612736, 0)
    """
    return round(cpus * CORE), round(memory_gb * GIB), 0


def equal_machines(count: int, capacity: tuple[int, ...]) -> list[Machine]:
    """Return machines that have nothing but this."""
    return [Machine(name=f"m{number}", capacity=capacity) for number in range(count)]


def make_machines(draws: Draws, count: int, *, rack_size: int = RACK_SIZE) -> list[Machine]:
    """Draw machines: exactly as many of each shape as its share says, in racks, with attributes."""
    shapes = [shape for shape in SHAPES for _ in range(round(shape.count * count / 2_000))]
    shapes = (shapes + [SHAPES[0]] * count)[:count]
    edges = set(draws.shuffled(count)[: max(1, count // EDGE_EVERY)])
    machines = []
    for number, place in enumerate(draws.shuffled(count)):
        platform, kernel = PLATFORMS[draws.pick(PLATFORMS)][1]
        attributes = {"kernel": kernel, "platform": platform, "rack": f"r{number // rack_size}"}
        if draws.share() < SSD_SHARE:
            attributes["ssd"] = "yes"
        if number in edges:
            attributes["edge"] = "yes"
        machines.append(
            Machine(name=f"m{number}", capacity=shapes[place].capacity, attributes=tuple(sorted(attributes.items())))
        )
    return machines


def make_mixed(count: int, *, seed: int) -> list[Machine]:
    """Draw machines that can take whatever a job file asks for: racks of ten in three zones, ports, and some with GPUs.

    >>> [machine.name for machine in make_mixed(40, seed=0) if machine.devices]
    ['m3', 'm4', 'm6']
    """
    rich = next(shape.capacity for shape in SHAPES if shape.name == "rich")
    mixed = []
    for number, machine in enumerate(make_machines(Draws(seed), count, rack_size=SMALL_RACK_SIZE)):
        zone = ("zone", ZONES[number // SMALL_RACK_SIZE % len(ZONES)])
        devices = (GPUS,) if machine.capacity == rich else ()
        attributes = tuple(sorted((*machine.attributes, zone)))
        mixed.append(replace(machine, attributes=attributes, devices=devices, ports=PORTS))
    return mixed
