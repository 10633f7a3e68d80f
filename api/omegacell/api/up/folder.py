"""The state folder of a cell: what lies where, and who may use it.

Everything `omega up` keeps is under one folder that nobody else may read: the store, the machine's attempts, logs, the
lock. Deleting the folder deletes the cell.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from omegacell.core.errors import StoreFullError, StoreLockedError, StoreReadOnlyError, UsageError

LOCK_NAME: Final = "up.lock"
RECORD_NAME: Final = "up.json"


def default_state(cell: str) -> Path:
    """Return the folder that keeps a cell when none is named.

    ``omegacell/CELL`` in ``$XDG_STATE_HOME``, else, for root, in ``/var/lib``, else in ``~/.local/state``: root's tasks
    run as another user, who may not enter root's home.
    """
    home = os.environ.get("XDG_STATE_HOME", "")
    if home.startswith("/"):
        root = Path(home)
    elif os.geteuid() == 0:
        root = Path("/var/lib")
    else:
        root = Path.home() / ".local" / "state"
    return root / "omegacell" / cell


def find_closed_parent(path: Path) -> Path | None:
    """Return the topmost folder on the way to ``path`` that other users may not pass through; None when all may."""
    for folder in reversed((path, *path.parents)):
        if folder.exists() and not folder.stat().st_mode & 0o001:
            return folder
    return None


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Where the parts of one cell are."""

    path: Path

    @property
    def database(self) -> Path:
        """The log."""
        return self.path / "cell.db"

    @property
    def store_url(self) -> str:
        """The log as a URL."""
        from urllib.parse import quote

        return f"sqlite://{quote(str(self.database))}"

    @property
    def logs(self) -> Path:
        """What the processes of the cell write."""
        return self.path / "logs"

    @property
    def agent(self) -> Path:
        """What this machine's agent and its supervisor keep."""
        return self.path / "agent"

    @property
    def record(self) -> Path:
        """What runs now: pids and addresses, for people and `omega down`."""
        return self.path / RECORD_NAME

    def log_of(self, name: str) -> Path:
        """Return the log file of one process."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the folder, for its owner only.

        Raises:
            UsageError: Something else stands at its place.
            StoreError: The disk is full or read-only, or this user may not write there.
        """
        # Root's tasks run as other users: they pass through to their folders, and read nothing else on the way.
        passable = 0o711 if os.geteuid() == 0 else 0o700
        try:
            for each, mode in ((self.path, passable), (self.logs, 0o700), (self.agent, passable)):
                each.mkdir(mode=mode, parents=True, exist_ok=True)
                each.chmod(mode)
        except (FileExistsError, NotADirectoryError):
            raise UsageError(
                f"state folder {self.path}: there is a file in its place; name another with --state"
            ) from None
        except FileNotFoundError as error:  # a file system that makes no folders, such as /proc
            raise UsageError(
                f"state folder {self.path}: cannot be made, {error.filename} takes no folders; expected a folder on a"
                " disk that this user may write: name another with --state"
            ) from None
        except OSError as error:
            raise translate(error, self.path) from error

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Replace the record of what runs, in one step."""
        write_whole(self.record, json.dumps(record, indent=2) + "\n")

    def read_record(self) -> dict[str, Any]:
        """Return the record of what runs; {} when there is none."""
        try:
            found = json.loads(self.record.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}


class StateLock:
    """Holds a state folder for one `omega up`; the kernel releases it when the process ends, however it ends."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._fd = -1

    def take(self) -> None:
        """Take the lock.

        Raises:
            StoreLockedError: Another `omega up` has it; the message says which.
        """
        try:
            fd = os.open(self._folder.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise translate(error, self._folder.path) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode(errors="replace").strip() or "?"
            os.close(fd)
            raise StoreLockedError(
                f"the cell in {self._folder.path} is up already (omega up, pid {holder}): use it as it is, stop it with"
                " `omega down`, or start another with --cell NAME"
            ) from None
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(fd)
            raise translate(error, self._folder.path) from error
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; once is enough, twice does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def find_holder(folder: StateFolder) -> int:
    """Return the pid of the `omega up` that holds the folder; 0 when none does.

    Raises:
        StoreError: This user may not look.
    """
    try:
        fd = os.open(folder.path / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise translate(error, folder.path) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.read(fd, 32).decode(errors="replace").strip() or 0)
    finally:
        os.close(fd)
    return 0


def write_whole(path: Path, text: str) -> None:
    """Replace a file by one that its owner alone can read, or leave it as it is when that fails."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise translate(error, path) from error


def translate(error: OSError, path: Path) -> Exception:
    """Return the error of ours that says what the operating system did."""
    import errno

    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return StoreFullError(f"{path}: no room left on the disk; make room and start again, nothing is lost")
        case errno.EROFS:
            return StoreReadOnlyError(
                f"{path}: the file system is read-only; name a folder with --state that can be written"
            )
        case errno.EACCES | errno.EPERM:
            return StoreReadOnlyError(f"{path}: this user may not write there; name a folder with --state that it may")
        case _:
            return error
