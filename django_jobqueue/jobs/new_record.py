"""The fields of a new record of a job, as a script stores them."""

from django_jobqueue.jobs.job import DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_RECOVERIES, Job


def new_record(job: Job) -> list[str | int]:
    """Return the fields and values of a new record, without defaults, state and times."""
    # The script that stores the job looks for these first, and for its other keys last.
    pairs: list[str | int] = ["unique", job.unique] if job.unique else []
    if job.tags:
        pairs += "tags", " ".join(job.tags)
    if job.max_attempts != DEFAULT_MAX_ATTEMPTS:
        pairs += "max_attempts", job.max_attempts
    if job.max_recoveries != DEFAULT_MAX_RECOVERIES:
        pairs += "max_recoveries", job.max_recoveries
    if job.schedule:
        pairs += "schedule", job.schedule
    if job.nominal_at is not None:
        pairs += "nominal", job.nominal_at
    if job.priority:
        pairs += "priority", job.priority
    if job.round:
        pairs += "round", job.round
    if job.expires:
        pairs += "expires", job.expires
    if job.flow or job.fair or job.limits:
        pairs += _words_of_flow(job)
    return pairs


def _words_of_flow(job: Job) -> list[str]:
    step, limits = str(job.step or ""), " ".join(job.limits)
    given = ("step", step), ("flow", job.flow), ("fair", job.fair), ("limits", limits)
    return [word for name, value in given if value for word in (name, value)]
