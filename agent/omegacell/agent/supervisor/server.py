"""The supervisor's loop: a unix socket for the agent, children that end, pidfds, and one timer.

Rules: idle means no wake-up at all; every wait is one ``poll``. Only the supervisor's own user (and root) may speak to
it. One instance per state folder, by ``flock``.

Protocol: one JSON object a line. A request ``{"id": n, "verb": ..., ...}`` gets exactly one answer ``{"id": n, ...}``
with ``"error"`` when it was refused. After ``subscribe``, lines without an id announce starts and ends as they happen.
Verbs: hello, start, signal, list, renew, forget, subscribe, shutdown.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from omegacell.agent.supervisor import processes
from omegacell.agent.supervisor.attempts import Attempt, Attempts
from omegacell.agent.supervisor.records import DeadlineFile, RecordFolder
from omegacell.agent.supervisor.spawn import parse_spec

PROTOCOL: Final = 1
SOCKET_NAME: Final = "supervisor.sock"
LOCK_NAME: Final = "supervisor.lock"
MAX_REQUEST_BYTES: Final = 16 << 20
MAX_UNSENT_BYTES: Final = 64 << 20
_MAX_CLIENTS = 64
_LOCK_LIMIT_S = 5.0
_DEFAULT_GRACE_US = 5_000_000
_READ_BYTES = 1 << 16


class AlreadyRunningError(Exception):
    """Another supervisor holds this state folder."""


def take_lock(state: str) -> int:
    """Return the held lock file of a state folder.

    Children held before ``exec`` by a supervisor that was killed share its lock for the instant they need to leave, so
    it is asked for again for a while.

    Raises:
        AlreadyRunningError: a living supervisor holds it.
    """
    fd = os.open(os.path.join(state, LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + _LOCK_LIMIT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() > until or _answers(state):
                os.close(fd)
                raise AlreadyRunningError(f"a supervisor is already running in {state}") from None
            time.sleep(0.005)


def _answers(state: str) -> bool:
    """Return whether somebody listens on the socket of a state folder."""
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(f"/proc/self/fd/{folder}/{SOCKET_NAME}") == 0
    finally:
        os.close(folder)


class Timer:
    """A timerfd on the boot clock: it fires after a sleep of the machine too, which ``poll``'s timeout does not."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = int(self._libc.timerfd_create(time.CLOCK_BOOTTIME, os.O_NONBLOCK | os.O_CLOEXEC))
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._at_us: int | None = None

    def arm(self, at_us: int | None) -> None:
        """Fire at an absolute time of the boot clock, or never."""
        if at_us == self._at_us:
            return
        self._at_us = at_us
        seconds, rest_us = divmod(max(at_us, 1), 1_000_000) if at_us is not None else (0, 0)
        value = struct.pack("@qqqq", 0, 0, seconds, rest_us * 1_000)
        if self._libc.timerfd_settime(self.fd, 1, value, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def take(self) -> None:
        """Take note that it fired."""
        self._at_us = None
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return


class Client:
    """One connection: bytes in, bytes out, neither without a limit."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.is_subscribed = False
        self.received = bytearray()
        self.unsent = bytearray()

    def take_lines(self) -> tuple[list[bytes], bool]:
        """Return all requests that have arrived completely, and whether the other end is still there."""
        is_open = True
        while len(self.received) <= MAX_REQUEST_BYTES:
            try:
                data = self.connection.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except ConnectionError:
                data = b""
            if not data:
                is_open = False
                break
            self.received += data
        *lines, rest = self.received.split(b"\n")
        self.received = bytearray(rest)
        return [bytes(line) for line in lines], is_open and len(rest) <= MAX_REQUEST_BYTES

    def flush(self) -> bool:
        """Send what can be sent; return whether the connection is still good."""
        while self.unsent:
            try:
                sent = self.connection.send(self.unsent)
            except BlockingIOError:
                break
            except ConnectionError:
                return False
            del self.unsent[:sent]
        return len(self.unsent) <= MAX_UNSENT_BYTES


class Server:
    """One supervisor over one state folder; `run` returns after a shutdown.

    Args:
        state: the state folder, which becomes the working folder (a socket's path must be short).
    """

    def __init__(self, state: str) -> None:
        os.chdir(state)
        self._lock = take_lock(".")
        self._poll = select.poll()
        self._clients: dict[int, Client] = {}
        self._watched: dict[int, Attempt] = {}
        self._spawning: dict[int, Attempt] = {}
        self._leaving: list[tuple[Client, object]] = []
        self._is_leaving = False
        self._was_told_to_end = False
        self._timer = Timer()
        boot_id = processes.read_boot_id()
        self._attempts = Attempts(RecordFolder("attempts"), DeadlineFile("deadline", boot_id), self._announce)
        self._wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_terminate)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._listener = self._listen()
        for fd in (self._wake_read, self._timer.fd, self._listener.fileno()):
            self._poll.register(fd, select.POLLIN)

    def _on_terminate(self, *_: object) -> None:
        self._was_told_to_end = True

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET_NAME)
        previous = os.umask(0o177)
        listener.bind(SOCKET_NAME)
        os.umask(previous)
        listener.listen(_MAX_CLIENTS)
        listener.setblocking(False)
        return listener

    def recover(self) -> None:
        """Find again what was started before; to be called once, before `run`."""
        processes.become_subreaper()
        self._attempts.recover()
        for attempt in self._attempts:
            if attempt.pidfd >= 0:
                self._watched[attempt.pidfd] = attempt
                self._poll.register(attempt.pidfd, select.POLLIN)

    def run(self) -> None:
        """Serve until a shutdown has ended every task."""
        while not (self._is_leaving and self._attempts.alive_count == 0):
            self._timer.arm(self._attempts.next_deadline_us())
            for fd, event in self._poll.poll():
                self._on_ready(fd, event)
            self._drop_closed_pidfds()
        for client, number in self._leaving:
            self._send(client, {"id": number})
        os.unlink(SOCKET_NAME)

    def _on_ready(self, fd: int, event: int) -> None:
        if fd == self._wake_read:
            os.read(fd, _READ_BYTES)
            if self._was_told_to_end and not self._is_leaving:
                self._begin_shutdown(_DEFAULT_GRACE_US)
            self._attempts.on_children()
        elif fd == self._timer.fd:
            self._timer.take()
            self._attempts.on_time()
        elif fd == self._listener.fileno():
            self._accept()
        elif fd in self._clients:
            self._on_client(self._clients[fd], event)
        elif fd in self._watched:
            self._poll.unregister(fd)
            self._attempts.on_pidfd(self._watched.pop(fd))
        elif fd in self._spawning:
            self._poll.unregister(fd)
            self._attempts.on_spawned(self._spawning.pop(fd))

    def _drop_closed_pidfds(self) -> None:
        """Forget descriptors that `Attempts` closed because a signal told it first."""
        for fd, attempt in list(self._spawning.items()):
            if attempt.error != fd:
                del self._spawning[fd]
                self._poll.unregister(fd)

    # --- clients

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in (0, os.geteuid()) or len(self._clients) >= _MAX_CLIENTS:
            connection.close()
            return
        self._clients[connection.fileno()] = Client(connection)
        self._poll.register(connection.fileno(), select.POLLIN)

    def _on_client(self, client: Client, event: int) -> None:
        if event & select.POLLOUT and not self._flush(client):
            return
        if not event & ~select.POLLOUT:
            return
        lines, is_open = client.take_lines()
        for line in lines:
            self._answer(client, line)
        if not is_open:
            self._drop(client)

    def _drop(self, client: Client) -> None:
        fd = client.connection.fileno()
        if self._clients.pop(fd, None) is not None:
            self._poll.unregister(fd)
            client.connection.close()

    def _flush(self, client: Client) -> bool:
        if client.connection.fileno() < 0:
            return False
        if not client.flush():
            self._drop(client)
            return False
        events = select.POLLIN | (select.POLLOUT if client.unsent else 0)
        self._poll.modify(client.connection.fileno(), events)
        return True

    def _send(self, client: Client, fields: dict[str, object]) -> None:
        client.unsent += json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        self._flush(client)

    def _announce(self, attempt: Attempt) -> None:
        for client in list(self._clients.values()):
            if client.is_subscribed:
                self._send(client, describe(attempt))

    # --- verbs

    def _answer(self, client: Client, line: bytes) -> None:
        try:
            request = json.loads(line)
            number = request["id"]
            verb = self._verbs()[request["verb"]]
        except (ValueError, KeyError, TypeError):
            self._drop(client)
            return
        try:
            answer = verb(client, request)
        except (KeyError, TypeError, ValueError) as error:
            answer = {"error": f"bad request {request['verb']!r}: {error!r}"}
        except OSError as error:
            answer = {"error": f"{request['verb']}: {error}"}
        if answer is not None:
            self._send(client, {"id": number, **answer})

    def _verbs(self) -> dict[str, Callable[[Client, dict[str, object]], dict[str, object] | None]]:
        return {
            "hello": self._hello,
            "start": self._start,
            "signal": self._signal,
            "list": self._list,
            "renew": self._renew,
            "forget": self._forget,
            "subscribe": self._subscribe,
            "shutdown": self._shutdown,
        }

    def _hello(self, client: Client, request: dict[str, object]) -> dict[str, object]:
        return {"protocol": PROTOCOL, "pid": os.getpid()}

    def _start(self, client: Client, request: dict[str, object]) -> dict[str, object]:
        if self._is_leaving:
            return {"error": "the supervisor is shutting down"}
        specs = [parse_spec(fields) for fields in request["specs"]]  # type: ignore[attr-defined]
        refused = self._attempts.start(specs)
        for attempt in self._attempts:
            if attempt.error >= 0 and attempt.error not in self._spawning:
                self._spawning[attempt.error] = attempt
                self._poll.register(attempt.error, select.POLLIN)
        return {"refused": refused}

    def _signal(self, client: Client, request: dict[str, object]) -> dict[str, object]:
        after = request.get("kill_after_us")
        number = int(request["number"])  # type: ignore[call-overload]
        kill_after_us = None if after is None else int(after)  # type: ignore[call-overload]
        return {"was_running": self._attempts.signal(str(request["key"]), number, kill_after_us)}

    def _list(self, client: Client, request: dict[str, object]) -> dict[str, object]:
        return {"attempts": [describe(attempt) for attempt in self._attempts]}

    def _renew(self, client: Client, request: dict[str, object]) -> dict[str, object]:
        deadline = request["deadline_us"]
        self._attempts.renew(None if deadline is None else int(deadline))  # type: ignore[call-overload]
        return {}

    def _forget(self, client: Client, request: dict[str, object]) -> dict[str, object]:
        keys: list[str] = request["keys"]  # type: ignore[assignment]
        return {"kept": [key for key in keys if not self._attempts.forget(key)]}

    def _subscribe(self, client: Client, request: dict[str, object]) -> dict[str, object]:
        # What an agent asked for before it was killed is done before the next one is told what there is.
        for other in list(self._clients.values()):
            if other is not client:
                self._on_client(other, select.POLLIN)
        client.is_subscribed = True
        return self._list(client, request)

    def _shutdown(self, client: Client, request: dict[str, object]) -> None:
        self._leaving.append((client, request["id"]))
        self._begin_shutdown(int(request["grace_us"]))  # type: ignore[call-overload]

    def _begin_shutdown(self, grace_us: int) -> None:
        self._is_leaving = True
        for attempt in list(self._attempts):
            self._attempts.signal(attempt.start.key, signal.SIGTERM, grace_us)


def describe(attempt: Attempt) -> dict[str, object]:
    """Return an attempt as the protocol shows it."""
    return {
        "key": attempt.start.key,
        "phase": attempt.phase.name.lower(),
        "pid": attempt.start.pid,
        "started_at_us": attempt.start.started_at_us,
        "is_found_again": not attempt.is_child,
        "end": None if attempt.end is None else asdict(attempt.end),
    }
