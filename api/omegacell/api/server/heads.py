"""The log's head, asked by many at once, without one question each."""

import asyncio

from omegacell.core.errors import StoreError
from omegacell.store.log import Cursor, Store


class HeadReader:
    """Reads a log's head in another thread; who asks meanwhile shares the next question. One event loop's own.

    Args:
        store: Whose head.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asking = asyncio.Lock()
        self._begun = 0
        self._answer: Cursor | StoreError = Cursor(0)

    async def read(self) -> Cursor:
        """Return the head as of now or a moment later.

        Raises:
            StoreError: It cannot be read.
        """
        # A question under way may have been answered before this call: only the next one is late enough.
        wanted = self._begun + 1
        async with self._asking:
            if self._begun < wanted:
                self._begun += 1
                try:
                    self._answer = await asyncio.to_thread(self._store.head)
                except StoreError as error:
                    self._answer = error
            answer = self._answer
        if isinstance(answer, StoreError):
            raise answer
        return answer
