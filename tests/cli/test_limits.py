"""What `omega quota` and `omega scheduler caps` print, over a real API server."""

import pytest

from omegacell.api.client import Client
from omegacell.api.errors import ExitCode
from omegacell.core.units import Band
from tests.api.serving import job
from tests.cli.conftest import Omega, ask


def test_a_quota_from_set_to_remove(client: Client, omega: Omega) -> None:
    """Set, changed in part, shown, and taken away; the JSON has limit, used and free in base units."""
    assert "no quotas, and no jobs" in omega("quota", "list").out
    said = omega("quota", "set", "ada", "--band", "production", "--cpu", "1.5", "--memory", "1Ti")
    assert said.out.splitlines() == [
        "OWNER  BAND        RESOURCE  LIMIT  USED   FREE",
        "ada    production  cpu         1.5     0    1.5",
        "ada    production  memory    1 TiB   0 B  1 TiB",
    ]
    [quota] = ask(omega, "quota", "show", "ada")["quotas"]
    assert quota == {
        "owner": "ada",
        "band": "production",
        "is_set": True,
        "limit": {"cpu_milli": 1_500, "memory_bytes": 1 << 40, "disk_bytes": None},
        "used": {"cpu_milli": 0, "memory_bytes": 0, "disk_bytes": 0},
        "free": {"cpu_milli": 1_500, "memory_bytes": 1 << 40, "disk_bytes": None},
    }
    changed = ask(omega, "quota", "set", "ada", "--band", "production", "--cpu", "none", "--disk", "1Pi")["quota"]
    assert changed["limit"] == {"cpu_milli": None, "memory_bytes": 1 << 40, "disk_bytes": 1 << 50}
    assert not ask(omega, "quota", "remove", "ada", "--band", "production")["quota"]["is_set"]
    again = omega("quota", "remove", "ada", "--band", "production")
    assert (again.code, "has no quota in band production" in again.err) == (ExitCode.NOT_FOUND, True)
    unknown = omega("quota", "show", "ada")
    assert (unknown.code, unknown.out) == (ExitCode.NOT_FOUND, "")
    assert "owner 'ada' has no quota and no jobs" in unknown.err


def test_a_quota_below_its_use_says_so(client: Client, omega: Omega) -> None:
    """It is set, a line of warning says what it means, and a job that asks for more is refused with its code."""
    client.submit(job("a", count=3))
    used = client.quotas(owner="tests").quotas[0].used.cpu_milli
    assert used > 0
    said = omega("quota", "set", "tests", "--band", "batch", "--cpu", "0")
    assert said.code == ExitCode.OK
    assert said.err.startswith("owner 'tests' uses more than that already")
    assert f"-{used / 1_000:g}" in said.out


def test_a_cap_from_set_to_remove(client: Client, omega: Omega) -> None:
    """A scheduler that never ran gets its cap with a warning; the table has all three dimensions."""
    assert "no scheduler has run yet" in omega("scheduler", "caps", "list").out
    said = omega("scheduler", "caps", "set", "mine", "--memory", "2Gi", "--jobs", "7")
    assert said.err == "no scheduler 'mine' has run in this cell, and no job names it; the cap waits for it\n"
    assert said.out.splitlines() == [
        "SCHEDULER  RESOURCE  LIMIT  USED   FREE",
        "mine       cpu           -     0      -",
        "mine       memory    2 GiB   0 B  2 GiB",
        "mine       jobs          7     0      7",
    ]
    [cap] = ask(omega, "scheduler", "caps", "list")["caps"]
    assert cap["limit"] == {"cpu_milli": None, "memory_bytes": 2 << 30, "jobs": 7}
    assert cap["free"] == {"cpu_milli": None, "memory_bytes": 2 << 30, "jobs": 7}
    assert not ask(omega, "scheduler", "caps", "remove", "mine")["cap"]["is_set"]
    assert omega("scheduler", "caps", "remove", "mine").code == ExitCode.NOT_FOUND


@pytest.mark.parametrize("band", list(Band))
def test_every_band_can_be_typed(client: Client, omega: Omega, band: Band) -> None:
    """Bands are words; the lowest has no quotas and is not offered, and the others are named."""
    said = omega("quota", "set", "ada", "--band", band.name.lower(), "--cpu", "1")
    assert said.code == (ExitCode.OK if band > Band.BEST_EFFORT else ExitCode.USAGE)
    assert band > Band.BEST_EFFORT or "'batch', 'production', 'monitoring'" in said.err
