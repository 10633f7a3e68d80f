"""What the hands do when something they need fails."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from omegacell.agent.cgroups import Cgroups, Hierarchy, Limits
from omegacell.agent.drivers.exec_driver import ExecDriver, ExecSettings
from omegacell.agent.events import ForgetAttempt, Inventory, StartAttempt
from omegacell.agent.hands import Hands
from omegacell.agent.messages import AttemptKey, WantedTask
from omegacell.agent.supervisor.spawn import SpawnSpec
from tests.agent.cell_end import exec_shape, key_of


class _Failing(ExecDriver):
    """A driver whose parts can be made to fail."""

    failure: Exception | None = None
    cleaned = 0

    def prepare(self, task: WantedTask) -> SpawnSpec:
        if self.failure is not None:
            raise self.failure
        return super().prepare(task)

    def clean(self, key: AttemptKey) -> None:
        self.cleaned += 1
        raise PermissionError(f"{key} cannot be removed")


async def _with_hands(state: str, driver: ExecDriver, *actions: StartAttempt | ForgetAttempt) -> Hands:
    """Do actions as soon as there is a supervisor; return while the hands go on, or raise what ended them."""
    ready = asyncio.Event()

    def feed(event: object) -> None:
        if isinstance(event, Inventory):
            ready.set()

    hands = Hands(os.path.join(state, "supervisor"), driver, feed)
    loop = asyncio.create_task(hands.run())
    try:
        await ready.wait()
        for action in actions:
            hands.do(action)
        await asyncio.wait({loop}, timeout=2)
        if loop.done():
            loop.result()
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await hands.shutdown(0)
    return hands


def test_a_failure_nobody_expected_ends_the_hands(state: str) -> None:
    """Hands that can do nothing any more say so: an agent that only looks idle would never be started again."""
    driver = _Failing(state, ExecSettings(is_root_allowed=True), Cgroups())
    driver.failure = ZeroDivisionError("a defect")
    task = WantedTask(key=key_of(1), shape=exec_shape("true"), incarnation="i")
    with pytest.raises(ZeroDivisionError, match="a defect"):
        asyncio.run(_with_hands(state, driver, StartAttempt(task=task)))


def test_what_cannot_be_removed_now_keeps_nothing_from_starting(state: str) -> None:
    """A folder that cannot be removed is left to the keeping of the house, and the next task starts."""
    driver = _Failing(state, ExecSettings(is_root_allowed=True), Cgroups())
    task = WantedTask(key=key_of(2), shape=exec_shape("true"), incarnation="i")
    asyncio.run(_with_hands(state, driver, ForgetAttempt(key=key_of(1)), StartAttempt(task=task)))
    assert driver.cleaned == 1
    assert os.path.exists(f"{state}/tasks/2.0.1/task.json")


def test_groups_that_go_while_others_are_listed_are_no_error(tmp_path: Path) -> None:
    """Groups are listed by the keeping of the house and removed as tasks end, each in a thread of its own."""
    cgroups = Cgroups((Hierarchy(folder=str(tmp_path), version=1, controllers=frozenset()),))
    is_over = threading.Event()

    def come_and_go() -> None:
        while not is_over.is_set():
            for number in range(20):
                cgroups.create(f"{number}.0.1", Limits(cpu_milli=0, memory_bytes=0, pids=0))
            for number in range(20):
                cgroups.remove(f"{number}.0.1")

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(300):
            assert cgroups.list() <= {f"{number}.0.1" for number in range(20)}
    finally:
        is_over.set()
        other.join()
    assert cgroups.list() == set()
