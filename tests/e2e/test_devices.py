"""Devices, limits and ports of real tasks, from the option and the job file to the task's own environment."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from omegacell.agent.cgroups import find_hierarchies
from omegacell.api.errors import ExitCode
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from tests.e2e.looking import await_seen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
OPTIONS = (
    *("--device", "gpu=2,model=t4", "--device", "x/fpga=1"),
    *("--simulated-device", "1:gpu=4,model=a100", "--simulated-device", "nic=2"),
)
HOLDS = """
name: holds
kind: service
count: 3
devices: {gpu: {count: 1, where: {model: t4}}}
ports: {http: 0}
resources: {disk: 1Mi}
task:
  exec: {script: 'env | grep -E "OMEGA_(PORT|DEVICE)|CUDA" | sort; exec sleep 1000'}
"""


@pytest.fixture(scope="module")
def cell(place: Path) -> Iterator[EphemeralCell]:
    """Give a cell with devices on this machine, and on some of three simulated ones."""
    with EphemeralCell(place, CellShape(simulated=3, name="devices", options=OPTIONS)) as running:
        yield running


def devices_of(cell: EphemeralCell, name: str) -> dict[str, tuple[int, int]]:
    """Return count and free of each device of a machine."""
    machine = cell.ask("machine", "status", name)["machine"]
    return {device["name"]: (device["count"], device["free"]) for device in machine["devices"]}


def tasks_of(cell: EphemeralCell, job: str) -> list[dict[str, Any]]:
    """Return the tasks of a job."""
    tasks: list[dict[str, Any]] = cell.ask("job", "status", job)["tasks"]
    return tasks


def log_of(cell: EphemeralCell, task: str) -> list[str]:
    """Return what a task printed, line by line."""
    return cell.command("logs", task).stdout.splitlines()


def test_machines_show_what_they_have(cell: EphemeralCell) -> None:
    """Options reach the cell: this machine, the first simulated one, and all of those have theirs."""
    machines = {machine["name"]: machine for machine in cell.ask("machine", "list")["machines"]}
    assert [device["name"] for device in machines["sim-0001"]["devices"]] == ["gpu", "nic"]
    assert [device["name"] for device in machines["sim-0002"]["devices"]] == ["nic"]
    assert machines["sim-0001"]["devices"][0]["attributes"] == {"model": "a100"}
    totals = {device["name"]: device["count"] for device in cell.ask("cell", "status")["devices"]}
    assert totals == {"gpu": 6, "nic": 6, "x/fpga": 1}


def test_tasks_hold_their_devices_whatever_is_killed(cell: EphemeralCell, tmp_path: Path) -> None:
    """Two of three get a GPU each and see it, the third waits; after kill -9 of the agent nothing has changed."""
    file = tmp_path / "holds.yaml"
    file.write_text(HOLDS)
    assert cell.command("run", "--detach", str(file)).returncode == ExitCode.OK

    def count_running() -> int:
        return sum(task["state"] == "running" for task in tasks_of(cell, "holds"))

    await_seen(count_running, lambda count: count == 2)
    running = [task for task in tasks_of(cell, "holds") if task["state"] == "running"]
    assert sorted(task["devices"]["gpu"] for task in running) == [[0], [1]]
    [this] = {task["last"]["machine"] for task in running}
    assert devices_of(cell, this) == {"gpu": (2, 0), "x/fpga": (1, 1)}
    pending = cell.ask("job", "status", "holds")["pending"]
    assert {(lack["reason"], lack["dimension"]) for lack in pending["lacks"]} >= {("devices_exhausted", "gpu")}
    for task in running:
        [index] = task["devices"]["gpu"]
        port = task["ports"]["http"]
        expected = [f"CUDA_VISIBLE_DEVICES={index}", f"OMEGA_DEVICE_GPU={index}", f"OMEGA_PORT_HTTP={port}"]
        assert await_seen(partial(log_of, cell, f"holds/{task['index']}"), bool) == expected
    agent = cell.processes()["agent"]
    os.kill(agent, signal.SIGKILL)
    await_seen(lambda: cell.processes().get("agent", agent), lambda pid: pid != agent)
    again = [task for task in tasks_of(cell, "holds") if task["state"] == "running"]
    assert [(task["devices"], task["last"]["attempt"]) for task in again] == [
        (task["devices"], task["last"]["attempt"]) for task in running
    ]
    assert cell.command("job", "stop", "holds").returncode == ExitCode.OK
    assert devices_of(cell, this) == {"gpu": (2, 2), "x/fpga": (1, 1)}


def test_the_gpu_example_runs_on_the_machine_that_has_such(cell: EphemeralCell) -> None:
    """Both tasks of the example go to the only machine with the model."""
    done = cell.command("run", str(EXAMPLES / "gpu.yaml"))
    assert done.returncode == ExitCode.OK, done.stderr
    assert {task["last"]["machine"] for task in tasks_of(cell, "gpu")} == {"sim-0001"}


def test_a_device_that_nobody_offers_is_waited_for_with_its_name(cell: EphemeralCell, tmp_path: Path) -> None:
    """The job is taken, and says what no machine has."""
    file = tmp_path / "tpu.yaml"
    file.write_text("name: tpu\ndevices: {tpu: 2}\ntask: {simulated: {}}\n")
    assert cell.command("run", "--detach", str(file)).returncode == ExitCode.OK
    pending = await_seen(lambda: cell.ask("job", "status", "tpu")["pending"], lambda found: bool(found["lacks"]))
    assert pending["summary"] == "3 of 4 machines have fewer than 2 tpu"


@pytest.mark.root
def test_beyond_its_memory_limit_a_task_is_killed_and_said_to_be(cell: EphemeralCell, tmp_path: Path) -> None:
    """The example lives between its request and its limit; with a limit below what it uses it is out of memory."""
    found = find_hierarchies("omegacell-test-limits")
    if not any("memory" in hierarchy.controllers for hierarchy in found):
        pytest.skip("no memory control group for this user here")
    assert cell.command("run", str(EXAMPLES / "limits.yaml")).returncode == ExitCode.OK
    assert cell.command("logs", "limits").stdout == "64 MiB are there\n"
    file = tmp_path / "beyond.yaml"
    file.write_text((EXAMPLES / "limits.yaml").read_text().replace("name: limits", "name: beyond").replace("256", "48"))
    assert cell.command("run", str(file)).returncode == ExitCode.FAILED
    [task] = tasks_of(cell, "beyond")
    assert task["last"]["note"] == "out_of_memory"
