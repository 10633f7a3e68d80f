"""`omega scheduler list`: which instances are shown, and how long ago each was heard."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from omegacell.core.commands import CloseSession, Command, Renew
from omegacell.core.units import Role
from omegacell.store.proposer import Proposal
from tests.api.serving import TOKEN, Served, serving, store_url
from tests.api.test_statistics import Author
from tests.cli.conftest import Omega, ask

NOW_US = time.time_ns() // 1_000
HOUR_US = 3_600_000_000


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, omega: Omega) -> Iterator[Served]:
    """Give a server that `omega` commands of this process mean, too."""
    with serving(store_url(tmp_path)) as served:
        monkeypatch.setenv("OMEGA_ADDR", served.running.address)
        monkeypatch.setenv("OMEGA_TOKEN", TOKEN)
        yield served


def be_heard(served: Served, name: str, at_us: int, *, last: Command | None = None) -> None:
    """Let an instance of the scheduler ``batch`` do something at a time, and then something last."""
    author = Author(served.store, name, Role.SCHEDULER, "batch")
    author.session.submit([Proposal(commands=(Renew(),), decided_to_us=at_us)])
    if last is not None:
        author.do(last)


def test_who_ended_long_ago_is_only_counted(served: Served, omega: Omega) -> None:
    """One that lives is shown however long it was not heard, one that ended for an hour; --all shows everybody."""
    be_heard(served, "lives", NOW_US - 5 * HOUR_US)
    be_heard(served, "ended", NOW_US - HOUR_US // 2, last=CloseSession())
    be_heard(served, "gone", NOW_US - 26 * HOUR_US, last=CloseSession())
    lines = [line.split()[:3] for line in omega("scheduler", "list").out.splitlines()]
    assert lines[0] == ["SCHEDULER", "LIVE", "HEARD"]
    assert [line[:2] for line in lines[1:3]] == [["ended", "no"], ["lives", "yes"]]
    heard = [line[2] for line in lines[1:3]]
    assert (heard[0][:1], heard[1][:2]) == ("3", "5h"), heard  # minutes may have gone by since this module was read
    assert "1 more has not been heard for over an hour (--all shows them)" in omega("scheduler", "list").out
    facts = ask(omega, "scheduler", "list")
    assert [(row["author"], row["is_live"]) for row in facts["schedulers"]] == [("ended", False), ("lives", True)]
    assert (facts["schedulers"][1]["last_at_us"], facts["left_out"]) == (NOW_US - 5 * HOUR_US, 1)
    everybody = ask(omega, "scheduler", "list", "--all")
    assert [row["author"] for row in everybody["schedulers"]] == ["ended", "gone", "lives"]
    assert everybody["left_out"] == 0
