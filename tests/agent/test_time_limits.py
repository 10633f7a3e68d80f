"""Time limits with real processes: kept by the machine's supervisor, whoever else runs, and known to the next one."""

import asyncio
import os
import signal

import pytest

from omegacell.agent.hands import to_end
from omegacell.agent.messages import ReportKind
from omegacell.agent.supervisor import processes
from omegacell.agent.supervisor.client import SupervisorClient
from omegacell.agent.supervisor.records import Act, ExitRecord, How, RecordFolder
from tests.agent.cell_end import wait_until
from tests.agent.conftest import find_processes_of
from tests.agent.test_supervisor import ends_of, kill_supervisor, pid_of, play, see, spec, supervised

LIMIT_US = 300_000
WORDS = "ran into its time limit of 300ms"
OBEDIENT = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.01; done")
DEAF = ("sh", "-c", "trap '' TERM; while :; do sleep 0.01; done")


def test_an_attempt_ends_at_its_limit(state: str) -> None:
    """By SIGTERM, with what it makes of that, and by SIGKILL after its grace; all of its tree, and not before."""

    async def scenario(client: SupervisorClient) -> None:
        began_us = processes.boot_clock_us()
        await client.start(
            [
                spec(state, "1.0.1", "sleep", "1000", max_run_us=LIMIT_US, grace_us=5_000_000),
                spec(state, "2.0.1", *OBEDIENT, max_run_us=LIMIT_US, grace_us=5_000_000),
                spec(state, "3.0.1", *DEAF, max_run_us=LIMIT_US, grace_us=100_000),
                spec(state, "4.0.1", "sleep", "1000"),
                spec(state, "5.0.1", "true", max_run_us=LIMIT_US, grace_us=100_000),
            ]
        )
        ends = await ends_of(client, "1.0.1", "2.0.1", "3.0.1", "5.0.1")
        assert processes.boot_clock_us() - began_us >= LIMIT_US + 100_000
        seen = {key: (to_end(end).kind, to_end(end).code, end.message) for key, end in ends.items()}
        assert seen == {
            "1.0.1": (ReportKind.TIME_LIMIT, signal.SIGTERM, WORDS),
            "2.0.1": (ReportKind.TIME_LIMIT, 0, WORDS),
            "3.0.1": (ReportKind.TIME_LIMIT, signal.SIGKILL, WORDS),
            "5.0.1": (ReportKind.EXITED, 0, ""),
        }
        assert find_processes_of(f"{state}/3.0.1") == []
        assert find_processes_of(f"{state}/4.0.1") != []

    play(state, scenario)


def test_a_stop_that_came_first_is_a_stop(state: str) -> None:
    """What is in its grace already because it is not wanted any more is not ended for its limit."""

    async def scenario(client: SupervisorClient) -> None:
        await client.start([spec(state, "1.0.1", *DEAF, max_run_us=LIMIT_US, grace_us=10_000)])
        await see(client, lambda known: known["1.0.1"].phase == "running")
        await client.signal("1.0.1", signal.SIGTERM, 600_000)
        ends = await ends_of(client, "1.0.1")
        assert to_end(ends["1.0.1"]).kind is ReportKind.SIGNALED
        assert not ends["1.0.1"].was_overtime

    play(state, scenario)


def test_a_limit_outlives_the_supervisor(state: str) -> None:
    """Passed while none ran, it is kept at once by the next, which counts from the start of the attempt."""

    async def scenario() -> None:
        async with supervised(state) as client:
            await client.start([spec(state, "1.0.1", "sleep", "1000", max_run_us=LIMIT_US, grace_us=1_000_000)])
            await see(client, lambda known: known["1.0.1"].phase == "running")
            await kill_supervisor(client)
        began_us = processes.boot_clock_us()
        await wait_until(lambda: processes.boot_clock_us() - began_us > LIMIT_US, "the limit has passed")
        assert find_processes_of(f"{state}/1.0.1") != []
        async with supervised(state) as client:
            ends = await ends_of(client, "1.0.1")
        assert to_end(ends["1.0.1"]).kind is ReportKind.TIME_LIMIT
        assert ends["1.0.1"].message == WORDS

    asyncio.run(scenario())


def test_an_end_for_a_limit_is_known_to_the_next_supervisor(state: str) -> None:
    """Killed after it recorded why it ends an attempt, and before it saw the end."""

    async def scenario() -> None:
        async with supervised(state) as client:
            await client.start([spec(state, "1.0.1", "sleep", "1000", max_run_us=60_000_000, grace_us=1_000_000)])
            pid = await pid_of(client, "1.0.1")
            await kill_supervisor(client)
        RecordFolder(f"{state}/attempts").write_act("1.0.1", Act.OVERTIME)
        os.kill(pid, signal.SIGTERM)
        async with supervised(state) as client:
            ends = await ends_of(client, "1.0.1")
        assert (to_end(ends["1.0.1"]).kind, to_end(ends["1.0.1"]).code) == (ReportKind.TIME_LIMIT, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("how", "code", "was_fenced", "expected"),
    [
        (How.SIGNALED, 9, False, (ReportKind.TIME_LIMIT, 9)),
        (How.EXITED, 3, False, (ReportKind.TIME_LIMIT, 0)),
        (How.UNKNOWN, 0, False, (ReportKind.TIME_LIMIT, 0)),
        (How.SIGNALED, 9, True, (ReportKind.FENCED, 9)),
        (How.START_FAILED, 2, False, (ReportKind.START_FAILED, 2)),
    ],
)
def test_what_the_cell_is_told(how: How, code: int, was_fenced: bool, expected: tuple[ReportKind, int]) -> None:
    """The limit says more than a signal; a fence, after which the task runs again elsewhere, more than the limit."""
    record = ExitRecord(how=how, code=code, was_fenced=was_fenced, was_overtime=True, ended_at_us=1)
    assert (to_end(record).kind, to_end(record).code) == expected
