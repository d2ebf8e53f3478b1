"""Delete requests that ended long ago, and files whose time is over.

The maintenance process of each worker does it, and `manage.py purge_job_requests`.
"""

import logging
import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from django_jobqueue.requests import conf, files
from django_jobqueue.requests.models import JobRequest

logger = logging.getLogger("django_jobqueue")

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
    drop: Callable[[JobRequest], bool],
    deadline: float,
) -> int:
    """Drop what is found, one by one; what can't be dropped holds up nothing else."""
    count, after = 0, 0
    while found := list(find().filter(pk__gt=after)[:CHUNK]):
        for job_request in found:
            if time.monotonic() >= deadline:
                return count
            after = job_request.pk
            try:
                count += drop(job_request)
            except Exception:  # of the storage, or of a receiver
                logger.exception("Request %s can't be purged.", job_request.pk)
    return count


def _rows() -> "QuerySet[JobRequest]":
    return JobRequest.objects.using(router.db_for_write(JobRequest))


def _expired_files() -> "QuerySet[JobRequest]":
    return _rows().filter(file_expires_at__lte=timezone.now()).exclude(file="").order_by("pk")


def _expired_requests() -> "QuerySet[JobRequest]":
    oldest = timezone.now() - timedelta(seconds=conf.load().retention)
    return _rows().filter(finished_at__lt=oldest).order_by("pk")


def _drop_file(job_request: JobRequest) -> bool:
    name = job_request.file.name
    files.drop(job_request)
    # A retry may have stored another one meanwhile.
    return bool(_rows().filter(pk=job_request.pk, file=name).update(file=""))


def _drop_request(job_request: JobRequest) -> bool:
    """Delete a request, unless it was retried since it was read."""
    with transaction.atomic(using=router.db_for_write(JobRequest)):
        found = _expired_requests().select_for_update().filter(pk=job_request.pk).first()
        if found is None:
            return False
        files.drop(found)
        found.delete()
    return True
