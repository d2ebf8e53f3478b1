"""Let a later call take the place of a job that waits: no call is lost.

The enqueue of a debounced call names the job that waits, and gives the call a number. Its arguments
are signed for that job, and replace those of lower numbers as long as it waits. If it has started
meanwhile, the call is stored itself.
"""

import logging
from typing import TYPE_CHECKING

from django_jobqueue.jobs.duplicate import Duplicate

if TYPE_CHECKING:
    from django_jobqueue.engine import Engine
    from django_jobqueue.jobs.job import Job

logger = logging.getLogger("django_jobqueue")

TRIES = 10  # jobs that started while their place was to be taken


def deliver(engine: "Engine", job: "Job", at: int) -> int:
    """Let a call whose enqueue found a waiting job take its place; return when its job was stored.

    `at` is what that enqueue returned, which is returned for all other calls.
    Raises: QueueUnavailable.
    """
    for _ in range(TRIES):
        found = job.duplicate
        if found is None or not found.number:
            return at
        data = engine.signer.verify(job.id, job.task, job.payload or b"")
        payload = engine.signer.sign(found.id, job.task, data)
        if engine.locks.replace(job, found.id, found.number, payload):
            job.duplicate = Duplicate(found.id, found.state)
            return at
        (at,) = engine.jobs.enqueue([job])
    if job.duplicate is not None and job.duplicate.number:
        logger.warning("Job %s is stored beside the one that it could not replace.", job.id)
        job.unique, job.duplicate = "", None
        (at,) = engine.jobs.enqueue([job])
    return at
