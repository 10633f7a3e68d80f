"""What the tables of jobs say of templates and their children."""

from collections.abc import Sequence

from omegacell.api.cli.output import Table, duration, stamp
from omegacell.api.records import Job, JobState
from omegacell.api.records_templates import TemplateStatus
from omegacell.core.jobs import JobSpec
from omegacell.core.templates import InputRule, TemplateKind

KINDS = {TemplateKind.SCHEDULED: "cron", TemplateKind.PARAMETERISED: "template"}
STATES = {TemplateKind.SCHEDULED: "scheduled", TemplateKind.PARAMETERISED: "ready"}


def kind_word(job: Job) -> str:
    """Return the kind of a job in a word."""
    return KINDS.get(job.spec.template_kind, job.spec.kind.name.lower())


def state_word(job: Job) -> str:
    """Return the state of a job in a word; a template that waits for its next run is not held back by anything."""
    is_standing = job.state is JobState.HELD
    return STATES.get(job.spec.template_kind, "held") if is_standing else job.state.name.lower()


def group(jobs: Sequence[Job]) -> list[tuple[Job, bool]]:
    """Return jobs newest first, but children right after their template; with each, whether it stands under one."""
    ids = {job.job_id for job in jobs}

    def place(job: Job) -> tuple[int, bool, int]:
        is_under = job.parent_id in ids
        return -(job.parent_id if is_under else job.job_id), is_under, -job.job_id

    return [(job, job.parent_id in ids) for job in sorted(jobs, key=place)]


def template_rows(spec: JobSpec) -> list[tuple[str, str]]:
    """Return the rows that say when a job runs, or with what; none for a job that is no template."""
    if spec.schedule is not None:
        schedule = spec.schedule
        return [
            ("schedule", f"{schedule.cron} ({schedule.time_zone})"),
            ("overlap", f"{schedule.overlap.name.lower()}, catch up {schedule.catch_up.name.lower()}"),
        ]
    if spec.parameters is None:
        return []
    parameters = spec.parameters
    names = [*parameters.required, *(f"{name} (optional)" for name in parameters.optional)]
    rows = [("parameters", ", ".join(names) or "none")]
    return rows + ([("payload", parameters.input.name.lower())] if parameters.input is not InputRule.FORBIDDEN else [])


def parent_rows(job: Job) -> list[tuple[str, str]]:
    """Return the rows that say whose child a job is; none when it is nobody's."""
    if not job.parent_id:
        return []
    name = job.parent or "a job that left the cell"
    return [("run of", f"{name} (#{job.parent_id})" + (f", for {stamp(job.instant_us)}" if job.instant_us else ""))]


def status_rows(spec: JobSpec, status: TemplateStatus) -> list[tuple[str, str]]:
    """Return the rows that say what became of a template's instants, and what comes."""
    rows = []
    if spec.schedule is not None:
        rows.append(("next", ", ".join(stamp(at_us) for at_us in status.next_us) or "never"))
        rows.append(("last", stamp(status.last_us) if status.last_us else "none yet"))
    counts = f"{status.made_count} made, {status.active_child_count} going on"
    if spec.schedule is not None:
        counts += f"; {status.skipped_count} instants skipped, {status.missed_count} missed"
    rows.append(("runs", counts))
    if status.due_us:
        rows.append(
            ("due", f"{stamp(status.due_us)}, not made yet" + (f": {status.hindrance}" * bool(status.hindrance)))
        )
    elif status.hindrance:
        rows.append(("trouble", status.hindrance))
    return rows


def children_table(status: TemplateStatus) -> Table:
    """Return the newest children of a template."""
    rows = [
        (
            str(child.job_id),
            child.name,
            stamp(child.instant_us) if child.instant_us else "by hand",
            state_word(child),
            duration(child.first_decided_at_us - child.submitted_at_us) if child.first_decided_at_us else "-",
        )
        for child in status.children
    ]
    rest = status.child_count - len(rows)
    title = f"the last {len(rows)} of {status.child_count} runs" if rest > 0 else ""
    columns = ("ID", "RUN", "FOR", "STATE", "WAITED")
    return Table(columns=columns, rows=rows, right=frozenset({"ID"}), title=title, empty="no runs")
