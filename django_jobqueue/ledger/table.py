"""The table of the ledger, looked up when it is used: the backend is imported before the models."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.apps import apps

from django_jobqueue.jobs.states import OPEN

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_jobqueue.models import Enqueued


def table() -> "type[Enqueued]":
    """Return the model Enqueued."""
    found: type[Enqueued] = apps.get_model("django_jobqueue", "Enqueued")
    return found


def rows(database: str) -> "QuerySet[Enqueued]":
    """Return all rows."""
    return table().objects.using(database)


def row(database: str, job_id: str) -> "QuerySet[Enqueued]":
    """Return the row of a job, if there is one."""
    return rows(database).filter(pk=UUID(job_id))


def open_row(database: str, job_id: str, round: int) -> "QuerySet[Enqueued]":
    """Return the row of a job, if it is open in this round."""
    return row(database, job_id).filter(round=round, state=OPEN)
