"""What the commands say of jobs, over a real API server without schedulers: everything submitted stays pending."""

import threading
from pathlib import Path
from typing import Any

import pytest

from omegacell.api.client import Client
from tests.api.serving import job
from tests.cli.conftest import Omega, Said, ask


def test_status_asks_for_what_it_shows(client: Client, omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a job with very many tasks one answer of fifty is read, in every form; --tasks 0 gives all."""
    client.submit(job("big", count=20_001))
    limits: list[int] = []
    get = Client.job

    def noted(self: Client, name: str, **options: Any) -> Any:
        detail = get(self, name, **options)
        limits.append(len(detail.tasks))
        return detail

    monkeypatch.setattr(Client, "job", noted)
    shown = ask(omega, "job", "status", "big")
    assert (len(shown["tasks"]), shown["task_count"], limits) == (50, 20_001, [50])
    assert "50 of 20001 tasks (--tasks N shows more)" in omega("job", "status", "big").out
    assert [task["index"] for task in ask(omega, "job", "status", "big", "--tasks", "0")["tasks"]] == list(
        range(20_001)
    )


def test_run_says_why_it_waits(client: Client, omega: Omega, tmp_path: Path) -> None:
    """A job whose tasks stay pending says why, once, and again when the time is over."""
    (tmp_path / "job.yaml").write_text("name: a\ncount: 2\ntask: {exec: {command: /bin/true}}\n")
    said = omega("run", str(tmp_path / "job.yaml"), "--timeout", "3")
    assert (said.code, said.out) == (1, "")
    *_, reason, last = said.err.splitlines()
    assert reason.startswith("a: 2 pending: ")
    assert "scheduler 'batch'" in reason
    assert last == f"omega: the time is over; {reason}; the jobs go on: `omega job stop a` stops them"
    assert said.err.count(reason) == 2


def test_run_with_a_short_time_says_why(client: Client, omega: Omega, tmp_path: Path) -> None:
    """However short the time was, its end is told with the reason."""
    (tmp_path / "job.yaml").write_text("name: a\ntask: {exec: {command: /bin/true}}\n")
    said = omega("run", str(tmp_path / "job.yaml"), "--timeout", "0.5")
    assert "the time is over; a: 1 pending: " in said.err


def test_logs_of_several_tasks_ask_which(client: Client, omega: Omega) -> None:
    """A job's name alone means its only task; with several it is refused, naming them."""
    client.submit(job("one"))
    client.submit(job("many", count=3))
    assert omega("logs", "many") == Said(2, "", "omega: job many has 3 tasks: say which, many/0 to many/2\n")
    assert omega("logs", "one") == Said(3, "", "omega: there is no output of one/0; the task has not been placed yet\n")


def test_followed_logs_wait_for_the_start(client: Client, omega: Omega) -> None:
    """Output that is followed is waited for while the task is not placed, until its job ends without it."""
    client.submit(job("a"))
    stopping = threading.Timer(0.5, client.stop, ("a",))
    stopping.start()
    said = omega("logs", "a/0", "-f")
    stopping.join()
    assert said.err.splitlines() == [
        "a/0 has not been started yet; waiting for it",
        "omega: there is no output of a/0; the task has not been placed yet",
    ]
    assert said.code == 3


# filters, exit code, words of the error
NOWHERE = [
    (("--kind", "nonsense"), 2, "--kind 'nonsense': expected one of genesis, "),
    (("--status", "nonsense"), 2, "--status 'nonsense': expected one of committed, partial, refused, "),
    (("--job", "nonsense"), 3, "there is no job 'nonsense'"),
    (("--author", "nonsense"), 3, "there is no author 'nonsense'"),
]


@pytest.mark.parametrize(("filters", "code", "words"), NOWHERE)
def test_history_of_nothing(client: Client, omega: Omega, filters: tuple[str, str], code: int, words: str) -> None:
    """A filter that nothing can pass is one line of error, not an empty answer."""
    client.submit(job("a"))
    said = omega("history", *filters)
    assert (said.code, said.out, len(said.err.splitlines())) == (code, "", 1)
    assert words in said.err


def test_history_speaks_as_its_filters_do(client: Client, omega: Omega) -> None:
    """What a row says its kind and status are, finds it; one task is one task."""
    client.submit(job("a"))
    client.submit(job("b", count=2))
    rows = ask(omega, "history", "--kind", "submit", "--status", "committed")["transactions"]
    assert [(row["kind"], row["status"], row["summary"]) for row in rows] == [
        ("submit", "committed", "1 task"),
        ("submit", "committed", "2 tasks"),
    ]
    assert ask(omega, "history", "--job", "a", "--status", "refused")["transactions"] == []
