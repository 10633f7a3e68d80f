"""A cell for a while: a real `omega up` in a folder of its own, with a client, gone without a trace afterwards.

For demos, measurements and tests. Its context file stands in the same folder: the user's own cells are not touched.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from omegacell.api.cli.exits import CommandError
from omegacell.api.client import Client
from omegacell.api.up.child import read_last_line, strip_name
from omegacell.api.up.folder import StateFolder
from omegacell.api.up.leash import leashed

FIRST_PORT: Final = 21_000
PORTS_EACH: Final = 350
PORT_RANGES: Final = 25
"""Cells that run at the same time on one machine need ports of their own for their tasks."""

START_LIMIT_S: Final = 90.0
STOP_LIMIT_S: Final = 60.0
POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class CellShape:
    """What the cell consists of; as the options of `omega up`, and further ``options`` as they are written."""

    schedulers: str = "batch=1,service=1,system=1"
    simulated: int = 0
    has_agent: bool = True
    name: str = "ephemeral"
    store: str | None = None
    options: tuple[str, ...] = ()


class EphemeralCell:
    """A running `omega up`; a context manager.

    Args:
        folder: Where everything of it goes; removed by whoever made it.
        shape: What it consists of.
    """

    def __init__(self, folder: Path, shape: CellShape) -> None:
        self.folder = folder
        self.shape = shape
        self.state = StateFolder(folder / "state")
        self._log = folder / "up.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None

    @property
    def store_url(self) -> str:
        """Where its log is."""
        return self.shape.store or self.state.store_url

    @property
    def environment(self) -> dict[str, str]:
        """What the environment of an `omega` command must hold to mean this cell."""
        return {**os.environ, "XDG_CONFIG_HOME": str(self.folder / "config"), "OMEGA_CELL": self.shape.name}

    @property
    def client(self) -> Client:
        """A client of it."""
        assert self._client is not None, "the cell is not up"
        return self._client

    @property
    def pid(self) -> int:
        """The process of `omega up`."""
        assert self._process is not None, "the cell is not up"
        return self._process.pid

    def processes(self) -> Mapping[str, int]:
        """Return the pids of its processes, by name, as last recorded."""
        found = self.state.read_record().get("processes", {})
        return {str(name): int(pid) for name, pid in found.items()}

    def start(self) -> None:
        """Start it and wait until it is up.

        Raises:
            CommandError: It does not come up; with its last words.
        """
        shape = self.shape
        arguments = ["up", "--cell", shape.name, "--state", str(self.state.path), "--schedulers", shape.schedulers]
        arguments += ["--simulated", str(shape.simulated), "--agent" if shape.has_agent else "--no-agent"]
        first = FIRST_PORT + os.getpid() % PORT_RANGES * PORTS_EACH
        arguments += ["--ports", f"{first}-{first + PORTS_EACH - 1}", *shape.options]
        if shape.store is not None:
            arguments += ["--store", shape.store]
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                leashed([sys.executable, "-m", "omegacell.api.cli", *arguments]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        record = self._await_record(self._process)
        token = (self.state.path / "token").read_text().strip()
        self._client = Client(record["address"], token)

    def _await_record(self, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
        deadline = time.monotonic() + START_LIMIT_S
        while process.poll() is None and time.monotonic() < deadline:
            record = self.state.read_record()
            if record.get("is_ready") and record.get("pid") == process.pid:
                return record
            time.sleep(POLL_S)
        words = strip_name(read_last_line(self._log))
        self.kill()
        raise CommandError(f"the cell does not come up: {words or 'it says nothing'}; logs are in {self.state.logs}")

    def stop(self) -> int:
        """Stop it as Ctrl-C would, and return its exit code."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise CommandError(
                f"omega up did not stop within {STOP_LIMIT_S:g} s; logs are in {self.state.logs}"
            ) from None
        self._process = None
        return code

    def kill(self) -> None:
        """Kill `omega up` with SIGKILL; its tasks go on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def said(self) -> str:
        """Return what `omega up` printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def command(self, *arguments: str, limit_s: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """Run an `omega` command that means this cell."""
        return subprocess.run(
            [sys.executable, "-m", "omegacell.api.cli", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )

    def ask(self, *arguments: str) -> Any:
        """Return what an `omega ... -o json` command answers."""
        done = self.command(*arguments, "-o", "json")
        if done.returncode != 0:
            raise CommandError(f"omega {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self.state.path.is_dir():
            from omegacell.api.up.tasks import end_tasks

            end_tasks(self.state.agent)
