"""Which file system a path lies on, and whether a log may live there.

SQLite's write-ahead log needs shared memory and locks that hold between all its users; network file systems promise
neither, and lose commits silently.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omegacell.core.errors import StoreUnsupportedError

MOUNTS_PATH: Final = Path("/proc/self/mounts")

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
        "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "vboxsf", "wekafs",
        "fuse.ceph", "fuse.ceph-fuse", "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs", "fuse.rclone", "fuse.s3fs",
        "fuse.sshfs", "fuse.vmhgfs-fuse",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A mounted file system."""

    point: str
    file_system: str


def parse_mounts(text: str) -> list[Mount]:
    r"""Parse ``/proc/self/mounts``, in which spaces are octal escapes.

    >>> parse_mounts("host:/x /srv/my\\040data nfs4 rw 0 0")
    [Mount(point='/srv/my data', file_system='nfs4')]
    """
    mounts = []
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 3:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), fields[1])
            mounts.append(Mount(point=point, file_system=fields[2]))
    return mounts


def find_mount(path: str, mounts: list[Mount]) -> Mount | None:
    """Return the mount that an absolute, resolved path lies on: the longest point above it, the last one mounted.

    >>> mounts = [Mount(point="/", file_system="ext4"), Mount(point="/srv", file_system="nfs4")]
    >>> find_mount("/srv/cell", mounts).file_system, find_mount("/srv2", mounts).file_system
    ('nfs4', 'ext4')
    """
    best: Mount | None = None
    for mount in mounts:
        is_above = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if is_above and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def file_system_of(path: Path) -> str:
    """Return the type of the file system of a folder that exists; "unknown" where the kernel does not tell."""
    if not MOUNTS_PATH.exists():
        return "unknown"
    text = MOUNTS_PATH.read_text(encoding="utf-8", errors="surrogateescape")
    mount = find_mount(str(path.resolve()), parse_mounts(text))
    return "unknown" if mount is None else mount.file_system


def check_local(path: Path, file_system: str) -> None:
    """Refuse a network file system.

    Raises:
        StoreUnsupportedError: The log would not be safe there.
    """
    if file_system in NETWORK_FILE_SYSTEMS:
        raise StoreUnsupportedError(
            f"{path}: lies on a network file system ({file_system}), where SQLite's log is not safe and loses commits;"
            " put it on a local disk, or use the etcd engine for several machines"
        )
