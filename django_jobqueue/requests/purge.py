"""Delete requests that ended long ago, and files whose time is over.

The maintenance process of each worker does it, and `manage.py purge_job_requests`.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from django.db import router
from django.db.models import QuerySet
from django.utils import timezone

from django_jobqueue.requests import conf, files
from django_jobqueue.requests.models import JobRequest

CHUNK = 200  # rows that are deleted together


class Purged(NamedTuple):
    """How many requests and files were deleted."""

    requests: int
    files: int


def purge(chunks: int | None = None) -> Purged:
    """Delete what is kept no longer: all, or so many chunks of either kind."""
    dropped = _all(_expired_files, _drop_files, chunks)
    return Purged(_all(_expired_requests, _drop_requests, chunks), dropped)


def _rows() -> "QuerySet[JobRequest]":
    return JobRequest.objects.using(router.db_for_write(JobRequest))


def _all(find: Any, drop: Any, chunks: int | None) -> int:
    count = 0
    while chunks is None or chunks > 0:
        found = list(find()[:CHUNK])
        drop(found)
        count += len(found)
        chunks = None if chunks is None else chunks - 1
        if len(found) < CHUNK:
            break
    return count


def _expired_files() -> "QuerySet[JobRequest]":
    return _rows().filter(file_expires_at__lte=timezone.now()).exclude(file="").order_by("pk")


def _expired_requests() -> "QuerySet[JobRequest]":
    oldest = timezone.now() - timedelta(seconds=conf.load().retention)
    return _rows().filter(finished_at__lt=oldest).order_by("finished_at")


def _drop_files(found: list[JobRequest]) -> None:
    for job_request in found:
        files.drop(job_request)
        _rows().filter(pk=job_request.pk).update(file="")


def _drop_requests(found: list[JobRequest]) -> None:
    for job_request in found:
        files.drop(job_request)
        job_request.delete()
