"""The status of a submission, from the database and from its job."""

from dataclasses import dataclass

from django_jobqueue import QueueUnavailable
from django_jobqueue.compat import TaskResultDoesNotExist
from homework.models import Submission
from homework.tasks import grade_submission, tell_of_end


@dataclass(frozen=True, slots=True)
class Status:
    """The status that the page shows while the student waits."""

    text: str
    current: int | None = None  # questions done; None: not known
    total: int | None = None
    done: bool = False  # the outcome is known
    unknown: bool = False  # the queue does not know the job: it can be enqueued again


def status_of(submission: Submission) -> Status:
    """Return the status of a submission.

    If the job failed without storing an outcome (its worker was lost too often, or it was
    cancelled), give the submission up here, so that no student waits for ever.
    """
    if not submission.is_open:
        return Status(submission.get_state_display(), done=True)
    try:
        return _status_of_job(submission)
    except TaskResultDoesNotExist:
        return Status("The grader has not got your homework.", unknown=True)
    except QueueUnavailable:
        return Status("The queue can't be reached at the moment; your homework is stored.")


def _status_of_job(submission: Submission) -> Status:
    job = grade_submission.get_result(submission.job_id)
    if job.state in ("failed", "cancelled"):
        tell_of_end(submission.pk, job.state)
        return Status(Submission.State.UNGRADED.label, done=True)
    if job.state != "running":
        return Status("Waiting for a worker …")
    progress = job.progress
    if progress is None or not progress.total:
        return Status("Being graded …")
    text = f"Being graded: {progress.current} of {progress.total} questions"
    return Status(text, progress.current, progress.total)
