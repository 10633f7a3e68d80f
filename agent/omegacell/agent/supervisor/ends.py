"""How an attempt ended, as it goes on record: from what the kernel says, and from what was done to end it."""

import os
import signal
from collections.abc import Set
from typing import Final

from omegacell.agent.supervisor import trees
from omegacell.agent.supervisor.records import Act, ExitRecord, How, StartRecord
from omegacell.agent.supervisor.time_limits import describe_limit

_SHELL_KILLED: Final = 128 + signal.SIGKILL
"""What a shell exits with when the last command that it ran was killed."""


def waited_end(start: StartRecord, acts: Set[Act], info: os.waitid_result, *, ended_at_us: int) -> ExitRecord:
    """Return how a child ended that was waited for."""
    exited = info.si_code == os.CLD_EXITED
    is_killed = info.si_status == (_SHELL_KILLED if exited else signal.SIGKILL)
    is_oom = is_killed and trees.count_oom_kills(start.cgroups) > 0
    return ExitRecord(
        how=How.EXITED if exited else How.SIGNALED,
        code=info.si_status,
        is_oom=is_oom,
        was_stopped=Act.STOPPED in acts,
        was_fenced=Act.FENCED in acts,
        was_overtime=Act.OVERTIME in acts,
        ended_at_us=ended_at_us,
        message=_explain(start, acts, is_oom=is_oom),
    )


def unseen_end(start: StartRecord, acts: Set[Act], message: str, *, ended_at_us: int) -> ExitRecord:
    """Return how an attempt ended that nobody could wait for: as it was ended, else unknown, and ``message``."""
    was_killed = not acts.isdisjoint((Act.KILLED, Act.FENCED))
    is_ours = was_killed or Act.OVERTIME in acts
    return ExitRecord(
        how=How.SIGNALED if was_killed else How.UNKNOWN,
        code=signal.SIGKILL if was_killed else 0,
        was_stopped=Act.STOPPED in acts,
        was_fenced=Act.FENCED in acts,
        was_overtime=Act.OVERTIME in acts,
        ended_at_us=ended_at_us,
        message=_explain(start, acts, is_oom=False) if is_ours else message,
    )


def _explain(start: StartRecord, acts: Set[Act], *, is_oom: bool) -> str:
    if Act.FENCED in acts:
        return "killed because the machine had lost the cell for longer than its lease"
    if Act.OVERTIME in acts:
        return describe_limit(start.max_run_us)
    return "killed by the kernel: out of memory" if is_oom else ""
