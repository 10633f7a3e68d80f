"""The house has the rooms that it was given, and the namespace stays whole."""

import re

import pytest

from tests.tidy.tree import REPOSITORY, ROOTS, product_sources, tracked_files, tracked_text

FOLDERS = {".ci", "agent", "api", "docs", "schedulers", "store", "tests"}
FILES = {".gitignore", "LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements.lock"}
PORTIONS = {
    "store": {"core", "store"},
    "schedulers": {"schedulers", "controllers", "simulator"},
    "agent": {"agent"},
    "api": {"api"},
}

# Put together from halves, so that this file does not find itself.
BANNED_TEXT = [
    (
        "a path of one person's machine",
        re.compile(r"(?<![\w.~$}])/(?:" + "|".join(["root", "home", "Users", "work"]) + r")/\w"),
    ),
    ("a registry's host name", re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "test" + r"pypi"]))),
    ("a setting of one person's registry", re.compile("--" + r"(?:extra-)?index-url|--" + "find-links")),
    ("an unfinished mark", re.compile(r"\b(?:" + "|".join(["XX" + "X", "FIX" + "ME"]) + r")\b")),
    ("a merge conflict", re.compile("^(?:" + "<" * 7 + "|" + ">" * 7 + ") ", re.MULTILINE)),
]


def test_top_level_is_fixed() -> None:
    """A new top-level folder or file is a decision, not an accident."""
    paths = [path.split("/") for path in tracked_files()]
    assert {parts[0] for parts in paths if len(parts) > 1} <= FOLDERS
    assert {parts[0] for parts in paths if len(parts) == 1} <= FILES


def test_no_root_closes_the_namespace() -> None:
    """An omegacell/__init__.py in one root would hide the other three."""
    assert [root for root in ROOTS if (REPOSITORY / root / "omegacell" / "__init__.py").exists()] == []


@pytest.mark.parametrize("root", ROOTS)
def test_roots_hold_their_portions(root: str) -> None:
    """A root holds the namespace and in it only its own portions; each is a typed package."""
    inside = {path.split("/")[1] for path in tracked_files() if path.startswith(f"{root}/")}
    assert inside == {"omegacell"}
    portions = {path.split("/")[2] for path in tracked_files() if path.startswith(f"{root}/omegacell/")}
    assert portions <= PORTIONS[root]
    for portion in portions:
        assert (REPOSITORY / root / "omegacell" / portion / "__init__.py").is_file()
        assert (REPOSITORY / root / "omegacell" / portion / "py.typed").is_file()


def test_packages_are_packages() -> None:
    """Inside a portion every folder with modules has its __init__.py; only the namespace has none."""
    folders = {(REPOSITORY / source.path).parent for source in product_sources()}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize(("what", "pattern"), BANNED_TEXT)
def test_no_tracked_file_says(what: str, pattern: re.Pattern[str]) -> None:
    """The project speaks only of itself, and nothing is left half done."""
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {what}: {match.group()}"
        for path, text in tracked_text().items()
        for match in pattern.finditer(text)
        if path != "LICENSE"
    ]
    assert found == []


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (0, "see /ro" + "ot/x"),
        (1, "https://py" + "pi.org/simple"),
        (2, "--index" + "-url x"),
        (3, "# FIX" + "ME: later"),
        (4, "<" * 7 + " HEAD"),
    ],
)
def test_banned_text_is_recognised(index: int, text: str) -> None:
    """Each pattern finds what it is for."""
    assert BANNED_TEXT[index][1].search(text)
