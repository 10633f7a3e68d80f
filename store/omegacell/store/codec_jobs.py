"""Translates job specs between the core and the persistent format."""

from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.devices import DeviceRequest
from omegacell.core.jobs import Gang, JobSpec, Kind, OnPartition, Port
from omegacell.core.placement import NO_RULES
from omegacell.core.units import Band
from omegacell.store.codec_columns import EnumTable
from omegacell.store.codec_placement import read_placement, write_placement
from omegacell.store.codec_templates import read_parameters, read_schedule, write_parameters, write_schedule
from omegacell.store.codec_updates import read_policy, write_policy
from omegacell.store.proto import log_v1_pb2 as pb

_KINDS = EnumTable(Kind, pb.Kind, "KIND")
BANDS = EnumTable(Band, pb.Band, "BAND")
_CONDITIONS = EnumTable(Condition, pb.Condition, "CONDITION")
_PARTITIONS = EnumTable(OnPartition, pb.OnPartition, "ON_PARTITION")


def write_spec(message: pb.JobSpec, spec: JobSpec) -> None:
    """Fill the empty ``message`` with ``spec``."""
    message.name = spec.name
    message.owner = spec.owner
    message.kind = _KINDS.to_wire(spec.kind)
    message.scheduler = spec.scheduler
    message.band = BANDS.to_wire(spec.band)
    message.priority = spec.priority
    message.count = spec.count
    message.resources.extend(spec.resources)
    message.driver = spec.driver
    for port in spec.ports:
        message.ports.add(name=port.name, number=port.number)
    message.max_restarts = spec.max_restarts
    message.restart_delay_us = spec.restart_delay_us
    message.grace_us = spec.grace_us
    message.on_partition = _PARTITIONS.to_wire(spec.on_partition)
    message.payload = spec.payload
    if spec.placement != NO_RULES:
        write_placement(message.placement, spec.placement)
    for request in spec.devices:
        asked = message.devices.add(name=request.name, count=request.count)
        for name, value in request.where:
            asked.where.add(name=name, value=value)
    message.max_unavailable = spec.max_unavailable
    message.is_health_checked = spec.is_health_checked
    if spec.update is not None:
        write_policy(message.update, spec.update)
    message.alloc = spec.alloc
    for each in spec.after:
        message.after.add(job=each.job, condition=_CONDITIONS.to_wire(each.condition))
    message.max_run_us = spec.max_run_us
    message.deadline_us = spec.deadline_us
    if spec.schedule is not None:
        write_schedule(message.schedule, spec.schedule)
    if spec.parameters is not None:
        write_parameters(message.parameters, spec.parameters)
    if spec.gang is not None:
        message.gang.SetInParent()
        message.gang.size, message.gang.least = spec.gang.size, spec.gang.least


def read_spec(message: pb.JobSpec) -> JobSpec:
    """Return the spec in ``message``.

    Raises:
        MalformedError: An enum has a value that this version does not know.
    """
    ports, devices = message.ports, message.devices
    return JobSpec(
        name=message.name,
        owner=message.owner,
        kind=_KINDS.from_wire(message.kind),
        scheduler=message.scheduler,
        band=BANDS.from_wire(message.band),
        priority=message.priority,
        count=message.count,
        resources=tuple(message.resources),
        driver=message.driver,
        ports=tuple([Port(name=port.name, number=port.number) for port in ports]) if ports else (),
        max_restarts=message.max_restarts,
        restart_delay_us=message.restart_delay_us,
        grace_us=message.grace_us,
        on_partition=_PARTITIONS.from_wire(message.on_partition),
        payload=message.payload,
        placement=read_placement(message.placement) if message.HasField("placement") else NO_RULES,
        devices=tuple([_read_request(request) for request in devices]) if devices else (),
        max_unavailable=message.max_unavailable,
        is_health_checked=message.is_health_checked,
        update=read_policy(message.update) if message.HasField("update") else None,
        alloc=message.alloc,
        after=tuple([_read_dependency(each) for each in message.after]) if message.after else (),
        max_run_us=message.max_run_us,
        deadline_us=message.deadline_us,
        schedule=read_schedule(message.schedule) if message.HasField("schedule") else None,
        parameters=read_parameters(message.parameters) if message.HasField("parameters") else None,
        gang=Gang(size=message.gang.size, least=message.gang.least) if message.HasField("gang") else None,
    )


def _read_dependency(message: pb.Dependency) -> Dependency:
    return Dependency(job=message.job, condition=_CONDITIONS.from_wire(message.condition))


def _read_request(message: pb.DeviceRequest) -> DeviceRequest:
    where = tuple([(attribute.name, attribute.value) for attribute in message.where])
    return DeviceRequest(name=message.name, count=message.count, where=where)
