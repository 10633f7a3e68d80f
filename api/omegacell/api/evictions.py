"""Why attempts were evicted, from the log: a cell remembers that one was, and not by whom.

As with grants, nothing is known of what is older than the log that was read, or beyond `EVICTIONS_KEPT`.
"""

from typing import Final

from omegacell.api.grants import granted_rows
from omegacell.core.commands import Evict
from omegacell.core.drains import EvictCause
from omegacell.store.folding import Applied

EVICTIONS_KEPT: Final = 100_000

_WORDS: Final = {
    EvictCause.OPERATOR: "evicted by an operator",
    EvictCause.UNHEALTHY: "evicted because it was unhealthy",
    EvictCause.DRAIN: "evicted by the drain of its machine",
}


class Evictions:
    """Remembers the causes of evictions, by job, index and attempt."""

    def __init__(self) -> None:
        """Begin with none."""
        self._causes: dict[tuple[int, int, int], EvictCause] = {}

    def record(self, applied: Applied) -> None:
        """Remember what a transaction evicted. Mutates."""
        for command, is_granted in granted_rows(applied):
            if isinstance(command, Evict):
                indices, attempts = command.indices[is_granted].tolist(), command.attempts[is_granted].tolist()
                self._add({(command.job, *key): command.cause for key in zip(indices, attempts, strict=True)})

    def prepend(self, older: "Evictions") -> None:
        """Put what another one remembers before what this one does. Mutates."""
        newer, self._causes = self._causes, {}
        self._add(older._causes)
        self._add(newer)

    def word(self, job: int, index: int, attempt: int) -> str:
        """Return why an attempt was evicted; empty when it was not, or that is not known."""
        cause = self._causes.get((job, index, attempt))
        return "" if cause is None else _WORDS[cause]

    def _add(self, causes: dict[tuple[int, int, int], EvictCause]) -> None:
        for key, cause in causes.items():
            self._causes.pop(key, None)
            self._causes[key] = cause
        while len(self._causes) > EVICTIONS_KEPT:
            del self._causes[next(iter(self._causes))]
