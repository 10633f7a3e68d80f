"""Which instance of a scheduler takes which job: rendezvous hashing over the live sessions in the log.

Instances share by name, not by session, so that one that was restarted takes up its own share again while its old
session has still to expire. Two instances that disagree for a moment only conflict; nothing is lost by it.
"""

from functools import lru_cache
from hashlib import blake2b

from omegacell.core.cell import Cell
from omegacell.core.units import Role


def live_instances(cell: Cell, scheduler: str) -> tuple[str, ...]:
    """Return the names of the instances of a scheduler that hold a session, ascending. Cost: O(sessions)."""
    names = {
        cell.authors.rows[session.author].name
        for session in cell.sessions.values()
        if session.role is Role.SCHEDULER and session.scheduler == scheduler
    }
    return tuple(sorted(names))


def owner_of(job_name: str, instances: tuple[str, ...]) -> str:
    """Return the instance whose share a job is in: the one with the highest hash of both names.

    When an instance comes or goes, only jobs move that it takes or leaves.

    >>> owner_of("sums", ("batch-0", "batch-1")) in ("batch-0", "batch-1")
    True
    >>> owner_of("sums", ("batch-0",))
    'batch-0'
    """
    return instances[0] if len(instances) == 1 else _find_owner(job_name, instances)


@lru_cache(maxsize=4_096)
def _find_owner(job_name: str, instances: tuple[str, ...]) -> str:
    name = job_name.encode()
    best = (b"", "")
    for instance, keyed in zip(instances, _keyed(instances), strict=True):
        hashed = keyed.copy()
        hashed.update(name)
        best = max(best, (hashed.digest(), instance))
    return best[1]


@lru_cache(maxsize=64)
def _keyed(instances: tuple[str, ...]) -> tuple[blake2b, ...]:
    """Return for each instance a hash that has taken in its key, and goes on from there as a copy."""
    return tuple(blake2b(digest_size=8, key=_key(instance)) for instance in instances)


def _key(instance: str) -> bytes:
    return blake2b(instance.encode(), digest_size=16).digest()
