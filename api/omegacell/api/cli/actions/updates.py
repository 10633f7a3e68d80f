"""`omega job revert`: undoes an update, and waits until it is undone."""

from omegacell.api.cli.actions.progress import open_progress
from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.actions.running import word_stuck
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show, warn
from omegacell.api.records import Job


def revert(name: str, form: Format, *, detach: bool, cell: str | None) -> None:
    """Revert the update of a job, and wait until it is over."""
    with open_client(cell) as client, open_progress(is_shown=form is Format.TABLE) as progress:
        job_id = client.revert(name)
        if form is Format.TABLE:
            warn(f"{name}: goes back to job #{job_id}")

        def is_done(job: Job) -> bool:
            progress.update(job)
            return job.update is None or job.update.is_stuck or job.state.is_ended

        job = client.job(f"#{job_id}", limit=1).job if detach else client.wait_job(f"#{job_id}", until=is_done)
    if not detach and (job.state.is_ended or not job.is_current):
        raise CommandError(f"{name}: job #{job_id} was stopped or replaced before it was back")
    if not detach and job.update is not None:
        raise CommandError(word_stuck(name, job.update))
    rows = [(job.name, f"#{job.job_id}", job.state.name.lower())]
    show({"jobs": [plain(job)]}, form, Table(columns=("JOB", "ID", "STATE"), rows=rows))
