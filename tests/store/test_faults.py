"""The store that misbehaves by plan does what the plan says, and nothing else."""

import pytest

from omegacell.core.errors import AnswerLostError
from omegacell.store.faults import Fault, FaultyStore
from omegacell.store.log import START, Append
from omegacell.store.memory import MemoryDisk, MemoryStore


def item(text: bytes) -> Append:
    return Append(entry=text, session=1, first_seq=1)


@pytest.mark.parametrize(
    ("fault", "is_answered", "at_once", "after_the_next"),
    [
        (Fault.NONE, True, "a", "az"),
        (Fault.FOREIGN_FIRST, True, "fa", "faz"),
        (Fault.FOREIGN_AFTER, True, "af", "afz"),
        (Fault.TWICE, True, "aa", "aaz"),
        (Fault.ANSWER_LOST, False, "a", "az"),
        (Fault.REQUEST_LOST, False, "", "z"),
        (Fault.LATE, False, "", "az"),
        (Fault.FOREIGN_FIRST | Fault.ANSWER_LOST, False, "fa", "faz"),
        (Fault.FOREIGN_FIRST | Fault.LATE, False, "f", "faz"),
        (Fault.TWICE | Fault.ANSWER_LOST | Fault.FOREIGN_AFTER, False, "aaf", "aafz"),
    ],
)
def test_each_fault_leaves_what_it_says_in_the_log(
    fault: Fault, is_answered: bool, at_once: str, after_the_next: str
) -> None:
    """The log after an append of "a" under the fault, and after a faultless "z"; "f" is somebody else's."""
    disk = MemoryDisk()
    store = FaultyStore(MemoryStore(disk), [fault], foreign=lambda: item(b"f"))
    plain = MemoryStore(disk)

    def log() -> str:
        return "".join(stored.entry.decode() for stored in plain.read(START))

    if is_answered:
        (cursor,) = store.append([item(b"a")])
        assert next(stored.entry for stored in plain.read(START) if stored.cursor == cursor) == b"a"
    else:
        with pytest.raises(AnswerLostError):
            store.append([item(b"a")])
    assert log() == at_once
    store.append([item(b"z")])
    assert log() == after_the_next
