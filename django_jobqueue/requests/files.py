"""The files that requests offer: when and how they are deleted from their storage."""

from functools import partial
from typing import Any

from django.core.files.storage import Storage
from django.db import router, transaction

from django_jobqueue.requests.models import JobRequest


def drop(job_request: JobRequest) -> None:
    """Delete the file of a request, unless another request offers it too.

    Do so before its row stops naming it: then a crash leaves no file that nobody knows.
    """
    _drop(job_request.file.storage, job_request.file.name, job_request.pk)


def drop_on_commit(job_request: JobRequest, database: str | None = None) -> None:
    """Delete the file that a request has now, when the open transaction is committed."""
    if job_request.file:
        file = job_request.file
        call = partial(_drop, file.storage, file.name, job_request.pk)
        transaction.on_commit(call, using=database, robust=True)


def drop_after_delete(sender: Any, instance: JobRequest, using: str, **kwargs: Any) -> None:
    """Delete the file of a request that is deleted; a receiver of `post_delete`."""
    drop_on_commit(instance, using)


def _drop(storage: Storage, name: str | None, pk: Any) -> None:
    rows = JobRequest.objects.using(router.db_for_write(JobRequest))
    if name and not rows.filter(file=name).exclude(pk=pk).exists():
        storage.delete(name)
