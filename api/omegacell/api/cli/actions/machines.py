"""`omega machine ...`: machines as tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from omegacell.api.cli.actions.drains import describe, describe_deadline
from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show, size, warn
from omegacell.api.records import Resources
from omegacell.api.records_machines import Machine
from omegacell.core.drains import Eligibility
from omegacell.core.errors import UsageError


def list_machines(form: Format, *, cell: str | None) -> None:
    """Print all machines."""
    with open_client(cell) as client:
        found = client.machines()
    has_devices = any(machine.devices for machine in found.machines)
    columns = (
        *("MACHINE", "STATE", "WORK", "CONTACT", "CPU", "USED", "MEMORY", "USED MEMORY", "DRIVERS"),
        *(("FREE DEVICES",) if has_devices else ()),
    )
    rows = [
        (
            machine.name,
            machine.state.name.lower(),
            describe(machine),
            _contact(machine),
            f"{machine.capacity.cpu_milli / 1000:g}",
            f"{machine.allocated.cpu_milli / 1000:g}",
            size(machine.capacity.memory_bytes),
            size(machine.allocated.memory_bytes),
            ",".join(machine.drivers),
            *((_free_devices(machine),) if has_devices else ()),
        )
        for machine in found.machines
    ]
    facts = {"at": plain(found.at), "machines": [plain(machine) for machine in found.machines]}
    right = frozenset({"CPU", "USED", "MEMORY", "USED MEMORY"})
    is_all_open = all(machine.eligibility is Eligibility.OPEN for machine in found.machines)
    least = ("WORK", "CONTACT") if is_all_open else ("CONTACT", "DRIVERS")
    show(facts, form, Table(columns=columns, rows=rows, right=right, empty="no machines", least=least))


def show_status(name: str, form: Format, *, cell: str | None) -> None:
    """Print one machine and what it runs."""
    with open_client(cell) as client:
        found = client.machine(name)
    machine = found.machine
    ports = f"{machine.port_first}-{machine.port_last}, {machine.port_free} free" if machine.port_last else "none"
    head = [
        ("state", machine.state.name.lower()),
        ("work", describe(machine)),
        *((("deadline", describe_deadline(machine.drain)),) if machine.drain is not None else ()),
        ("contact", _contact(machine)),
        ("row, epoch", f"{machine.row}, {machine.epoch}"),
        ("drivers", ", ".join(machine.drivers) or "none"),
        ("ports", ports),
        *((("taints", ", ".join(machine.taints)),) if machine.taints else ()),
        *((f"attribute {key}", value) for key, value in sorted(machine.attributes.items())),
    ]
    room = [
        _room("capacity", machine.capacity),
        *(
            _room(f"taken by {band.name.lower()}", taken)
            for band, taken in machine.allocated_by_band.items()
            if any_of(taken)
        ),
        _room("taken", machine.allocated),
        _room("free", subtract(machine.capacity, machine.allocated)),
    ]
    devices = [
        (
            device.name,
            str(device.count),
            str(device.free),
            " ".join(f"{key}={value}" for key, value in sorted(device.attributes.items())) or "-",
        )
        for device in machine.devices
    ]
    blocks = machine.drain.blocks if machine.drain is not None else ()
    stays = [(block.job, str(block.task_count), block.hold.name.lower(), block.summary) for block in blocks]
    tasks = [(f"{task.job}/{task.index}", str(task.attempt), task.state.name.lower()) for task in found.tasks]
    show(
        {"at": plain(found.at), "machine": plain(machine), "tasks": [plain(task) for task in found.tasks]},
        form,
        Table(columns=("MACHINE", machine.name), rows=head),
        Table(columns=("STAYS", "TASKS", "FOR", "WHY"), rows=stays, right=frozenset({"TASKS"}), empty=""),
        Table(columns=("ROOM", "CPU", "MEMORY", "DISK"), rows=room, right=frozenset({"CPU", "MEMORY", "DISK"})),
        *(
            [Table(columns=("DEVICE", "COUNT", "FREE", "ATTRIBUTES"), rows=devices, right=frozenset({"COUNT", "FREE"}))]
            if devices
            else []
        ),
        Table(columns=("TASK", "ATTEMPT", "STATE"), rows=tasks, right=frozenset({"ATTEMPT"}), empty="no tasks on it"),
    )


def lose(names: Sequence[str], form: Format, *, cell: str | None) -> None:
    """Declare machines lost, one after the other."""
    with open_client(cell) as client:
        for name in names:
            client.lose_machine(name)
        lost = [client.machine(name).machine for name in names]
    rows = [(machine.name, machine.state.name.lower()) for machine in lost]
    show({"machines": [plain(machine) for machine in lost]}, form, Table(columns=("MACHINE", "STATE"), rows=rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintChange:
    """Marks to put on machines, and keys of those to take off."""

    add: tuple[str, ...]
    remove: tuple[str, ...]


def taint(names: Sequence[str], change: TaintChange, form: Format, *, cell: str | None) -> None:
    """Mark machines, and print their marks."""
    if not change.add and not change.remove:
        raise UsageError("expected --add KEY=VALUE:EFFECT or --remove KEY, or several")
    with open_client(cell) as client:
        before = [client.machine(name).machine for name in dict.fromkeys(names)]
        client.taint_machines(names, add=change.add, remove=change.remove)
        marked = [client.machine(name).machine for name in dict.fromkeys(names)]
    held = {taint.partition("=")[0] for machine in before for taint in machine.taints}
    for key in change.remove:
        if key not in held:
            warn(f"none of these machines has a taint {key!r}; nothing was taken off")
    rows = [(machine.name, ", ".join(machine.taints) or "none") for machine in marked]
    show({"machines": [plain(machine) for machine in marked]}, form, Table(columns=("MACHINE", "TAINTS"), rows=rows))


def any_of(resources: Resources) -> bool:
    """Whether there is anything in it."""
    return bool(resources.cpu_milli or resources.memory_bytes or resources.disk_bytes)


def subtract(one: Resources, other: Resources) -> Resources:
    """Return what is left of one after taking away the other."""
    return Resources(
        cpu_milli=one.cpu_milli - other.cpu_milli,
        memory_bytes=one.memory_bytes - other.memory_bytes,
        disk_bytes=one.disk_bytes - other.disk_bytes,
    )


def _contact(machine: Machine) -> str:
    if machine.is_connected:
        return "yes"
    return f"silent for {machine.silent_ticks} ticks" if machine.silent_ticks else "no"


def _free_devices(machine: Machine) -> str:
    return " ".join(f"{device.name} {device.free}/{device.count}" for device in machine.devices) or "-"


def _room(title: str, resources: Resources) -> tuple[str, str, str, str]:
    return title, f"{resources.cpu_milli / 1000:g}", size(resources.memory_bytes), size(resources.disk_bytes)
