"""The requests of a batched submit: sent ahead of their answers, so far and no further.

gRPC takes them from a thread of its own; what the caller's iterable raises there is kept for the caller.
"""

import collections
import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import Final

from omegacell.api import records, wire
from omegacell.api.proto import api_v1_pb2 as pb

SUBMITS_IN_FLIGHT: Final = 16
"""Batches sent and not answered."""


class Sending:
    """The requests of a batched submit: what gRPC's own thread takes, with a limit on what is not answered."""

    def __init__(self, submissions: Iterable[records.Submission], batch: int) -> None:
        """Send what ``submissions`` gives, so many in a message."""
        self._submissions = iter(submissions)
        self._batch = batch
        self._room = threading.Semaphore(SUBMITS_IN_FLIGHT)
        self._names: collections.deque[list[str]] = collections.deque()
        self._is_closed = False
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[pb.SubmitJobsRequest]:
        """Yield the batches; an error of the caller's iterable ends them and is raised by `check`."""
        while self._room.acquire() and not self._is_closed:
            try:
                group = list(itertools.islice(self._submissions, self._batch))
            except BaseException as error:  # noqa: BLE001  (raised again where the caller can see it)
                self._error = error
                return
            if not group:
                return
            self._names.append([submission.spec.name for submission in group])
            yield pb.SubmitJobsRequest(jobs=[wire.write_submission(submission) for submission in group])

    def answered(self) -> list[str]:
        """Return the names of the oldest batch, which was answered."""
        self._room.release()
        return self._names.popleft()

    def close(self) -> None:
        """Let the sending thread go."""
        self._is_closed = True
        self._room.release()

    def check(self) -> None:
        """Raise what the caller's iterable raised."""
        if self._error is not None:
            raise self._error
