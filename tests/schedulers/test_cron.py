"""Lines of cron: what is wrong with one is said, and every instant is found, over changes of the clock, both ways."""

import datetime
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.controllers.cron import WORDS, Timetable, find_line_problem, find_zone_problem
from omegacell.core.errors import UsageError
from omegacell.core.templates import Schedule

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
HOUR_US = 3_600_000_000
SPRING, AUTUMN = "2026-03-29 00:00", "2026-10-25 00:00"
LINES = ("30 2 * * *", "*/15 * * * *", "0 */2 * * *", "15 1-4 * * *", "5,35 2 * * *", "* 2 * * *", "0 3 * * *",
         "59 1 * * *", "0 0 2 * * *", "*/20 30 2 * * *", "0 0 L * *", "0 12 * * 1#2")  # fmt: skip


def us_of(text: str) -> int:
    """Return microseconds of a time of Berlin, as its clock shows it; the first one where it does so twice."""
    local = datetime.datetime.fromisoformat(text).replace(tzinfo=BERLIN)
    return (local.astimezone(datetime.UTC) - EPOCH) // datetime.timedelta(microseconds=1)


def shown(at_us: int) -> str:
    """Return what the clock of Berlin shows, and how far it is ahead."""
    return (EPOCH + datetime.timedelta(microseconds=at_us)).astimezone(BERLIN).strftime("%d %H:%M%z")


def table_of(line: str, zone: str = "Europe/Berlin") -> Timetable:
    """Return a line's instants in Berlin."""
    return Timetable(Schedule(cron=line, time_zone=zone))


def walk(table: Timetable, after_us: int, until_us: int) -> list[int]:
    """Return all instants between two times, each found from the one before."""
    found: list[int] = []
    at_us = table.first_after(after_us)
    while at_us is not None and at_us <= until_us:
        found.append(at_us)
        at_us = table.first_after(at_us)
    return found


@pytest.mark.parametrize(
    ("line", "day", "expected"),
    [
        ("30 2 * * *", SPRING, ["29 03:00+0200"]),  # the clock jumps over 02:30: at the end of the jump
        ("30 2 * * *", AUTUMN, ["25 02:30+0200"]),  # the clock shows it twice: the first time only
        ("0 3 * * *", AUTUMN, ["25 03:00+0100"]),
        ("15 1-3 * * *", SPRING, ["29 01:15+0100", "29 03:00+0200", "29 03:15+0200"]),
        ("0,30 2 * * *", AUTUMN, ["25 02:00+0200", "25 02:30+0200"]),
        ("0 */2 * * *", AUTUMN, ["25 02:00+0200", "25 02:00+0100", "25 04:00+0100"]),  # every so often: both times
        ("0 0 2 * * *", SPRING, []),  # with seconds: what the clock shows, no more and no less
        ("0 0 2 * * *", AUTUMN, ["25 02:00+0200", "25 02:00+0100"]),
    ],
)
def test_an_hour_that_is_not_there_or_there_twice(line: str, day: str, expected: list[str]) -> None:
    """A fixed time is kept once a day, what is every so often goes on; as Debian's cron does it."""
    begin = us_of(day) + 1
    assert [shown(at_us) for at_us in walk(table_of(line), begin, begin + 5 * HOUR_US)] == expected


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_forwards_and_backwards_are_the_same(line: str, day: str) -> None:
    """From wherever one looks, around a change of the clock: the same instants, ascending, each once."""
    table, begin = table_of(line), us_of(day)
    every = walk(table, begin, begin + 8 * HOUR_US)
    assert every == sorted(set(every))
    for minutes in range(0, 8 * 60, 7):
        at_us = begin + minutes * 60_000_000 + 1
        gone = [each for each in every if each <= at_us]
        assert list(table.latest(after_us=begin, until_us=at_us, limit=10_000)) == gone
        nexts = [each for each in every if each > at_us]
        assert not nexts or table.first_after(at_us) == nexts[0]


def test_only_the_last_ones_are_looked_for() -> None:
    """After a year of seconds nobody walks through all of them; what is due now is among what is found."""
    table = table_of("* * * * * *", "UTC")
    found = table.latest(after_us=0, until_us=1_795_773_900_500_000, limit=3)
    assert found == (1_795_773_898_000_000, 1_795_773_899_000_000, 1_795_773_900_000_000)
    assert table.latest(after_us=found[2], until_us=found[2], limit=3) == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "it has 0 fields; expected five"),
        ("* * * *", "it has 4 fields; expected five"),
        ("* * * * * * *", "it has 7 fields"),
        ("60 * * * *", "field 1 of 5, minute, is '60'; expected 0-59"),
        ("* * * * * 9", "field 6 of 6, day of the week, is '9'; expected 0-7"),
        ("61 * * * * *", "field 1 of 6, second, is '61'"),
        ("* 5-1 * * *", "field 2 of 5, hour, is '5-1'"),
        ("*/0 * * * *", "field 1 of 5, minute, is '*/0'"),
        ("* * 0 * *", "field 3 of 5, day of the month, is '0'"),
        ("* * * FOO *", "field 4 of 5, month, is 'FOO'"),
        ("* * * * ²L", "ASCII"),
        ("@reboot", "expected a line of cron, or one of @yearly"),
        ("0 0 30 2 *", "never fires: no day is day 30 of month 2; February has at most 29 days"),
        ("0 0 31 4,6,9,11 *", "never fires: no day is day 31 of month 4,6,9,11"),
        ("0 0 */8 2 */7#5", "field 5 of 5"),
        ("0 0 */8 2 SUN#5", "never fires: no day is day */8 of month 2 and day SUN#5 of the week"),
        ("x" * 2_000, "at most 1024"),
    ],
)
def test_a_line_that_is_wrong_says_where(line: str, expected: str) -> None:
    """The field by its place and name, and what is expected there; or that no day is ever meant."""
    assert expected in find_line_problem(line)
    with pytest.raises(UsageError):
        Timetable(Schedule(cron=line))


@pytest.mark.parametrize("line", [*LINES, *WORDS, "0 0 29 2 *", "0 0 30 2 MON", "0 9 LW * *", "0 0 * * 7,5L"])
def test_a_line_that_is_right_fires(line: str) -> None:
    """Also on the 29th of February, and where days of the week are meant besides."""
    assert find_line_problem(line) == ""
    assert table_of(line).first_after(0) is not None


@given(st.text(alphabet="0123456789*/,-L#WAN @", max_size=24))
def test_no_line_breaks_the_reader(line: str) -> None:
    """Whatever stands there: it is right, and has a next instant or another, or what is wrong is said."""
    if find_line_problem(line) == "":
        assert table_of(line).first_after(1_795_773_900_000_000) is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Europe/Berlni", "did you mean Europe/Berlin"),
        ("berlin", "did you mean Europe/Berlin"),
        ("", "expected a name such as"),
        ("../etc/passwd", "unknown time zone"),
        ("Europe", "unknown time zone"),
        ("/etc/localtime", "unknown time zone"),
    ],
)
def test_a_zone_that_is_unknown_has_neighbours(name: str, expected: str) -> None:
    """Names that are like it are shown, and no file outside of the zones is read."""
    assert expected in find_zone_problem(name)
    assert find_zone_problem("Europe/Berlin") == find_zone_problem("UTC") == ""
