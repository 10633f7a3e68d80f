"""One distribution out of four roots: every list names all of them, the lock fits, the wheel is whole."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.tidy.tree import REPOSITORY, ROOTS, product_sources
from tests.tools import protos

# The API's dependencies that would make `omega --help` slow; a command imports them when it runs.
HEAVY = (
    "asyncio",
    "google.protobuf",
    "grpc",
    "numpy",
    "prometheus_client",
    "psutil",
    "pydantic",
    "rich",
    "sqlite3",
    "yaml",
)


def project() -> dict[str, Any]:
    """Read pyproject.toml."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def lock() -> str:
    """Read the lock."""
    return (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")


def bound(name: str) -> Version:
    """Give the lowest version of a dependency that pyproject.toml allows."""
    wanted = {Requirement(line).name: Requirement(line) for line in project()["project"]["dependencies"]}
    return max(Version(each.version) for each in wanted[name].specifier if each.operator == ">=")


def test_every_list_names_every_root() -> None:
    """A root that one tool does not know is a root that it reports as fine."""
    tool = project()["tool"]
    roots = list(ROOTS)
    assert tool["hatch"]["build"]["dev-mode-dirs"] == roots
    assert tool["hatch"]["build"]["targets"]["wheel"]["packages"] == [f"{root}/omegacell" for root in roots]
    assert tool["mypy"]["files"] == [*roots, "tests"]
    assert tool["mypy"]["mypy_path"] == ":".join(f"$MYPY_CONFIG_FILE_DIR/{root}" for root in roots)
    assert tool["coverage"]["run"]["source"] == roots
    assert tool["coverage"]["report"]["include_namespace_packages"] is True
    assert tool["pytest"]["ini_options"]["consider_namespace_packages"] is True
    assert set(roots) <= set(tool["pytest"]["ini_options"]["testpaths"])
    assert set(roots) <= set(tool["ruff"]["src"])


def test_import_linter_knows_every_portion() -> None:
    """A portion outside the contracts could import anything."""
    portions = {".".join(source.path.split("/")[1:3]) for source in product_sources()}
    linter = project()["tool"]["importlinter"]
    layers = {name.strip() for line in linter["contracts"][0]["layers"] for name in line.split("|")}
    assert set(linter["root_packages"]) == portions
    assert layers == portions


def test_the_lock_fits_what_is_asked_for() -> None:
    """Every dependency is pinned, within its bounds, with hashes, and the lock names no registry."""
    pinned: dict[str, list[Version]] = {}
    for name, version, rest in re.findall(
        r"^([A-Za-z0-9_.-]+)==([^\s;]+)(.*(?:\n    .*)*)", lock(), flags=re.MULTILINE
    ):
        pinned.setdefault(canonicalize_name(name), []).append(Version(version))
        assert "--hash=sha256:" in rest
    asked = project()["project"]["dependencies"] + project()["dependency-groups"]["dev"]
    for requirement in map(Requirement, asked):
        versions = pinned.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement.name} is not pinned: run `make lock`"
        assert all(requirement.specifier.contains(each) for each in versions), requirement.name
    assert "://" not in lock()


def test_generated_code_loads_with_the_lowest_versions_allowed() -> None:
    """Generated modules refuse an older runtime than their compiler's; the bounds must not promise one."""
    for path in protos.generated_files(REPOSITORY):
        text = (REPOSITORY / path).read_text(encoding="utf-8")
        for version in re.findall(r"^# Protobuf Python Version: (\S+)", text, flags=re.MULTILINE):
            assert Version(version) <= bound("protobuf"), path
        for version in re.findall(r"^GRPC_GENERATED_VERSION = '(\S+)'", text, flags=re.MULTILINE):
            assert Version(version) <= bound("grpcio"), path


def test_the_wheel_holds_every_portion_and_nothing_else(tmp_path: Path) -> None:
    """A plain `pip install` brings all modules of all roots, the protos and the type markers, and no tests."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    modules = {name for name in names if name.endswith(".py")}
    assert {source.path.split("/", 1)[1] for source in product_sources()} <= modules
    assert {name.split("/")[0] for name in modules} == {"omegacell"}
    assert {str(Path(*path.parts[1:])) for path in protos.proto_files()} <= set(names)
    assert not any(name.startswith("tests/") for name in names)


def test_the_command_starts_without_heavy_modules() -> None:
    """`omega --help` imports nothing that only a command needs."""
    program = f"import omegacell.api.cli.entry, sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
