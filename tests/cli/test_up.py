"""What `omega up` is made of: the supervisor of processes, the state folder, the leash."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from omegacell.api.errors import ExitCode, exit_code_of
from omegacell.api.up import child
from omegacell.api.up.child import ChildPlan, Ended
from omegacell.api.up.folder import StateFolder, StateLock, default_state, find_closed_parent, find_holder, translate
from omegacell.api.up.leash import leashed
from omegacell.api.up.plan import Place, plan_agent, plan_api
from omegacell.api.up.supervisor import FINAL_TRIES, QUIET_PORTS, Supervisor, free_port, is_free
from omegacell.core.errors import StoreLockedError, UsageError

LIMIT_S = 20.0
SLEEP = ("/bin/sleep", "600")
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"


class Notes:
    """Keeps what a supervisor says."""

    def __init__(self) -> None:
        self.starts: list[str] = []
        self.ends: list[Ended] = []
        self.delays: list[float] = []

    def started(self, plan: ChildPlan, pid: int, *, again: int) -> None:
        assert pid > 0
        self.starts.append(f"{plan.name} {again}")

    def ended(self, plan: ChildPlan, how: Ended, *, delay_s: float) -> None:
        assert plan.name
        self.ends.append(how)
        self.delays.append(delay_s)


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """Give a state folder that is made."""
    made = StateFolder(tmp_path / "state")
    made.make()
    return made


@pytest.fixture
def notes() -> Notes:
    """Give a watcher."""
    return Notes()


@pytest.fixture
def supervisor(folder: StateFolder, notes: Notes) -> Iterator[Supervisor]:
    """Give a supervisor that is closed, with all it started, at the end."""
    made = Supervisor(folder, notes)
    yield made
    made.close()


def run_until(supervisor: Supervisor, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not until():
        assert time.monotonic() < deadline
        supervisor.step(until=time.monotonic() + 0.2)


def plan(name: str, *argv: str) -> ChildPlan:
    return ChildPlan(name=name, title="a test", argv=argv)


def test_killed_process_comes_back(supervisor: Supervisor, notes: Notes) -> None:
    """A process that is killed is started again, and it is said how it ended."""
    supervisor.add(plan("a", *SLEEP))
    first = supervisor.pids()["a"]
    os.kill(first, signal.SIGKILL)
    run_until(supervisor, lambda: len(notes.starts) == 2)
    assert supervisor.pids()["a"] != first
    assert str(notes.ends[0]) == "killed by SIGKILL"


def test_process_that_ends_at_once_is_tried_later_and_later(supervisor: Supervisor, notes: Notes) -> None:
    """What cannot run is tried again with growing pauses, with its last line as the reason."""
    supervisor.add(plan("a", "/bin/sh", "-c", "echo omega: no such module >&2; exit 2"))
    run_until(supervisor, lambda: len(notes.ends) == 3)
    assert [str(end) for end in notes.ends] == ["exited with 2: no such module"] * 3
    assert notes.delays == sorted(notes.delays)
    assert notes.delays[0] < notes.delays[2]


@pytest.mark.parametrize(("code", "is_final"), [(6, True), (1, False)], ids=["the final code", "another"])
def test_cell_is_given_up_when_nothing_helps(
    code: int, is_final: bool, supervisor: Supervisor, notes: Notes, folder: StateFolder
) -> None:
    """A process that ends with its final code again and again ends the whole run; with another code it is tried on."""
    count = folder.path / "count"
    script = f"echo x >> {count}; echo omega: damaged >&2; test $(wc -l < {count}) = 3 && exit 9; exit {code}"
    supervisor.add(replace(plan("api", "/bin/sh", "-c", script), final_code=6, last_delay_s=0.1))
    run_until(supervisor, lambda: supervisor.failure is not None or len(notes.ends) == 3 + FINAL_TRIES)
    assert len(notes.ends) == 3 + FINAL_TRIES, "one that ended otherwise begins the count anew"
    assert (supervisor.failure is not None) is is_final
    if supervisor.failure is not None:
        supervisor.run(lambda: None)  # returns at once
        assert str(supervisor.failure[1]) == "exited with 6: damaged"


def test_longest_pause_is_the_plan_s(supervisor: Supervisor, notes: Notes) -> None:
    """What the whole cell waits for says how long a pause may get; other processes keep the long one."""
    supervisor.add(replace(plan("a", "/bin/false"), last_delay_s=0.15))
    run_until(supervisor, lambda: len(notes.delays) == 3)
    assert notes.delays == [0.1, 0.15, 0.15]
    place = Place(
        folder=StateFolder(Path("/s")), cell="c", store_url="", address="", metrics_address="", token_file=Path("/t")
    )
    vital = [plan_api(place, has_agent=True), plan_agent(place, is_root_allowed=False)]
    assert [each.last_delay_s for each in vital] == [3.0, 3.0]
    assert [each.final_code for each in vital] == [ExitCode.STORE, 0]
    assert plan("other").last_delay_s == 15.0


def test_one_that_fails_stops_nobody_else(supervisor: Supervisor, notes: Notes) -> None:
    """A plug-in that cannot run leaves the others alone."""
    supervisor.add(plan("good", *SLEEP))
    pid = supervisor.pids()["good"]
    supervisor.add(plan("bad", "/bin/false"))
    run_until(supervisor, lambda: len(notes.ends) == 2)
    assert supervisor.pids()["good"] == pid


def test_stop_is_gentle_first(supervisor: Supervisor, folder: StateFolder) -> None:
    """What ends on SIGTERM is not killed; what does not is."""
    supervisor.add(plan("gentle", *SLEEP))
    supervisor.add(plan("stubborn", "/bin/sh", "-c", STUBBORN))
    pids = supervisor.pids()
    run_until(supervisor, lambda: "ready" in folder.log_of("stubborn").read_text())
    assert supervisor.stop(["gentle"]) == []
    assert supervisor.stop(["stubborn"], patience_s=0.3) == ["stubborn"]
    assert [pid for pid in pids.values() if psutil.pid_exists(pid)] == []


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    """kill -9 of the supervisor takes its processes along: nothing is left that nobody watches."""
    code = (
        "import subprocess, sys, time\nfrom omegacell.api.up.leash import leashed\n"
        "print(subprocess.Popen(leashed(['/bin/sleep', '600'])).pid, flush=True)\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert parent.stdout is not None
    process = psutil.Process(int(parent.stdout.readline()))
    await_true(lambda: process.name() == "sleep")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    await_true(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_leash_of_another_parent_does_not_start() -> None:
    """A process whose parent died before the leash was on does not start at all."""
    argv = leashed(["/bin/echo", "started"])
    argv[argv.index(str(os.getpid()))] = "1"
    done = subprocess.run(argv, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def await_true(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_second_up_is_refused(folder: StateFolder) -> None:
    """One state folder, one `omega up`; the second is told who has it."""
    first, second = StateLock(folder), StateLock(folder)
    first.take()
    assert find_holder(folder) == os.getpid()
    with pytest.raises(StoreLockedError, match=f"pid {os.getpid()}"):
        second.take()
    first.release()
    assert find_holder(folder) == 0
    second.take()
    second.release()


def test_log_of_a_process_is_bounded(
    folder: StateFolder, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that talks all day fills no disk: one older file is kept, and no more."""
    monkeypatch.setattr(child, "LOG_LIMIT_BYTES", 1_000)
    log = folder.log_of("a")
    for _ in range(3):
        log.write_bytes(b"x" * 2_000)
        process = child.Child(plan("a", *SLEEP), log)
        process.bound_log()
        process.send(signal.SIGKILL)
        run_until(supervisor, lambda: process.reap() is not None)  # noqa: B023 -- called at once
    assert log.stat().st_size == 0
    assert sorted(path.name for path in folder.logs.iterdir()) == ["a.log", "a.log.1"]
    assert (folder.logs / "a.log.1").stat().st_size == 2_000


def test_state_folder_is_private(folder: StateFolder) -> None:
    """Nobody else reads the folder; a file in its place is a clear error."""
    assert folder.path.stat().st_mode & 0o066 == 0
    assert folder.logs.stat().st_mode & 0o077 == 0
    (folder.path / "file").write_text("")
    with pytest.raises(UsageError, match="file in its place"):
        StateFolder(folder.path / "file").make()


def test_folder_without_permission_is_a_sentence(folder: StateFolder) -> None:
    """Where this user may not write, the error says so, which folder, and what to do; its exit code is 6."""
    told = translate(PermissionError(errno.EACCES, "Permission denied"), folder.path)
    assert str(told) == f"{folder.path}: this user may not write there; name a folder with --state that it may"
    assert exit_code_of(told) is ExitCode.STORE


def test_ports_of_this_machine_are_an_attribute_of_its_agent(folder: StateFolder) -> None:
    """`omega up --ports` reaches the agent as the attribute that the cell reads its range from."""
    place = Place(
        folder=folder,
        cell="lab",
        store_url=folder.store_url,
        address="127.0.0.1:1",
        metrics_address="127.0.0.1:2",
        token_file=folder.path / "token",
    )
    assert plan_agent(place, is_root_allowed=False, ports="20000-20999").argv[-2:] == (
        "--attribute",
        "ports=20000-20999",
    )
    assert "--attribute" not in plan_agent(place, is_root_allowed=False).argv


def test_default_state_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_STATE_HOME decides, when it is a path."""
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert default_state("lab") == Path("/s/omegacell/lab")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_state("lab").is_absolute()


def test_closed_parent_is_found(tmp_path: Path) -> None:
    """The folder that keeps other users out is named, the topmost one."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    tmp_path.chmod(0o711)
    found = find_closed_parent(closed / "open")
    assert found is not None
    assert closed.is_relative_to(found)


def test_ports_are_such_as_no_connection_gets() -> None:
    """A port that was found free is still free when a process has started and listens on it."""
    found = [free_port("127.0.0.1") for _ in range(20)]
    assert all(port in QUIET_PORTS and is_free("127.0.0.1", port) for port in found)
    assert all(free_port("::1", besides=port) != port for port in found)
    with socket.create_server(("127.0.0.1", found[0])):
        assert not is_free("127.0.0.1", found[0])
