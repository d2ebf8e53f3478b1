"""Wait a moment for a quick job, in the thread of its web request; few may do so at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, router

from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.requests import conf
from django_jobqueue.requests.engines import engine_of
from django_jobqueue.requests.models import JobRequest

PAUSES = (0.01, 0.25)  # seconds between two looks, at first and at most

_lock = threading.Lock()
_waiting = 0  # threads of this process that wait


def until_final(job_request: JobRequest, seconds: float) -> bool:
    """Wait until the request has ended, and read it anew; return whether it has.

    It does not wait inside a transaction, which hides the end and may have to commit the job first,
    nor if too many threads wait already.
    """
    if job_request.is_final or seconds <= 0 or _in_transaction(job_request):
        return job_request.is_final
    with _place() as is_free:
        deadline, pause = time.monotonic() + seconds, PAUSES[0]
        while is_free and not job_request.is_final:
            left = deadline - time.monotonic()
            if left <= 0 or not _look(job_request):
                break
            time.sleep(min(pause, max(0.0, left)))
            pause = min(pause * 1.5, PAUSES[1])
    return job_request.is_final


def _look(job_request: JobRequest) -> bool:
    """Read the request anew if its job has ended; return whether it is worth to look again."""
    try:
        inspector = engine_of(job_request.alias).inspector
        job, *_ = inspector.glance(str(job_request.job_id), job_request.queue)
    except JobQueueError:
        return False
    if job is None or job.state.is_final:  # a unique job may stand for it: see settling.py
        job_request.refresh_from_db()
    return True


def _in_transaction(job_request: JobRequest) -> bool:
    database = job_request._state.db or router.db_for_read(JobRequest)
    return connections[database].in_atomic_block


@contextmanager
def _place() -> Iterator[bool]:
    """Take one of the places for threads that wait; yield whether there was one."""
    global _waiting
    with _lock:
        is_free = _waiting < conf.load().waiters
        _waiting += is_free
    try:
        yield is_free
    finally:
        with _lock:
            _waiting -= is_free
