"""Decision records name the tests that guard them, and the tests are there."""

import re
from pathlib import Path

import pytest

from tests.tidy.tree import REPOSITORY, read_sources

RECORDS = sorted((REPOSITORY / "docs" / "decisions").glob("[0-9]*.md"))


def names_of_tests() -> frozenset[str]:
    """Return the names of all test functions."""
    pattern = re.compile(r"^\s*(?:async )?def (test_\w+)\(")
    found = (pattern.match(line) for source in read_sources("tests") for line in source.lines)
    return frozenset(match[1] for match in found if match)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_the_guards_of_a_record_exist(record: Path) -> None:
    """A choice whose guard was renamed or deleted is guarded by nothing."""
    guard = record.read_text(encoding="utf-8").partition("## Guard")[2]
    files = re.findall(r"`(tests/[\w/.]+)`", guard)
    assert files or "import-linter contract" in guard
    assert [file for file in files if not (REPOSITORY / file).exists()] == []
    assert sorted(set(re.findall(r"`(test_\w+)`", guard)) - names_of_tests()) == []
