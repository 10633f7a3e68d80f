"""Translates what concerns templates between the API's messages and values."""

from typing import cast

from omegacell.api import records_templates as records
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.core.jobs import JobSpec
from omegacell.core.templates import CatchUp, InputRule, Overlap, Parameters, Schedule
from omegacell.core.units import JobId


def write_template(message: pb.JobSpec, spec: JobSpec) -> None:
    """Put what makes a job a template, if anything does, into the message of its spec."""
    if spec.schedule is not None:
        schedule = spec.schedule
        message.schedule.CopyFrom(
            pb.Schedule(
                cron=schedule.cron,
                time_zone=schedule.time_zone,
                overlap=cast("pb.Overlap", schedule.overlap),
                catch_up=cast("pb.CatchUp", schedule.catch_up),
            )
        )
    if spec.parameters is not None:
        parameters = spec.parameters
        message.parameters.CopyFrom(
            pb.Parameters(
                required=parameters.required,
                optional=parameters.optional,
                input=cast("pb.InputRule", parameters.input),
            )
        )


def read_schedule(message: pb.JobSpec) -> Schedule | None:
    """Return the schedule in a spec's message.

    Raises:
        ValueError: An enum's number is unknown.
    """
    if not message.HasField("schedule"):
        return None
    schedule = message.schedule
    return Schedule(
        cron=schedule.cron,
        time_zone=schedule.time_zone,
        overlap=Overlap(schedule.overlap),
        catch_up=CatchUp(schedule.catch_up),
    )


def read_parameters(message: pb.JobSpec) -> Parameters | None:
    """Return the parameters in a spec's message.

    Raises:
        ValueError: An enum's number is unknown.
    """
    if not message.HasField("parameters"):
        return None
    parameters = message.parameters
    return Parameters(
        required=tuple(parameters.required), optional=tuple(parameters.optional), input=InputRule(parameters.input)
    )


def read_dispatched(message: pb.DispatchJobResponse) -> records.Dispatched:
    """Return what came of a dispatch."""
    return records.Dispatched(
        name=message.name, job_id=JobId(message.job_id), revision=message.at.revision, existed=message.existed
    )
