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
LATENCY_WEIGHT: Final = 10
"""Where CPU is short, a latency-sensitive task gets so many times what a batch task of the same request gets."""

_V2_WEIGHT_OF_CPU: Final = 25
_V2_WEIGHTS: Final = (1, 10_000)
_V1_SHARES_OF_CPU: Final = 1_024
_V1_SHARES: Final = (2, 262_144)
"""What one whole CPU of a batch task weighs, and what the kernel takes: there is room for 40 latency-sensitive CPUs in
version 2, 25 in version 1; larger ones weigh no more."""

_OPTIONAL: Final = frozenset({"memory.swap.max", "memory.memsw.limit_in_bytes", "memory.use_hierarchy"})
"""Files that only some kernels have: those with swap accounting, and those before memory was always counted so."""

_HOLDER: Final = "holder"
"""The group of an alloc's own process, beside those of the tasks inside: version 2 wants processes in leaves only."""

_CPU_PERIOD_US = 100_000
_REMOVE_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one attempt is promised, and what it may use at most.

    CPU can be taken back at any instant: the request is a weight, and what is idle is anybody's. Memory cannot: beyond
    its limit the attempt is killed, and what it has above its request is the first to be reclaimed.

    Attributes:
        cpu_milli: its share when the machine is busy; 0 for none.
        memory_bytes: what it may use before it is killed; 0 for no limit.
        pids: processes and threads; 0 for no limit.
        cpu_limit_milli: what it gets at most, even when there is more; 0 for whatever is idle.
        memory_request_bytes: what it was promised, where that is less than its limit; else 0.
        is_latency_sensitive: its share counts `LATENCY_WEIGHT` times.
    """

    cpu_milli: int
    memory_bytes: int
    pids: int
    cpu_limit_milli: int = 0
    memory_request_bytes: int = 0
    is_latency_sensitive: bool = False


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

    def create(self, key: str, limits: Limits, *, alloc: str = "") -> tuple[str, ...]:
        """Make an attempt's groups and set its limits; return their folders.

        Args:
            key: of the attempt.
            limits: what it may use.
            alloc: key of the alloc that it runs inside: its groups are below those of that, and share what they have.

        Raises:
            OSError: a group could be made for another attempt but not for this one, or that of the alloc is not there.
        """
        folders = []
        for hierarchy in self._hierarchies:
            folder = os.path.join(hierarchy.folder, alloc, key)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)
            for name, value in _settings(hierarchy, limits):
                path = os.path.join(folder, name)
                if name not in _OPTIONAL or os.path.exists(path):
                    _write(path, value)
            folders.append(folder)
        return tuple(folders)

    def create_alloc(self, key: str, limits: Limits) -> tuple[str, ...]:
        """Make an alloc's groups, whose limits hold for all that is inside together; return those of its own process.

        Raises:
            OSError: as `create`.
        """
        folders = []
        for hierarchy, folder in zip(self._hierarchies, self.create(key, limits), strict=True):
            if hierarchy.version == 2 and hierarchy.controllers:
                passed_on = " ".join(f"+{controller}" for controller in sorted(hierarchy.controllers))
                _write(os.path.join(folder, "cgroup.subtree_control"), passed_on)
            holder = os.path.join(folder, _HOLDER)
            with contextlib.suppress(FileExistsError):
                os.mkdir(holder)
            folders.append(holder)
        return tuple(folders)

    def remove(self, key: str) -> None:
        """Remove an ended attempt's groups; the kernel may need an instant to let them go."""
        for hierarchy in self._hierarchies:
            for folder in [folder for folder, name in _find_groups(hierarchy.folder) if name == key]:
                for inner in [*_find_folders(folder), folder]:
                    _remove_folder(inner)

    def list(self) -> set[str]:
        """Return the keys that have groups."""
        return {key for hierarchy in self._hierarchies for _, key in _find_groups(hierarchy.folder)}

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
        yield "cpu.weight" if is_v2 else "cpu.shares", str(find_weight(limits, version=hierarchy.version))
    if "cpu" in hierarchy.controllers and limits.cpu_limit_milli > 0:
        quota = max(limits.cpu_limit_milli * _CPU_PERIOD_US // 1000, 1_000)
        yield ("cpu.max", f"{quota} {_CPU_PERIOD_US}") if is_v2 else ("cpu.cfs_quota_us", str(quota))
    if "memory" in hierarchy.controllers and not is_v2:
        yield "memory.use_hierarchy", "1"  # what is below counts too; later kernels know it no other way
    if "memory" in hierarchy.controllers and limits.memory_bytes > 0:
        if limits.memory_request_bytes:
            yield "memory.low" if is_v2 else "memory.soft_limit_in_bytes", str(limits.memory_request_bytes)
        yield "memory.max" if is_v2 else "memory.limit_in_bytes", str(limits.memory_bytes)
        # Without this a task beyond its limit would go on in swap, slowly, and take others with it.
        yield ("memory.swap.max", "0") if is_v2 else ("memory.memsw.limit_in_bytes", str(limits.memory_bytes))
    if "pids" in hierarchy.controllers and limits.pids > 0:
        yield "pids.max", str(limits.pids)


def find_weight(limits: Limits, *, version: int) -> int:
    """Return how an attempt's share of a busy CPU is said to a hierarchy: its request, scaled by its class.

    >>> find_weight(Limits(cpu_milli=2_000, memory_bytes=0, pids=0), version=1)
    2048
    >>> find_weight(Limits(cpu_milli=2_000, memory_bytes=0, pids=0, is_latency_sensitive=True), version=2)
    500
    """
    of_cpu = _V2_WEIGHT_OF_CPU if version == 2 else _V1_SHARES_OF_CPU
    least, most = _V2_WEIGHTS if version == 2 else _V1_SHARES
    scaled = limits.cpu_milli * of_cpu * (LATENCY_WEIGHT if limits.is_latency_sensitive else 1)
    return min(max(scaled // 1000, least), most)


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


def _find_folders(parent: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(parent) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:  # of an attempt that ended since its parent was listed
        return []


def _find_groups(parent: str) -> list[tuple[str, str]]:
    """Return folder and key of every attempt's group, those inside allocs first."""
    outer = _find_folders(parent)
    groups = [*(inner for folder in outer for inner in _find_folders(folder)), *outer]
    return [(folder, os.path.basename(folder)) for folder in groups if os.path.basename(folder) != _HOLDER]


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
