"""The `exec` driver: make everything a real process needs before the supervisor runs it, and clean up after it.

An attempt has a folder ``tasks/<key>``: ``work`` (its working folder, its own), ``stdout`` and ``stderr`` (which it
cannot rename or replace), and ``task.json`` (what was wanted, so that a restarted agent knows ports and health checks
of what it finds running). Folders of ended attempts stay for people to look at, the newest up to a limit.

An alloc has a folder ``allocs/<key>`` besides, which the tasks inside share; it goes when the alloc is forgotten.

Environment: a clean base (PATH, HOME, LANG, TMPDIR), then the job's, then what Omegacell says: OMEGA_JOB,
OMEGA_TASK_INDEX, OMEGA_ATTEMPT, OMEGA_TASK_DIR, OMEGA_ALLOC_DIR, OMEGA_PORT_<NAME> and OMEGA_DEVICE_<NAME>, which no
job may override; with GPUs also what CUDA and the NVIDIA container tools read (see `device_variables`).

Where control groups are missing, memory is limited by RLIMIT_DATA: RLIMIT_AS would refuse runtimes that reserve
address space without using it. RLIMIT_NPROC is not used: it counts all processes of a user, not those of a task.
"""

import base64
import json
import os
import pwd
import resource
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from omegacell.agent.cgroups import Cgroups, Limits
from omegacell.agent.device_names import NO_GPUS, device_variables
from omegacell.agent.drivers.alloc_folders import AllocFolders
from omegacell.agent.messages import AttemptKey, LogStream, TaskShape, WantedTask
from omegacell.agent.payload import ExecConfig, InlineFile, LimitsConfig, parse_payload
from omegacell.agent.supervisor.spawn import SpawnSpec
from omegacell.core.errors import MalformedError, OmegaError

DRIVER_NAME: Final = "exec"
_SAFE_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEFAULT_PIDS: Final = 4096


class StartRefusedError(OmegaError):
    """An attempt cannot be started on this machine; the message says why and goes into its report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecSettings:
    """What whoever runs the agent decides.

    Attributes:
        is_root_allowed: whether tasks may run as root, and do when the agent is root and they name no user.
        default_user: of tasks that name none, when the agent is root and root is not allowed.
        kept_folders: folders of ended attempts that stay.
        kept_bytes: room that those may take.
        path: PATH of tasks.
        hides_gpus: whether a task that was granted no GPU is told that there is none; for a machine that offers some.
    """

    is_root_allowed: bool = False
    default_user: str = "nobody"
    kept_folders: int = 10_000
    kept_bytes: int = 1 << 30
    path: str = _SAFE_PATH
    hides_gpus: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _User:
    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str


class ExecDriver:
    """Folders, users, environments and limits of real processes on this machine.

    Args:
        state: the agent's state folder; tasks that run as other users must be able to pass through it.
        settings: see `ExecSettings`.
        cgroups: what this machine has of control groups.
    """

    def __init__(self, state: str, settings: ExecSettings, cgroups: Cgroups) -> None:
        self._tasks = os.path.join(os.path.abspath(state), "tasks")
        self._allocs = AllocFolders(os.path.join(os.path.abspath(state), "allocs"))
        self._settings = settings
        self._cgroups = cgroups
        self._sizes: dict[str, int] = {}
        os.makedirs(self._tasks, mode=0o711, exist_ok=True)

    def prepare(self, task: WantedTask) -> SpawnSpec:
        """Make an attempt's folder, files and control groups; return what the supervisor is to run.

        Raises:
            StartRefusedError: the payload is not for this driver, the user may not be had, or the disk is full.
        """
        try:
            payload = parse_payload(task.shape.payload)
        except MalformedError as error:
            raise StartRefusedError(str(error)) from error
        config = payload.exec
        if config is None:
            raise StartRefusedError("payload: the part 'exec' is missing")
        limits = _find_limits(task.shape, config, payload.limits or LimitsConfig())
        user = self._find_user(config.user)
        folder = self._folder(task.key)
        try:
            self._make_folder(task, folder)
            work = os.path.join(folder, "work")
            for file in config.files:
                _write_file(work, file)
            _give_away(work, user)
            if task.shape.is_alloc:
                self._allocs.make(task.key)
            groups = self._make_groups(task, limits)
        except OSError as error:
            raise StartRefusedError(f"cannot prepare {folder}: {error}") from error
        return SpawnSpec(
            key=str(task.key),
            argv=config.command,
            env=self._make_environment(task, config, work),
            cwd=work,
            stdout=self.log_path(task.key, LogStream.STDOUT),
            stderr=self.log_path(task.key, LogStream.STDERR),
            uid=user.uid,
            gid=user.gid,
            groups=user.groups,
            rlimits=self._find_rlimits(limits),
            cgroups=groups,
            is_fenced=task.shape.stop_on_partition,
            mark=f"OMEGA_TASK_DIR={work}",
            max_run_us=task.shape.max_run_us,
            grace_us=task.shape.grace_us,
        )

    def load(self, key: AttemptKey) -> WantedTask | None:
        """Return what was wanted of an attempt that `prepare` has seen, or None when its folder is gone."""
        try:
            with open(os.path.join(self._folder(key), "task.json"), encoding="utf-8") as file:
                fields = json.load(file)
        except FileNotFoundError:
            return None
        shape = fields["shape"]
        for name in ("resources", "port_names"):
            shape[name] = tuple(shape[name])
        shape["devices"] = tuple((name, count) for name, count in shape["devices"])
        shape["payload"] = base64.b64decode(shape["payload"])
        ports = tuple((name, number) for name, number in fields["ports"])
        devices = tuple((name, tuple(indices)) for name, indices in fields["devices"])
        return WantedTask(
            key=key,
            shape=TaskShape(**shape),
            ports=ports,
            devices=devices,
            incarnation=fields["incarnation"],
            alloc=AttemptKey.parse(fields["alloc"]) if fields.get("alloc") else None,
        )

    def log_path(self, key: AttemptKey, stream: LogStream) -> str:
        """Return the file of one output of an attempt."""
        return os.path.join(self._folder(key), "stdout" if stream is LogStream.STDOUT else "stderr")

    def clean(self, key: AttemptKey) -> None:
        """Remove what an ended attempt no longer needs; its folder stays, see `collect_garbage`."""
        self._cgroups.remove(str(key))
        self._allocs.remove(str(key))

    def list(self) -> set[str]:
        """Return the keys of attempts that have anything on this machine: control groups or a folder."""
        return self._cgroups.list() | self._allocs.list() | set(os.listdir(self._tasks))

    def collect_garbage(self, ended: set[str]) -> Sequence[str]:
        """Remove what ended attempts have on this machine, but of their folders only the oldest above the limits.

        Args:
            ended: keys that `list` gave *before* it was asked what is held: what starts meanwhile is not among them.

        Returns:
            Keys whose folders were removed.
        """
        for key in self._cgroups.list() & ended:
            self._cgroups.remove(key)
        for key in self._allocs.list() & ended:
            self._allocs.remove(key)
        folders = sorted(
            (entry.stat().st_mtime_ns, entry.name) for entry in os.scandir(self._tasks) if entry.name in ended
        )
        for _, name in folders:
            if name not in self._sizes:
                self._sizes[name] = _measure(os.path.join(self._tasks, name))
        total = sum(self._sizes[name] for _, name in folders)
        removed = []
        for place, (_, name) in enumerate(folders):
            if len(folders) - place <= self._settings.kept_folders and total <= self._settings.kept_bytes:
                break
            shutil.rmtree(os.path.join(self._tasks, name))
            total -= self._sizes.pop(name)
            removed.append(name)
        return removed

    def _make_groups(self, task: WantedTask, limits: Limits) -> tuple[str, ...]:
        """Make an attempt's control groups, inside those of its alloc if it has one."""
        key = str(task.key)
        if task.shape.is_alloc:
            return self._cgroups.create_alloc(key, replace(limits, pids=0))
        if task.alloc is None:
            return self._cgroups.create(key, limits)
        if not os.path.isdir(self._allocs.find(task.alloc)):
            raise StartRefusedError(f"alloc {task.alloc}: it is not on this machine any more")
        return self._cgroups.create(key, limits, alloc=str(task.alloc))

    def _folder(self, key: AttemptKey) -> str:
        return os.path.join(self._tasks, str(key))

    def _make_folder(self, task: WantedTask, folder: str) -> None:
        # A folder that is there was made by a start that was cut off before its process was recorded: begin again.
        if os.path.exists(folder):
            shutil.rmtree(folder)
        os.mkdir(folder)
        os.chmod(folder, 0o711)
        os.makedirs(os.path.join(folder, "work", "tmp"))
        payload = base64.b64encode(task.shape.payload).decode("ascii")
        fields: dict[str, object] = {
            "shape": {**asdict(replace(task.shape, payload=b"")), "payload": payload},
            "ports": task.ports,
            "devices": task.devices,
            "incarnation": task.incarnation,
            "alloc": "" if task.alloc is None else str(task.alloc),
        }
        fd = os.open(os.path.join(folder, "task.json"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(fields, file)

    def _make_environment(self, task: WantedTask, config: ExecConfig, work: str) -> tuple[tuple[str, str], ...]:
        environment = {
            "PATH": self._settings.path,
            "HOME": work,
            "LANG": "C.UTF-8",
            "TMPDIR": os.path.join(work, "tmp"),
            **(NO_GPUS if self._settings.hides_gpus else {}),
            **dict(config.env),
            "OMEGA_JOB": task.shape.job_name,
            "OMEGA_TASK_INDEX": str(task.key.index),
            "OMEGA_ATTEMPT": str(task.key.attempt),
            "OMEGA_TASK_DIR": work,
        }
        alloc = task.key if task.shape.is_alloc else task.alloc
        if alloc is not None:
            environment["OMEGA_ALLOC_DIR"] = self._allocs.find(alloc)
        for name, number in task.ports:
            environment[f"OMEGA_PORT_{name.upper().replace('-', '_')}"] = str(number)
        environment.update(device_variables(self._find_devices(task)))
        return tuple(environment.items())

    def _find_devices(self, task: WantedTask) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Return the devices that a task may use: its own, or inside an alloc those of the alloc."""
        box = self.load(task.alloc) if task.alloc is not None else None
        return task.devices if box is None else box.devices

    def _find_user(self, name: str) -> _User:
        own = os.geteuid()
        if not name:
            name = pwd.getpwuid(own).pw_name if own != 0 or self._settings.is_root_allowed else ""
        try:
            entry = pwd.getpwnam(name or self._settings.default_user)
        except KeyError:
            raise StartRefusedError(f"user {name or self._settings.default_user!r}: no such user here") from None
        if entry.pw_uid == 0 and not self._settings.is_root_allowed:
            raise StartRefusedError("user 'root': this cell does not let tasks run as root")
        if own not in (0, entry.pw_uid):
            only = pwd.getpwuid(own).pw_name
            raise StartRefusedError(f"user {entry.pw_name!r}: the agent is not root and runs tasks only as {only!r}")
        groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
        return _User(uid=entry.pw_uid, gid=entry.pw_gid, groups=groups, name=entry.pw_name)

    def _find_rlimits(self, limits: Limits) -> tuple[tuple[int, int], ...]:
        rlimits = [(resource.RLIMIT_CORE, 0)]
        if "memory" not in self._cgroups.controllers and limits.memory_bytes > 0:
            rlimits.append((resource.RLIMIT_DATA, limits.memory_bytes))
        return tuple(rlimits)


def _find_limits(shape: TaskShape, config: ExecConfig, limits: LimitsConfig) -> Limits:
    cpu_milli, memory_bytes, *_ = shape.resources
    return Limits(
        cpu_milli=cpu_milli,
        memory_bytes=limits.memory_bytes or memory_bytes,
        pids=config.pids or _DEFAULT_PIDS,
        cpu_limit_milli=limits.cpu_milli,
        memory_request_bytes=memory_bytes if limits.memory_bytes > memory_bytes else 0,
        is_latency_sensitive=limits.is_latency_sensitive,
    )


def _write_file(work: str, file: InlineFile) -> None:
    """Write one inline file; nothing but us has been in the folder yet, so no link in it can lead elsewhere."""
    parts = file.path.split("/")
    if not file.path or file.path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise StartRefusedError(f"file {file.path!r}: expected a path inside the working folder")
    path = os.path.join(work, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as handle:
        handle.write(file.content)
    os.chmod(path, file.mode & 0o777)


def _give_away(work: str, user: _User) -> None:
    """Make the working folder its user's own, and nobody else's."""
    if user.uid != os.geteuid():
        for folder, _, names in os.walk(work):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, user.uid, user.gid, follow_symlinks=False)
    os.chmod(work, 0o700)


def _measure(folder: str) -> int:
    """Return the room on disk of everything in a folder."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            total += os.lstat(os.path.join(path, name)).st_blocks * 512
    return total
