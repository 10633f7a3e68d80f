"""The real processes of a cell: server, schedulers, agents; what users see of them, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from omegacell.api.client import Client
from omegacell.api.errors import ExitCode, UnreachableError
from omegacell.api.records import Health, Job, JobState, LogStream, Submission
from omegacell.api.records_machines import MachineState
from omegacell.api.spec import parse_jobs
from omegacell.core.jobs import TaskState
from tests.api.serving import SIMULATED, TOKEN, job, store_url

LIMIT_S = 30.0
pytestmark = pytest.mark.slow


class Processes:
    """The processes of one cell, each restarted by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = folder / "token"
        self.token.write_text(TOKEN)
        self._ready = folder / "ready"
        self.address = "127.0.0.1:0"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", f"omegacell.api.processes.{program}", *arguments]
            self.running[name] = subprocess.Popen(command, stdout=log, stderr=log)
        return self.running[name]

    def start_api(self) -> Client:
        self._ready.unlink(missing_ok=True)
        options = ("--store", store_url(self.folder), "--token-file", str(self.token), "--ready-file", str(self._ready))
        process = self.start("api", "api", *options, "--listen", self.address)
        wait_until(lambda: self._ready.exists() or process.poll() is not None, "the server is ready")
        self.address = json.loads(self._ready.read_text())["address"]
        return Client(self.address, TOKEN, timeout_s=LIMIT_S)

    def start_scheduler(self, name: str, target: str = "") -> None:
        options = ("--store", store_url(self.folder), "--name", name, "--author", f"{name}-0")
        self.start(name, "scheduler", target or name, *options)

    def start_agent(self, *options: str) -> None:
        everything = ("--api", self.address, "--token-file", str(self.token), "--state", str(self.folder / "agent"))
        self.start("agent", "agent", *everything, "--name", "here", "--allow-root", "--no-cgroups", *options)

    def start_fleet(self, count: int) -> None:
        everything = ("--api", self.address, "--token-file", str(self.token), "--state", str(self.folder / "fleet"))
        self.start("fleet", "agent", *everything, "--simulated", str(count))

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.running.pop(name).wait(LIMIT_S)

    def stop(self) -> dict[str, int]:
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(LIMIT_S) for name, process in self.running.items()}
        self.running.clear()
        return codes

    def close(self) -> None:
        """End everything that has this cell's folder in its arguments, tasks too."""
        for process in self.running.values():
            process.kill()
            process.wait(LIMIT_S)
        for other in psutil.process_iter(["pid", "cmdline"]):
            is_own = any(str(self.folder) in word for word in other.info["cmdline"] or ())
            if is_own and other.info["pid"] != os.getpid():
                for child in other.children(recursive=True):
                    child.kill()
                other.kill()


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Processes]:
    """A cell without any process yet."""
    processes = Processes(tmp_path)
    yield processes
    processes.close()


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for a condition, with a limit."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"waited {LIMIT_S} s in vain until {what}"
        time.sleep(0.02)


def wait_machines(client: Client, count: int) -> None:
    """Wait until so many machines are up."""
    wait_until(
        lambda: sum(each.state is MachineState.UP for each in client.machines().machines) >= count, "machines are up"
    )


def read_jobs(text: str) -> list[Submission]:
    """Return jobs."""
    return parse_jobs("jobs.yaml", text.encode(), owner="tests")


def is_ended(each: Job) -> bool:
    """Whether nothing of a job will run again."""
    return each.state.is_ended


def test_real_tasks_run_and_speak(cell: Processes) -> None:
    """Real processes are placed, run, end with their codes and are read; everything stops cleanly on SIGTERM."""
    with cell.start_api() as client:
        cell.start_scheduler("batch")
        cell.start_agent()
        wait_machines(client, 1)
        [good, bad, missing] = read_jobs(
            "name: good\ncount: 3\ntask: {exec: {script: 'echo out $OMEGA_TASK_INDEX; echo err >&2'}}\n---\n"
            "name: bad\nrestarts: {max: 1, delay: 10ms}\ntask: {exec: {script: 'exit 7'}}\n---\n"
            "name: missing\ntask: {exec: {command: /no/such/program}}\n"
        )
        assert all(not each.is_refused for each in client.submit_many([good, bad, missing]))
        assert client.wait_job("good", until=is_ended, timeout_s=LIMIT_S).state is JobState.SUCCEEDED
        for index in range(3):
            assert b"".join(part.data for part in client.logs(f"good/{index}")) == b"out %d\n" % index
            assert b"".join(part.data for part in client.logs(f"good/{index}", stream=LogStream.STDERR)) == b"err\n"
        assert client.wait_job("bad", until=is_ended, timeout_s=LIMIT_S).state is JobState.FAILED
        [task] = client.job("bad").tasks
        assert task.last is not None
        assert [(each.attempt, each.exit_code) for each in (*task.past, task.last)] == [(1, 7), (2, 7)]
        client.wait_job("missing", until=is_ended, timeout_s=LIMIT_S)
        [task] = client.job("missing").tasks
        assert task.last is not None
        assert "/no/such/program" in task.last.message
        assert cell.stop() == {"api": 0, "batch": 0, "agent": 0}


def test_every_process_may_be_killed(cell: Processes) -> None:
    """With kill -9 of server, scheduler and agent a running task goes on, and all of them find it again."""
    client = cell.start_api()
    cell.start_scheduler("service")
    cell.start_agent()
    wait_machines(client, 1)
    [web] = read_jobs("name: web\nkind: service\ntask: {exec: {script: 'echo begun; exec sleep 1000'}}\n")
    client.submit(web)
    client.wait_job("web", until=lambda each: each.counts[TaskState.RUNNING] == 1, timeout_s=LIMIT_S)
    at = client.job("web").at
    for name in ("agent", "service", "api"):
        cell.kill(name)
    with pytest.raises(UnreachableError):
        client.status()
    client.close()
    with cell.start_api() as client:
        cell.start_scheduler("service")
        cell.start_agent()
        assert client.job("web").at.revision >= at.revision
        wait_until(lambda: client.machine("here").machine.epoch == 2, "the machine registered again")
        wait_machines(client, 1)
        [task] = client.job("web").tasks
        assert (task.state, task.past) == (TaskState.RUNNING, ())
        assert b"".join(part.data for part in client.logs("web/0")) == b"begun\n"
        client.stop("web")
        assert client.wait_job("web", until=is_ended, timeout_s=LIMIT_S).state is JobState.STOPPED


def test_a_followed_log_ends_with_its_attempt(cell: Processes) -> None:
    """Output is followed while the task runs, and the stream ends when the attempt does."""
    with cell.start_api() as client:
        cell.start_scheduler("batch")
        cell.start_agent()
        wait_machines(client, 1)
        [talker] = read_jobs("name: talker\ntask: {exec: {script: 'for n in 1 2 3; do echo $n; sleep 0.2; done'}}\n")
        client.submit(talker)
        client.wait_job("talker", until=lambda each: bool(each.counts[TaskState.RUNNING]), timeout_s=LIMIT_S)
        assert b"".join(part.data for part in client.logs("talker/0", follow=True)) == b"1\n2\n3\n"


def test_a_replica_whose_checks_fail_is_replaced(cell: Processes) -> None:
    """A service's task that answers its health checks no longer is ended and placed again, at no cost in restarts."""
    with cell.start_api() as client:
        cell.start_scheduler("service")
        cell.start_agent()
        wait_machines(client, 1)
        [web] = read_jobs(
            "name: web\nkind: service\nports: {http: 0}\nresources: {memory: 128Mi}\ngrace: 1s\ntask:\n"
            "  exec:\n    files: {index.html: hello}\n"
            "    script: 'exec python3 -m http.server --bind 127.0.0.1 $OMEGA_PORT_HTTP 2>&1'\n"
            "  health: {port: http, path: /index.html, interval: 100ms, grace: 5s, unhealthy_after: 2}\n"
        )
        client.submit(web)
        client.wait_job("web", until=lambda each: each.healthy_count == 1, timeout_s=LIMIT_S)
        [first] = client.job("web").tasks
        assert first.last is not None
        attempt = first.last.attempt
        job_id = client.job("web").job.job_id
        index = cell.folder / "agent" / "tasks" / f"{job_id}.0.{attempt}"
        [page] = list(index.rglob("index.html"))
        page.unlink()

        def is_replaced() -> bool:
            [task] = client.job("web").tasks
            return task.last is not None and task.last.attempt > attempt and task.health is Health.HEALTHY

        wait_until(is_replaced, "another attempt is healthy")
        [task] = client.job("web").tasks
        assert task.past[-1].state is TaskState.EVICTED
        assert task.restarts == first.restarts


def test_simulated_machines_take_work(cell: Processes) -> None:
    """One process plays many machines over one stream; their tasks run and end, and a machine tells what it runs."""
    with cell.start_api() as client:
        cell.start_scheduler("batch")
        cell.start_fleet(60)
        wait_machines(client, 60)
        client.submit(job("many", count=500, like=SIMULATED))
        ended = client.wait_job("many", until=is_ended, timeout_s=LIMIT_S)
        assert ended.counts[TaskState.SUCCEEDED] == 500
        assert client.machine("sim-0001").machine.drivers == ("simulated",)
        assert client.schedulers().schedulers[0].placements == 500


def test_a_plugin_that_cannot_be_loaded_is_named_to_its_jobs(cell: Processes) -> None:
    """A scheduler that fails to load says why to each of its jobs, in one line; nothing else stops."""
    plugin = cell.folder / "broken.py"
    plugin.write_text("raise RuntimeError('on purpose')\n")
    with cell.start_api() as client:
        cell.start_scheduler("mine", str(plugin))
        cell.start_fleet(1)
        wait_machines(client, 1)
        [mine] = read_jobs("name: a\nscheduler: mine\ntask: {simulated: {}}\n")
        client.submit(mine)

        def says_why() -> bool:
            pending = client.job("a").pending
            return pending is not None and "on purpose" in pending.summary

        wait_until(says_why, "the job says why")
        failing = cell.start(
            "failing", "scheduler", str(plugin), "--store", store_url(cell.folder), "--name=x", "--author=x-0", "--fail"
        )
        assert failing.wait(LIMIT_S) == ExitCode.USAGE
        lines = (cell.folder / "failing.log").read_text().splitlines()
        assert len([line for line in lines if "on purpose" in line]) == 1
        assert "Traceback" not in "".join(lines)
        cell.running.pop("failing")
