"""The agent's end of the supervisor's socket, and the way to have a supervisor at all.

Runs in the agent (asyncio). Requests are answered in order; what starts and ends meanwhile arrives through `events`.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict, dataclass

from omegacell.agent.supervisor.records import ExitRecord, parse_exit
from omegacell.agent.supervisor.server import MAX_UNSENT_BYTES, SOCKET_NAME
from omegacell.agent.supervisor.spawn import SpawnSpec
from omegacell.core.errors import OmegaError

_ANSWER_LIMIT_S = 30.0


class SupervisorError(OmegaError):
    """The supervisor cannot be started or reached, went away, or refused a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStatus:
    """What the supervisor knows of an attempt.

    Attributes:
        key: ``<job_id>.<index>.<attempt>``.
        phase: ``spawning``, ``running``, ``draining`` or ``ended``.
        pid: of its first process.
        started_at_us: wall stamp.
        is_found_again: it was started by a supervisor that has been killed since.
        end: how it ended, once it has.
    """

    key: str
    phase: str
    pid: int
    started_at_us: int
    is_found_again: bool
    end: ExitRecord | None


async def ensure_supervisor(state: str) -> None:
    """Start a supervisor for a state folder, detached from this process, unless one runs.

    Raises:
        SupervisorError: it could not be started.
    """
    command = (sys.executable, "-m", "omegacell.agent.supervisor", "--state-dir", state)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode != 0:
        raise SupervisorError(f"the supervisor did not start in {state}: {said.decode(errors='replace').strip()}")


class SupervisorClient:
    """A connection to the supervisor of one state folder; make it with `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[dict[str, object]]] = {}
        self._events: asyncio.Queue[AttemptStatus | None] = asyncio.Queue()
        self._next_id = 1
        self._is_gone = False
        self._receiver = asyncio.create_task(self._receive())

    @classmethod
    async def connect(cls, state: str) -> "SupervisorClient":
        """Connect to the running supervisor of a state folder.

        Raises:
            SupervisorError: none runs there.
        """
        # Through the folder's descriptor, because a socket's path may not be longer than 107 bytes.
        try:
            folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise SupervisorError(f"no supervisor in {state}: no such folder") from None
        try:
            path = f"/proc/self/fd/{folder}/{SOCKET_NAME}"
            reader, writer = await asyncio.open_unix_connection(path, limit=MAX_UNSENT_BYTES)
        except OSError as error:
            raise SupervisorError(f"no supervisor answers in {state}: {error}") from error
        finally:
            os.close(folder)
        return cls(reader, writer)

    async def hello(self) -> int:
        """Return the supervisor's pid."""
        return int(str((await self._ask("hello"))["pid"]))

    async def start(self, specs: Sequence[SpawnSpec]) -> dict[str, str]:
        """Start attempts not known yet; return the keys that could not be, with reasons."""
        answer = await self._ask("start", specs=[asdict(spec) for spec in specs])
        refused: dict[str, str] = answer["refused"]  # type: ignore[assignment]
        return refused

    async def signal(self, key: str, number: int, kill_after_us: int | None = None) -> bool:
        """Signal an attempt, to be killed ``kill_after_us`` later; return whether it was running."""
        return bool((await self._ask("signal", key=key, number=number, kill_after_us=kill_after_us))["was_running"])

    async def inventory(self) -> list[AttemptStatus]:
        """Return all attempts the supervisor has on record."""
        return _parse_statuses(await self._ask("list"))

    async def subscribe(self) -> list[AttemptStatus]:
        """Return all attempts, and have every later start and end come through `events`."""
        return _parse_statuses(await self._ask("subscribe"))

    async def renew(self, deadline_us: int | None) -> None:
        """Move the fencing deadline to a time of the boot clock; None lifts it."""
        await self._ask("renew", deadline_us=deadline_us)

    async def forget(self, keys: Iterable[str]) -> None:
        """Drop the records of ended attempts."""
        await self._ask("forget", keys=list(keys))

    async def shutdown(self, grace_us: int) -> None:
        """End every task and the supervisor; returns when no process is left."""
        supervisor = os.pidfd_open(await self.hello())
        try:
            await self._ask("shutdown", limit_s=grace_us / 1e6 + _ANSWER_LIMIT_S, grace_us=grace_us)
            # It has answered, and has yet to leave.
            await _wait_readable(supervisor)
        finally:
            os.close(supervisor)

    async def events(self) -> AsyncIterator[AttemptStatus]:
        """Yield starts and ends as they happen, until the supervisor is gone."""
        while (status := await self._events.get()) is not None:
            yield status

    async def close(self) -> None:
        """Close the connection; tasks and supervisor go on."""
        self._receiver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._receiver
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _ask(self, verb: str, limit_s: float = _ANSWER_LIMIT_S, **fields: object) -> dict[str, object]:
        if self._is_gone:
            raise SupervisorError("the supervisor is gone")
        number = self._next_id
        self._next_id += 1
        future: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        line = json.dumps({"id": number, "verb": verb, **fields}, separators=(",", ":")).encode() + b"\n"
        try:
            self._writer.write(line)
            await self._writer.drain()
            # Not wait_for, which swallows being cancelled when the answer comes at the same moment (until Python 3.12).
            async with asyncio.timeout(limit_s):
                answer = await future
        except ConnectionError as error:
            raise SupervisorError(f"the supervisor is gone: {error}") from error
        except TimeoutError:
            raise SupervisorError(f"the supervisor did not answer {verb} in {limit_s:.0f} s") from None
        finally:
            self._waiting.pop(number, None)
        if "error" in answer:
            raise SupervisorError(str(answer["error"]))
        return answer

    async def _receive(self) -> None:
        try:
            while line := await self._reader.readline():
                fields = json.loads(line)
                if "id" not in fields:
                    self._events.put_nowait(_parse_status(fields))
                elif (future := self._waiting.get(fields["id"])) is not None and not future.done():
                    future.set_result(fields)
        except ConnectionError:
            # The same as its end: whoever waits is told below.
            return
        finally:
            self._is_gone = True
            self._events.put_nowait(None)
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(SupervisorError("the supervisor is gone"))


async def _wait_readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            await readable.wait()
    except TimeoutError:
        raise SupervisorError(f"the supervisor did not leave in {_ANSWER_LIMIT_S:.0f} s") from None
    finally:
        loop.remove_reader(fd)


def _parse_statuses(answer: dict[str, object]) -> list[AttemptStatus]:
    return [_parse_status(fields) for fields in answer["attempts"]]  # type: ignore[attr-defined]


def _parse_status(fields: dict[str, object]) -> AttemptStatus:
    end = fields.pop("end")
    parsed = None if end is None else parse_exit(end)  # type: ignore[arg-type]
    return AttemptStatus(**fields, end=parsed)  # type: ignore[arg-type]
