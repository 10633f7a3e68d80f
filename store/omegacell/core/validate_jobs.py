"""Ranges and structure of what a job asks for; the part of `validate` that is about specs."""

from omegacell.core.errors import MalformedError
from omegacell.core.jobs import NO_LIMIT, JobSpec, Kind
from omegacell.core.units import MAX_DEVICES_PER_TASK, MAX_PORTS_PER_TASK, MAX_QUANTITY, MAX_TASKS_PER_JOB
from omegacell.core.validate_placement import check_alloc, check_gang, check_placement
from omegacell.core.validate_templates import check_template
from omegacell.core.validate_values import (
    check_after,
    check_attributes,
    check_devices,
    check_name,
    check_range,
    check_system,
    check_update,
    check_vector,
)


def check_spec(spec: JobSpec) -> None:
    """Raise `MalformedError` when a job's spec has a value out of range."""
    check_name("job", spec.name)
    check_name("owner", spec.owner)
    check_name("scheduler", spec.scheduler)
    check_name("driver", spec.driver)
    check_vector("resources", spec.resources)
    if not (
        1 <= spec.count <= MAX_TASKS_PER_JOB
        and 0 <= spec.priority <= 1_000_000
        and -1 <= spec.max_restarts <= MAX_QUANTITY
        and min(spec.restart_delay_us, spec.grace_us, spec.max_run_us, spec.deadline_us) >= 0
        and max(spec.restart_delay_us, spec.grace_us, spec.max_run_us, spec.deadline_us) <= MAX_QUANTITY
        and NO_LIMIT <= spec.max_unavailable <= MAX_TASKS_PER_JOB
        and len(spec.payload) in (0, 32)
    ):
        _check_numbers(spec)
    if spec.ports:
        _check_ports(spec)
    if spec.alloc or spec.kind is Kind.ALLOC:
        check_alloc(spec)
    if spec.gang is not None:
        check_gang(spec.gang)
    if spec.devices:
        check_devices(spec.devices, limit=MAX_DEVICES_PER_TASK)
        for request in spec.devices:
            check_attributes(request.where)
    check_placement(spec.placement)
    if spec.after:
        check_after(spec.after)
    if spec.update is not None:
        check_update(spec.update)
    if spec.schedule is not None or spec.parameters is not None:
        check_template(spec)
    if spec.kind is Kind.SYSTEM:
        check_system(spec)


def _check_numbers(spec: JobSpec) -> None:
    check_range("count", spec.count, 1, MAX_TASKS_PER_JOB)
    check_range("priority", spec.priority, 0, 1_000_000)
    check_range("max_restarts", spec.max_restarts, -1, MAX_QUANTITY)
    for name in ("restart_delay_us", "grace_us", "max_run_us", "deadline_us"):
        check_range(name, getattr(spec, name), 0, MAX_QUANTITY)
    check_range("max_unavailable", spec.max_unavailable, NO_LIMIT, MAX_TASKS_PER_JOB)
    if len(spec.payload) not in (0, 32):
        raise MalformedError(f"a payload hash has {len(spec.payload)} bytes; expected 32 or none")


def _check_ports(spec: JobSpec) -> None:
    if len(spec.ports) > MAX_PORTS_PER_TASK:
        raise MalformedError(f"{len(spec.ports)} ports for one task; at most {MAX_PORTS_PER_TASK}")
    for port in spec.ports:
        check_name("port", port.name)
        check_range("port number", port.number, 0, 65_535)
    numbers = [port.number for port in spec.ports if port.number]
    if len(set(numbers)) != len(numbers) or len({port.name for port in spec.ports}) != len(spec.ports):
        raise MalformedError("a port stands twice in one task")
