"""What system jobs are in the slow twin: task i is for machine i, looked at one by one whenever asked."""

from dataclasses import replace

from omegacell.core.drains import Eligibility
from omegacell.core.jobs import JobSpec, Kind, TaskState
from tests.support.oracle_placement import is_tolerated, meets_constraints
from tests.support.oracle_state import UP, Job, Machine, State


def is_system(spec: JobSpec) -> bool:
    """Say whether a job has a task for each machine."""
    return spec.kind == Kind.SYSTEM


def sized(state: State, spec: JobSpec) -> JobSpec:
    """Give a spec with as many tasks as a fresh job of it has."""
    return replace(spec, count=len(state.machines) or 1) if is_system(spec) else spec


def is_mismatch(state: State, spec: JobSpec, index: int) -> bool:
    """Say whether the machine of a system job's task is none for it; tasks of other jobs have no machine of theirs."""
    if not is_system(spec):
        return False
    machine = state.machine(index)
    return machine is None or not suits(spec, machine)


def suits(spec: JobSpec, machine: Machine) -> bool:
    """Say whether a machine is one for a job, whatever is free there."""
    offers = {each.name: each for each in machine.devices}
    has_devices = all(
        asked.name in offers
        and asked.count <= offers[asked.name].count
        and all(pair in offers[asked.name].attributes for pair in asked.where)
        for asked in spec.devices
    )
    return (
        machine.state == UP
        and machine.eligibility == Eligibility.OPEN
        and spec.driver in machine.drivers
        and meets_constraints(spec, machine)
        and is_tolerated(spec, machine)
        and has_devices
    )


def count_asked(state: State, spec: JobSpec) -> int:
    """Say for how many tasks a job would need room."""
    if not is_system(spec):
        return spec.count
    return sum(suits(spec, machine) for machine in state.machines)


def count_charged(job: Job) -> int:
    """Say with how many tasks a job that is not over counts for its quota."""
    held = sum(task.state == TaskState.HELD for task in job.tasks)
    return job.count - held if is_system(job.spec) else job.count


def is_begun(job: Job) -> bool:
    """Say whether any task of a job was ever released."""
    return any(task.state != TaskState.HELD or task.attempt for task in job.tasks)
