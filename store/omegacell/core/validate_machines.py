"""Ranges and structure of the commands about machines; the part of `validate` that is about them."""

from omegacell.core.column_checks import check_equal, check_rows
from omegacell.core.drains import NO_DEADLINE, Eligibility, SetEligibility
from omegacell.core.errors import MalformedError
from omegacell.core.machine_commands import Inventory, RegisterMachine, SetTaints, Tick
from omegacell.core.units import (
    MAX_ATTRIBUTES,
    MAX_DEVICES_PER_MACHINE,
    MAX_EPOCH,
    MAX_ID,
    MAX_MACHINES,
    MAX_QUANTITY,
    MAX_TASKS_PER_JOB,
)
from omegacell.core.validate_placement import check_taints
from omegacell.core.validate_values import (
    check_ascending,
    check_attributes,
    check_devices,
    check_name,
    check_range,
    check_text,
    check_vector,
)


def check_registration(command: RegisterMachine) -> None:
    """Raise `MalformedError` when a registration is of no machine that a cell can judge."""
    check_name("machine", command.name)
    check_text("boot_id", command.boot_id)
    check_vector("capacity", command.capacity)
    if len(command.drivers) > MAX_ATTRIBUTES or len(set(command.drivers)) != len(command.drivers):
        raise MalformedError("drivers stand twice or are too many")
    for driver in command.drivers:
        check_name("driver", driver)
    check_attributes(command.attributes)
    check_range("port_first", command.port_first, 0, 65_535)
    check_range("port_last", command.port_last, -1, 65_535)
    check_devices(command.devices, limit=MAX_DEVICES_PER_MACHINE)
    for offer in command.devices:
        check_attributes(offer.attributes)


def check_eligibility(command: SetEligibility) -> None:
    """Raise `MalformedError` when machines or a deadline are not right."""
    check_ascending("machines", command.machines)
    check_range("deadline_us", command.deadline_us, NO_DEADLINE, MAX_QUANTITY)
    if command.deadline_us != NO_DEADLINE and command.eligibility is not Eligibility.DRAINING:
        raise MalformedError(f"a deadline for machines that are to be {command.eligibility.name}; only a drain has one")


def check_inventory(command: Inventory) -> None:
    """Raise `MalformedError` when columns are of different lengths, or out of range."""
    check_range("machine", command.machine, 0, MAX_MACHINES - 1)
    check_range("epoch", command.epoch, 1, MAX_EPOCH)
    check_equal(command.jobs, command.indices, command.attempts)
    if len(command.jobs):
        check_rows("jobs", command.jobs, MAX_ID)
        check_rows("indices", command.indices, MAX_TASKS_PER_JOB)
        check_rows("attempts", command.attempts, MAX_EPOCH)


def check_set_taints(command: SetTaints) -> None:
    """Raise `MalformedError` when machines or taints are not right."""
    check_ascending("machines", command.machines)
    check_taints(command.add, command.remove)


def check_tick(command: Tick) -> None:
    """Raise `MalformedError` when its numbers or columns are out of range."""
    check_range("after", command.after, 0, MAX_ID)
    check_range("dt_us", command.dt_us, 0, MAX_QUANTITY)
    check_equal(command.gained, command.gained_epochs)
    for column in (command.gained, command.lost_contact):
        if len(column):
            check_rows("machine", column, MAX_MACHINES)
