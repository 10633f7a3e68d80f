"""What is said of an attempt that its machine ended because it had run for as long as its job allows."""

from typing import Final

_UNITS: Final = (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1))


def describe_limit(max_run_us: int) -> str:
    """Return that an attempt ran into its limit, which is written as a job file has it.

    >>> describe_limit(600_000_000), describe_limit(5_400_000_000), describe_limit(1_500_000)
    ('ran into its time limit of 10m', 'ran into its time limit of 1h30m', 'ran into its time limit of 1s500ms')
    """
    words, rest = "", max_run_us
    for unit, scale in _UNITS:
        count, rest = divmod(rest, scale)
        words += f"{count}{unit}" if count else ""
    return f"ran into its time limit of {words or '0s'}"
