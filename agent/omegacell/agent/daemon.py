"""The agent of one machine: the reconciler, with hands on one side and a link on the other.

Everything is decided in `reconcile`; this shell feeds it what happens and routes what it decides. SIGTERM ends the
agent only: tasks go on under the supervisor, and the next agent finds them. With ``stop_tasks`` it ends them too and
leaves no process.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Final

from omegacell.agent.cgroups import Cgroups, find_hierarchies, group_name
from omegacell.agent.device_names import is_gpu
from omegacell.agent.drivers.exec_driver import DRIVER_NAME, ExecDriver, ExecSettings
from omegacell.agent.events import (
    DropLink,
    Ended,
    Event,
    HealthChanged,
    Inventory,
    LinkClosed,
    LinkOpened,
    Persist,
    SendRegister,
    SendReports,
    Started,
)
from omegacell.agent.hands import Hands
from omegacell.agent.health import Verdict, watch_health
from omegacell.agent.link import Connector
from omegacell.agent.logs import Trim, follow_log, resolve_offset, trim_log
from omegacell.agent.messages import (
    AttemptKey,
    Down,
    LogCancel,
    LogChunk,
    LogRequest,
    LogStream,
    Register,
    WantedTask,
)
from omegacell.agent.payload import TaskPayload, parse_payload
from omegacell.agent.reconcile import Reconciler
from omegacell.agent.remembered import RememberedFile
from omegacell.agent.resources import Machine, Overrides, Reserve, find_machine
from omegacell.agent.stamps import wall_us
from omegacell.agent.uplink import Uplink
from omegacell.core.errors import MalformedError, StoreLockedError

_HOUSEKEEPING_S: Final = 5.0
_SHUTDOWN_GRACE_US: Final = 5_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What whoever runs an agent decides.

    Attributes:
        state: folder of this agent: the supervisor's, the tasks', and what it remembers.
        overrides: what the machine offers instead of what it has.
        reserve: what is kept back of what it has.
        exec: users, paths and kept folders of the exec driver.
        use_cgroups: limit by control groups where they can be had.
        cgroup_parent: a version 2 group delegated to the agent; empty for the one it is in.
    """

    state: str
    overrides: Overrides = field(default_factory=Overrides)
    reserve: Reserve = field(default_factory=Reserve)
    exec: ExecSettings = field(default_factory=ExecSettings)
    use_cgroups: bool = True
    cgroup_parent: str = ""


@dataclass(slots=True, kw_only=True)
class _Running:
    """What the shell knows of an attempt that has not ended."""

    task: WantedTask | None
    ended: asyncio.Event
    health: asyncio.Task[None] | None = None


class Agent:
    """One agent over one state folder; `run` it until `stop`.

    Args:
        settings: see `AgentSettings`.
        connector: opens links to the API.

    Raises:
        UsageError: the settings are impossible.
        StoreLockedError: another agent runs over this state folder.
        StoreCorruptError: what an earlier agent remembered cannot be read.
    """

    def __init__(self, settings: AgentSettings, connector: Connector) -> None:
        state = os.path.abspath(settings.state)
        os.makedirs(state, mode=0o711, exist_ok=True)
        self._lock = _take_lock(state)
        hierarchies = find_hierarchies(group_name(state), settings.cgroup_parent) if settings.use_cgroups else ()
        self._cgroups = Cgroups(hierarchies)
        hides_gpus = any(is_gpu(device.name) for device in settings.overrides.devices)
        self._driver = ExecDriver(state, replace(settings.exec, hides_gpus=hides_gpus), self._cgroups)
        self.machine: Final[Machine] = find_machine(
            state, overrides=settings.overrides, reserve=settings.reserve, drivers=(DRIVER_NAME,)
        )
        self._remembered = RememberedFile(os.path.join(state, "remembered"))
        self._reconciler = Reconciler(self.machine.name, self._remembered.load())
        self._hands = Hands(os.path.join(state, "supervisor"), self._driver, self._feed)
        self._uplink = Uplink(connector, self, self._read_logs)
        self._running: dict[AttemptKey, _Running] = {}
        self._just_ended: dict[AttemptKey, int] = {}
        self._stopped = asyncio.Event()

    def describe_limits(self) -> str:
        """Return one line that says what limits tasks on this machine."""
        return self._cgroups.describe()

    def stop(self) -> None:
        """Make `run` return; tasks go on."""
        self._stopped.set()

    async def run(self, *, stop_tasks: bool = False) -> None:
        """Be this machine's agent until `stop`.

        Args:
            stop_tasks: end all tasks and the supervisor before returning.
        """
        _log.info("machine %s; limits: %s", self.machine.name, self.describe_limits())
        loops = (self._hands.run(), self._uplink.run(), self._keep_house())
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(loop) for loop in loops]
                await self._stopped.wait()
                for task in tasks:
                    task.cancel()
        finally:
            for key in list(self._running):
                self._end_running(key)
        if stop_tasks:
            await self._hands.shutdown(_SHUTDOWN_GRACE_US)
        self._cgroups.close()
        self._remembered.close()
        os.close(self._lock)

    # --- the link's ear

    def on_open(self) -> None:
        """Take note of an open link."""
        self._feed(LinkOpened())

    def on_closed(self) -> None:
        """Take note of a lost link."""
        self._feed(LinkClosed())

    def on_message(self, message: Down) -> None:
        """Take a message from the API."""
        assert not isinstance(message, LogRequest | LogCancel)
        self._feed(message)

    # --- events in, actions out

    def _feed(self, event: Event) -> None:
        self._observe(event)
        for action in self._reconciler.step(event):
            match action:
                case Persist():
                    self._remembered.save(action.remembered)
                case SendRegister():
                    offer = self.machine.offer(dict(action.held), self._reconciler.remembered.incarnation)
                    self._uplink.send(Register(machines=(offer,)))
                case SendReports():
                    self._uplink.send(action.reports)
                case DropLink():
                    self._uplink.drop(action.reason)
                case _:
                    self._hands.do(action)

    def _observe(self, event: Event) -> None:
        """Keep health checks and followers of output in step with what runs."""
        match event:
            case Inventory():
                living = {held.key: held for held in event.held if held.end is None}
                for key in [key for key in self._running if key not in living]:
                    self._end_running(key)
                for key, held in living.items():
                    self._begin_running(key, held.task)
            case Started():
                self._begin_running(event.key, self._driver.load(event.key))
            case Ended():
                self._end_running(event.key)
            case _:
                return

    def _begin_running(self, key: AttemptKey, task: WantedTask | None) -> None:
        if key in self._running:
            return
        running = _Running(task=task, ended=asyncio.Event())
        self._running[key] = running
        payload = _read_payload(task)
        if task is None or payload.health is None:
            return
        port = dict(task.ports).get(payload.health.port)
        if port is None:
            self._on_health(key, Verdict(is_healthy=False, message=f"no port is named {payload.health.port!r}"))
            return
        watch = watch_health(payload.health, port, lambda verdict: self._on_health(key, verdict))
        running.health = asyncio.create_task(watch)

    def _end_running(self, key: AttemptKey) -> None:
        running = self._running.pop(key, None)
        if running is None:
            return
        running.ended.set()
        self._just_ended[key] = _log_limit(running.task)
        if running.health is not None:
            running.health.cancel()

    def _on_health(self, key: AttemptKey, verdict: Verdict) -> None:
        event = HealthChanged(key=key, is_healthy=verdict.is_healthy, at_us=wall_us(), message=verdict.message)
        # Later, not now: this may be called while the start that began the watch is still being fed.
        asyncio.get_running_loop().call_soon(self._feed, event)

    # --- output

    async def _read_logs(self, request: LogRequest) -> AsyncIterator[LogChunk]:
        path = self._driver.log_path(request.key, request.stream)
        if not await asyncio.to_thread(os.path.isdir, os.path.dirname(path)):
            error = "it is not kept there any more"
            yield LogChunk(request_id=request.request_id, offset=0, data=b"", is_last=True, error=error)
            return
        running = self._running.get(request.key)
        ended = running.ended if running is not None else asyncio.Event()
        if running is None or not request.is_followed:
            ended.set()
        offset = resolve_offset(path, request.offset)
        left = request.limit_bytes
        error = ""
        try:
            async with contextlib.aclosing(follow_log(path, offset, ended)) as pieces:
                async for piece in pieces:
                    data = piece.data if request.is_followed else piece.data[:left]
                    yield LogChunk(request_id=request.request_id, offset=piece.offset, data=data)
                    offset = piece.offset + len(data)
                    left -= len(data)
                    if left <= 0 and not request.is_followed:
                        break
        except OSError as failure:
            error = f"it cannot be read: {failure.strerror or failure}"
        yield LogChunk(request_id=request.request_id, offset=offset, data=b"", is_last=True, error=error)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            if not self._reconciler.has_inventory:
                continue  # what is held is not known: nothing may be removed
            limits = {**self._just_ended, **{key: _log_limit(one.task) for key, one in self._running.items()}}
            self._just_ended = {}
            try:
                await asyncio.to_thread(self._trim_logs, limits)
                there = await asyncio.to_thread(self._driver.list)
                ended = there - {str(key) for key in self._held()}
                removed = await asyncio.to_thread(self._driver.collect_garbage, ended)
            except OSError as error:
                _log.warning("keeping house: %s", error)
                continue
            if removed:
                _log.info("removed the folders of %d ended attempts", len(removed))

    def _held(self) -> set[AttemptKey]:
        return {*self._running, *self._reconciler.keys()}

    def _trim_logs(self, limits: dict[AttemptKey, int]) -> None:
        for key, limit in limits.items():
            for stream in LogStream:
                if trim_log(self._driver.log_path(key, stream), limit) is Trim.TRUNCATED:
                    _log.warning("%s: dropped all its %s: this file system cannot free a head", key, stream.name)


async def run_agent(settings: AgentSettings, connector: Connector, *, stop_tasks: bool = False) -> None:
    """Run an agent until SIGTERM or SIGINT; see `Agent`."""
    agent = Agent(settings, connector)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    await agent.run(stop_tasks=stop_tasks)


def _read_payload(task: WantedTask | None) -> TaskPayload:
    if task is None:
        return TaskPayload()
    try:
        return parse_payload(task.shape.payload)
    except MalformedError as error:
        _log.warning("%s: %s", task.key, error)
        return TaskPayload()


def _log_limit(task: WantedTask | None) -> int:
    config = _read_payload(task).exec
    return config.log_limit_bytes if config is not None else 8 << 20


def _take_lock(state: str) -> int:
    fd = os.open(os.path.join(state, "agent.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd
    os.close(fd)
    raise StoreLockedError(f"{state}: another agent runs over this folder; stop it or give another --state-dir")
