"""What an agent remembers: torn and damaged files."""

from pathlib import Path

import pytest

from omegacell.agent.events import Remembered
from omegacell.agent.reconcile import MAX_RETIRED
from omegacell.agent.remembered import RememberedFile
from omegacell.core.errors import StoreCorruptError

SLOT = 8192


def saved(path: Path, *revisions: int) -> None:
    file = RememberedFile(str(path))
    file.load()
    for revision in revisions:
        file.save(Remembered(incarnation="a", revision=revision))
    file.close()


def load(path: Path) -> Remembered:
    file = RememberedFile(str(path))
    try:
        return file.load()
    finally:
        file.close()


def test_the_last_save_is_what_is_remembered(tmp_path: Path) -> None:
    """Over any number of saves and restarts; a new file remembers nothing."""
    path = tmp_path / "remembered"
    assert load(path) == Remembered()
    for revision in range(1, 6):
        saved(path, revision)
        assert load(path).revision == revision


@pytest.mark.parametrize("length", [0, 1, 9, 40, 60])
def test_a_torn_save_leaves_the_one_before(tmp_path: Path, length: int) -> None:
    """Cut off at any place, the newest slot does not count."""
    path = tmp_path / "remembered"
    saved(path, 1, 2, 3)
    data = bytearray(path.read_bytes())
    data[SLOT + length : 2 * SLOT] = b"\0" * (SLOT - length)  # the third save is in the second slot
    path.write_bytes(data)
    assert load(path).revision == 2


def test_damage_to_both_slots_is_an_error(tmp_path: Path) -> None:
    """An agent that would forget what it must ignore does not start."""
    path = tmp_path / "remembered"
    saved(path, 1, 2)
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    data[SLOT + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreCorruptError, match="not what was written"):
        load(path)


def test_as_much_as_may_be_remembered_fits(tmp_path: Path) -> None:
    """All retired incarnations that are kept fit into a slot."""
    path = tmp_path / "remembered"
    most = Remembered(incarnation="x" * 64, revision=1 << 60, retired=("y" * 64,) * MAX_RETIRED)
    file = RememberedFile(str(path))
    file.save(most)
    file.close()
    assert load(path) == most
