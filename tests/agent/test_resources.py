"""What a machine says of itself."""

import os
from pathlib import Path

import pytest

from omegacell.agent.resources import Overrides, Reserve, find_machine
from omegacell.core.errors import UsageError

NOTHING = Reserve(cpu_milli=0, memory_bytes=0, disk_bytes=0)


def test_a_machine_offers_what_it_has(tmp_path: Path) -> None:
    """CPUs it may run on, memory, disk, and attributes that name kernel, architecture and Python."""
    machine = find_machine(str(tmp_path), overrides=Overrides(), reserve=NOTHING, drivers=("exec",))
    assert machine.capacity[0] == len(os.sched_getaffinity(0)) * 1000
    assert 0 < machine.capacity[1] <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.capacity[2] > 0
    assert {name for name, _ in machine.attributes} == {"arch", "cpu_count", "hostname", "kernel", "os", "python"}
    assert machine.attributes == tuple(sorted(machine.attributes))


def test_the_reserve_is_kept_back(tmp_path: Path) -> None:
    """What is reserved is not offered."""
    without = find_machine(str(tmp_path), overrides=Overrides(), reserve=NOTHING, drivers=())
    reserve = Reserve(cpu_milli=100, memory_bytes=1 << 20, disk_bytes=0)
    with_reserve = find_machine(str(tmp_path), overrides=Overrides(), reserve=reserve, drivers=())
    assert with_reserve.capacity[0] == without.capacity[0] - 100
    assert with_reserve.capacity[1] == without.capacity[1] - (1 << 20)


def test_everything_can_be_overridden(tmp_path: Path) -> None:
    """Name, capacity and attributes are what they are said to be; no reserve is taken from them."""
    overrides = Overrides(
        name="box", cpu_milli=1, memory_bytes=2, disk_bytes=3, attributes=(("os", "x"), ("rack", "r"))
    )
    machine = find_machine(str(tmp_path), overrides=overrides, reserve=Reserve(), drivers=())
    assert (machine.name, machine.capacity) == ("box", (1, 2, 3))
    assert {("os", "x"), ("rack", "r")} <= set(machine.attributes)


@pytest.mark.parametrize(
    "overrides", [Overrides(name="Box"), Overrides(name="a/b"), Overrides(cpu_milli=0), Overrides(memory_bytes=-1)]
)
def test_impossible_overrides_are_refused(tmp_path: Path, overrides: Overrides) -> None:
    """A name no machine can have, no CPU and negative sizes are errors of use."""
    with pytest.raises(UsageError):
        find_machine(str(tmp_path), overrides=overrides, reserve=NOTHING, drivers=())
