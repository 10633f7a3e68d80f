"""Are the victims that a `Place` names such as a proposer of this version could have named? See `validate`."""

from typing import Final

from omegacell.core.column_checks import check_equal, check_rows
from omegacell.core.commands import Place
from omegacell.core.errors import MalformedError
from omegacell.core.preemption import MAX_VICTIMS
from omegacell.core.units import MAX_ID, MAX_TASKS_PER_JOB

_MAX_ATTEMPT: Final = (1 << 31) - 1


def check_victims(command: Place) -> None:
    """Raise `MalformedError` when the victims of a `Place` break the format. Pure; cost: O(victims)."""
    victims = command.victims
    check_rows("victims' claims", victims.claims, len(command.indices))
    check_rows("victims' jobs", victims.jobs, MAX_ID)
    check_rows("victims' indices", victims.indices, MAX_TASKS_PER_JOB)
    check_rows("victims' attempts", victims.attempts, _MAX_ATTEMPT)
    check_equal(victims.claims, victims.jobs, victims.indices, victims.attempts)
    claims = victims.claims
    if (claims[1:] < claims[:-1]).any():
        raise MalformedError("victims do not ascend by claim")
    if len(claims) > MAX_VICTIMS and (claims[MAX_VICTIMS:] == claims[:-MAX_VICTIMS]).any():
        raise MalformedError(f"a claim names more than {MAX_VICTIMS} victims")
    named = zip(claims.tolist(), victims.jobs.tolist(), victims.indices.tolist(), strict=True)
    if len(dict.fromkeys(named)) < len(claims):
        raise MalformedError("a claim names a victim twice")
