"""Translates templates, and the command that makes their children, between the core and the persistent format."""

from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import CatchUp, InputRule, Overlap, Parameters, Schedule
from omegacell.core.units import JobId
from omegacell.store.codec_columns import EnumTable
from omegacell.store.proto import log_v1_pb2 as pb

_OVERLAPS = EnumTable(Overlap, pb.Overlap, "OVERLAP")
_CATCH_UPS = EnumTable(CatchUp, pb.CatchUp, "CATCH_UP")
_INPUTS = EnumTable(InputRule, pb.InputRule, "INPUT_RULE")


def write_schedule(message: pb.Schedule, schedule: Schedule) -> None:
    """Fill an empty message."""
    message.SetInParent()
    message.cron = schedule.cron
    message.time_zone = schedule.time_zone
    message.overlap = _OVERLAPS.to_wire(schedule.overlap)
    message.catch_up = _CATCH_UPS.to_wire(schedule.catch_up)


def read_schedule(message: pb.Schedule) -> Schedule:
    """Return the schedule in a message."""
    return Schedule(
        cron=message.cron,
        time_zone=message.time_zone,
        overlap=_OVERLAPS.from_wire(message.overlap),
        catch_up=_CATCH_UPS.from_wire(message.catch_up),
    )


def write_parameters(message: pb.Parameters, parameters: Parameters) -> None:
    """Fill an empty message."""
    message.SetInParent()
    message.required.extend(parameters.required)
    message.optional.extend(parameters.optional)
    message.input = _INPUTS.to_wire(parameters.input)


def read_parameters(message: pb.Parameters) -> Parameters:
    """Return the parameters in a message."""
    return Parameters(
        required=tuple(message.required), optional=tuple(message.optional), input=_INPUTS.from_wire(message.input)
    )


def write_spawn(message: pb.Command, command: SpawnJob) -> None:
    """Fill an empty message."""
    spawn = message.spawn_job
    spawn.SetInParent()
    spawn.template = command.template
    spawn.name = command.name
    spawn.instant_us = command.instant_us
    spawn.submitted_at_us = command.submitted_at_us
    spawn.payload = command.payload
    spawn.missed_count = command.missed_count


def read_spawn(message: pb.Command) -> SpawnJob:
    """Return the command in a message."""
    spawn = message.spawn_job
    return SpawnJob(
        template=JobId(spawn.template),
        name=spawn.name,
        instant_us=spawn.instant_us,
        submitted_at_us=spawn.submitted_at_us,
        payload=spawn.payload,
        missed_count=spawn.missed_count,
    )
