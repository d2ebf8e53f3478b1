"""The table of the ledger, looked up when it is used: the backend is imported before the models."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from django_jobqueue.jobs.job import is_id
from django_jobqueue.jobs.states import OPEN

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_jobqueue.models import Enqueued


_found: set[str] = set()  # the databases that have it


def table() -> "type[Enqueued]":
    """Return the model Enqueued."""
    found: type[Enqueued] = apps.get_model("django_jobqueue", "Enqueued")
    return found


def is_there(database: str) -> bool:
    """Return whether `migrate` has made the table in a database; asked until it has."""
    if database not in _found and not _is_found(database):
        return False
    _found.add(database)
    return True


def has_rows(database: str, alias: str) -> bool:
    """Return whether the ledger of an alias is in use."""
    if not is_there(database):
        return False
    own = rows(database).filter(alias=alias)  # each half of them has an index
    return own.filter(state=OPEN).exists() or own.exclude(state=OPEN).exists()


def rows(database: str) -> "QuerySet[Enqueued]":
    """Return all rows."""
    return table().objects.using(database)


def row(database: str, job_id: str) -> "QuerySet[Enqueued]":
    """Return the row of a job, if there is one."""
    return rows(database).filter(pk=UUID(job_id))


def has_row(database: str, alias: str, job_id: str) -> bool:
    """Return whether a job, of which Redis may know nothing, has a row."""
    may_have = is_id(job_id) and is_there(database)
    return may_have and row(database, job_id).filter(alias=alias).exists()


def open_row(database: str, job_id: str, round: int) -> "QuerySet[Enqueued]":
    """Return the row of a job, if it is open in this round."""
    return row(database, job_id).filter(round=round, state=OPEN)


def _is_found(database: str) -> bool:
    try:
        return table()._meta.db_table in connections[database].introspection.table_names()
    except ImproperlyConfigured:  # a project without a database
        return False
