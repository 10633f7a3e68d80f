"""The supervisor with real processes: what it records, what it finds again, and what it kills."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from omegacell.agent.hands import to_end
from omegacell.agent.messages import ReportKind
from omegacell.agent.supervisor import processes, trees
from omegacell.agent.supervisor.client import AttemptStatus, SupervisorClient, SupervisorError, ensure_supervisor
from omegacell.agent.supervisor.records import Act, ExitRecord, How, Recorded, RecordFolder, StartRecord
from omegacell.agent.supervisor.server import SOCKET_NAME
from omegacell.agent.supervisor.spawn import SpawnSpec
from tests.agent.cell_end import wait_until
from tests.agent.conftest import find_processes_of

GRACE_US = 2_000_000


def spec(state: str, key: str, *argv: str, **fields: object) -> SpawnSpec:
    mark = f"OMEGA_TASK_DIR={state}/{key}"
    known: dict[str, object] = {
        "key": key,
        "argv": argv,
        "env": (("PATH", os.environ["PATH"]), tuple(mark.split("=", 1))),
        "cwd": "/",
        "stdout": f"{state}/{key}.out",
        "stderr": f"{state}/{key}.err",
        "mark": mark,
    }
    return SpawnSpec(**{**known, **fields})  # type: ignore[arg-type]


@asynccontextmanager
async def supervised(state: str) -> AsyncIterator[SupervisorClient]:
    await ensure_supervisor(state)
    client = await SupervisorClient.connect(state)
    try:
        yield client
    finally:
        await client.close()


def play(state: str, scenario: Callable[[SupervisorClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with supervised(state) as client:
            await client.subscribe()
            await scenario(client)

    asyncio.run(main())


async def see(client: SupervisorClient, fact: Callable[[dict[str, AttemptStatus]], bool]) -> dict[str, AttemptStatus]:
    """Return what the supervisor knows as soon as a fact holds of it."""
    for _ in range(3_000):
        statuses = {status.key: status for status in await client.inventory()}
        if fact(statuses):
            return statuses
        await asyncio.sleep(0.005)
    raise AssertionError(f"not in 15 s: {statuses}")


async def ends_of(client: SupervisorClient, *keys: str) -> dict[str, ExitRecord]:
    """Return how some attempts ended, as soon as all have."""
    statuses = await see(client, lambda known: all(key in known and known[key].end is not None for key in keys))
    return {key: end for key in keys if (end := statuses[key].end) is not None}


async def pid_of(client: SupervisorClient, key: str) -> int:
    (pid,) = [status.pid for status in await client.inventory() if status.key == key]
    return pid


async def kill_supervisor(client: SupervisorClient) -> None:
    pid = await client.hello()
    stat = processes.read_stat(pid)
    assert stat is not None
    os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: not processes.is_running(pid, stat.start_ticks), "the supervisor is dead")


def test_exit_codes_signals_and_failed_starts_are_told_apart(state: str) -> None:
    """An exit code, a signal, a missing command, a forbidden one and a missing folder each say what they are."""

    async def scenario(client: SupervisorClient) -> None:
        refused = await client.start(
            [
                spec(state, "1.0.1", "sh", "-c", "exit 42"),
                spec(state, "1.1.1", "sh", "-c", "kill -USR1 $$"),
                spec(state, "1.2.1", "no-such-command"),
                spec(state, "1.3.1", "/etc/passwd"),
                spec(state, "1.4.1", "true", cwd="/no/such/folder"),
            ]
        )
        assert refused == {}
        ends = await ends_of(client, *(f"1.{index}.1" for index in range(5)))
        seen = [(end.how, end.code, end.message) for _, end in sorted(ends.items())]
        assert seen == [
            (How.EXITED, 42, ""),
            (How.SIGNALED, signal.SIGUSR1, ""),
            (How.START_FAILED, 2, "cannot run 'no-such-command': No such file or directory"),
            (How.START_FAILED, 13, "cannot run '/etc/passwd': Permission denied"),
            (How.START_FAILED, 2, "cannot enter /no/such/folder: No such file or directory"),
        ]

    play(state, scenario)


def test_a_key_starts_once(state: str) -> None:
    """A second start of a key, in one request, in the next, and after its end, runs nothing."""
    once = ("sh", "-c", "echo ran")

    async def scenario(client: SupervisorClient) -> None:
        await client.start([spec(state, "1.0.1", *once), spec(state, "1.0.1", *once)])
        await client.start([spec(state, "1.0.1", *once)])
        await ends_of(client, "1.0.1")
        await client.start([spec(state, "1.0.1", *once)])
        await client.start([spec(state, "2.0.1", *once)])
        await ends_of(client, "2.0.1")
        assert read(f"{state}/1.0.1.out") == "ran\n"

    play(state, scenario)


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_a_task_gets_default_signals_an_own_session_and_no_other_descriptors(state: str) -> None:
    """Nothing of the supervisor reaches a task: not its ignored signals, not its files, not its session."""
    script = (
        "import os, signal;"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler;"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'));"
        "assert int(status['SigBlk'], 16) == 0, status['SigBlk'];"
        "assert os.getsid(0) == os.getpgid(0) == os.getpid();"
        "assert os.listdir('/proc/self/fd') == ['0', '1', '2', '3'], os.listdir('/proc/self/fd');"
        "assert os.read(0, 1) == b''"
    )

    async def scenario(client: SupervisorClient) -> None:
        await client.start([spec(state, "1.0.1", sys.executable, "-I", "-S", "-c", script)])
        ends = await ends_of(client, "1.0.1")
        assert ends["1.0.1"].code == 0, read(f"{state}/1.0.1.err")

    play(state, scenario)


def test_leftovers_of_an_ended_task_are_killed_before_its_end_is_told(state: str) -> None:
    """A background process, and one that made a session of its own, end with the first process."""
    script = "sleep 1000 & setsid sleep 1000 & setsid sh -c 'sleep 1000 & sleep 1000' & exit 3"

    async def scenario(client: SupervisorClient) -> None:
        await client.start([spec(state, "1.0.1", "sh", "-c", script)])
        ends = await ends_of(client, "1.0.1")
        assert ends["1.0.1"].code == 3
        assert find_processes_of(f"{state}/1.0.1") == []

    play(state, scenario)


def test_an_orphan_that_ends_while_it_is_looked_at_hides_no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its children come to us between the list and the look: they are found all the same."""
    living = processes.ProcessStat(pid=8, state="S", parent=1, group=7, session=7, start_ticks=1)
    ours = [7]

    def read_stat(pid: int) -> processes.ProcessStat:
        if pid == living.pid:
            return living
        ours[:] = [7, 8]
        return processes.ProcessStat(pid=pid, state="Z", parent=1, group=7, session=7, start_ticks=1)

    monkeypatch.setattr(processes, "list_children", lambda _: list(ours))
    monkeypatch.setattr(processes, "read_stat", read_stat)
    assert trees.find_orphans(()) == [living]


def test_a_stop_kills_the_whole_tree_after_its_grace(state: str) -> None:
    """Processes in other sessions that ignore SIGTERM are killed when the grace is over."""
    deaf = "trap '' TERM; echo ready; while :; do sleep 100; done"
    script = f'setsid sh -c "{deaf}" & {deaf}'

    async def scenario(client: SupervisorClient) -> None:
        await client.start([spec(state, "1.0.1", "sh", "-c", script)])
        await wait_until(lambda: os.path.exists(f"{state}/1.0.1.out"), "output there")
        await wait_until(lambda: read(f"{state}/1.0.1.out") == "ready\nready\n", "both deaf")
        assert await client.signal("1.0.1", signal.SIGTERM, 200_000)
        ends = await ends_of(client, "1.0.1")
        assert (ends["1.0.1"].how, ends["1.0.1"].code, ends["1.0.1"].was_stopped) == (How.SIGNALED, 9, True)
        assert find_processes_of(f"{state}/1.0.1") == []

    play(state, scenario)


def test_ends_survive_the_supervisor_and_are_gone_when_forgotten(state: str) -> None:
    """A real exit code is on record before it is told, through kill -9; forgetting removes it."""

    async def scenario() -> None:
        async with supervised(state) as client:
            await client.start([spec(state, "1.0.1", "sh", "-c", "exit 9")])
            await ends_of(client, "1.0.1")
            await kill_supervisor(client)
        async with supervised(state) as client:
            (status,) = await client.inventory()
            assert status.end is not None
            assert (status.end.how, status.end.code) == (How.EXITED, 9)
            await client.forget(["1.0.1"])
            assert await client.inventory() == []
        assert os.listdir(f"{state}/attempts") == []

    asyncio.run(scenario())


def test_a_running_attempt_is_not_forgotten(state: str) -> None:
    """Forgetting is for ended attempts only."""

    async def scenario(client: SupervisorClient) -> None:
        await client.start([spec(state, "1.0.1", "sleep", "1000")])
        await client.forget(["1.0.1"])
        assert [status.key for status in await client.inventory()] == ["1.0.1"]

    play(state, scenario)


def test_tasks_of_a_killed_supervisor_are_found_and_their_end_is_unknown(state: str) -> None:
    """The next supervisor watches the same process, ends it on demand, and says that nobody knows its exit code."""

    async def scenario() -> None:
        async with supervised(state) as client:
            await client.start([spec(state, "1.0.1", "sh", "-c", "setsid sleep 1000 & sleep 1000")])
            await wait_until(lambda: len(find_processes_of(f"{state}/1.0.1")) == 3, "its tree is there")
            pid = await pid_of(client, "1.0.1")
            await kill_supervisor(client)
        async with supervised(state) as client:
            (status,) = await client.inventory()
            assert (status.pid, status.phase, status.is_found_again) == (pid, "running", True)
            await client.signal("1.0.1", signal.SIGTERM, 100_000)
            ends = await ends_of(client, "1.0.1")
            assert (ends["1.0.1"].how, ends["1.0.1"].was_stopped) == (How.UNKNOWN, True)
            assert find_processes_of(f"{state}/1.0.1") == []

    asyncio.run(scenario())


def test_a_task_that_ended_without_a_supervisor_is_unknown(state: str) -> None:
    """What ended while none ran is said to have ended, with an unknown code, and leaves no leftovers."""

    async def scenario() -> None:
        async with supervised(state) as client:
            await client.start([spec(state, "1.0.1", "sh", "-c", "setsid sleep 1000 & sleep 1000")])
            await wait_until(lambda: len(find_processes_of(f"{state}/1.0.1")) == 3, "its tree is there")
            pid = await pid_of(client, "1.0.1")
            await kill_supervisor(client)
        os.kill(pid, signal.SIGKILL)
        async with supervised(state) as client:
            ends = await ends_of(client, "1.0.1")
            assert ends["1.0.1"].how is How.UNKNOWN
            assert find_processes_of(f"{state}/1.0.1") == []

    asyncio.run(scenario())


def test_records_of_another_boot_name_no_process(state: str) -> None:
    """A pid of an earlier boot is somebody else's now: it is not touched, and the end is unknown."""
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        stat = processes.read_stat(stranger.pid)
        assert stat is not None
        record = StartRecord(
            key="1.0.1",
            pid=stranger.pid,
            start_ticks=stat.start_ticks,
            boot_id="another",
            started_at_us=1,
            is_fenced=False,
            mark="",
            cgroups=(),
        )
        RecordFolder(f"{state}/attempts").write_starts([record])

        async def scenario(client: SupervisorClient) -> None:
            ends = await ends_of(client, "1.0.1")
            assert (ends["1.0.1"].how, ends["1.0.1"].message) == (How.UNKNOWN, "the machine was restarted")

        play(state, scenario)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_torn_record_is_no_start_and_a_torn_end_no_end(state: str) -> None:
    """A first line without its newline never started; a second without, is cut off and the start holds."""
    folder = RecordFolder(f"{state}/attempts")
    start = StartRecord(
        key="2.0.1", pid=1, start_ticks=1, boot_id="b", started_at_us=1, is_fenced=False, mark="", cgroups=()
    )
    folder.write_starts([start])
    with open(f"{state}/attempts/2.0.1", "a", encoding="ascii") as file:
        file.write('{"how": 1, "co')
    with open(f"{state}/attempts/1.0.1", "w", encoding="ascii") as file:
        file.write('{"key": "1.0.1"')
    assert folder.load() == [Recorded(start=start)]
    folder.write_act("2.0.1", Act.FENCED)
    end = ExitRecord(how=How.EXITED, code=4, ended_at_us=1)
    folder.write_exit("2.0.1", end)
    assert folder.load() == [Recorded(start=start, acts=frozenset({Act.FENCED}), end=end)]


@pytest.mark.parametrize("seed", range(12))
def test_kill_9_at_any_instant_starts_nothing_twice_and_loses_nothing(state: str, seed: int) -> None:
    """Killed at a random instant while starts come in, then asked again for all: each key runs exactly once.

    A task writes a line when it starts; whoever was recorded has at most one, and whoever was asked for again has
    exactly one, unless the kill hit between its record and its exec: then none, and its end is told as unknown.
    """
    dice = random.Random(seed)
    keys = [f"{job}.0.1" for job in range(1, 31)]

    async def start_some(client: SupervisorClient) -> None:
        for key in keys:
            await client.start([spec(state, key, "sh", "-c", "echo started; exec sleep 1000")])

    async def scenario() -> None:
        async with supervised(state) as client:
            pid = await client.hello()
            starting = asyncio.create_task(start_some(client))
            await asyncio.sleep(dice.uniform(0, 0.08))
            os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(SupervisorError):
                await starting  # it may have been killed after the last
        async with supervised(state) as client:
            await start_some(client)
            await wait_until(lambda: all(os.path.exists(f"{state}/{key}.out") for key in keys[-1:]), "the last started")
            statuses = await see(client, lambda known: all(one.phase != "spawning" for one in known.values()))
            await wait_until(lambda: all(count_lines(state, key) == 1 for key in keys if is_alive(statuses[key])), "up")
        assert set(statuses) == set(keys)
        for key in keys:
            living = [stat for stat in find_processes_of(f"{state}/{key}") if stat.session == stat.pid]
            assert len(living) == (1 if is_alive(statuses[key]) else 0), key
            assert count_lines(state, key) <= 1, key

    asyncio.run(scenario())


def is_alive(status: AttemptStatus) -> bool:
    return status.end is None


def count_lines(state: str, key: str) -> int:
    try:
        return read(f"{state}/{key}.out").count("\n")
    except FileNotFoundError:
        return 0


def test_a_passed_deadline_kills_fenced_tasks_only(state: str) -> None:
    """When the deadline passes, a fenced task is killed at once and says why; another runs on."""

    async def scenario(client: SupervisorClient) -> None:
        await client.start(
            [spec(state, "1.0.1", "sleep", "1000", is_fenced=True), spec(state, "2.0.1", "sleep", "1000")]
        )
        await client.renew(processes.boot_clock_us() + 200_000)
        ends = await ends_of(client, "1.0.1")
        assert (ends["1.0.1"].how, ends["1.0.1"].was_fenced) == (How.SIGNALED, True)
        assert find_processes_of(f"{state}/2.0.1")

    play(state, scenario)


def test_a_lifted_deadline_ends_nothing(state: str) -> None:
    """Without a deadline fenced tasks run on, under the next supervisor as well."""
    passed_us = processes.boot_clock_us() + 2_000_000

    async def scenario() -> None:
        async with supervised(state) as client:
            await client.start([spec(state, "1.0.1", "sleep", "1000", is_fenced=True)])
            await client.renew(passed_us)
            await client.renew(None)
            await kill_supervisor(client)
        async with supervised(state) as client:
            await wait_until(lambda: processes.boot_clock_us() > passed_us, "the time that was the deadline is over")
            await client.start([spec(state, "2.0.1", "true")])
            await ends_of(client, "2.0.1")
            assert find_processes_of(f"{state}/1.0.1")

    asyncio.run(scenario())


def test_the_deadline_never_moves_back_and_outlives_the_supervisor(state: str) -> None:
    """An older renewal does not shorten it; a new supervisor fences what the killed one would have."""

    async def scenario() -> None:
        async with supervised(state) as client:
            await client.start([spec(state, "1.0.1", "sleep", "1000", is_fenced=True)])
            await see(client, lambda known: known["1.0.1"].phase == "running")
            await client.renew(processes.boot_clock_us() + 2_000_000)
            await client.renew(1)
            assert find_processes_of(f"{state}/1.0.1")
            await kill_supervisor(client)
        async with supervised(state) as client:
            ends = await ends_of(client, "1.0.1")
            assert (ends["1.0.1"].how, ends["1.0.1"].code, ends["1.0.1"].was_fenced) == (How.SIGNALED, 9, True)
            assert to_end(ends["1.0.1"]).kind is ReportKind.FENCED
            assert find_processes_of(f"{state}/1.0.1") == []

    asyncio.run(scenario())


def test_what_a_supervisor_did_is_known_to_the_next(state: str) -> None:
    """Killed after it recorded a fence and before it saw the end, it is followed by one that finishes and tells."""

    async def scenario() -> None:
        async with supervised(state) as client:
            await client.start([spec(state, "1.0.1", "sleep", "1000"), spec(state, "2.0.1", "sleep", "1000")])
            pid = await pid_of(client, "1.0.1")
            await kill_supervisor(client)
        folder = RecordFolder(f"{state}/attempts")
        folder.write_act("1.0.1", Act.FENCED)
        folder.write_act("2.0.1", Act.FENCED)
        os.kill(pid, signal.SIGKILL)
        async with supervised(state) as client:
            ends = await ends_of(client, "1.0.1", "2.0.1")
            assert {to_end(end).kind for end in ends.values()} == {ReportKind.FENCED}

    asyncio.run(scenario())


def test_one_supervisor_a_folder(state: str) -> None:
    """Asking for a second one keeps the first."""

    async def scenario() -> None:
        async with supervised(state) as client:
            pid = await client.hello()
            await asyncio.gather(*(ensure_supervisor(state) for _ in range(4)))
            assert await client.hello() == pid
        assert len(find_processes_of(state)) == 1

    asyncio.run(scenario())


def test_shutdown_leaves_no_process(state: str) -> None:
    """Shutdown ends every tree and the supervisor itself, and answers when it is so."""

    async def scenario(client: SupervisorClient) -> None:
        await client.start([spec(state, f"{job}.0.1", "sh", "-c", "setsid sleep 1000 & sleep 1000") for job in (1, 2)])
        await client.shutdown(GRACE_US)
        await wait_until(lambda: not find_processes_of(state), "nobody is left")
        await wait_until(lambda: not os.path.exists(f"{state}/{SOCKET_NAME}"), "the socket is gone")

    play(state, scenario)


def test_sigterm_is_a_shutdown(state: str) -> None:
    """A machine that is going down ends supervisors by SIGTERM: tasks get their grace and their ends a record."""

    async def scenario(client: SupervisorClient) -> None:
        await client.start([spec(state, "1.0.1", "sh", "-c", "trap 'exit 4' TERM; echo ready; sleep 1000 & wait")])
        await wait_until(lambda: os.path.exists(f"{state}/1.0.1.out") and read(f"{state}/1.0.1.out") != "", "ready")
        os.kill(await client.hello(), signal.SIGTERM)
        await wait_until(lambda: not find_processes_of(state), "nobody is left")
        (recorded,) = RecordFolder(f"{state}/attempts").load()
        assert recorded.end is not None
        assert (recorded.end.how, recorded.end.code) == (How.EXITED, 4)

    play(state, scenario)


def test_an_idle_supervisor_does_not_wake(state: str) -> None:
    """With running tasks, a deadline far away and nothing to do, it is not scheduled once in half a second."""

    async def scenario(client: SupervisorClient) -> None:
        await client.start([spec(state, f"1.{index}.1", "sleep", "1000", is_fenced=True) for index in range(3)])
        await client.renew(processes.boot_clock_us() + 3_600_000_000)
        await see(client, lambda known: {one.phase for one in known.values()} == {"running"})
        pid = await client.hello()
        before = count_switches(pid)
        # The one place where time itself is what is tested.
        await asyncio.sleep(0.5)
        assert count_switches(pid) - before <= 1

    play(state, scenario)


def count_switches(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)


def test_its_imports_are_few(state: str) -> None:
    """The supervisor imports nothing outside the standard library but itself: its memory is paid on every machine."""
    script = (
        "import sys; before = set(sys.modules);"
        "import omegacell.agent.supervisor.__main__;"
        "print('\\n'.join(sorted({name for name in set(sys.modules) - before})))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = answer.stdout.split()
    foreign = [name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names]
    ours = {"omegacell", "omegacell.agent"}
    assert all(name in ours or name.startswith("omegacell.agent.supervisor") for name in foreign), foreign
    assert not {"asyncio", "argparse", "logging", "subprocess", "typing_extensions"} & set(loaded)


def test_strangers_may_not_speak_to_it(state: str) -> None:
    """The socket is its user's own, and garbage on it ends the connection, not the supervisor."""

    async def scenario(client: SupervisorClient) -> None:
        assert os.stat(f"{state}/{SOCKET_NAME}").st_mode & 0o777 == 0o600
        reader, writer = await asyncio.open_unix_connection(f"{state}/{SOCKET_NAME}")
        writer.write(b"\x00garbage\n")
        assert await reader.read() == b""
        writer.close()
        with pytest.raises(SupervisorError, match="bad request"):
            await client._ask("start", specs=[{"key": 1}])
        assert await client.hello() > 0

    play(state, scenario)
