"""Translates the commands about machines between the core and the persistent format; a part of `codec_commands`."""

from omegacell.core import machine_commands as machines
from omegacell.core.devices import DeviceOffer
from omegacell.core.drains import Eligibility, SetEligibility
from omegacell.store.codec_columns import INT32, INT64, EnumTable, column_bytes, read_int32s, read_int64s
from omegacell.store.proto import log_v1_pb2 as pb

_ELIGIBILITIES = EnumTable(Eligibility, pb.Eligibility, "ELIGIBILITY")


def write_register_machine(message: pb.Command, command: machines.RegisterMachine) -> None:
    """Write a registration."""
    machine = message.register_machine
    machine.SetInParent()
    machine.name = command.name
    machine.boot_id = command.boot_id
    machine.capacity.extend(command.capacity)
    machine.drivers.extend(command.drivers)
    for name, value in command.attributes:
        machine.attributes.add(name=name, value=value)
    machine.port_first = command.port_first
    machine.port_last = command.port_last
    for device in command.devices:
        offer = machine.devices.add(name=device.name, count=device.count)
        for name, value in device.attributes:
            offer.attributes.add(name=name, value=value)


def read_register_machine(message: pb.Command) -> machines.RegisterMachine:
    """Read a registration."""
    machine = message.register_machine
    return machines.RegisterMachine(
        name=machine.name,
        boot_id=machine.boot_id,
        capacity=tuple(machine.capacity),
        drivers=tuple(machine.drivers),
        attributes=tuple([(attribute.name, attribute.value) for attribute in machine.attributes]),
        port_first=machine.port_first,
        port_last=machine.port_last,
        devices=tuple([_read_offer(offer) for offer in machine.devices]),
    )


def _read_offer(message: pb.DeviceOffer) -> DeviceOffer:
    attributes = tuple([(attribute.name, attribute.value) for attribute in message.attributes])
    return DeviceOffer(name=message.name, count=message.count, attributes=attributes)


def write_inventory(message: pb.Command, command: machines.Inventory) -> None:
    """Write an inventory."""
    inventory = message.inventory
    inventory.SetInParent()
    inventory.machine = command.machine
    inventory.epoch = command.epoch
    inventory.jobs = column_bytes(command.jobs, INT64)
    inventory.indices = column_bytes(command.indices, INT32)
    inventory.attempts = column_bytes(command.attempts, INT32)


def read_inventory(message: pb.Command) -> machines.Inventory:
    """Read an inventory."""
    inventory = message.inventory
    return machines.Inventory(
        machine=inventory.machine,
        epoch=inventory.epoch,
        jobs=read_int64s(inventory.jobs),
        indices=read_int32s(inventory.indices),
        attempts=read_int32s(inventory.attempts),
    )


def write_lose_machines(message: pb.Command, command: machines.LoseMachines) -> None:
    """Write the loss of machines."""
    lose = message.lose_machines
    lose.SetInParent()
    lose.machines.extend(command.machines)
    lose.by_operator = command.by_operator


def read_lose_machines(message: pb.Command) -> machines.LoseMachines:
    """Read the loss of machines."""
    lose = message.lose_machines
    return machines.LoseMachines(machines=tuple(lose.machines), by_operator=lose.by_operator)


def write_set_eligibility(message: pb.Command, command: SetEligibility) -> None:
    """Write whether machines are offered work."""
    wanted = message.set_eligibility
    wanted.SetInParent()
    wanted.machines.extend(command.machines)
    wanted.eligibility = _ELIGIBILITIES.to_wire(command.eligibility)
    wanted.deadline_us = command.deadline_us


def read_set_eligibility(message: pb.Command) -> SetEligibility:
    """Read whether machines are offered work."""
    wanted = message.set_eligibility
    return SetEligibility(
        machines=tuple(wanted.machines),
        eligibility=_ELIGIBILITIES.from_wire(wanted.eligibility),
        deadline_us=wanted.deadline_us,
    )
