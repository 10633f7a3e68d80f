"""Which processes a cell consists of, and how each is started.

Pure: settings in, plans out; nothing is started here.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omegacell.api.errors import ExitCode
from omegacell.api.up.child import ChildPlan, python
from omegacell.api.up.folder import StateFolder
from omegacell.api.up.restarts import VITAL_LAST_DELAY_S
from omegacell.core.errors import UsageError

MAX_INSTANCES: Final = 64
MAX_PORT: Final = 65_535
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62})")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpSettings:
    """What the user asked `omega up` for; the names are those of the command."""

    cell: str
    state: Path | None
    store: str | None
    schedulers: str
    simulated: int
    has_agent: bool
    is_root_allowed: bool
    listen: str
    ports: str = ""
    devices: tuple[str, ...] = ()
    simulated_devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerPlan:
    """A scheduler to run.

    Attributes:
        target: what to load: an installed name, ``module:Class`` or ``file.py:Class``.
        name: the scheduler's name, which jobs give.
        count: how many processes.
    """

    target: str
    name: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the parts of a cell find each other.

    Attributes:
        folder: the state folder.
        cell: the cell's name.
        store_url: the log.
        address: where the API listens.
        metrics_address: where its metrics are.
        token_file: the file with the token of all calls.
    """

    folder: StateFolder
    cell: str
    store_url: str
    address: str
    metrics_address: str
    token_file: Path

    @property
    def token(self) -> str:
        """What every call carries."""
        return self.token_file.read_text().strip()


def parse_schedulers(text: str) -> tuple[SchedulerPlan, ...]:
    """Return the schedulers that ``--schedulers`` asks for.

    >>> [(each.name, each.count) for each in parse_schedulers("batch=2,service,./mine.py:Mine=1")]
    [('batch', 2), ('service', 1), ('mine', 1)]

    Raises:
        UsageError: It is written wrong; the message says how it should be.
    """
    plans: list[SchedulerPlan] = []
    for part in (each.strip() for each in text.split(",")):
        target, equals, count = part.rpartition("=")
        if not equals:
            target, count = part, "1"
        if not target or not (count.isascii() and count.isdigit()) or not 1 <= int(count) <= MAX_INSTANCES:
            raise UsageError(
                f"--schedulers {text!r}: {part!r} is not NAME=COUNT with a count from 1 to {MAX_INSTANCES};"
                " expected something like batch=2,service=1,./mine.py:Mine=1"
            )
        plans.append(SchedulerPlan(target=target, name=scheduler_name(target), count=int(count)))
    names = [plan.name for plan in plans]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--schedulers {text!r}: {twice[0]} comes twice; give one count for it")
    return tuple(plans)


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port; port 0 means that any will do.

    >>> parse_listen("127.0.0.1:7070"), parse_listen("[::1]:0")
    (('127.0.0.1', 7070), ('[::1]', 0))

    Raises:
        UsageError: It is written wrong.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
        raise UsageError(f"--listen {text!r}: expected HOST:PORT, such as 127.0.0.1:7070; port 0 takes a free one")
    return host, int(port)


def check_ports(text: str) -> None:
    """Refuse what is no range of ports.

    >>> check_ports("20000-20999")

    Raises:
        UsageError: It is none.
    """
    first, dash, last = text.partition("-")
    is_written = bool(dash) and all(each.isascii() and each.isdigit() for each in (first, last))
    if not is_written or not 0 < int(first) <= int(last) <= MAX_PORT:
        raise UsageError(f"--ports {text!r}: expected FIRST-LAST, such as 20000-20999")


def check_cell_name(name: str) -> None:
    """Refuse what cannot be a cell's name, and a folder's.

    Raises:
        UsageError: It is none.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"cell name {name!r}: expected 1 to 63 lower-case letters, digits, '.', '_' and '-', beginning with a"
            " letter or digit"
        )


def scheduler_name(target: str) -> str:
    """Return the name of a scheduler that was named by what to load: its own, its class's, or its file's.

    >>> [scheduler_name(target) for target in ("batch", "./mine.py:Mine", "./own.py", "lab.flow:FlowScheduler")]
    ['batch', 'mine', 'own', 'flow']
    >>> scheduler_name("./Tight_Fit.py")
    'tight_fit'

    Raises:
        UsageError: No name can be made of it.
    """
    _, colon, class_name = target.rpartition(":")
    name = class_name.lower() if colon else Path(target).name.removesuffix(".py")
    if not colon and target.endswith(".py"):
        name = Path(target).stem.lower()
    if colon and name.endswith("scheduler") and name != "scheduler":
        name = name.removesuffix("scheduler")
    if not _NAME.fullmatch(name):
        raise UsageError(f"scheduler {target!r}: expected an installed name, module:Class or file.py:Class")
    return name


def plan_api(place: Place, *, has_agent: bool) -> ChildPlan:
    """Return how the API server, with the controllers, is started; ``has_agent``: this host's agent is kept running."""
    arguments: tuple[str, ...] = (
        "--store",
        place.store_url,
        "--cell",
        place.cell,
        "--listen",
        place.address,
        "--metrics",
        place.metrics_address,
        "--token-file",
        str(place.token_file),
    )
    if has_agent:
        arguments += ("--keeps-own-host",)
    return ChildPlan(
        name="api",
        title="API and controllers",
        argv=python("omegacell.api.processes.api", *arguments),
        last_delay_s=VITAL_LAST_DELAY_S,
        final_code=ExitCode.STORE,
    )


def plan_agent(place: Place, *, is_root_allowed: bool, ports: str = "", devices: tuple[str, ...] = ()) -> ChildPlan:
    """Return how this machine's agent is started.

    ``ports`` is the range that its tasks may get, as in 20000-20999; ``devices`` are what it has, as in gpu=4.
    """
    arguments = ("--state", str(place.folder.agent), *_api(place))
    if is_root_allowed:
        arguments += ("--allow-root",)
    if ports:
        arguments += ("--attribute", f"ports={ports}")
    for device in devices:
        arguments += ("--device", device)
    return ChildPlan(
        name="agent",
        title="agent of this machine",
        argv=python("omegacell.api.processes.agent", *arguments),
        last_delay_s=VITAL_LAST_DELAY_S,
    )


def plan_simulated(place: Place, count: int, *, devices: tuple[str, ...] = ()) -> ChildPlan:
    """Return how the simulated machines are started: one process plays them all."""
    arguments = ("--simulated", str(count), "--state", str(place.folder.path / "simulated"), *_api(place))
    for device in devices:
        arguments += ("--simulated-device", device)
    return ChildPlan(
        name="simulated",
        title=f"{count} simulated machines",
        argv=python("omegacell.api.processes.agent", *arguments),
    )


def plan_scheduler(place: Place, plan: SchedulerPlan, number: int) -> ChildPlan:
    """Return how one instance of a scheduler is started."""
    author = f"{plan.name}-{number}"
    argv = plan_scheduler_process(place.store_url, name=plan.name, author=author, target=plan.target)
    return ChildPlan(name=author, title=f"scheduler {plan.target}", argv=argv, author=author)


def plan_scheduler_process(store_url: str, *, name: str, author: str, target: str) -> tuple[str, ...]:
    """Return what to run for one instance of a scheduler."""
    return python("omegacell.api.processes.scheduler", "--store", store_url, "--name", name, "--author", author, target)


def _api(place: Place) -> tuple[str, ...]:
    return "--api", place.address, "--token-file", str(place.token_file)
