"""The mail about the end of a request."""

from django_jobqueue.requests.models import JobRequest


def notify(job_request: JobRequest) -> None:
    """Enqueue the mail about a request that has just ended, in the transaction that ended it."""
