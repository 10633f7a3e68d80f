"""The clocks an agent reads: one for people, one for deadlines. Nothing here decides anything."""

import time


def wall_us() -> int:
    """Return microseconds since the epoch: for people."""
    return time.time_ns() // 1_000


def boot_us() -> int:
    """Return microseconds since boot, time asleep included: for deadlines."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000
