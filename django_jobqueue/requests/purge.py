"""Delete requests that ended long ago, and files whose time is over.

The maintenance process of each worker does it, and `manage.py purge_job_requests`.
"""

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import router
from django.db.models import QuerySet
from django.utils import timezone

from django_jobqueue.requests import conf, files
from django_jobqueue.requests.models import JobRequest

CHUNK = 200  # rows that are read together
PATIENCE = 20.0  # seconds that a worker spends at a time: a storage may be slow


class Purged(NamedTuple):
    """How many requests and files were deleted."""

    requests: int
    files: int


def purge(seconds: float = math.inf) -> Purged:
    """Delete what is kept no longer, for so many seconds at most."""
    deadline = time.monotonic() + seconds
    dropped = _each(_expired_files, _drop_file, deadline)
    return Purged(_each(_expired_requests, _drop_request, deadline), dropped)


def purge_a_while(**kwargs: Any) -> None:
    """Delete what is kept no longer; a receiver of `maintained`."""
    purge(PATIENCE)


def _each(
    find: Callable[[], "QuerySet[JobRequest]"],
    drop: Callable[[JobRequest], object],
    deadline: float,
) -> int:
    count = 0
    while found := list(find()[:CHUNK]):
        for job_request in found:
            if time.monotonic() >= deadline:
                return count
            drop(job_request)
            count += 1
    return count


def _rows() -> "QuerySet[JobRequest]":
    return JobRequest.objects.using(router.db_for_write(JobRequest))


def _expired_files() -> "QuerySet[JobRequest]":
    return _rows().filter(file_expires_at__lte=timezone.now()).exclude(file="").order_by("pk")


def _expired_requests() -> "QuerySet[JobRequest]":
    oldest = timezone.now() - timedelta(seconds=conf.load().retention)
    return _rows().filter(finished_at__lt=oldest).order_by("finished_at")


def _drop_file(job_request: JobRequest) -> None:
    files.drop(job_request)
    _rows().filter(pk=job_request.pk).update(file="")


def _drop_request(job_request: JobRequest) -> None:
    files.drop(job_request)
    job_request.delete()
