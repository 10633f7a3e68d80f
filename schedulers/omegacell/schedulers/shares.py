"""Which instance of a scheduler takes which job: rendezvous hashing over the live sessions in the log.

Instances share by name, not by session, so that one that was restarted takes up its own share again while its old
session has still to expire. Two instances that disagree for a moment only conflict; nothing is lost by it.
"""

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
    if len(instances) == 1:
        return instances[0]
    name = job_name.encode()
    return max(instances, key=lambda instance: (blake2b(name, digest_size=8, key=_key(instance)).digest(), instance))


def _key(instance: str) -> bytes:
    return blake2b(instance.encode(), digest_size=16).digest()
