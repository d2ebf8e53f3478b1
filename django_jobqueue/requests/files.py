"""The files that requests offer: when and how they are deleted from their storage."""

from functools import partial
from typing import Any
from uuid import UUID

from django.core.files.storage import Storage
from django.db import router, transaction

from django_jobqueue.requests.models import JobRequest


def drop(job_request: JobRequest) -> None:
    """Delete the file of a request, unless another request of the job offers it too.

    Do so before its row stops naming it: then a crash leaves no file that nobody knows.
    """
    if job_request.file.name:
        _drop(job_request.file.storage, job_request.file.name, job_request.job_id, job_request.pk)


def drop_on_commit(job_request: JobRequest, database: str | None = None) -> None:
    """Delete the file that a request has now, when the open transaction is committed."""
    if job_request.file.name:
        file, row = job_request.file, job_request
        call = partial(_drop, file.storage, file.name, row.job_id, row.pk)
        transaction.on_commit(call, using=database, robust=True)


def drop_after_delete(sender: Any, instance: JobRequest, using: str, **kwargs: Any) -> None:
    """Delete the file of a request that is deleted; a receiver of `post_delete`."""
    drop_on_commit(instance, using)


def _drop(storage: Storage, name: str, job_id: UUID | None, pk: int | None) -> None:
    rows = JobRequest.objects.using(router.db_for_write(JobRequest)).filter(
        job_id=job_id, file=name
    )
    if job_id is None or not rows.exclude(pk=pk).exists():
        storage.delete(name)
