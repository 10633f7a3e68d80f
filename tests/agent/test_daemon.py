"""The whole agent with real processes, against the other end of its link."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable

import pytest

from omegacell.agent.daemon import Agent, AgentSettings
from omegacell.agent.drivers.exec_driver import ExecSettings
from omegacell.agent.messages import HeldState, LogRequest, LogStream
from omegacell.agent.payload import ExecConfig, HealthConfig
from omegacell.agent.resources import Overrides, Reserve
from omegacell.agent.supervisor.client import SupervisorClient
from omegacell.agent.supervisor.processes import boot_clock_us, read_boot_id
from omegacell.agent.supervisor.records import DeadlineFile
from omegacell.core.errors import StoreLockedError
from tests.agent.cell_end import CellEnd, exec_shape, key_of, touch, wait_until
from tests.agent.conftest import find_processes_of

Scenario = Callable[[CellEnd, Agent], Awaitable[None]]


def make_settings(state: str) -> AgentSettings:
    return AgentSettings(
        state=state,
        overrides=Overrides(name="here"),
        reserve=Reserve(memory_bytes=0, disk_bytes=0),
        exec=ExecSettings(is_root_allowed=True),
        use_cgroups=False,
    )


async def with_agent(state: str, cell: CellEnd, scenario: Scenario, *, stop_tasks: bool = False) -> None:
    agent = Agent(make_settings(state), cell)
    running = asyncio.create_task(agent.run(stop_tasks=stop_tasks))
    try:
        await scenario(cell, agent)
    finally:
        agent.stop()
        await running


def play(state: str, scenario: Scenario, *, stop_tasks: bool = True) -> CellEnd:
    cell = CellEnd()
    asyncio.run(with_agent(state, cell, scenario, stop_tasks=stop_tasks))
    return cell


def test_a_task_runs_and_its_exit_code_is_reported(state: str) -> None:
    """A wanted task starts, and its start and exit code are reported in order."""
    key = key_of(1)

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key, exec_shape("sh", "-c", "exit 7"))
        await wait_until(lambda: len(cell.kinds(key)) == 2, "start and end reported")

    cell = play(state, scenario)
    assert [(report.kind.name, report.code) for report in cell.reports] == [("STARTED", 0), ("EXITED", 7)]


def test_a_folded_end_is_forgotten(state: str) -> None:
    """Once an end is folded and the attempt is unwanted, the supervisor forgets it, and its output stays."""
    key = key_of(1)

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key, exec_shape("echo", "hello"))
        await wait_until(lambda: os.path.exists(f"{state}/supervisor/attempts/1.0.1"), "on record")
        await wait_until(lambda: not os.listdir(f"{state}/supervisor/attempts"), "forgotten")

    play(state, scenario)
    with open(f"{state}/tasks/1.0.1/stdout", encoding="ascii") as file:
        assert file.read() == "hello\n"


def test_what_cannot_start_is_reported_with_its_reason(state: str) -> None:
    """A command that is not there, and a user that is not there, are told apart in words."""

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key_of(1), exec_shape("no-such-command"))
        cell.want(key_of(2), exec_shape(config=ExecConfig(command=("true",), user="no-such-user")))
        await wait_until(lambda: bool(cell.kinds(key_of(1)) and cell.kinds(key_of(2))), "both reported")

    cell = play(state, scenario)
    reports = {report.key.job_id: (report.kind.name, report.message) for report in cell.reports}
    assert reports == {
        1: ("START_FAILED", "cannot run 'no-such-command': No such file or directory"),
        2: ("START_FAILED", "user 'no-such-user': no such user here"),
    }


def test_an_unwanted_task_is_stopped_by_sigterm_and_a_deaf_one_by_sigkill(state: str) -> None:
    """A stop is SIGTERM, and SIGKILL after the grace for who does not listen; the signal is reported."""
    deaf = "trap '' TERM; echo ready; while :; do sleep 100; done"

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key_of(1), exec_shape("sleep", "1000"))
        cell.want(key_of(2), exec_shape("sh", "-c", deaf, grace_us=300_000))
        await wait_until(lambda: os.path.exists(f"{state}/tasks/2.0.1/stdout"), "output there")
        await wait_until(lambda: os.path.getsize(f"{state}/tasks/2.0.1/stdout") > 0, "deaf")
        await wait_until(lambda: len(cell.reports) == 2, "both started")
        cell.unwant(key_of(1), key_of(2))
        await wait_until(lambda: len(cell.reports) == 4, "both ended")

    cell = play(state, scenario)
    ends = {report.key.job_id: (report.kind.name, report.code) for report in cell.reports[2:]}
    assert ends == {1: ("SIGNALED", signal.SIGTERM), 2: ("SIGNALED", signal.SIGKILL)}


def test_a_restarted_agent_finds_its_tasks_and_their_real_exit_codes(state: str) -> None:
    """Tasks go on without an agent; the next one reports the code of one that ended meanwhile, and keeps the other."""
    cell = CellEnd()
    go = os.path.join(state, "go")
    waiting = f"while ! test -e {go}; do sleep 0.01; done; exit 5"

    async def first(cell: CellEnd, agent: Agent) -> None:
        cell.want(key_of(1), exec_shape("sh", "-c", waiting))
        cell.want(key_of(2), exec_shape("sleep", "1000"))
        await wait_until(lambda: len(cell.reports) == 2, "both started")

    async def second(cell: CellEnd, agent: Agent) -> None:
        await wait_until(lambda: "EXITED" in cell.kinds(key_of(1)), "the end of the first")

    asyncio.run(with_agent(state, cell, first))
    pids = {stat.pid for stat in find_processes_of(f"{state}/tasks/2.0.1")}
    assert pids
    touch(go)
    asyncio.run(with_agent(state, cell, second))
    assert [report.code for report in cell.reports if report.kind.name == "EXITED"] == [5]
    assert {stat.pid for stat in find_processes_of(f"{state}/tasks/2.0.1")} == pids
    held = dict(zip(cell.offers[-1].held, cell.offers[-1].held_states, strict=True))
    assert held[key_of(2)] is HeldState.RUNNING


def test_an_agent_that_lost_the_link_goes_on_and_catches_up(state: str) -> None:
    """While the link is cut a task ends and another is unwanted; both are put right when it is back."""
    go = os.path.join(state, "go")

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key_of(1), exec_shape("sh", "-c", f"while ! test -e {go}; do sleep 0.01; done; exit 3"))
        cell.want(key_of(2), exec_shape("sleep", "1000"))
        await wait_until(lambda: len(cell.reports) == 2, "both started")
        cell.cut()
        cell.unwant(key_of(2))
        touch(go)
        await wait_until(lambda: not find_processes_of(f"{state}/tasks/1.0.1"), "the first has ended")
        cell.mend()
        await wait_until(lambda: len(cell.reports) == 4, "both ends reported")

    cell = play(state, scenario)
    assert cell.epoch == 2
    assert sorted((report.kind.name, report.code) for report in cell.reports[2:]) == [("EXITED", 3), ("SIGNALED", 15)]


def test_unacknowledged_reports_are_sent_again(state: str) -> None:
    """What was sent on a link and not acknowledged is sent again on the next."""
    key = key_of(1)

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.is_acknowledging = False
        cell.want(key, exec_shape("true"))
        await wait_until(lambda: len(cell.reports) == 2, "reported once")
        cell.cut()
        cell.is_acknowledging = True
        cell.mend()
        await wait_until(lambda: len(cell.reports) == 4, "reported again")

    cell = play(state, scenario)
    assert cell.kinds(key) == ["STARTED", "EXITED"] * 2


def test_a_killed_supervisor_is_replaced_and_its_tasks_are_found(state: str) -> None:
    """After kill -9 of the supervisor the task runs on, no second one is started, and its end is UNKNOWN."""
    key = key_of(1)
    go = os.path.join(state, "go")

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key, exec_shape("sh", "-c", f"while ! test -e {go}; do sleep 0.01; done"))
        await wait_until(lambda: cell.kinds(key) == ["STARTED"], "started")
        client = await SupervisorClient.connect(f"{state}/supervisor")
        pid = await client.hello()
        (before,) = [status.pid for status in await client.inventory()]
        await client.close()
        os.kill(pid, signal.SIGKILL)
        cell.want(key_of(2), exec_shape("true"))
        await wait_until(lambda: "EXITED" in cell.kinds(key_of(2)), "work goes on")
        client = await SupervisorClient.connect(f"{state}/supervisor")
        assert [status.pid for status in await client.inventory() if status.key == "1.0.1"] == [before]
        await client.close()
        touch(go)
        await wait_until(lambda: cell.kinds(key) == ["STARTED", "UNKNOWN"], "its end is reported")

    play(state, scenario)


def test_tasks_are_told_their_job_index_attempt_and_ports(state: str) -> None:
    """The environment names job, index, attempt, ports in upper case, and the working folder the task is in."""
    key = key_of(4, 2, 3)
    shape = exec_shape("sh", "-c", "env | sort; pwd", job_name="web", port_names=("http", "admin-port"))

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key, shape, (8080, 9090))
        await wait_until(lambda: "EXITED" in cell.kinds(key), "ended")

    play(state, scenario)
    with open(f"{state}/tasks/4.2.3/stdout", encoding="ascii") as file:
        lines = file.read().splitlines()
    work = f"{state}/tasks/4.2.3/work"
    assert {"OMEGA_JOB=web", "OMEGA_TASK_INDEX=2", "OMEGA_ATTEMPT=3", "OMEGA_PORT_HTTP=8080"} <= set(lines)
    assert {"OMEGA_PORT_ADMIN_PORT=9090", f"OMEGA_TASK_DIR={work}", f"HOME={work}"} <= set(lines)
    assert lines[-1] == work


def test_logs_are_followed_to_the_end(state: str) -> None:
    """A followed log request brings everything, in order, and says when it is the last."""
    key = key_of(1)
    go = os.path.join(state, "go")
    script = f"echo one; while ! test -e {go}; do sleep 0.01; done; echo two; echo other >&2"

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key, exec_shape("sh", "-c", script))
        await wait_until(lambda: cell.kinds(key) == ["STARTED"], "started")
        request = LogRequest(request_id=9, key=key, stream=LogStream.STDOUT, offset=0, limit_bytes=0, is_followed=True)
        cell.ask_logs(request)
        await wait_until(lambda: bool(cell.chunks), "the first line")
        touch(go)
        await wait_until(lambda: cell.chunks[-1].is_last, "the last chunk")

    cell = play(state, scenario)
    assert b"".join(chunk.data for chunk in cell.chunks) == b"one\ntwo\n"
    assert {chunk.request_id for chunk in cell.chunks} == {9}


def test_logs_of_an_unknown_attempt_are_refused_in_words(state: str) -> None:
    """Asking for output that is not there gets one last chunk with an error."""

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        await wait_until(lambda: cell.heartbeat_count > 0, "registered")
        cell.ask_logs(LogRequest(request_id=1, key=key_of(99), stream=LogStream.STDERR, offset=0, limit_bytes=10))
        await wait_until(lambda: bool(cell.chunks), "an answer")

    cell = play(state, scenario)
    assert [(c.is_last, c.error) for c in cell.chunks] == [(True, "it is not kept there any more")]


def test_a_service_becomes_healthy(state: str) -> None:
    """A real HTTP server is reported healthy, and unhealthy when it stops to answer."""
    key = key_of(1)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = f"exec {sys.executable} -m http.server --bind 127.0.0.1 $OMEGA_PORT_HTTP"
    health = HealthConfig(port="http", interval_ms=50, timeout_ms=500, grace_ms=20_000, unhealthy_after=2)
    shape = exec_shape("sh", "-c", server, health=health, port_names=("http",), resources=(100, 0, 0))

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key, shape, (port,))
        await wait_until(lambda: "HEALTHY" in cell.kinds(key), "healthy")
        for stat in find_processes_of(f"{state}/tasks/1.0.1"):
            os.kill(stat.pid, signal.SIGSTOP)
        await wait_until(lambda: "UNHEALTHY" in cell.kinds(key), "unhealthy")

    cell = play(state, scenario)
    assert cell.kinds(key)[:3] == ["STARTED", "HEALTHY", "UNHEALTHY"]


def test_stopping_with_tasks_leaves_no_process(state: str) -> None:
    """With stop_tasks the agent ends every task and the supervisor."""

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key_of(1), exec_shape("sh", "-c", "setsid sleep 1000 & sleep 1000"))
        await wait_until(lambda: len(cell.reports) == 1, "started")

    play(state, scenario)
    assert find_processes_of(state) == []


def test_stopping_without_tasks_leaves_them(state: str) -> None:
    """Without it the tasks go on."""

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key_of(1), exec_shape("sleep", "1000"))
        await wait_until(lambda: len(cell.reports) == 1, "started")

    play(state, scenario, stop_tasks=False)
    assert len(find_processes_of(f"{state}/tasks/1.0.1")) == 1


def test_a_fenced_task_ends_when_the_lease_runs_out(state: str) -> None:
    """Cut off from the cell, a task that must stop on a partition is killed at the deadline; another goes on."""

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.lease_us = 700_000
        cell.want(key_of(1), exec_shape("sleep", "1000", stop_on_partition=True))
        cell.want(key_of(2), exec_shape("sleep", "1000"))
        await wait_until(lambda: len(cell.reports) == 2, "both started")
        await wait_until(lambda: cell.heartbeat_count > 3, "leases renewed")
        cell.cut()
        await wait_until(lambda: not find_processes_of(f"{state}/tasks/1.0.1"), "fenced")
        assert find_processes_of(f"{state}/tasks/2.0.1")
        cell.mend()
        await wait_until(lambda: "FENCED" in cell.kinds(key_of(1)), "reported as fenced")

    cell = play(state, scenario)
    assert cell.kinds(key_of(2)) in (["STARTED"], ["STARTED", "SIGNALED"])


def test_a_deadline_from_before_ends_no_first_start(state: str) -> None:
    """A machine that was away for longer than its lease starts a fenced task under the new one, not under the old."""
    os.makedirs(f"{state}/supervisor")
    old = DeadlineFile(f"{state}/supervisor/deadline", read_boot_id())
    old.write(boot_clock_us() - 1_000_000)
    key = key_of(1)

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key, exec_shape("sh", "-c", "sleep 0.2; exit 7", stop_on_partition=True))
        await wait_until(lambda: len(cell.kinds(key)) == 2, "start and end reported")

    cell = play(state, scenario)
    assert cell.kinds(key) == ["STARTED", "EXITED"]


def test_only_one_agent_runs_over_a_folder(state: str) -> None:
    """A second agent over the same folder is refused with one clear error."""

    async def scenario() -> None:
        agent = Agent(make_settings(state), CellEnd())
        with pytest.raises(StoreLockedError, match="another agent runs over this folder"):
            Agent(make_settings(state), CellEnd())
        agent.stop()
        await agent.run()

    asyncio.run(scenario())


def test_a_log_of_another_incarnation_ends_the_tasks_of_the_one_before(state: str) -> None:
    """The same key means another attempt there: the old process is ended before the new one starts."""
    key = key_of(1)

    async def scenario(cell: CellEnd, agent: Agent) -> None:
        cell.want(key, exec_shape("sleep", "1000"))
        await wait_until(lambda: cell.kinds(key) == ["STARTED"], "started")
        (old,) = find_processes_of(f"{state}/tasks/1.0.1")
        cell.cut()
        cell.incarnation, cell.revision = "second", 1
        cell.mend()
        await wait_until(lambda: cell.kinds(key) == ["STARTED", "STARTED"], "the new one started")
        (new,) = find_processes_of(f"{state}/tasks/1.0.1")
        assert (old.pid, old.start_ticks) != (new.pid, new.start_ticks)

    play(state, scenario)
