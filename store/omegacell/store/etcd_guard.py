"""Connections that refuse what must not be written: anything, or anything into another store than was opened.

Rules:
    A call that fails over may reach another cluster, where a store may stand under the same prefix; and a store may be
    deleted, restored or made anew while it is open. So every write says which life it means, and etcd compares.
"""

from collections.abc import Sequence

from omegacell.core.errors import StoreReadOnlyError, StoreReplacedError
from omegacell.store.etcd_wire import Answer, Condition, Connection, Get, HasValue, Operation, Status, Watching


class BoundConnection:
    """Implements ``Connection``; writes only while a key has the value that it had.

    Args:
        connection: What does the rest.
        key: Says which store stands there.
        value: What it said.
    """

    def __init__(self, connection: Connection, key: bytes, value: bytes) -> None:
        self._connection = connection
        self._key = key
        self._value = value

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

    def bind(self, value: bytes) -> None:
        """Expect another value from now on."""
        self._value = value

    def commit(
        self,
        then: Sequence[Operation],
        *,
        when: Sequence[Condition] = (),
        otherwise: Sequence[Operation] = (),
    ) -> Answer:
        """Do ``then`` in one transaction when all conditions hold and the store is the one that was opened.

        Raises:
            StoreReplacedError: It is not, and nothing was written.
        """
        if all(isinstance(operation, Get) for operation in (*then, *otherwise)):
            return self._connection.commit(then, when=when, otherwise=otherwise)
        ours = HasValue(self._key, self._value)
        answer = self._connection.commit(then, when=[*when, ours], otherwise=[*otherwise, Get(key=self._key)])
        if answer.is_met:
            return answer
        *found, said = answer.found
        if [item.value for item in said.items] != [self._value]:
            raise StoreReplacedError(
                f"{self.name}: another store stands there now, or none: it was deleted or restored, or an endpoint"
                " belongs to another etcd cluster; nothing was written: check the endpoints, then stop the cell and"
                " start it again"
            )
        return Answer(False, answer.revision, tuple(found))

    def compact(self, revision: int) -> None:
        """Let etcd forget what was superseded or deleted before ``revision``."""
        self._connection.compact(revision)

    def grant(self, ttl_s: int) -> int:
        """Return a lease."""
        return self._connection.grant(ttl_s)

    def revoke(self, lease: int) -> None:
        """End a lease."""
        self._connection.revoke(lease)

    def status(self) -> Status:
        """Ask the member in use how it is."""
        return self._connection.status()

    def watch(self, key: bytes, end: bytes, *, start: int) -> Watching:
        """Watch a range from revision ``start`` on."""
        return self._connection.watch(key, end, start=start)

    def close(self) -> None:
        """Release everything."""
        self._connection.close()


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
