"""HTTP health checks of running tasks: a pure verdict, and a small shell that asks.

A check is one GET to the task's port on loopback; a status from 200 to 399 within the time allowed is an answer,
anything else a failure. No more than the head of an answer is read.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from omegacell.agent.payload import HealthConfig

_HEAD_LIMIT_BYTES: Final = 8192
_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A change of health; ``message`` says what was seen last."""

    is_healthy: bool
    message: str


class HealthTracker:
    """Turn single checks into changes of verdict: the first one, and every change after it.

    Args:
        config: thresholds and grace.
    """

    def __init__(self, config: HealthConfig) -> None:
        self._config = config
        self._verdict: bool | None = None
        self._streak = 0
        self._was_good = True

    def observe(self, failure: str, since_start_ms: int) -> Verdict | None:
        """Take the result of one check, empty for a good one; return the new verdict when it changed.

        Failures within the grace after the start do not count, unless the task has been healthy before.
        """
        is_good = not failure
        if not is_good and self._verdict is None and since_start_ms < self._config.grace_ms:
            self._streak = 0
            return None
        self._streak = self._streak + 1 if is_good == self._was_good else 1
        self._was_good = is_good
        needed = self._config.healthy_after if is_good else self._config.unhealthy_after
        if self._streak < needed or self._verdict == is_good:
            return None
        self._verdict = is_good
        return Verdict(is_healthy=is_good, message=failure)


async def check_http(port: int, path: str, timeout_s: float) -> str:
    """Return why a GET on loopback was not answered well, or an empty string when it was."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(_HOST, port, limit=_HEAD_LIMIT_BYTES)
            try:
                request = (
                    f"GET {path} HTTP/1.1\r\nHost: {_HOST}:{port}\r\nConnection: close\r\nUser-Agent: omega\r\n\r\n"
                )
                writer.write(request.encode("ascii", "replace"))
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        return f"no answer on port {port} in {timeout_s:g} s"
    except ConnectionRefusedError:
        return f"port {port}: connection refused"
    except (OSError, ValueError) as error:
        return f"port {port}: {error}"[:200]
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return f"port {port} does not speak HTTP"
    status = int(words[1])
    return "" if 200 <= status < 400 else f"GET {path} on port {port} answered {status}"


async def watch_health(config: HealthConfig, port: int, on_change: Callable[[Verdict], None]) -> None:
    """Check for ever, calling ``on_change`` for every change of verdict; to be cancelled when the task ends."""
    loop = asyncio.get_running_loop()
    tracker = HealthTracker(config)
    started = loop.time()
    while True:
        began = loop.time()
        failure = await check_http(port, config.path, config.timeout_ms / 1000)
        verdict = tracker.observe(failure, int((loop.time() - started) * 1000))
        if verdict is not None:
            on_change(verdict)
        await asyncio.sleep(max(began + _next_wait_s(config, failure, loop.time() - started) - loop.time(), 0.0))


def _next_wait_s(config: HealthConfig, failure: str, since_start_s: float) -> float:
    """Return the time to the next check: short while a task is starting, so that it counts as healthy soon."""
    interval_s = config.interval_ms / 1000
    is_starting = bool(failure) and since_start_s * 1000 < config.grace_ms
    return min(interval_s, 0.25) if is_starting else interval_s
