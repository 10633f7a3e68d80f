"""The name of an attempt, wherever an agent speaks of one: in messages, files, and to the supervisor."""

from dataclasses import dataclass

from omegacell.core.units import JobId


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AttemptKey:
    """One attempt of one task."""

    job_id: JobId
    index: int
    attempt: int

    def __str__(self) -> str:
        """Return the form used for files and by the supervisor.

        >>> str(AttemptKey(job_id=JobId(7), index=0, attempt=2))
        '7.0.2'
        """
        return f"{self.job_id}.{self.index}.{self.attempt}"

    @staticmethod
    def parse(text: str) -> "AttemptKey":
        """Return the key that ``str`` wrote.

        >>> AttemptKey.parse("7.0.2")
        AttemptKey(job_id=7, index=0, attempt=2)
        """
        job_id, index, attempt = text.split(".")
        return make_key(int(job_id), int(index), int(attempt))


def make_key(job_id: int, index: int, attempt: int) -> AttemptKey:
    """Return the key of an attempt."""
    return AttemptKey(job_id=JobId(job_id), index=index, attempt=attempt)
