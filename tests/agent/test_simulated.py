"""The simulated driver: the same promises as a real machine, for thousands at once."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from omegacell.agent.drivers.simulated import Fleet
from omegacell.agent.messages import (
    AttemptKey,
    Lease,
    MachineOffer,
    Register,
    Registered,
    ReportKind,
    Reports,
    ReportsFolded,
    TaskReport,
    TaskShape,
    Up,
    Wanted,
)
from omegacell.agent.payload import HealthConfig, SimulatedConfig, TaskPayload, encode_payload
from omegacell.agent.simulated_agent import SimulatedAgent, make_offers
from omegacell.core.units import Revision
from tests.agent.cell_end import CellEnd, key_of, wait_until

SECOND_US = 1_000_000


def shape_of(duration_ms: int = 1_000, exit_code: int = 0, health: HealthConfig | None = None) -> TaskShape:
    config = SimulatedConfig(duration_ms=duration_ms, exit_code=exit_code)
    payload = encode_payload(TaskPayload(simulated=config, health=health))
    return TaskShape(job_name="j", driver="simulated", payload=payload, resources=(1, 1, 0))


def registered(message: Register, epoch: int = 1) -> Registered:
    names = tuple(offer.name for offer in message.machines)
    return Registered(
        incarnation="a",
        names=names,
        rows=tuple(int(name.rsplit("-", 1)[1]) for name in names),
        epochs=(epoch,) * len(names),
        lease_us=SECOND_US,
        heartbeat_us=SECOND_US,
    )


def wanted(
    revision: int,
    starts: Sequence[tuple[int, AttemptKey]] = (),
    stops: Sequence[tuple[int, AttemptKey]] = (),
    *,
    complete: tuple[int, ...] = (),
    shape: TaskShape | None = None,
) -> Wanted:
    return Wanted(
        incarnation="a",
        revision=Revision(revision),
        complete=complete,
        shapes=(shape or shape_of(),),
        start_rows=tuple(row for row, _ in starts),
        start_shapes=(0,) * len(starts),
        start_job_ids=tuple(key.job_id for _, key in starts),
        start_indexes=tuple(key.index for _, key in starts),
        start_attempts=tuple(key.attempt for _, key in starts),
        stop_rows=tuple(row for row, _ in stops),
        stop_job_ids=tuple(key.job_id for _, key in stops),
        stop_indexes=tuple(key.index for _, key in stops),
        stop_attempts=tuple(key.attempt for _, key in stops),
    )


def opened(count: int = 3) -> Fleet:
    """Return a fleet whose machines are registered and want nothing."""
    fleet = Fleet(make_offers(count, prefix="sim", capacity=(1_000, 1 << 30, 0)))
    register(fleet, fleet.on_open())
    return fleet


def register(
    fleet: Fleet, messages: list[Up], epoch: int = 1, starts: Sequence[tuple[int, AttemptKey]] = ()
) -> list[Up]:
    answers: list[Up] = []
    for message in messages:
        assert isinstance(message, Register)
        answer = registered(message, epoch)
        answers += fleet.on_message(answer, 0)
        answers += fleet.on_message(wanted(1, starts, complete=answer.rows), 0)
    return answers


def rows_of(messages: list[Up]) -> list[TaskReport]:
    return [row for message in messages if isinstance(message, Reports) for row in message]


def kinds_of(messages: list[Up]) -> list[str]:
    return [row.kind.name for row in rows_of(messages)]


def batches_of(messages: list[Up]) -> list[int]:
    return [message.batch for message in messages if isinstance(message, Reports)]


A1, A2 = key_of(1, 0, 1), key_of(1, 0, 2)


def test_a_task_runs_for_its_time_and_ends_with_its_code() -> None:
    """Started at once, ended when its duration is over and not before, with the exit code of its payload."""
    fleet = opened()
    shape = shape_of(duration_ms=500, exit_code=3)
    assert kinds_of(fleet.on_message(wanted(2, [(1, A1)], shape=shape), 0)) == ["STARTED"]
    assert fleet.on_time(499_000, 0) == []
    assert fleet.next_time_us() is not None
    (end,) = rows_of(fleet.on_time(520_000, 0))
    assert (end.kind, end.code, end.row, end.epoch) == (ReportKind.EXITED, 3, 1, 1)
    assert fleet.next_time_us() is None


def test_a_service_runs_for_ever_is_healthy_and_stops_when_asked() -> None:
    """A negative duration never ends; a health check is passed at once; a stop is SIGTERM."""
    fleet = opened()
    shape = shape_of(duration_ms=-1, health=HealthConfig(port="http"))
    assert kinds_of(fleet.on_message(wanted(2, [(1, A1)], shape=shape), 0)) == ["STARTED", "HEALTHY"]
    assert fleet.on_time(10**15, 0) == []
    assert kinds_of(fleet.on_message(wanted(3, (), [(1, A1)]), 0)) == ["SIGNALED"]


def test_nothing_starts_twice() -> None:
    """A start said twice, an old one, an older attempt, and one of another incarnation start nothing."""
    fleet = opened()
    fleet.on_message(wanted(5, [(1, A2)]), 0)
    assert fleet.on_message(wanted(5, [(1, A2)]), 0) == []
    assert fleet.on_message(wanted(6, [(1, A1)]), 0) == []
    assert fleet.on_message(wanted(4, [(2, key_of(9))]), 0) == []
    assert fleet.running_count == 1


def test_a_newer_attempt_ends_the_older() -> None:
    """Of one task one attempt runs on a machine."""
    fleet = opened()
    fleet.on_message(wanted(2, [(1, A1)]), 0)
    assert kinds_of(fleet.on_message(wanted(3, [(1, A2)]), 0)) == ["SIGNALED", "STARTED"]
    assert fleet.running_count == 1


def test_what_is_not_in_the_whole_is_stopped() -> None:
    """After registering again, what the cell does not want any more is stopped; what it wants goes on."""
    fleet = opened()
    fleet.on_message(wanted(2, [(1, A1), (2, key_of(2))]), 0)
    fleet.on_closed()
    (message,) = fleet.on_open()
    assert isinstance(message, Register)
    assert {key for offer in message.machines for key in offer.held} == {A1, key_of(2)}
    fleet.on_message(registered(message, 2), 0)
    reports = rows_of(fleet.on_message(wanted(3, [(1, A1)], complete=(1, 2, 3)), 0))
    ends = [(row.key, row.kind.name) for row in reports if row.kind is not ReportKind.STARTED]
    assert ends == [(key_of(2), "SIGNALED")]
    assert fleet.running_count == 1


def test_reports_are_sent_until_they_are_folded() -> None:
    """Unacknowledged reports come again on the next link under the new epoch; acknowledged ones do not."""
    fleet = opened()
    first = fleet.on_message(wanted(2, [(1, A1)]), 0)
    second = fleet.on_message(wanted(3, [(2, key_of(2))]), 0)
    fleet.on_message(ReportsFolded(batch=batches_of(first)[0]), 0)
    fleet.on_closed()
    again = register(fleet, fleet.on_open(), 2, starts=[(1, A1), (2, key_of(2))])
    # Registered carries the rows first, so that what waited goes out with it.
    assert [(row.key, row.kind, row.epoch) for row in rows_of(again)] == [
        (row.key, row.kind, 2) for row in rows_of(second)
    ]


def test_an_end_that_was_folded_and_is_wanted_is_reported_again() -> None:
    """A cell that does not know of an end (it was restored) hears of it again."""
    fleet = opened()
    fleet.on_message(wanted(2, [(1, A1)]), 0)
    end = fleet.on_time(2 * SECOND_US, 0)
    fleet.on_message(ReportsFolded(batch=batches_of(end)[0]), 0)
    assert kinds_of(fleet.on_message(wanted(3, [(1, A1)]), 0)) == ["EXITED"]


def test_machines_that_vanish_say_nothing_and_come_back_empty() -> None:
    """Switched off, a machine is missing from heartbeats and ends nothing; on again it registers with nothing held."""
    fleet = opened()
    fleet.on_message(wanted(2, [(1, A1), (2, key_of(2))]), 0)
    fleet.switch_off(["sim-0001"])
    assert fleet.missing_rows() == (1,)
    assert [row.row for row in rows_of(fleet.on_time(2 * SECOND_US, 0))] == [2]
    assert fleet.on_message(wanted(3, [(1, A2)]), 0) == []
    (message,) = fleet.switch_on(["sim-0001"])
    assert isinstance(message, Register)
    assert [(offer.name, offer.held) for offer in message.machines] == [("sim-0001", ())]
    assert fleet.missing_rows() == ()


def test_a_lease_that_runs_out_ends_fenced_tasks() -> None:
    """Cut off for longer than the lease, tasks that must stop on a partition end; the report waits for a link."""
    fleet = opened()
    fleet.on_message(wanted(2, [(1, A1)], shape=shape_of(duration_ms=-1)), 0)
    fleet.on_message(Lease(sent_boot_us=100), 0)
    fleet.on_closed()
    fleet.on_time(5, 100 + SECOND_US)
    assert fleet.running_count == 0
    assert "FENCED" in kinds_of(register(fleet, fleet.on_open(), 2))


@pytest.mark.parametrize(
    ("duration_ms", "max_run_us", "expected"),
    [
        (-1, 50_000, [(ReportKind.TIME_LIMIT, 15, "ran into its time limit of 50ms")]),
        (80, 50_000, [(ReportKind.TIME_LIMIT, 15, "ran into its time limit of 50ms")]),
        (50, 50_000, [(ReportKind.EXITED, 0, "")]),
        (20, 50_000, [(ReportKind.EXITED, 0, "")]),
        (-1, 0, []),
    ],
)
def test_a_simulated_task_keeps_to_its_time_limit(
    duration_ms: int, max_run_us: int, expected: list[tuple[ReportKind, int, str]]
) -> None:
    """It ends at its limit unless it has ended before, and says why."""
    fleet = opened()
    shape = replace(shape_of(duration_ms=duration_ms), max_run_us=max_run_us)
    fleet.on_message(wanted(2, [(1, A1)], shape=shape), 0)
    reports = rows_of([each for at_us in (49_000, 70_000, 200_000) for each in fleet.on_time(at_us, 0)])
    assert [(each.kind, each.code, each.message) for each in reports] == expected
    assert fleet.running_count == (not expected)


def test_a_payload_that_cannot_be_read_fails_to_start() -> None:
    """It is reported with the reason."""
    fleet = opened()
    shape = TaskShape(job_name="j", driver="simulated", payload=b"?", resources=())
    (report,) = rows_of(fleet.on_message(wanted(2, [(1, A1)], shape=shape), 0))
    assert report.kind is ReportKind.START_FAILED
    assert report.message.startswith("payload: not JSON")


def test_reports_are_columns_of_bounded_length() -> None:
    """A wave of starts on thousands of machines leaves in few messages, none above the limit."""
    fleet = opened(2_000)
    starts = [(row, key_of(job, row)) for job in range(1, 8) for row in range(1, 2_001)]
    messages = fleet.on_message(wanted(2, starts), 0)
    assert [len(message) for message in messages if isinstance(message, Reports)] == [10_000, 4_000]
    assert fleet.running_count == 14_000


def test_over_random_histories_every_end_is_heard_of_and_nothing_unwanted_runs() -> None:
    """Links that break, acknowledgements that are lost, stops and time: at rest, what runs is what is wanted."""
    for seed in range(100):
        play_history(random.Random(seed))


def play_history(dice: random.Random) -> None:
    fleet = opened()
    assigned: dict[AttemptKey, int] = {}
    heard: set[AttemptKey] = set()
    started: list[AttemptKey] = []
    revision, epoch, now_us, number = 1, 1, 0, 0

    def take(messages: list[Up], *, is_acknowledged: bool = True) -> None:
        nonlocal revision
        for message in messages:
            assert isinstance(message, Reports)
            for row in message:
                started.extend([row.key] if row.kind is ReportKind.STARTED and row.key not in heard else [])
                heard.update([row.key] if row.kind in (ReportKind.EXITED, ReportKind.SIGNALED) else [])
            ends = [(assigned.pop(row.key), row.key) for row in message if row.key in heard and row.key in assigned]
            if is_acknowledged:
                fleet.on_message(ReportsFolded(batch=message.batch), now_us)
            revision += 1
            take(fleet.on_message(wanted(revision, (), ends), now_us))

    def reconnect() -> None:
        nonlocal epoch
        fleet.on_closed()
        epoch += 1
        for message in fleet.on_open():
            assert isinstance(message, Register)
            take(fleet.on_message(registered(message, epoch), now_us))
        whole = wanted(revision, [(row, key) for key, row in assigned.items()], complete=(1, 2, 3))
        take(fleet.on_message(whole, now_us))

    for _ in range(60):
        move = dice.randrange(5)
        if move == 0:
            number += 1
            revision += 1
            key = key_of(number)
            assigned[key] = dice.randrange(1, 4)
            message = wanted(revision, [(assigned[key], key)], shape=shape_of(dice.randrange(-1, 3_000)))
            take(fleet.on_message(message, now_us), is_acknowledged=dice.random() < 0.7)
        elif move == 1 and assigned:
            key = dice.choice(sorted(assigned))
            revision += 1
            take(fleet.on_message(wanted(revision, (), [(assigned.pop(key), key)]), now_us))
        elif move == 2:
            reconnect()
        else:
            now_us += dice.randrange(SECOND_US)
            take(fleet.on_time(now_us, 0), is_acknowledged=dice.random() < 0.7)
    reconnect()
    assert fleet.running_count == len(assigned)
    # A start is told again, with its end not yet heard of, only when it was not acknowledged; it never runs twice.
    assert set(started) <= heard | set(assigned)


def test_the_shell_plays_a_machine_over_a_link() -> None:
    """One link, real time: a wanted task is reported started and ended."""
    cell = CellEnd()
    offers: list[MachineOffer] = make_offers(1, prefix="sim", capacity=(1_000, 1 << 30, 0))
    key = key_of(1)

    async def scenario() -> None:
        agent = SimulatedAgent(offers, cell)
        running = asyncio.create_task(agent.run())
        cell.want(key, shape_of(duration_ms=30))
        await wait_until(lambda: cell.kinds(key) == ["STARTED", "EXITED"], "started and ended")
        agent.stop()
        await running

    asyncio.run(scenario())
