"""`omega up`: starts a cell on this machine, says how to reach it, and keeps it until it is asked to end."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format, Table, show, warn
from omegacell.api.contexts import Context
from omegacell.api.device_options import parse_devices, parse_simulated_devices
from omegacell.api.errors import ApiError, ExitCode, UnauthenticatedError, UnreachableError
from omegacell.api.up.child import ChildPlan, Ended, read_last_line, strip_name
from omegacell.api.up.defaults import let_go, take_default
from omegacell.api.up.fencing import Fence
from omegacell.api.up.folder import StateFolder, StateLock, default_state, find_closed_parent, find_holder, write_whole
from omegacell.api.up.joining import JOIN_LIMIT_S, await_machines, await_schedulers, read_epochs
from omegacell.api.up.plan import (
    Place,
    UpSettings,
    check_cell_name,
    check_ports,
    parse_listen,
    parse_schedulers,
    plan_agent,
    plan_api,
    plan_scheduler,
    plan_simulated,
)
from omegacell.api.up.supervisor import FINAL_TRIES, Supervisor, free_port, is_free
from omegacell.core.errors import StoreError, UsageError
from omegacell.schedulers.registry import check_installed
from omegacell.store.etcd_address import hide_password

READY_LIMIT_S: Final = 60.0
READY_POLL_S: Final = 0.05


class Announcer:
    """Tells the user when a process dies and comes back, and remembers how the last one ended."""

    def __init__(self) -> None:
        self.ends: dict[str, Ended] = {}
        self.on_restart: Callable[[], None] = lambda: None
        self.is_starting = True
        self._told: dict[str, str] = {}

    def started(self, plan: ChildPlan, pid: int, *, again: int) -> None:
        """Say so when it is not the first time."""
        if again:
            self.on_restart()
        if again and self._told.get(plan.name, "") == "":
            warn(f"{plan.name} ({plan.title}) started again, pid {pid}")

    def ended(self, plan: ChildPlan, how: Ended, *, delay_s: float) -> None:
        """Say how it ended; the same end again and again is said once. While the API starts, its end is the error."""
        self.ends[plan.name] = how
        if self.is_starting:
            return
        words = "" if how.signal else str(how)
        if words and words == self._told.get(plan.name):
            return
        self._told[plan.name] = words
        effect = "; its jobs stay pending" if plan.author and words else ""
        warn(f"{plan.name} ({plan.title}) {how}{effect}; starting it again in {delay_s:g} s")


def up(settings: UpSettings, *, form: Format, detach: bool) -> None:
    """Start a cell and keep it until Ctrl-C or SIGTERM; with ``detach`` leave it running and return."""
    schedulers = parse_schedulers(settings.schedulers)
    for each in schedulers:
        check_installed(each.target)
    listen = parse_listen(settings.listen)
    check_cell_name(settings.cell)
    if settings.ports:
        check_ports(settings.ports)
    parse_devices(settings.devices)
    parse_simulated_devices(settings.simulated_devices, machines=settings.simulated)
    folder = StateFolder((settings.state or default_state(settings.cell)).expanduser().absolute())
    if detach:
        _detach(settings, folder, form)
        return
    folder.make()
    if settings.has_agent:
        _check_passable(folder)
    lock = StateLock(folder)
    lock.take()
    announcer = Announcer()
    supervisor = Supervisor(folder, announcer)
    try:
        supervisor.catch_signals()
        place = _make_place(settings, folder, listen)
        _start_api(supervisor, announcer, place, settings)
        take_default(
            Context(name=settings.cell, address=place.address, token=place.token, state_folder=str(folder.path))
        )
        epochs = read_epochs(place)
        if settings.has_agent:
            supervisor.add(
                plan_agent(
                    place,
                    is_root_allowed=settings.is_root_allowed,
                    ports=settings.ports,
                    devices=settings.devices,
                )
            )
        if settings.simulated:
            supervisor.add(plan_simulated(place, settings.simulated, devices=settings.simulated_devices))
        for plan in schedulers:
            for number in range(plan.count):
                supervisor.add(plan_scheduler(place, plan, number))
        await_machines(supervisor, place, epochs, settings.simulated + settings.has_agent)
        complaints = await_schedulers(supervisor, place)
        _announce(supervisor, place, settings, form=form, complaints=complaints)
        announcer.on_restart = lambda: _write_again(_record(supervisor, place, settings), folder)
        fence = Fence(place.address, place.token, supervisor)
        supervisor.run(fence.check)
        if supervisor.failure is not None:
            let_go(settings.cell)
            _give_over(supervisor, settings.cell, *supervisor.failure)
        warn(f"stopping cell {settings.cell} ({_signal_name(supervisor)})")
        _stop(supervisor, folder)
        let_go(settings.cell)
        warn(f"cell {settings.cell} is down; its state is in {folder.path}")
    finally:
        supervisor.close()
        folder.record.unlink(missing_ok=True)
        lock.release()


def _check_passable(folder: StateFolder) -> None:
    closed = find_closed_parent(folder.agent) if os.geteuid() == 0 else None
    if closed is not None:
        raise UsageError(
            f"state folder {folder.path}: root's tasks run as another user, who may not enter {closed};"
            " name a folder with --state that all may pass through, such as one in /var/lib"
        )


def _make_place(settings: UpSettings, folder: StateFolder, listen: tuple[str, int]) -> Place:
    token_file = folder.path / "token"
    if not token_file.exists():
        write_whole(token_file, secrets.token_urlsafe(32) + "\n")
    address = _choose_address(*listen, remembered=folder.path / "port")
    taken = int(address.rpartition(":")[2])
    return Place(
        folder=folder,
        cell=settings.cell,
        store_url=settings.store or folder.store_url,
        address=address,
        metrics_address=_choose_address(listen[0], 0, remembered=folder.path / "metrics-port", besides=taken),
        token_file=token_file,
    )


def _choose_address(host: str, port: int, *, remembered: Path, besides: int = 0) -> str:
    """Return host and port; where the user leaves the port open, that of last time when it is free."""
    if port:
        return f"{host}:{port}"
    try:
        last = remembered.read_text().strip()
    except FileNotFoundError:
        last = ""
    bare = host.strip("[]")
    is_kept = last.isdigit() and int(last) != besides and is_free(bare, int(last))
    number = int(last) if is_kept else free_port(bare, besides=besides)
    write_whole(remembered, f"{number}\n")
    return f"{host}:{number}"


def _start_api(supervisor: Supervisor, announcer: Announcer, place: Place, settings: UpSettings) -> None:
    """Start the API and wait until it answers; when it cannot start, end with its words and its exit code."""
    from omegacell.api.client import Client

    supervisor.add(plan_api(place, has_agent=settings.has_agent))
    deadline = time.monotonic() + READY_LIMIT_S
    with Client(place.address, place.token, timeout_s=5.0) as client:
        while True:
            supervisor.step(until=time.monotonic() + READY_POLL_S)
            if "api" in announcer.ends:
                _give_up(announcer.ends["api"], place)
            if supervisor.asked is not None:
                raise KeyboardInterrupt
            try:
                client.status(stale=True)
            except UnauthenticatedError:
                raise
            except ApiError as error:
                if time.monotonic() > deadline:
                    log = place.folder.log_of("api")
                    raise UnreachableError(
                        f"the API did not answer in {READY_LIMIT_S:g} s ({error}); see {log}"
                    ) from None
            else:
                announcer.is_starting = False
                return


def _give_up(how: Ended, place: Place) -> None:
    words = how.last_words or str(how)
    known = how.code in ExitCode.__members__.values() and how.code > 0
    raise CommandError(
        words if known else f"the API cannot start: {how}; see {place.folder.log_of('api')}",
        code=ExitCode(how.code) if known else ExitCode.FAILED,
    )


def _announce(
    supervisor: Supervisor, place: Place, settings: UpSettings, *, form: Format, complaints: Mapping[str, str]
) -> None:
    record = _record(supervisor, place, settings) | {"problems": dict(complaints)}
    place.folder.write_record(record)
    _show(record, form)
    if form is Format.TABLE:
        warn("up; try `omega run docs/examples/hello.yaml`, `omega cell status`; Ctrl-C stops it and its tasks")
    sys.stdout.flush()


def _show(record: dict[str, Any], form: Format) -> None:
    """Print what runs, the same in the foreground and in the background."""
    problems = record["problems"]
    rows = [
        ("API", record["address"]),
        ("metrics", record["metrics"]),
        ("state", record["state"]),
        *(
            (name, f"pid {pid}" + (f", not loaded: {problems[name]}" if name in problems else ""))
            for name, pid in record["processes"].items()
        ),
    ]
    show(record, form, Table(columns=("CELL", record["cell"]), rows=rows))


def _record(supervisor: Supervisor, place: Place, settings: UpSettings) -> dict[str, Any]:
    return {
        "cell": settings.cell,
        "pid": os.getpid(),
        "address": place.address,
        "metrics": f"http://{place.metrics_address}/metrics",
        "state": str(place.folder.path),
        "store": hide_password(place.store_url),
        "processes": supervisor.pids(),
        "is_ready": True,
    }


def _write_again(record: dict[str, Any], folder: StateFolder) -> None:
    try:
        folder.write_record(record)
    except (StoreError, OSError) as error:
        warn(f"cannot write down what runs ({error}); the cell goes on")


def _stop(supervisor: Supervisor, folder: StateFolder) -> None:
    """Stop everything: first who decides, then the hands and the tasks, at last who writes it down."""
    from omegacell.api.up.tasks import end_tasks

    names = supervisor.names()
    late = supervisor.stop([name for name in names if name not in ("api", "agent", "simulated")])
    late += supervisor.stop(["agent", "simulated"])
    count = end_tasks(folder.agent)
    if count:
        warn(f"ended {count} tasks; they are placed again when the cell comes up")
    late += supervisor.stop(["api"])
    if late:
        warn(f"killed what did not stop in time: {', '.join(late)}")


def _give_over(supervisor: Supervisor, cell: str, plan: ChildPlan, how: Ended) -> NoReturn:
    """End what runs but the tasks, which need no cell to go on, and say what it could not go on without."""
    supervisor.stop(supervisor.names())
    raise CommandError(
        f"cell {cell} cannot go on: {plan.name} ended {FINAL_TRIES} times in a row: {how.last_words or how};"
        " tasks run on: the next `omega up` takes them over, `omega down` ends them",
        code=ExitCode(how.code),
    )


def _signal_name(supervisor: Supervisor) -> str:
    return supervisor.asked.name if supervisor.asked is not None else "asked to"


def _detach(settings: UpSettings, folder: StateFolder, form: Format) -> None:
    """Start `omega up` in the background and wait until its cell is up."""
    holder = find_holder(folder)
    if holder:
        record = folder.read_record()
        if record.get("is_ready") and record.get("pid") == holder:
            words = "options given now count once it is started anew: `omega down`, then `omega up`"
            warn(f"the cell in {folder.path} is up already (omega up, pid {holder}) and goes on as it is; {words}")
            _show(record, form)
            return
        lock = StateLock(folder)
        lock.take()  # raises, and says who has it
        lock.release()
    folder.make()
    log = folder.log_of("up")
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            _arguments(settings, folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    for record in _records(folder, process):
        if record.get("is_ready") and record.get("pid") == process.pid:
            _show(record, form)
            return
    words = strip_name(read_last_line(log, after=start))
    code = process.returncode
    known = code in ExitCode.__members__.values()
    raise CommandError(words or f"ended with {code}; see {log}", code=ExitCode(code) if known else ExitCode.FAILED)


def _records(folder: StateFolder, process: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any]]:
    """Yield what the record says, until the process ends or the time is over."""
    deadline = time.monotonic() + READY_LIMIT_S + JOIN_LIMIT_S
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGTERM)
            process.wait()
            return
        yield folder.read_record()
        time.sleep(READY_POLL_S)


def _arguments(settings: UpSettings, folder: StateFolder) -> list[str]:
    arguments = [sys.executable, "-m", "omegacell.api.cli", "up", "--cell", settings.cell, "--state", str(folder.path)]
    arguments += ["--schedulers", settings.schedulers, "--simulated", str(settings.simulated)]
    arguments += ["--listen", settings.listen, "--agent" if settings.has_agent else "--no-agent"]
    if settings.is_root_allowed:
        arguments.append("--allow-root")
    if settings.ports:
        arguments += ["--ports", settings.ports]
    for device in settings.devices:
        arguments += ["--device", device]
    for device in settings.simulated_devices:
        arguments += ["--simulated-device", device]
    return arguments if settings.store is None else [*arguments, "--store", settings.store]
