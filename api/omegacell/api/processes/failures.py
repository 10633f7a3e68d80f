"""What a plug-in did wrong, on the terminal of whoever wrote it: one line for each fault, not one for each try.

A job on which a plug-in fails is told why, and tried again; its author looks at the process. Where ``OMEGA_DEBUG`` is
set the whole traceback follows. The same fault, which is the kind of error and the line that raised it, is told again
after a while, with how often it came.
"""

import logging
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

_LOG = logging.getLogger(__name__)

TELL_AGAIN_S: Final = 60.0
MAX_FAULTS: Final = 64
"""Faults that are told apart; beyond, all are forgotten and told anew."""

Fault: TypeAlias = tuple[str, str, int]


@dataclass(slots=True)
class _Told:
    at_s: float
    silent_count: int = 0


class FailureTeller:
    """Writes failures to the log of the process.

    Args:
        instance: Whose they are, as in ``mine-0``.
        monotonic_s: Seconds on a clock that never goes back.
    """

    def __init__(self, instance: str, monotonic_s: Callable[[], float]) -> None:
        self._instance = instance
        self._monotonic_s = monotonic_s
        self._told: dict[Fault, _Told] = {}

    def tell(self, job: str, failure: str, error: Exception) -> None:
        """Say what went wrong, unless the same was said a moment ago."""
        now_s, fault = self._monotonic_s(), _fault_of(error)
        told = self._told.get(fault)
        if told is not None and now_s < told.at_s + TELL_AGAIN_S:
            told.silent_count += 1
            return
        if len(self._told) >= MAX_FAULTS:
            self._told.clear()
        self._told[fault] = _Told(now_s)
        often = f", and {told.silent_count} times since it was last told" if told is not None else ""
        is_debugging = os.environ.get("OMEGA_DEBUG", "") not in ("", "0")
        hint = "" if is_debugging else "; OMEGA_DEBUG=1 shows the traceback"
        _LOG.error(
            "%s failed on job %r%s: %s; the job stays pending and is tried again%s",
            self._instance,
            job,
            often,
            failure,
            hint,
            exc_info=error if is_debugging else None,
        )


def _fault_of(error: Exception) -> Fault:
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    return type(error).__name__, last.filename if last else "", (last.lineno or 0) if last else 0
