"""Prints answers: tables for people, JSON or YAML for programs.

Rules: the three forms hold the same facts; a table is coloured on a terminal only, and never when ``NO_COLOR`` is
set; a pipe gets plain columns and no drawing; nothing here knows what the facts mean.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias

Facts: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""What JSON and YAML print: plain dicts, lists, strings, integers and booleans."""


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings.

    Attributes:
        columns: the headings.
        rows: a text for each column.
        right: headings of the columns that are aligned to the right: numbers.
        title: a line above it; empty for none.
        empty: what is said when there are no rows.
        least: headings of columns that a terminal that is too narrow goes without, the least important first.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = field(default=frozenset())
    title: str = ""
    empty: str = "none"
    least: tuple[str, ...] = ()


STATE_STYLES = {
    "running": "green",
    "succeeded": "green",
    "up": "green",
    "ok": "green",
    "healthy": "green",
    "held": "green",
    "pending": "yellow",
    "placed": "yellow",
    "joining": "yellow",
    "stopping": "yellow",
    "partial": "yellow",
    "conflict": "yellow",
    "failed": "red",
    "lost": "red",
    "down": "red",
    "unhealthy": "red",
    "refused": "red",
    "not held": "red",
    "stopped": "dim",
    "evicted": "dim",
}


def show(facts: Facts, form: Format, *tables: Table) -> None:
    """Print an answer: ``facts`` for programs, or ``tables`` for people."""
    match form:
        case Format.JSON:
            write(json.dumps(facts, indent=2, ensure_ascii=False))
        case Format.YAML:
            import yaml

            write(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True).rstrip("\n"))
        case Format.TABLE:
            said = [table for table in tables if table.rows or table.title or table.empty]
            for position, table in enumerate(said):
                if position:
                    write("")
                show_table(table)


def show_table(table: Table) -> None:
    """Print one table, drawn on a terminal and plain in a pipe."""
    if table.title:
        write(table.title)
    if not table.rows:
        if table.empty:
            write(table.empty)
    elif sys.stdout.isatty():
        _draw(table)
    else:
        write("\n".join(plain_lines(table)))


def plain_lines(table: Table) -> list[str]:
    """Return a table as aligned columns, two spaces between them, no space at the end of a line.

    >>> plain_lines(Table(columns=("JOB", "TASKS"), rows=[("sum", "300"), ("web", "3")], right=frozenset({"TASKS"})))
    ['JOB  TASKS', 'sum    300', 'web      3']
    """
    lines = [tuple(table.columns), *(tuple(row) for row in table.rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(table.columns))]
    is_right = [name in table.right for name in table.columns]
    return [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, is_right, strict=True)
        ).rstrip()
        for line in lines
    ]


def narrowed(table: Table, width: int) -> Table:
    """Return a table without as many of its least important columns as it takes to fit a width, if that is enough.

    >>> table = Table(columns=("JOB", "STATE", "AGE"), rows=[("sum", "running", "3s")], least=("AGE", "STATE"))
    >>> narrowed(table, 12).columns, narrowed(table, 99).columns
    (('JOB', 'STATE'), ('JOB', 'STATE', 'AGE'))
    """
    for name in table.least:
        if max(map(len, plain_lines(table))) <= width:
            break
        at = table.columns.index(name)
        table = replace(
            table,
            columns=table.columns[:at] + table.columns[at + 1 :],
            rows=[(*row[:at], *row[at + 1 :]) for row in table.rows],
        )
    return table


def _draw(table: Table) -> None:
    """Draw a table in colour. What is wider than the terminal is left to the terminal: cut words help nobody."""
    from rich.console import Console
    from rich.text import Text

    drawn = Console(highlight=False, soft_wrap=True)
    table = narrowed(table, drawn.width)
    heading, *lines = plain_lines(table)
    drawn.print(Text(heading, style="bold"))
    for row, line in zip(table.rows, lines, strict=True):
        text = Text(line)
        for word in row:
            if word in STATE_STYLES:
                text.highlight_words([f" {word}"], STATE_STYLES[word])
        drawn.print(text)


def write(line: str) -> None:
    """Write a line of the answer to stdout."""
    sys.stdout.write(line + "\n")


def warn(line: str) -> None:
    """Write a line about the answer to stderr."""
    sys.stderr.write(line + "\n")


def duration(microseconds: int) -> str:
    """Return a time span as people write it.

    >>> duration(850), duration(42_000), duration(1_500_000), duration(190_000_000), duration(90_000_000_000)
    ('0.85ms', '42ms', '1.5s', '3m10s', '1d1h')
    """
    if microseconds < 10_000:
        return f"{microseconds / 1_000:.2f}ms"
    if microseconds < 1_000_000:
        return f"{microseconds / 1_000:.0f}ms"
    if microseconds < 60_000_000:
        return f"{microseconds / 1_000_000:.1f}s"
    seconds = microseconds // 1_000_000
    if seconds < 3_600:
        return f"{seconds // 60}m{seconds % 60}s"
    if seconds < 86_400:
        return f"{seconds // 3_600}h{seconds % 3_600 // 60}m"
    return f"{seconds // 86_400}d{seconds % 86_400 // 3_600}h"


def size(byte_count: int) -> str:
    """Return bytes as people write them.

    >>> size(0), size(1536), size(8 << 30)
    ('0 B', '1.5 KiB', '8 GiB')
    """
    value = float(byte_count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1_024:
            return f"{value:.4g} {unit}"
        value /= 1_024
    return f"{value:.4g} TiB"


def stamp(at_us: int) -> str:
    """Return a wall stamp as local time, to the millisecond, with the date when it is not today; "-" for 0."""
    if not at_us:
        return "-"
    from datetime import datetime

    at = datetime.fromtimestamp(at_us / 1_000_000).astimezone()
    is_today = at.date() == datetime.now().astimezone().date()
    return (at.time() if is_today else at.replace(tzinfo=None)).isoformat(timespec="milliseconds").replace("T", " ")


def ago(at_us: int) -> str:
    """Return how long ago a wall stamp was, in whole seconds; "-" for 0."""
    import time

    if not at_us:
        return "-"
    seconds = (time.time_ns() // 1_000 - at_us) // 1_000_000
    return duration(seconds * 1_000_000) if seconds > 0 else "<1s"
