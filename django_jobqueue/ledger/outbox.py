"""Write a row with each durable enqueue, in the caller's transaction.

Next: backend.py stores the job when that transaction commits; if it can't, reconciling.py does.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.db import Error
from django.utils import timezone

from django_jobqueue.compat import InvalidTask
from django_jobqueue.conf import Options
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.prepared import Prepared
from django_jobqueue.jobs.states import OPEN
from django_jobqueue.ledger import duplicates
from django_jobqueue.ledger.record import row_of
from django_jobqueue.ledger.table import is_there, row, rows
from django_jobqueue.paths import registered

logger = logging.getLogger("django_jobqueue")

# The database of the atomic run that this code is in: what it enqueues is durable, so that it is
# part of the run's commit.
inside: ContextVar[str] = ContextVar("django_jobqueue_atomic_run", default="")

_announced: set[str] = set()  # aliases of which this process has told workers, or tried to


def is_wanted(task: Any, options: Options) -> bool:
    """Return whether a job of the task is durable."""
    wanted = getattr(task, "durable", None)  # a task of Django's own decorator has no such option
    if wanted is None:
        wanted = options.durable or inside.get() == options.database
    return bool(wanted)


def refuse(task: Any, options: Options) -> None:
    """Raise InvalidTask if the jobs of the task are durable: no workflow is in the ledger."""
    if is_wanted(task, options):
        raise InvalidTask(
            f"{task.module_path}: durable jobs can't be in a workflow, which is not in the ledger: "
            "use .using(durable=False), or let a durable job enqueue the workflow."
        )


def check(task: Any, options: Options) -> None:
    """Raise InvalidTask if the end of the task's jobs is to be atomic without a row to write."""
    if getattr(task, "atomic", False) and not task.durable and not options.durable:
        raise InvalidTask(
            f"{task.module_path}: atomic=True needs a row in the ledger: use "
            '@task(durable=True, atomic=True), or OPTIONS["DURABLE"] = True.'
        )


def is_declared(alias: str, options: Options) -> bool:
    """Return whether the settings or a known task of the alias say that there will be rows.

    So a worker looks after them from its start, and needs nobody to announce them.
    """
    return options.durable or any(
        task.backend == alias and getattr(task, "durable", None) for task in registered().values()
    )


def announce(engine: Engine) -> None:
    """Let workers know that there is a ledger, before this process commits its first row.

    Else no worker would look for the row if the process died before it could store the job.
    """
    if engine.alias not in _announced:
        _announced.add(engine.alias)
        with suppress(JobQueueError):  # said again when Redis has stored the job
            engine.unsettled.mark_durable()


def write(alias: str, options: Options, jobs: Sequence[Prepared]) -> None:
    """Write the rows of new jobs; each job's delay counts from now on."""
    new = [row_of(one.job, alias) for one in jobs]
    if len(new) == 1:
        new[0].save(force_insert=True, using=options.database)
    else:
        rows(options.database).bulk_create(new)


def note_accepted(engine: Engine, jobs: Sequence[Prepared]) -> None:
    """Note in the rows of those jobs that are stored in Redis that they are.

    What fails here is repeated by a worker, which finds the rows not accepted.
    """
    durable = [one.job for one in jobs if one.job.round and one.job.enqueued_at]
    if not durable:
        return
    try:
        accept(engine, durable)
        engine.unsettled.mark_durable()
    except (Error, JobQueueError) as error:
        logger.warning("The ledger does not know yet that jobs were stored: %s", error)


def accept(engine: Engine, jobs: Sequence[Job]) -> None:
    """Note that Redis has stored these jobs in their rounds, or that others stand for them."""
    duplicates.close_all(engine, [job for job in jobs if job.duplicate])
    waiting = rows(engine.options.database).filter(accepted_at=None)
    for round in {job.round for job in jobs}:
        ids = [UUID(job.id) for job in jobs if job.round == round and not job.duplicate]
        waiting.filter(pk__in=ids, round=round).update(accepted_at=timezone.now())


def drop(options: Options, job_id: str) -> None:
    """Remove the row of a job whose enqueue was cancelled before its commit."""
    if is_there(options.database):
        row(options.database, job_id).filter(accepted_at=None, state=OPEN).delete()
