"""Close the row of a durable call for which another durable job stands.

Its requests follow that job: see requests/settling.py.
"""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import DUPLICATE
from django_jobqueue.ledger.changes import close
from django_jobqueue.ledger.record import with_payload
from django_jobqueue.ledger.table import open_row, row

if TYPE_CHECKING:
    from django_jobqueue.models import Enqueued

logger = logging.getLogger("django_jobqueue")


def close_all(engine: Engine, jobs: Iterable[Job]) -> None:
    """Close the rows of calls for which other jobs stand; a worker repeats what fails here."""
    for job, duplicate in [(job, job.duplicate) for job in jobs]:
        try:
            if duplicate is not None:
                _close(engine, job, duplicate.id)
        except Exception:  # of the database, or of a receiver
            logger.exception("The row of job %s is closed as a duplicate later.", job.id)


def _close(engine: Engine, job: Job, winner: str) -> None:
    """Close the row of a duplicate; leave it open while its winner has none, as before its run.

    The winner's row is locked meanwhile: so its end finds the requests that follow it.
    """
    database = engine.options.database
    with transaction.atomic(using=database):
        found = row(database, winner).select_for_update().first()
        if found is None:
            return
        if " newest," in job.unique and not found.is_final:
            _copy_arguments(engine, found)
        known = {"job_id": UUID(job.id), "alias": engine.alias, "round": job.round}
        close(open_row(database, job.id, job.round), known, state=DUPLICATE, reason=winner)


def _copy_arguments(engine: Engine, found: "Enqueued") -> None:
    """Give a row the arguments that its job has in Redis, which a later call has replaced."""
    try:
        payload = engine.inspector.job(str(found.job_id)).payload
    except JobNotFound:
        return
    if payload is not None:
        found.record = with_payload(found, payload)
        found.save(update_fields=["record"])
