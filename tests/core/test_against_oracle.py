"""The core and its slow twin agree on random histories: every outcome, and everything a cell holds."""

import pytest

from omegacell.core import invariants
from omegacell.core.cell import Cell
from omegacell.core.errors import MalformedError
from omegacell.core.outcomes import Reason, Status
from omegacell.store.codec import encode_entry
from tests.support.histories import Entry, number, shrink, write_history
from tests.support.oracle import Oracle
from tests.support.oracle_duel import explain, find_difference_of, fold_entries
from tests.support.oracle_format import is_well_formed
from tests.support.oracle_mirror import differences, picture_of_cell, picture_of_twin, verdict_of
from tests.support.oracle_state import Verdict
from tests.support.transcripts import fold_entry, read_transaction, write_transaction

CHUNKS = 20


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_core_and_twin_agree(chunk: int, histories: int) -> None:
    """On every history of the chunk the two give the same outcomes and hold the same state."""
    for seed in range(chunk, histories, CHUNKS):
        if find_difference_of(seed):
            pytest.fail(explain(seed))


@pytest.mark.parametrize("chunk", range(4))
def test_both_fold_the_same_bytes(chunk: int) -> None:
    """Fed encoded entries, the two agree too; what cannot be encoded never gets that far."""
    for seed in range(chunk, 200, 4):
        cell, twin = Cell(), Oracle()
        for entry in write_history(seed):
            try:
                data = entry.raw if entry.raw is not None else encode_entry(entry.transactions)
            except MalformedError:
                continue
            expected = twin.apply(data)
            assert [verdict_of(each) for each in fold_entry(cell, data)] == expected, f"seed {seed}"
        assert differences(picture_of_cell(cell), picture_of_twin(twin)) == [], f"seed {seed}"


def test_invariants_hold_after_every_entry() -> None:
    """Recomputed by another path, the whole cell is consistent after each entry of a history."""
    for seed in range(150):
        cell = Cell()
        for entry in write_history(seed):
            fold_entries(cell, [entry])
            invariants.check(cell)


def test_histories_reach_every_reason() -> None:
    """The histories are worth something: among them each status and each reason occurs, and most as a conflict too."""
    seen: set[tuple[Reason, bool]] = set()
    statuses: set[Status] = set()
    for seed in range(3_200):
        for verdict in verdicts_of(write_history(seed)):
            statuses.add(verdict.status)
            seen.add((verdict.reason, verdict.is_conflict))
            seen |= {(row[1], row[2]) for row in verdict.rows}
    unreached = {Reason.DEFECT, Reason.LIMIT, Reason.SUSPENDED, Reason.PLUGIN_FAILED}
    assert statuses == set(Status)
    assert {reason for reason, _ in seen} == set(Reason) - unreached
    never = {Reason.CLAIMED_TWICE, Reason.UNKNOWN_MACHINE, Reason.NOT_ITS_MACHINE}
    never |= {Reason.VICTIM_ELSEWHERE, Reason.VICTIM_PROTECTED}
    of_claims = {reason for reason in Reason if Reason.UNKNOWN_TASK <= reason <= Reason.GANG_PARTNER}
    assert {reason for reason, is_conflict in seen if is_conflict} >= of_claims - never


def verdicts_of(entries: list[Entry]) -> list[Verdict]:
    """Give what the twin says of a history."""
    twin = Oracle()
    verdicts = []
    for entry in entries:
        if entry.raw is not None:
            verdicts += twin.apply(entry.raw)
        verdicts += [twin.apply_transaction(each) for each in entry.transactions]
    return verdicts


def test_a_difference_is_found_and_shrunk() -> None:
    """The duel can fail: against a twin that was told of one refusal less, the history shrinks to what matters."""

    def has_conflict(entries: list[Entry]) -> bool:
        return any(row[1] == Reason.RESOURCES and row[2] for each in verdicts_of(number(entries)) for row in each.rows)

    entries = next(found for seed in range(500) if has_conflict(found := write_history(seed)))
    shrunk = number(shrink(entries, has_conflict))
    assert has_conflict(shrunk)
    assert len(shrunk) < len(entries)
    assert all(not has_conflict(shrunk[:at] + shrunk[at + 1 :]) for at in range(len(shrunk)))


def test_a_transaction_is_written_and_read_again() -> None:
    """A failure that is printed can be put into a transcript as it stands."""
    for seed in range(50):
        for transaction in [each for entry in write_history(seed) for each in entry.transactions]:
            if is_well_formed(transaction):
                line = write_transaction(transaction).removeprefix("+ ")
                assert repr(read_transaction(line, Cell(), position=transaction.position)) == repr(transaction)
