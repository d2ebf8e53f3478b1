"""Between the caller's transaction and Redis: what is stored when the commit is done."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import connections, transaction

from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.signals import enqueue_failed

logger = logging.getLogger("django_jobqueue")

RETRY_AFTER = 0.5  # seconds; Redis gets one second chance after a commit

# How many jobs this process could not store after their commit.
failures = 0

Store = Callable[[], object]


def in_transaction(database: str) -> bool:
    """Tell whether there is a commit to wait for."""
    connection = connections[database]
    # Without a connection there is nothing to commit, and none is opened to find out.
    by_hand = connection.connection is not None and not connection.autocommit
    return connection.in_atomic_block or by_hand


def store_on_commit(store: Store, results: Sequence[JobResult[..., Any]], database: str) -> None:
    """Call `store` when the transaction commits, never letting an error out of the commit.

    If Redis refuses twice, each job is logged as an ERROR and sent as `enqueue_failed`.
    Raises: TransactionManagementError if transactions are managed by hand (Django).
    """
    transaction.on_commit(partial(_deliver, store, results), using=database, robust=True)


def _deliver(store: Store, results: Sequence[JobResult[..., Any]]) -> None:
    try:
        store()
    except QueueUnavailable:
        time.sleep(RETRY_AFTER)
        try:
            store()
        except Exception as error:
            _give_up(results, error)
    except Exception as error:
        _give_up(results, error)


def _give_up(results: Sequence[JobResult[..., Any]], error: Exception) -> None:
    global failures
    for result in results:
        if result.is_dropped or not result.is_pending:
            continue
        failures += 1
        logger.error(
            "Job %s of %s was not enqueued after its commit: %s",
            result.id,
            result.task.module_path,
            error,
            extra={"job_id": result.id, "task": result.task.module_path},
        )
        enqueue_failed.send_robust(result.task, result=result, exception=error)
