"""Counts the calls of ``wake`` so that none is lost and none is kept for too long.

A wake reaches every wait under way; with none under way it reaches the next one, or a thread that is told to stop
just before it waits would sleep on.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Waking:
    """The wakes of one handle. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._wake_count = 0
        self._waiter_count = 0
        self._is_pending = False

    @contextmanager
    def waiting(self) -> Iterator[int]:
        """Count a wait as under way for the block; give what ``is_woken`` compares with."""
        with self._mutex:
            seen = self._wake_count - 1 if self._is_pending else self._wake_count
            self._is_pending = False
            self._waiter_count += 1
        try:
            yield seen
        finally:
            with self._mutex:
                self._waiter_count -= 1

    def wake(self) -> None:
        """Wake every wait under way, or else the next one."""
        with self._mutex:
            self._wake_count += 1
            self._is_pending = self._waiter_count == 0

    def is_woken(self, seen: int) -> bool:
        """Return whether a wake came since ``seen``."""
        with self._mutex:
            return self._wake_count != seen
