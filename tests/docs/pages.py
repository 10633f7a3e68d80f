"""Pages of the documentation as scripts: which blocks run, what they must print.

A block runs when a comment stands before it:

    <!-- run -->            the commands of a ``sh`` or ``console`` block must exit with 0
    <!-- run: exit 1 -->    the last one must exit with 1
    <!-- run: example -->   likewise, and what they print differs from run to run: a line counts up to its first colon
    <!-- file: NAME -->     the block is written to this file in the folder where the page runs

In a ``console`` block lines that begin with ``$`` are commands and the lines after one are what it printed. The two are
compared by shape: digits and the width of columns do not count, a line ``...`` stands for any lines, ``...`` inside a
line for any text. The machine that runs the page is called ``node-1`` in it. Commands find the cell's state folder in
``$STATE``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

_MARK = re.compile(
    r"^<!-- (?P<verb>run|file)(?:: (?P<argument>[^\n]+?))? -->\n+```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_VARYING = re.compile(r"\b[0-9a-f]{12,64}\b|\d+(?:[.:,-]\d+)*(?:(?:[dhms]|ms|us)\b)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a page, and what the page says of it.

    Attributes:
        line: where it stands in the page, from 1.
        text: what is typed.
        printed: the lines that it prints; None when the page does not say.
        exit_code: what it must exit with.
        is_example: whether what it prints is one of many ways.
    """

    line: int
    text: str
    printed: tuple[str, ...] | None
    exit_code: int = 0
    is_example: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """A file that a page shows."""

    line: int
    name: str
    content: str


Step = Command | PageFile


def find_steps(page: str) -> list[Step]:
    """Return what runs of a page, in order.

    Raises:
        ValueError: a comment asks for something else than the ones above.
    """
    steps: list[Step] = []
    for match in _MARK.finditer(page):
        line = page.count("\n", 0, match.start("body")) + 1
        argument, body = match["argument"] or "", match["body"]
        if match["verb"] == "file":
            steps.append(PageFile(line=line, name=argument, content=body))
            continue
        asked = re.fullmatch(r"(?:exit (\d+)|(example))?", argument)
        if asked is None or match["language"] not in ("sh", "console"):
            raise ValueError(f"line {line}: {match['verb']} {argument!r} before a block of {match['language']!r}")
        commands = _read_session(body, line) if match["language"] == "console" else [_whole(body, line)]
        if asked[2]:
            commands = [replace(command, is_example=True) for command in commands]
        steps += [*commands[:-1], replace(commands[-1], exit_code=int(asked[1] or 0))]
    return steps


def count_unread_marks(page: str) -> int:
    """Return how many comments look like marks and are none, because of a slip or because no block follows."""
    return len(re.findall(r"^\s*<!--\s*(?:run|file)\b", page, re.MULTILINE)) - len(_MARK.findall(page))


def _whole(body: str, line: int) -> Command:
    return Command(line=line, text=f"set -e\n{body}", printed=None)


def _read_session(body: str, first: int) -> list[Command]:
    lines = body.splitlines()
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    if not starts or starts[0] != 0:
        raise ValueError(f"line {first}: a console block begins with a command, '$ ...'")
    ends = [*starts[1:], len(lines)]
    commands = []
    for start, end in zip(starts, ends, strict=True):
        printed = tuple(lines[start + 1 : end])
        commands.append(Command(line=first + start, text=lines[start].removeprefix("$ "), printed=printed or None))
    return commands


def find_difference(expected: Sequence[str], actual: Sequence[str], names: Mapping[str, str]) -> str:
    """Return where two outputs differ in shape; empty when they do not.

    Args:
        expected: lines of a page.
        actual: lines that a command printed.
        names: what stands for it in the page, by what is printed on this machine.
    """
    wanted = [shape_of(line) for line in expected]
    printed = [shape_of(_rename(line, names)) for line in actual]
    if _is_like(wanted, printed):
        return ""
    return "expected (by shape)\n  " + "\n  ".join(wanted) + "\nprinted\n  " + "\n  ".join(printed)


def find_missing(expected: Sequence[str], actual: Sequence[str]) -> list[str]:
    """Return the lines of an example that have no like in what was printed; a line counts up to its first colon.

    >>> find_missing(["ok  it was killed: pid 7", "nothing lost", "..."], ["ok  it was killed: pid 9", "one lost"])
    ['nothing lost']
    """
    printed = {_before_colon(line) for line in actual}
    return [shape_of(line) for line in expected if line != "..." and _before_colon(line) not in printed]


def _before_colon(line: str) -> str:
    return shape_of(line).partition(":")[0]


def _is_like(wanted: Sequence[str], printed: Sequence[str]) -> bool:
    if not wanted:
        return not printed
    if wanted[0] == "...":
        return any(_is_like(wanted[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    pattern = ".*".join(re.escape(part) for part in wanted[0].split("..."))
    return bool(printed) and re.fullmatch(pattern, printed[0]) is not None and _is_like(wanted[1:], printed[1:])


def shape_of(line: str) -> str:
    """Return a line without what differs from run to run.

    >>> shape_of("revision 9: batch-0 wins, 14.5ms   left")
    'revision #: batch-# wins, # left'
    """
    return " ".join(_VARYING.sub("#", line).split())


def _rename(line: str, names: Mapping[str, str]) -> str:
    for name, stand_in in names.items():
        line = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", stand_in, line)
    return line
