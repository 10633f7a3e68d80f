"""The golden transcripts: what a cell answers, line by line, as it was agreed."""

from pathlib import Path

import pytest

from tests.support.histories import Entry
from tests.support.oracle_duel import find_difference
from tests.support.transcripts import Player

TRANSCRIPTS = sorted((Path(__file__).parent.parent / "testdata" / "core").glob("*.transcript.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.name.split(".")[0])
def test_a_cell_answers_as_agreed(path: Path, is_regenerating: bool) -> None:
    """Played again, every transcript gives the answers that stand in it."""
    expected = path.read_text()
    played = Player().play(expected)
    if is_regenerating:
        path.write_text(played)
    else:
        assert played == expected


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.name.split(".")[0])
def test_the_slow_twin_answers_the_same(path: Path) -> None:
    """What was agreed is what the twin says too, after every transaction."""
    player = Player()
    player.play(path.read_text())
    entries = [Entry(raw=each) if isinstance(each, bytes) else Entry(transactions=each) for each in player.log]
    assert find_difference(entries, every=50 if len(entries) > 200 else 1) == ""


def test_every_promised_transcript_is_there() -> None:
    """The rules that people ask about most have a page to read."""
    names = {path.name.split(".")[0] for path in TRANSCRIPTS}
    assert names == {
        "after", "allocs", "caps", "conflicts", "devices", "drain", "evictions", "gangs", "jobs", "life_cycle",
        "lost_machine", "once_wrong", "placement", "poison", "ports", "preemption", "quotas", "reports", "restarts",
        "schedules", "sessions", "suspension", "system", "time", "time_limits",
        "updates",
    }  # fmt: skip
