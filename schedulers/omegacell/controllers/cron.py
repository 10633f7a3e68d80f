"""Reads the line of a schedule: what is wrong with it, and which instants it means in its time zone.

A line has five fields, as cron knows them (minute, hour, day of the month, month, day of the week), or six with the
second in front, or is a word such as ``@daily``. What a line means is the business of `cronsim`, which follows Debian's
cron; of an hour that does not exist, or exists twice (see ``docs/schedules.md``), too. Everything here is pure: times
are microseconds since the epoch, handed in and handed out.
"""

import datetime
import difflib
import itertools
import zoneinfo
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from cronsim import CronSim, CronSimError

from omegacell.core.errors import UsageError
from omegacell.core.templates import MAX_CRON_LENGTH, Schedule

WORDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS: Final = (
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31, L for the last one, LW for the last weekday"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 or SUN-SAT (0 and 7 are Sunday), 5L for the last Friday, 5#2 for the second"),
)
_SYNTAX: Final = "*, lists (1,15), ranges (1-5) and steps (*/10) of them"
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_US: Final = datetime.timedelta(microseconds=1)
_SECOND: Final = datetime.timedelta(seconds=1)
_FOLD: Final = datetime.timedelta(hours=3)
"""Longer than any clock was ever put back for."""
_SEARCH_FROM: Final = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                  "November", "December")  # fmt: skip


def find_line_problem(line: str) -> str:
    """Return what is wrong with a line, and what is expected instead; empty when it is right and fires.

    >>> find_line_problem("0 25 * * *")
    "field 2 of 5, hour, is '25'; expected 0-23: *, lists (1,15), ranges (1-5) and steps (*/10) of them"
    >>> find_line_problem("0 0 30 2 *")
    'it never fires: no day is day 30 of month 2; February has at most 29 days'
    >>> find_line_problem("@daily")
    ''
    """
    if len(line) > MAX_CRON_LENGTH or not line.isascii():
        return f"expected ASCII characters, at most {MAX_CRON_LENGTH}"
    if line.startswith("@"):
        return "" if line in WORDS else f"expected a line of cron, or one of {', '.join(WORDS)}"
    parts = line.split()
    if len(parts) not in (5, 6):
        fields = ", ".join(name for name, _ in FIELDS[1:])
        return f"it has {_count_fields(len(parts))}; expected five ({fields}), or six with the second in front"
    for place, (part, (name, values)) in enumerate(zip(parts, FIELDS[-len(parts) :], strict=True)):
        if not _is_field(part, place + 6 - len(parts)):
            return f"field {place + 1} of {len(parts)}, {name}, is {part!r}; expected {values}: {_SYNTAX}"
    return "" if _fires(line) else f"it never fires: {_word_never(*parts[-3:])}"


def find_zone_problem(name: str) -> str:
    """Return what is wrong with the name of a time zone, with those that are like it; empty when it is known.

    >>> find_zone_problem("Europe/Berlni")
    "unknown time zone 'Europe/Berlni'; did you mean Europe/Berlin or Europe/Vilnius?"
    """
    if _zone_of(name) is not None:
        return ""
    known = sorted(zoneinfo.available_timezones())
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    folded = [each for each in known if each.casefold().endswith(name.casefold())] if name else []
    near = list(dict.fromkeys([*folded[:2], *near]))[:3]
    hint = f"did you mean {' or '.join(near)}?" if near else "expected a name such as UTC or Europe/Berlin"
    return f"unknown time zone {name[:64]!r}; {hint}"


class Timetable:
    """The instants of a schedule.

    Raises:
        UsageError: its line or its time zone cannot be read here.
    """

    def __init__(self, schedule: Schedule) -> None:
        problem = find_line_problem(schedule.cron) or find_zone_problem(schedule.time_zone)
        zone = _zone_of(schedule.time_zone)
        if problem or zone is None:
            raise UsageError(f"schedule {schedule.cron!r}: {problem}")
        self._line = expand(schedule.cron)
        self._zone: datetime.tzinfo = datetime.UTC if schedule.time_zone == "UTC" else zone

    def first_after(self, at_us: int) -> int | None:
        """Return the first instant after a time; None when there is none within 50 years."""
        at = self._local(at_us)
        begin = self._local(at_us - _FOLD // _US) if _is_twice(at) else at
        return next((found for found in map(_us_of, _iterate(self._line, begin)) if found > at_us), None)

    def latest(self, *, after_us: int, until_us: int, limit: int) -> tuple[int, ...]:
        """Return the last instants after one time and not after another, ascending, at most so many.

        Cost: O(limit), and, in an hour that exists twice, O(its instants).
        """
        until = self._local(until_us)
        begin = self._local(until_us + _FOLD // _US) if _is_twice(until) else until + _SECOND
        backwards = map(_us_of, _iterate(self._line, begin, is_reverse=True))
        reached = itertools.dropwhile(lambda found: found > until_us, backwards)
        found = tuple(itertools.islice(itertools.takewhile(lambda found: found > after_us, reached), limit))
        return found[::-1]

    def _local(self, at_us: int) -> datetime.datetime:
        return (_EPOCH + at_us * _US).astimezone(self._zone)


def expand(line: str) -> str:
    """Return the fields of a line, a word's as it means them."""
    return WORDS.get(line, line)


@lru_cache(maxsize=256)
def _zone_of(name: str) -> zoneinfo.ZoneInfo | None:
    """Return a time zone of the system's or of `tzdata`; None when there is none, or its name is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is no zone
        return None


def _iterate(line: str, begin: datetime.datetime, *, is_reverse: bool = False) -> Iterator[datetime.datetime]:
    return iter(CronSim(line, begin, reverse=is_reverse))


def _is_twice(local: datetime.datetime) -> bool:
    """Tell whether the clock shows a time that it shows twice; there, cronsim must not begin."""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _us_of(local: datetime.datetime) -> int:
    return (local.astimezone(datetime.UTC) - _EPOCH) // _US


def _count_fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _is_field(part: str, place: int) -> bool:
    """Tell whether a part could stand at a place among six fields."""
    parts = ["*"] * 6
    parts[place] = part
    if place == 3:  # cronsim knows of the lengths of months, too: here, any month will do
        parts[4] = "1"
    try:
        CronSim(" ".join(parts), _SEARCH_FROM)
    except (CronSimError, AssertionError, ValueError):
        return False
    return True


@lru_cache(maxsize=256)
def _fires(line: str) -> bool:
    try:
        return next(_iterate(line, _SEARCH_FROM), None) is not None
    except CronSimError:
        return False


def _word_never(day: str, month: str, weekday: str) -> str:
    words = f"no day is day {day} of month {month}"
    if not weekday.startswith("*"):
        words += f" and day {weekday} of the week"
    if month.isdecimal() and day.isdecimal():
        name, longest = _MONTHS[int(month) - 1], 29 if int(month) == 2 else 30
        words += f"; {name} has at most {longest} days" if int(day) > longest else ""
    return words
