"""Write to the admin's log what was done to jobs: each job of a few, and one entry for many."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps

from django_jobqueue.models import Job

EACH = 100  # jobs of one action that have an entry of their own, at most


def note(user: int | str | None, jobs: Sequence[Job], text: str, flag: int, summary: str) -> None:
    """Write an entry per job, or one with the summary if there are many jobs.

    Without a user, or without the admin, nothing is written.
    """
    if len(jobs) > EACH:
        write(user, None, summary, text, flag)
        return
    for job in jobs:
        write(user, job.pk, str(job), text, flag)


def write(user: int | str | None, key: str | None, shown: str, text: str, flag: int) -> None:
    """Write one entry about the job with this key, or about no single job."""
    if user is None or not apps.is_installed("django.contrib.admin"):
        return
    entries = apps.get_model("admin", "LogEntry")._default_manager
    types: Any = apps.get_model("contenttypes", "ContentType")._default_manager
    entries.create(
        user_id=user,
        content_type_id=types.get_for_model(Job).pk,
        object_id=key,
        object_repr=shown[:200],
        action_flag=flag,
        change_message=text,
    )
