"""Quotas and caps in a few words, wherever they are told of."""

from typing import Final

from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.units import CAP_NAMES, RESOURCE_NAMES, UNLIMITED

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def describe_limits(command: SetQuota | SetCaps) -> str:
    """Return whose limits a command sets, and which.

    >>> describe_limits(SetCaps(scheduler="batch", amounts=(2_000, -1, 3)))
    'batch: 2 cpu, 3 jobs'
    """
    if isinstance(command, SetQuota):
        whose, names = f"{command.owner} {command.band.name.lower()}", RESOURCE_NAMES
    else:
        whose, names = command.scheduler, CAP_NAMES
    limits = [
        word_amount(name, amount) for name, amount in zip(names, command.amounts, strict=True) if amount != UNLIMITED
    ]
    return f"{whose}: {', '.join(limits) or 'no limit'}"


def word_amount(name: str, amount: int) -> str:
    """Return an amount of a resource as people write it.

    >>> word_amount("cpu_milli", 1_500), word_amount("memory_bytes", 3 << 29), word_amount("jobs", 1)
    ('1.5 cpu', '1.5 GiB memory', '1 job')
    """
    if name == "cpu_milli":
        return f"{amount / 1_000:.12g} cpu"
    if name.endswith("_bytes"):
        value, unit = float(amount), 0
        while abs(value) >= 1_024 and unit < len(_UNITS) - 1:
            value, unit = value / 1_024, unit + 1
        return f"{value:.6g} {_UNITS[unit]} {name.removesuffix('_bytes')}"
    return f"{amount} {name.removesuffix('s') if amount == 1 else name}"
