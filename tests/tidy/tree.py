"""The source tree as the tidy tests see it: files, and modules parsed once."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = ("store", "schedulers", "agent", "api")
GENERATED = ("_pb2.py", "_pb2_grpc.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One hand-written Python module."""

    path: str  # relative to the repository
    lines: tuple[str, ...]
    tree: ast.Module


@cache
def product_sources() -> tuple[Source, ...]:
    """Parse every module of the four roots."""
    return read_sources(*ROOTS)


@cache
def test_sources() -> tuple[Source, ...]:
    """Parse every module under tests/."""
    return read_sources("tests")


test_sources.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


def read_sources(*folders: str) -> tuple[Source, ...]:
    """Parse every hand-written module below the folders."""
    paths = sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))
    return tuple(read_source(path) for path in paths if not path.name.endswith(GENERATED))


def read_source(path: Path) -> Source:
    """Parse one module."""
    text = path.read_text(encoding="utf-8")
    return Source(
        path=path.relative_to(REPOSITORY).as_posix(), lines=tuple(text.splitlines()), tree=ast.parse(text, str(path))
    )


def core_sources() -> tuple[Source, ...]:
    """Give the modules of the pure core."""
    return tuple(source for source in product_sources() if source.path.startswith("store/omegacell/core/"))


@cache
def tracked_files() -> tuple[str, ...]:
    """List the files that git keeps, and those it would; a tree without git has no such list, and that is an error."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    return tuple(sorted(path for path in listed.stdout.split("\0") if path and (REPOSITORY / path).is_file()))


@cache
def tracked_text() -> dict[str, str]:
    """Read every tracked file that is text."""
    texts = {}
    for path in tracked_files():
        content = (REPOSITORY / path).read_bytes()
        if b"\0" not in content:
            texts[path] = content.decode("utf-8", errors="replace")
    return texts
