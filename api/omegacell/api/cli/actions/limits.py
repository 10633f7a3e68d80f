"""`omega quota ...` and `omega scheduler caps ...`: limits as tables, and what sets them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show, size, warn
from omegacell.api.errors import NotFoundError
from omegacell.api.limit_records import Cap, Quota
from omegacell.api.quantities import parse_bytes, parse_cpu
from omegacell.core.errors import UsageError
from omegacell.core.units import MAX_TOTAL, UNLIMITED, Band

NONE: Final = "none"
"""What a user says for no limit."""

_COLUMNS: Final = ("RESOURCE", "LIMIT", "USED", "FREE")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLimits:
    """The limits of a quota as typed; None for what was not named."""

    cpu: str | None
    memory: str | None
    disk: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapLimits:
    """The limits of a cap as typed; None for what was not named."""

    cpu: str | None
    memory: str | None
    jobs: str | None


def show_quotas(form: Format, *, owner: str = "", cell: str | None) -> None:
    """Print quotas, all of them or those of an owner."""
    with open_client(cell) as client:
        found = client.quotas(owner=owner)
    if owner and not found.quotas:
        raise NotFoundError(f"owner {owner!r} has no quota and no jobs; `omega quota list` shows who has")
    empty = "no quotas, and no jobs; set one with `omega quota set OWNER --band BAND --cpu N`"
    facts = {"at": plain(found.at), "quotas": [_quota_facts(quota) for quota in found.quotas]}
    show(facts, form, _quota_table(found.quotas, empty=empty))


def set_quota(owner: str, band: str, typed: QuotaLimits, form: Format, *, cell: str | None) -> None:
    """Set a quota and print it."""
    cpu, memory, disk = _cpu(typed.cpu), _bytes("--memory", typed.memory), _bytes("--disk", typed.disk)
    if cpu is memory is disk is None:
        raise UsageError("no limit is named: give --cpu, --memory or --disk")
    with open_client(cell) as client:
        quota = client.set_quota(owner, Band[band.upper()], cpu_milli=cpu, memory_bytes=memory, disk_bytes=disk)
    _warn_if_over(f"owner {owner!r}", _quota_amounts(quota), "nothing is stopped; no job that asks for more is taken")
    show({"quota": _quota_facts(quota)}, form, _quota_table((quota,)))


def remove_quota(owner: str, band: str, form: Format, *, cell: str | None) -> None:
    """Take a quota away."""
    with open_client(cell) as client:
        known = [quota for quota in client.quotas(owner=owner).quotas if quota.is_set]
        if Band[band.upper()] not in [quota.band for quota in known]:
            names = ", ".join(quota.band.name.lower() for quota in known)
            has = f"it has one in {names}" if names else "`omega quota list` shows those there are"
            raise NotFoundError(f"owner {owner!r} has no quota in band {band}; {has}")
        quota = client.remove_quota(owner, Band[band.upper()])
    show({"quota": _quota_facts(quota)}, form, _quota_table((quota,)))


def show_caps(form: Format, *, cell: str | None) -> None:
    """Print the caps of all schedulers."""
    with open_client(cell) as client:
        found = client.caps()
    facts = {"at": plain(found.at), "caps": [_cap_facts(cap) for cap in found.caps]}
    show(facts, form, _cap_table(found.caps))


def set_caps(scheduler: str, typed: CapLimits, form: Format, *, cell: str | None) -> None:
    """Set a scheduler's cap and print it."""
    cpu, memory, jobs = _cpu(typed.cpu), _bytes("--memory", typed.memory), _count("--jobs", typed.jobs)
    if cpu is memory is jobs is None:
        raise UsageError("no limit is named: give --cpu, --memory or --jobs")
    with open_client(cell) as client:
        cap = client.set_caps(scheduler, cpu_milli=cpu, memory_bytes=memory, jobs=jobs)
    if not cap.is_known:
        warn(f"no scheduler {scheduler!r} has run in this cell, and no job names it; the cap waits for it")
    _warn_if_over(f"scheduler {scheduler!r}", _cap_amounts(cap), "nothing is stopped; no more is placed for it")
    show({"cap": _cap_facts(cap)}, form, _cap_table((cap,)))


def remove_caps(scheduler: str, form: Format, *, cell: str | None) -> None:
    """Take a scheduler's cap away."""
    with open_client(cell) as client:
        if not any(cap.is_set and cap.scheduler == scheduler for cap in client.caps().caps):
            raise NotFoundError(
                f"scheduler {scheduler!r} has no cap; `omega scheduler caps list` shows those there are"
            )
        cap = client.remove_caps(scheduler)
    show({"cap": _cap_facts(cap)}, form, _cap_table((cap,)))


@dataclass(frozen=True, slots=True)
class _Amount:
    """One dimension of a limit, and how its amounts are written."""

    name: str
    limit: int
    used: int
    write: Callable[[int], str]

    @property
    def free(self) -> int | None:
        """What is left; None without a limit."""
        return None if self.limit == UNLIMITED else self.limit - self.used

    def row(self) -> tuple[str, str, str, str]:
        limit = "-" if self.limit == UNLIMITED else self.write(self.limit)
        return self.name, limit, self.write(self.used), "-" if self.free is None else self.write(self.free)


def _quota_amounts(quota: Quota) -> list[_Amount]:
    return [
        _Amount("cpu", quota.limit.cpu_milli, quota.used.cpu_milli, _write_cpu),
        _Amount("memory", quota.limit.memory_bytes, quota.used.memory_bytes, size),
        _Amount("disk", quota.limit.disk_bytes, quota.used.disk_bytes, size),
    ]


def _cap_amounts(cap: Cap) -> list[_Amount]:
    return [
        _Amount("cpu", cap.limit.cpu_milli, cap.used.cpu_milli, _write_cpu),
        _Amount("memory", cap.limit.memory_bytes, cap.used.memory_bytes, size),
        _Amount("jobs", cap.limit.jobs, cap.used.jobs, str),
    ]


def _quota_facts(quota: Quota) -> dict[str, object]:
    return {**plain(quota), **_facts(("cpu_milli", "memory_bytes", "disk_bytes"), _quota_amounts(quota))}


def _cap_facts(cap: Cap) -> dict[str, object]:
    return {**plain(cap), **_facts(("cpu_milli", "memory_bytes", "jobs"), _cap_amounts(cap))}


def _facts(names: Sequence[str], amounts: Sequence[_Amount]) -> dict[str, object]:
    """Return limits and what is left of them; where there is no limit both are null."""
    limits = [None if amount.limit == UNLIMITED else amount.limit for amount in amounts]
    free = [amount.free for amount in amounts]
    return {"limit": dict(zip(names, limits, strict=True)), "free": dict(zip(names, free, strict=True))}


def _quota_table(quotas: Sequence[Quota], *, empty: str = "") -> Table:
    rows = [
        (quota.owner, quota.band.name.lower(), *amount.row())
        for quota in quotas
        for amount in _quota_amounts(quota)
        if amount.used or amount.limit != UNLIMITED or (amount.name == "cpu" and not quota.is_set)
    ]
    return Table(columns=("OWNER", "BAND", *_COLUMNS), rows=rows, right=frozenset(_COLUMNS[1:]), empty=empty)


def _cap_table(caps: Sequence[Cap]) -> Table:
    rows = [(cap.scheduler, *amount.row()) for cap in caps for amount in _cap_amounts(cap)]
    return Table(
        columns=("SCHEDULER", *_COLUMNS), rows=rows, right=frozenset(_COLUMNS[1:]), empty="no scheduler has run yet"
    )


def _warn_if_over(whose: str, amounts: Sequence[_Amount], what: str) -> None:
    over = [amount for amount in amounts if amount.free is not None and amount.free < 0]
    if over:
        used = ", ".join(f"{amount.write(amount.used)} {amount.name}" for amount in over)
        warn(f"{whose} uses more than that already ({used}): {what} until it uses less")


def _write_cpu(cpu_milli: int) -> str:
    return f"{cpu_milli / 1_000:.12g}"


def _cpu(text: str | None) -> int | None:
    return _read("--cpu", text, lambda typed: parse_cpu(typed, most=MAX_TOTAL))


def _bytes(option: str, text: str | None) -> int | None:
    return _read(option, text, lambda typed: parse_bytes(typed, most=MAX_TOTAL))


def _count(option: str, text: str | None) -> int | None:
    return _read(option, text, _parse_count)


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError("expected a whole number of jobs, 0 or more")
    return int(text)


def _read(option: str, text: str | None, parse: Callable[[str], int]) -> int | None:
    if text is None:
        return None
    if text.strip().lower() == NONE:
        return UNLIMITED
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option} {text[:60]!r}: {error}, or none for no limit") from error
