"""Fork a process that is held before ``exec`` until its record is durable, and hand its first errors back.

Theory: the child makes its session, then reads one byte from a pipe. The supervisor learns pid and start time, makes
the record durable, and writes the byte. Killed before that, the pipe closes and the child leaves without having run
anything; killed after it, the record names the process. There is no instant at which the task's command runs without
a record. Errors between the byte and ``exec`` (no such command, no permission) come back over a second pipe that
``exec`` closes.
"""

import contextlib
import errno
import json
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

_GO = b"g"
_ERROR_LIMIT = 4096
# What the supervisor handles or ignores, and what the interpreter ignores: tasks get the defaults.
_CHANGED_SIGNALS = (
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnSpec:
    """Everything needed to run one attempt; paths are absolute, users are numbers: no lookup happens here.

    Attributes:
        key: see `records.StartRecord`.
        argv: command and arguments; the command is looked up in the PATH of ``env``.
        env: the whole environment.
        cwd: working folder.
        stdout: file that is appended to, made by the supervisor's user.
        stderr: likewise.
        uid: user to become, or -1 to stay.
        gid: group to become, with ``uid``.
        groups: supplementary groups, with ``uid``.
        rlimits: ``(resource, soft and hard limit)``.
        cgroups: directories of existing control groups to join.
        is_fenced: see `records.StartRecord`.
        mark: see `records.StartRecord`.
        max_run_us: see `records.StartRecord`.
        grace_us: see `records.StartRecord`.
    """

    key: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    stdout: str
    stderr: str
    uid: int = -1
    gid: int = -1
    groups: tuple[int, ...] = ()
    rlimits: tuple[tuple[int, int], ...] = ()
    cgroups: tuple[str, ...] = ()
    is_fenced: bool = False
    mark: str = ""
    max_run_us: int = 0
    grace_us: int = 0


def parse_spec(fields: dict[str, object]) -> SpawnSpec:
    """Return the spec that ``asdict`` took apart and JSON carried."""
    for name in ("argv", "groups", "cgroups"):
        fields[name] = tuple(fields[name])  # type: ignore[arg-type]
    for name in ("env", "rlimits"):
        fields[name] = tuple((pair[0], pair[1]) for pair in fields[name])  # type: ignore[attr-defined]
    return SpawnSpec(**fields)  # type: ignore[arg-type]


@dataclass(slots=True, kw_only=True)
class Held:
    """A child that waits for the byte; close or release it."""

    pid: int
    go: int
    error: int

    def release(self) -> None:
        """Let the child go on to ``exec``."""
        # A child that was killed meanwhile is found by its wait status.
        with contextlib.suppress(BrokenPipeError):
            os.write(self.go, _GO)
        os.close(self.go)

    def discard(self) -> None:
        """Let the child leave without running anything."""
        os.close(self.go)
        os.close(self.error)


def fork_held(spec: SpawnSpec) -> Held:
    """Fork a child for ``spec`` that is held before its command runs.

    Raises:
        OSError: no process or no pipe could be made.
    """
    go_read, go_write = os.pipe2(os.O_CLOEXEC)
    error_read, error_write = os.pipe2(os.O_CLOEXEC)
    # No handler of the supervisor may run in the child, nor write to the supervisor's wake-up pipe.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _run_child(spec, go_read, error_write)
    except OSError:
        for fd in (go_write, error_read):
            os.close(fd)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(go_read)
        os.close(error_write)
    os.set_blocking(error_read, False)
    return Held(pid=pid, go=go_write, error=error_read)


def read_error(error: int) -> tuple[int, str] | None:
    """Return (errno, message) that a released child left before ``exec``, or None when it got through."""
    text = os.read(error, _ERROR_LIMIT)
    if not text:
        return None
    fields = json.loads(text)
    return int(fields["errno"]), str(fields["message"])


def _run_child(spec: SpawnSpec, go: int, error: int) -> NoReturn:
    stage = "starting a session"
    try:
        signal.set_wakeup_fd(-1)
        _close_all_but(go, error)
        os.setsid()
        if os.read(go, 1) != _GO:
            os._exit(0)
        os.close(go)
        for stage, act in _stages(spec):  # noqa: B007 - the handler below names the stage
            act()
        stage = f"cannot run {spec.argv[0]!r}"
        os.execvpe(spec.argv[0], spec.argv, dict(spec.env))
    except (OSError, ValueError, OverflowError, MemoryError) as cause:
        number = cause.errno or 0 if isinstance(cause, OSError) else 0
        reason = os.strerror(number) if number else str(cause)
        os.write(error, json.dumps({"errno": number, "message": f"{stage}: {reason}"[:500]}).encode())
    finally:
        os._exit(127)


def _stages(spec: SpawnSpec) -> list[tuple[str, Callable[[], None]]]:
    """Return what a child does between the byte and ``exec``, in order, each with the words for its failure.

    Control groups and files come before the change of user, which may not reach them; the folder after it, so that a
    folder the user may not enter is refused; limits last, because this interpreter would not live under all of them.
    """
    return [
        ("cannot join its control groups", lambda: _join_cgroups(spec.cgroups)),
        ("cannot open its output files", lambda: _open_outputs(spec.stdout, spec.stderr)),
        (f"cannot become user {spec.uid}", lambda: _become_user(spec)),
        (f"cannot enter {spec.cwd}", lambda: os.chdir(spec.cwd)),
        ("cannot reset its signals", _reset_signals),
        ("cannot set its resource limits", lambda: _set_rlimits(spec.rlimits)),
    ]


def _join_cgroups(folders: tuple[str, ...]) -> None:
    for folder in folders:
        fd = os.open(os.path.join(folder, "cgroup.procs"), os.O_WRONLY)
        os.write(fd, b"0")
        os.close(fd)


def _open_outputs(stdout: str, stderr: str) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    for target, path, how in ((0, "/dev/null", os.O_RDONLY), (1, stdout, flags), (2, stderr, flags)):
        fd = os.open(path, how, 0o640)
        os.dup2(fd, target, inheritable=True)
        if fd > 2:
            os.close(fd)


def _set_rlimits(limits: tuple[tuple[int, int], ...]) -> None:
    for which, limit in limits:
        _, hard = resource.getrlimit(which)
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(which, (bound, bound))


def _become_user(spec: SpawnSpec) -> None:
    if spec.uid < 0:
        return
    if os.geteuid() == 0:
        os.setgroups(spec.groups)
        os.setgid(spec.gid)
        os.setuid(spec.uid)
    elif spec.uid != os.geteuid():
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def _reset_signals() -> None:
    os.umask(0o022)
    for number in _CHANGED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _close_all_but(*kept: int) -> None:
    low = 3
    for fd in sorted(kept):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
