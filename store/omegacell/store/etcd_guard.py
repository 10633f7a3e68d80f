"""A connection through which nothing can be changed: for looking at a store that somebody else uses."""

from collections.abc import Sequence

from omegacell.core.errors import StoreReadOnlyError
from omegacell.store.etcd_wire import Answer, Condition, Connection, Get, Operation, Status, Watching


class ReadOnlyConnection:
    """Implements ``Connection``; refuses what would write.

    Args:
        connection: What does the rest.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def name(self) -> str:
        """Endpoints and prefix."""
        return self._connection.name

    @property
    def cluster(self) -> str:
        """The cluster's id."""
        return self._connection.cluster

    @property
    def patience_s(self) -> float:
        """How long a call tries."""
        return self._connection.patience_s

    def commit(
        self,
        then: Sequence[Operation],
        *,
        when: Sequence[Condition] = (),
        otherwise: Sequence[Operation] = (),
    ) -> Answer:
        """Read in one transaction.

        Raises:
            StoreReadOnlyError: It would write.
        """
        if not all(isinstance(operation, Get) for operation in (*then, *otherwise)):
            raise self._refusal()
        return self._connection.commit(then, when=when, otherwise=otherwise)

    def compact(self, revision: int) -> None:
        """Refuse.

        Raises:
            StoreReadOnlyError: Always.
        """
        raise self._refusal()

    def grant(self, ttl_s: int) -> int:
        """Refuse.

        Raises:
            StoreReadOnlyError: Always.
        """
        raise self._refusal()

    def revoke(self, lease: int) -> None:
        """Refuse.

        Raises:
            StoreReadOnlyError: Always.
        """
        raise self._refusal()

    def status(self) -> Status:
        """Ask the member in use how it is."""
        return self._connection.status()

    def watch(self, key: bytes, end: bytes, *, start: int) -> Watching:
        """Watch a range from revision ``start`` on."""
        return self._connection.watch(key, end, start=start)

    def close(self) -> None:
        """Release everything."""
        self._connection.close()

    def _refusal(self) -> StoreReadOnlyError:
        return StoreReadOnlyError(f"{self.name}: the store is opened for reading only; nothing was written")
