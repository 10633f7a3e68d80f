"""Control groups, version 2 or 1, as far as this machine lets this user have them.

Rules: nothing is assumed; each controller is used only after a group of ours could be made in it. What is missing is
named in `describe`, so that nobody believes in a limit that is not there. Groups are made below the group this process
is in (or a parent that was named), so that limits set on us from outside hold for tasks as well.

Version 2 forbids processes in a group that passes controllers on, so limits come from there only where our own group
may pass them on (its root, or one delegated to us with ``parent``); a group without controllers still ends a whole
tree at once through ``cgroup.kill``. On mixed machines both are used: limits from version 1, the kill from version 2.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CONTROLLERS: Final = ("cpu", "memory", "pids")
_CPU_PERIOD_US = 100_000
_REMOVE_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one attempt.

    Attributes:
        cpu_milli: its share when the machine is busy; 0 for none.
        is_cpu_capped: whether it is its share even when there is more.
        memory_bytes: what it may use before it is killed; 0 for no limit.
        pids: processes and threads; 0 for no limit.
    """

    cpu_milli: int
    memory_bytes: int
    pids: int
    is_cpu_capped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """A folder of ours in one mounted hierarchy, and the controllers that work in it."""

    folder: str
    version: int
    controllers: frozenset[str]


class Cgroups:
    """The control groups of one agent's attempts.

    Args:
        hierarchies: as `find_hierarchies` finds them; none for a machine without.
    """

    def __init__(self, hierarchies: tuple[Hierarchy, ...] = ()) -> None:
        # Version 2 first: the supervisor reads members from the first folder.
        self._hierarchies = sorted(hierarchies, key=lambda hierarchy: -hierarchy.version)

    @property
    def controllers(self) -> frozenset[str]:
        """Which limits hold."""
        return frozenset().union(*(hierarchy.controllers for hierarchy in self._hierarchies))

    def describe(self) -> str:
        """Return one line that says what limits what.

        >>> Cgroups().describe()
        'cpu: not limited; memory: rlimit (data segment); pids: not limited'
        """
        missing = {"cpu": "not limited", "memory": "rlimit (data segment)", "pids": "not limited"}
        versions = {name: h.version for h in self._hierarchies for name in h.controllers}
        return "; ".join(
            f"{name}: cgroup v{versions[name]}" if name in versions else f"{name}: {missing[name]}"
            for name in CONTROLLERS
        )

    def create(self, key: str, limits: Limits) -> tuple[str, ...]:
        """Make an attempt's groups and set its limits; return their folders.

        Raises:
            OSError: a group could be made for another attempt but not for this one.
        """
        folders = []
        for hierarchy in self._hierarchies:
            folder = os.path.join(hierarchy.folder, key)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)
            for name, value in _settings(hierarchy, limits):
                _write(os.path.join(folder, name), value)
            folders.append(folder)
        return tuple(folders)

    def remove(self, key: str) -> None:
        """Remove an ended attempt's groups; the kernel may need an instant to let them go."""
        for hierarchy in self._hierarchies:
            _remove_folder(os.path.join(hierarchy.folder, key))

    def list(self) -> set[str]:
        """Return the keys that have groups."""
        return {
            entry.name
            for hierarchy in self._hierarchies
            for entry in os.scandir(hierarchy.folder)
            if entry.is_dir(follow_symlinks=False)
        }

    def close(self) -> None:
        """Remove our own folders, unless groups of running attempts are in them."""
        for hierarchy in self._hierarchies:
            with contextlib.suppress(OSError):
                os.rmdir(hierarchy.folder)


def group_name(state: str) -> str:
    """Return the name of the group of an agent: unique on this machine to its state folder."""
    place = os.stat(state)
    return f"omegacell-{place.st_dev:x}-{place.st_ino:x}"


def find_hierarchies(name: str, parent: str = "") -> tuple[Hierarchy, ...]:
    """Make our folder in every hierarchy that lets us, and return them.

    Args:
        name: of the folder, unique to this agent on this machine.
        parent: a version 2 group that was delegated to us, instead of the one we are in.
    """
    if parent:
        found = _open_v2(parent, name)
        return (found,) if found is not None else ()
    own = _read_own_groups()
    hierarchies = []
    taken: frozenset[str] = frozenset()
    for mount, kind, options in _read_mounts():
        if kind == "cgroup2":
            opened = _open_v2(_locate(mount, own.get("", "/")), name)
        else:
            wanted = frozenset(options) & frozenset(CONTROLLERS) - taken
            path = next((own[group] for group in own if set(group.split(",")) & wanted), "/")
            opened = _open_v1(_locate(mount, path), name, wanted) if wanted else None
        if opened is not None:
            hierarchies.append(opened)
            taken |= opened.controllers
    return tuple(hierarchies)


def _open_v2(parent: str, name: str) -> Hierarchy | None:
    folder = os.path.join(parent, name)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return None
    for group in (parent, folder):
        for controller in CONTROLLERS:
            # Refused where the group holds processes or the controller is not passed on to it: then it stays missing.
            with contextlib.suppress(OSError):
                _write(os.path.join(group, "cgroup.subtree_control"), f"+{controller}")
    with open(os.path.join(folder, "cgroup.subtree_control"), encoding="ascii") as file:
        enabled = frozenset(file.read().split()) & frozenset(CONTROLLERS)
    return Hierarchy(folder=folder, version=2, controllers=enabled)


def _open_v1(parent: str, name: str, controllers: frozenset[str]) -> Hierarchy | None:
    folder = os.path.join(parent, name)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return None
    if not os.access(os.path.join(folder, "cgroup.procs"), os.W_OK):
        return None
    return Hierarchy(folder=folder, version=1, controllers=controllers)


def _settings(hierarchy: Hierarchy, limits: Limits) -> Iterator[tuple[str, str]]:
    """Yield file and value of each limit in one hierarchy."""
    is_v2 = hierarchy.version == 2
    if "cpu" in hierarchy.controllers and limits.cpu_milli > 0:
        # A thousand milli is 100 of version 2's weight and 1024 of version 1's shares.
        weight = min(max(limits.cpu_milli // 10, 1), 10_000) if is_v2 else max(limits.cpu_milli * 1024 // 1000, 2)
        yield "cpu.weight" if is_v2 else "cpu.shares", str(weight)
        if limits.is_cpu_capped:
            quota = max(limits.cpu_milli * _CPU_PERIOD_US // 1000, 1_000)
            yield ("cpu.max", f"{quota} {_CPU_PERIOD_US}") if is_v2 else ("cpu.cfs_quota_us", str(quota))
    if "memory" in hierarchy.controllers and limits.memory_bytes > 0:
        yield "memory.max" if is_v2 else "memory.limit_in_bytes", str(limits.memory_bytes)
    if "pids" in hierarchy.controllers and limits.pids > 0:
        yield "pids.max", str(limits.pids)


def _read_own_groups() -> dict[str, str]:
    """Return the path of our group by its controllers, joined by commas; version 2 has none."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split(":", 2) for line in file]
    return {controllers: path for _, controllers, path in rows}


def _read_mounts() -> Iterator[tuple[str, str, list[str]]]:
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            _, mount, kind, options, *_ = line.split(" ")
            if kind in ("cgroup", "cgroup2"):
                yield mount, kind, options.split(",")


def _locate(mount: str, path: str) -> str:
    """Return the folder of a group; in a container its path may lie outside of what is mounted: then the mount."""
    folder = os.path.join(mount, path.lstrip("/"))
    return folder if os.path.isdir(folder) else mount


def _write(path: str, value: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


def _remove_folder(folder: str) -> None:
    until = time.monotonic() + _REMOVE_LIMIT_S
    while True:
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > until:
                return  # tried again when the agent starts next: it lists what has groups and is not held
            time.sleep(0.002)
        else:
            return
