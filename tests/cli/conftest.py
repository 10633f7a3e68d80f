"""Runs command lines in this process, with a home of their own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from omegacell.api.cli.entry import run
from omegacell.api.client import Client
from tests.api.serving import TOKEN, serving, store_url


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


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, omega: Omega) -> Iterator[Client]:
    """Give a client of a server that `omega` commands of this process mean, too."""
    with serving(store_url(tmp_path)) as served, served.client() as client:
        monkeypatch.setenv("OMEGA_ADDR", served.running.address)
        monkeypatch.setenv("OMEGA_TOKEN", TOKEN)
        yield client


def ask(omega: Omega, *arguments: str) -> Any:
    """Run a command that succeeds, and read its answer."""
    said = omega(*arguments, "-o", "json")
    assert said.code == 0, said
    return json.loads(said.out)
