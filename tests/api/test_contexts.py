"""Context files: which cell is meant, and who may read its token."""

import stat
from pathlib import Path

import pytest

from omegacell.api.contexts import (
    Context,
    contexts_path,
    find_context,
    read_contexts,
    remove_context,
    write_context,
)
from omegacell.api.errors import ExitCode, NoContextError, exit_code_of
from omegacell.core.errors import UsageError

LAB = Context(name="lab", address="127.0.0.1:1", token="lab-token")
HOME = Context(name="home", address="127.0.0.1:2", token="home-token", state_folder="/var/lib/omegacell/home")


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    """The file holds tokens: mode 0600, in a folder of mode 0700."""
    path = tmp_path / "omegacell" / "contexts.json"
    write_context(LAB, path=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_token_is_not_shown() -> None:
    """A context can be logged without giving its token away."""
    assert "lab-token" not in repr(LAB)


def test_cells_stand_beside_each_other(tmp_path: Path) -> None:
    """Several cells are kept; the one written last is current unless asked otherwise, and one can be forgotten."""
    path = tmp_path / "contexts.json"
    write_context(LAB, path=path)
    write_context(HOME, path=path, make_current=False)
    assert read_contexts(path).current == "lab"
    assert find_context("home", environment={}, path=path) == HOME
    remove_context("lab", path=path)
    assert read_contexts(path).current == "home"
    assert find_context(environment={}, path=path) == HOME


# caller's cell, environment, expected address
CHOICES = [
    (None, {}, "127.0.0.1:1"),
    (None, {"OMEGA_CELL": "home"}, "127.0.0.1:2"),
    ("lab", {"OMEGA_CELL": "home"}, "127.0.0.1:1"),
    (None, {"OMEGA_ADDR": "far:7", "OMEGA_TOKEN": "t"}, "far:7"),
    ("home", {"OMEGA_ADDR": "far:7", "OMEGA_TOKEN": "t"}, "127.0.0.1:2"),
]


@pytest.mark.parametrize(("cell", "environment", "expected"), CHOICES)
def test_the_nearest_word_counts(tmp_path: Path, cell: str | None, environment: dict[str, str], expected: str) -> None:
    """The caller's choice goes before the environment, and that before the current context."""
    path = tmp_path / "contexts.json"
    write_context(HOME, path=path)
    write_context(LAB, path=path)
    assert find_context(cell, environment=environment, path=path).address == expected


def test_no_cell_says_what_to_do(tmp_path: Path) -> None:
    """Without any cell the error says how to start one, and has the exit code of a cell that cannot be reached."""
    with pytest.raises(NoContextError, match="omega up") as raised:
        find_context(environment={}, path=tmp_path / "contexts.json")
    assert exit_code_of(raised.value) is ExitCode.UNREACHABLE


def test_an_address_without_a_token_is_refused(tmp_path: Path) -> None:
    """OMEGA_ADDR alone is a mistake that is named, not a call without a token."""
    with pytest.raises(UsageError, match="OMEGA_TOKEN"):
        find_context(environment={"OMEGA_ADDR": "far:7"}, path=tmp_path / "contexts.json")


@pytest.mark.parametrize("text", ["", "{", '{"version": 2}', '{"version": 1, "cells": 3, "current": ""}', "[]"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    """A file that is none of ours is refused with its path, and left as it is."""
    path = tmp_path / "contexts.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"contexts\.json"):
        read_contexts(path)
    assert path.read_text() == text


def test_the_file_stands_where_the_desktop_says() -> None:
    """XDG_CONFIG_HOME goes before ~/.config."""
    assert contexts_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/omegacell/contexts.json")
    assert contexts_path({"HOME": "/h"}) == Path("/h/.config/omegacell/contexts.json")
