"""Runs command lines in this process, with a home of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from omegacell.api.cli.entry import run


@dataclass(frozen=True, slots=True)
class Said:
    """What a command line came to."""

    code: int
    out: str
    err: str


Omega = Callable[..., Said]


@pytest.fixture
def omega(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Omega:
    """Give a function that runs `omega` with arguments; no cell of the user's is in reach."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("OMEGA_CELL", "OMEGA_ADDR", "OMEGA_TOKEN", "OMEGA_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str) -> Said:
        code = run(arguments)
        captured = capsys.readouterr()
        return Said(int(code), captured.out, captured.err)

    return call
