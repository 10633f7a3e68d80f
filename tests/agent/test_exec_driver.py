"""The exec driver: users, folders, files, limits, and what it refuses, with real processes."""

import os
import pwd
import sys
from collections.abc import Iterator

import pytest

from omegacell.agent.cgroups import Cgroups, Limits, find_hierarchies, find_weight
from omegacell.agent.drivers.exec_driver import ExecDriver, ExecSettings, StartRefusedError
from omegacell.agent.hands import to_end
from omegacell.agent.messages import AttemptKey, ReportKind, WantedTask
from omegacell.agent.payload import ExecConfig, InlineFile, LimitsConfig
from omegacell.agent.supervisor.client import SupervisorClient
from omegacell.agent.supervisor.records import ExitRecord, How
from tests.agent.cell_end import exec_shape, key_of
from tests.agent.test_supervisor import ends_of, play, read

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


def make_driver(state: str, cgroups: Cgroups | None = None, **fields: object) -> ExecDriver:
    settings = ExecSettings(**{"is_root_allowed": True, **fields})  # type: ignore[arg-type]
    return ExecDriver(state, settings, cgroups or Cgroups())


def wanted(key: AttemptKey, *command: str, **fields: object) -> WantedTask:
    resources = fields.pop("resources", (100, 0, 0))
    limits, devices = fields.pop("limits", None), fields.pop("devices", ())
    config = ExecConfig(command=command, **fields)  # type: ignore[arg-type]
    shape = exec_shape(config=config, resources=resources, limits=limits)  # type: ignore[arg-type]
    return WantedTask(key=key, shape=shape, devices=devices, incarnation="i")  # type: ignore[arg-type]


def run(state: str, driver: ExecDriver, task: WantedTask) -> ExitRecord:
    """Run a task to its end under a real supervisor; return how it ended."""
    ends: dict[str, ExitRecord] = {}
    key = str(task.key)

    async def scenario(client: SupervisorClient) -> None:
        assert await client.start([driver.prepare(task)]) == {}
        ends.update(await ends_of(client, key))

    play(os.path.join(state, "supervisor"), scenario)
    return ends[key]


@pytest.mark.root
@needs_root
def test_a_task_runs_as_its_user_with_nothing_of_root(state: str) -> None:
    """User, group and supplementary groups are the named user's; its folder is its own, its output file is not."""
    nobody = pwd.getpwnam("nobody")
    task = wanted(key_of(1), "sh", "-c", "id -u; id -G; touch mine; stat -c %u . mine; rm ../stdout", user="nobody")
    end = run(state, make_driver(state, is_root_allowed=False), task)
    lines = read(f"{state}/tasks/1.0.1/stdout").split()
    assert lines == [str(nobody.pw_uid), str(nobody.pw_gid), str(nobody.pw_uid), str(nobody.pw_uid)]
    assert (end.how, end.code) == (How.EXITED, 1), "the outputs cannot be removed by the task"


@pytest.mark.root
@needs_root
def test_without_a_user_root_is_not_what_runs_unless_allowed(state: str) -> None:
    """An agent of root runs tasks that name no user as the default one, and as root only when it may."""
    run(state, make_driver(state, is_root_allowed=False), wanted(key_of(1), "id", "-un"))
    run(state, make_driver(state, is_root_allowed=True), wanted(key_of(2), "id", "-un"))
    assert read(f"{state}/tasks/1.0.1/stdout") == "nobody\n"
    assert read(f"{state}/tasks/2.0.1/stdout") == "root\n"


REFUSALS = [
    ({"user": "root"}, "user 'root': this cell does not let tasks run as root"),
    ({"user": "no-such-user"}, "user 'no-such-user': no such user here"),
    ({"files": (InlineFile(path="../x", content=b""),)}, "file '../x': expected a path inside the working folder"),
    ({"files": (InlineFile(path="/x", content=b""),)}, "file '/x': expected a path inside the working folder"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSALS)
def test_refusals_say_why(state: str, fields: dict[str, object], message: str) -> None:
    """What may not be had is refused before anything runs, in one line."""
    with pytest.raises(StartRefusedError) as refusal:
        make_driver(state, is_root_allowed=False).prepare(wanted(key_of(1), "true", **fields))
    assert str(refusal.value) == message


def test_a_payload_of_another_driver_is_refused(state: str) -> None:
    """The exec driver runs only payloads with an exec part."""
    task = WantedTask(key=key_of(1), shape=exec_shape("x", payload=b'{"version":1}'))
    with pytest.raises(StartRefusedError, match="the part 'exec' is missing"):
        make_driver(state).prepare(task)


def test_inline_files_are_there_before_the_command(state: str) -> None:
    """Files of the payload stand in the working folder, in folders of their own if need be, with their modes."""
    files = (
        InlineFile(path="bin/run.sh", content=b"#!/bin/sh\ncat data\n", mode=0o755),
        InlineFile(path="data", content=b"\xff\x00ok"),
    )
    end = run(state, make_driver(state), wanted(key_of(1), "./bin/run.sh", files=files))
    assert end.code == 0
    with open(f"{state}/tasks/1.0.1/stdout", "rb") as file:
        assert file.read() == b"\xff\x00ok"


def test_the_environment_is_clean(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the agent's environment reaches a task; the job's is added, and cannot claim to be another job."""
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "x")
    env = (("GREETING", "hello"), ("OMEGA_JOB", "liar"), ("LANG", "C"))
    run(state, make_driver(state), wanted(key_of(1), "env", env=env))
    seen = dict(line.split("=", 1) for line in read(f"{state}/tasks/1.0.1/stdout").splitlines())
    work = f"{state}/tasks/1.0.1/work"
    assert seen == {
        "PATH": ExecSettings().path,
        "HOME": work,
        "TMPDIR": f"{work}/tmp",
        "LANG": "C",
        "GREETING": "hello",
        "OMEGA_JOB": "job",
        "OMEGA_TASK_INDEX": "0",
        "OMEGA_ATTEMPT": "1",
        "OMEGA_TASK_DIR": work,
    }


DEVICES: list[tuple[tuple[tuple[str, tuple[int, ...]], ...], dict[str, str]]] = [
    ((), {}),
    ((("x/nic", (1,)),), {"OMEGA_DEVICE_X_NIC": "1"}),
    (
        (("gpu", (0, 3)),),
        {"OMEGA_DEVICE_GPU": "0,3", "CUDA_VISIBLE_DEVICES": "0,3", "NVIDIA_VISIBLE_DEVICES": "0,3"},
    ),
    ((("amd/gpu", (0,)), ("big-gpu", (1,))), {"OMEGA_DEVICE_AMD_GPU": "0", "OMEGA_DEVICE_BIG_GPU": "1"}),
    (
        (("amd/gpu", (0,)), ("nvidia/gpu", (1,))),
        {
            "OMEGA_DEVICE_AMD_GPU": "0",
            "OMEGA_DEVICE_NVIDIA_GPU": "1",
            "CUDA_VISIBLE_DEVICES": "1",
            "NVIDIA_VISIBLE_DEVICES": "1",
        },
    ),
]


@pytest.mark.parametrize(("devices", "expected"), DEVICES)
def test_a_task_is_told_its_devices(
    state: str, devices: tuple[tuple[str, tuple[int, ...]], ...], expected: dict[str, str]
) -> None:
    """Every device has a variable, GPUs those of their libraries too; what the job says of them does not count."""
    env = (("CUDA_VISIBLE_DEVICES", "9"),) if "CUDA_VISIBLE_DEVICES" in expected else ()
    spawn = make_driver(state).prepare(wanted(key_of(1), "true", devices=devices, env=env))
    found = {name: value for name, value in spawn.env if "DEVICE" in name}
    assert found == expected


def test_a_task_without_gpus_is_shown_none_where_there_are_some(state: str) -> None:
    """What it was not granted is not its own to take; its job may say otherwise, and a grant says what it is."""
    driver = make_driver(state, hides_gpus=True)
    none = dict(driver.prepare(wanted(key_of(1), "true")).env)
    assert (none["CUDA_VISIBLE_DEVICES"], none["NVIDIA_VISIBLE_DEVICES"]) == ("", "void")
    own = dict(driver.prepare(wanted(key_of(2), "true", env=(("CUDA_VISIBLE_DEVICES", "1"),))).env)
    assert own["CUDA_VISIBLE_DEVICES"] == "1"
    granted = dict(driver.prepare(wanted(key_of(3), "true", devices=(("gpu", (2,)),))).env)
    assert (granted["CUDA_VISIBLE_DEVICES"], granted["NVIDIA_VISIBLE_DEVICES"]) == ("2", "2")


# version, cpu_milli, is_latency_sensitive, weight
WEIGHTS = [
    (1, 1_000, False, 1_024),
    (1, 1_000, True, 10_240),
    (1, 1, False, 2),
    (1, 64_000, True, 262_144),
    (2, 1_000, False, 25),
    (2, 1_000, True, 250),
    (2, 10, False, 1),
    (2, 64_000, True, 10_000),
]


@pytest.mark.parametrize(("version", "cpu_milli", "is_latency_sensitive", "weight"), WEIGHTS)
def test_the_class_of_a_task_scales_its_weight(
    version: int, cpu_milli: int, is_latency_sensitive: bool, weight: int
) -> None:
    """A share follows the request, ten times as large where latency matters, and stays within what the kernel takes."""
    limits = Limits(cpu_milli=cpu_milli, memory_bytes=0, pids=0, is_latency_sensitive=is_latency_sensitive)
    assert find_weight(limits, version=version) == weight


def test_a_memory_limit_above_the_request_is_what_binds(state: str) -> None:
    """What is asked for is counted, what is allowed is enforced: more than the request is there, up to the limit."""
    command = (sys.executable, "-I", "-S", "-c", "x = bytearray(200 << 20)")
    fields = {"resources": (100, 64 << 20, 0)}
    generous, tight = LimitsConfig(memory_bytes=512 << 20), LimitsConfig(memory_bytes=128 << 20)
    assert run(state, make_driver(state), wanted(key_of(1), *command, limits=generous, **fields)).code == 0
    assert run(state, make_driver(state), wanted(key_of(2), *command, limits=tight, **fields)).code == 1


def test_without_cgroups_memory_is_an_rlimit(state: str) -> None:
    """A task that takes more than it asked for gets no more memory, and the driver says what limits what."""
    script = "x = bytearray(200 << 20)"
    command = (sys.executable, "-I", "-S", "-c", script)
    end = run(state, make_driver(state), wanted(key_of(1), *command, resources=(100, 64 << 20, 0)))
    assert end.code == 1
    assert "MemoryError" in read(f"{state}/tasks/1.0.1/stderr")
    assert run(state, make_driver(state), wanted(key_of(2), *command, resources=(100, 512 << 20, 0))).code == 0
    assert Cgroups().describe() == "cpu: not limited; memory: rlimit (data segment); pids: not limited"


def test_what_was_wanted_is_found_again(state: str) -> None:
    """A restarted agent reads from the attempt's folder what it had been asked to run."""
    task = WantedTask(
        key=key_of(1),
        shape=exec_shape("true", port_names=("http",), devices=(("gpu", 2),)),
        ports=(("http", 80),),
        devices=(("gpu", (0, 3)),),
        incarnation="i",
    )
    make_driver(state).prepare(task)
    assert make_driver(state).load(task.key) == task
    assert make_driver(state).load(key_of(2)) is None


def test_garbage_is_collected_oldest_first_and_never_what_is_held(state: str) -> None:
    """Above the number kept the oldest folders go; those of held attempts stay, however old."""
    driver = make_driver(state, kept_folders=2)
    for job in range(1, 7):
        driver.prepare(wanted(key_of(job), "true"))
        os.utime(f"{state}/tasks/{job}.0.1", (job, job))
    assert driver.collect_garbage(driver.list() - {"1.0.1"}) == ["2.0.1", "3.0.1", "4.0.1"]
    assert sorted(os.listdir(f"{state}/tasks")) == ["1.0.1", "5.0.1", "6.0.1"]


def test_garbage_is_collected_by_bytes(state: str) -> None:
    """Folders go until what is left fits into the room for them."""
    driver = make_driver(state, kept_bytes=3 << 20)
    for job in range(1, 4):
        driver.prepare(wanted(key_of(job), "true", files=(InlineFile(path="big", content=b"x" * (400 << 10)),)))
        os.utime(f"{state}/tasks/{job}.0.1", (job, job))
    assert driver.collect_garbage(driver.list()) == ["1.0.1"]


@pytest.fixture
def cgroups(state: str) -> Iterator[Cgroups]:
    """What this machine has of control groups; skipped where it has none for us."""
    groups = Cgroups(find_hierarchies(f"omegacell-test-{os.path.basename(state)}"))
    yield groups
    for key in groups.list():
        groups.remove(key)
    groups.close()


@pytest.mark.root
def test_a_task_above_its_memory_is_killed_and_said_to_be(state: str, cgroups: Cgroups) -> None:
    """In a control group with a memory limit, the kernel's kill is told apart from any other SIGKILL."""
    if "memory" not in cgroups.controllers:
        pytest.skip("no memory control group for this user here")
    script = "x = bytearray(256 << 20)"
    task = wanted(key_of(1), sys.executable, "-I", "-S", "-c", script, resources=(100, 32 << 20, 0))
    end = run(state, make_driver(state, cgroups), task)
    assert (end.how, end.code, end.is_oom) == (How.SIGNALED, 9, True)


@pytest.mark.root
def test_a_task_may_use_more_memory_than_it_asked_for_up_to_its_limit(state: str, cgroups: Cgroups) -> None:
    """Between request and limit it runs on; beyond the limit it is killed, and said to be out of memory."""
    if "memory" not in cgroups.controllers:
        pytest.skip("no memory control group for this user here")
    command = (sys.executable, "-I", "-S", "-c", "x = bytearray(96 << 20)")
    fields = {"resources": (100, 32 << 20, 0)}
    driver = make_driver(state, cgroups)
    generous, tight = LimitsConfig(memory_bytes=256 << 20), LimitsConfig(memory_bytes=64 << 20)
    assert run(state, driver, wanted(key_of(1), *command, limits=generous, **fields)).code == 0
    killed = run(state, driver, wanted(key_of(2), *command, limits=tight, **fields))
    assert to_end(killed).kind is ReportKind.OUT_OF_MEMORY


@pytest.mark.root
def test_a_script_whose_command_is_killed_for_memory_says_so(state: str, cgroups: Cgroups) -> None:
    """The kernel kills the child, the shell exits with 137: that is out of memory too; 137 alone is not."""
    if "memory" not in cgroups.controllers:
        pytest.skip("no memory control group for this user here")
    driver = make_driver(state, cgroups)
    eats = f"{sys.executable} -I -S -c 'x = bytearray(256 << 20)'; exit $?"
    end = run(state, driver, wanted(key_of(1), "sh", "-c", eats, resources=(100, 32 << 20, 0)))
    assert (end.how, end.code, end.is_oom) == (How.EXITED, 137, True)
    assert to_end(end).kind is ReportKind.OUT_OF_MEMORY
    other = run(state, driver, wanted(key_of(2), "sh", "-c", "exit 137", resources=(100, 32 << 20, 0)))
    assert to_end(other).kind is ReportKind.EXITED


@pytest.mark.root
def test_a_task_above_its_pids_cannot_fork(state: str, cgroups: Cgroups) -> None:
    """The number of processes of a task is bounded where control groups can bound it."""
    if "pids" not in cgroups.controllers:
        pytest.skip("no pids control group for this user here")
    script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done"
    run(state, make_driver(state, cgroups), wanted(key_of(1), "sh", "-c", script, pids=5))
    assert "fork" in read(f"{state}/tasks/1.0.1/stderr").lower()


@pytest.mark.root
def test_groups_have_their_limits_and_are_removed(state: str, cgroups: Cgroups) -> None:
    """Weight, quota, memory and pids are written as the kernel wants them; an ended attempt leaves no group."""
    if not cgroups.controllers:
        pytest.skip("no control group for this user here")
    limits = Limits(
        cpu_milli=1_500,
        memory_bytes=64 << 20,
        pids=10,
        cpu_limit_milli=3_000,
        memory_request_bytes=32 << 20,
        is_latency_sensitive=True,
    )
    folders = cgroups.create("1.0.1", limits)
    expected = {
        "cpu.shares": "15360",
        "cpu.cfs_quota_us": "300000",
        "memory.limit_in_bytes": str(64 << 20),
        "memory.soft_limit_in_bytes": str(32 << 20),
        "memory.memsw.limit_in_bytes": str(64 << 20),
        "cpu.weight": "375",
        "cpu.max": "300000 100000",
        "memory.low": str(32 << 20),
        "memory.max": str(64 << 20),
        "memory.swap.max": "0",
        "pids.max": "10",
    }
    found = {
        name: read(os.path.join(folder, name)).strip()
        for folder in folders
        for name in expected
        if os.path.exists(os.path.join(folder, name)) and name.split(".")[0] in cgroups.controllers
    }
    assert found
    assert found.items() <= expected.items()
    cgroups.remove("1.0.1")
    assert cgroups.list() == set()
    assert not any(os.path.exists(folder) for folder in folders)


@pytest.mark.root
def test_a_process_cannot_leave_its_groups_by_a_session_of_its_own(state: str, cgroups: Cgroups) -> None:
    """With control groups even a process without the mark, in a session of its own, ends with its task."""
    if not cgroups.controllers:
        pytest.skip("no control group for this user here")
    script = "env -i setsid sleep 4711 & exit 0"
    assert run(state, make_driver(state, cgroups), wanted(key_of(1), "sh", "-c", script)).code == 0
    groups = cgroups.create("1.0.1", Limits(cpu_milli=0, memory_bytes=0, pids=0))
    assert [read(os.path.join(folder, "cgroup.procs")) for folder in groups] == [""] * len(groups)
