"""Store jobs when the caller's transaction has committed."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections, transaction

from django_jobqueue.conf import Options
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.result import JobResult, set_dropped
from django_jobqueue.signals import enqueue_failed

logger = logging.getLogger("django_jobqueue")

RETRY_AFTER = 0.5  # seconds before the only second try after a commit
PATIENCE = 1.5  # seconds; a first try that took longer is the last: somebody waits for the page

Store = Callable[..., object]  # with retry=True: Redis is asked, however recently that failed


def is_wanted(task: Any, options: Options) -> bool:
    """Return whether an enqueue of the task has to wait for a commit."""
    wanted = getattr(task, "on_commit", None)
    if wanted is None:  # a task that Django's decorator made, such as one of a library
        wanted = options.enqueue_on_commit
    return bool(wanted) and in_transaction(options.database)


def in_transaction(database: str) -> bool:
    """Return whether the database has an open transaction."""
    connection = connections[database]
    # Without a connection there is nothing to commit; no connection is opened to find out.
    by_hand = connection.connection is not None and not connection.autocommit
    return connection.in_atomic_block or by_hand


def defer(store: Store, results: Sequence[JobResult[..., Any]], database: str) -> None:
    """Call `store` when the transaction commits, and let no error escape from the commit.

    QueueUnavailable is retried once, unless the first try took long. A failure is logged, and sent
    as `enqueue_failed`, per job.
    Raises: TransactionManagementError if transactions are managed by hand (Django).
    """
    transaction.on_commit(_Delivery(store, results), using=database, robust=True)


class _Delivery:
    """Store jobs when called. If Django drops it uncalled, there will be no jobs.

    So it is after a rollback, of which Django tells nobody, and after another hook that raised.
    """

    def __init__(self, store: Store, results: Sequence[JobResult[..., Any]]) -> None:
        self._store = store
        self._results = results
        self._is_called = False

    def __call__(self) -> None:
        self._is_called = True
        began = time.monotonic()
        try:
            self._store()
        except QueueUnavailable as error:
            if time.monotonic() - began > PATIENCE:
                return _give_up(self._results, error)
            time.sleep(RETRY_AFTER)
            try:
                self._store(retry=True)
            except Exception as error:
                _give_up(self._results, error)
        except Exception as error:
            _give_up(self._results, error)

    def __del__(self) -> None:
        for result in () if self._is_called else self._results:
            if result.is_pending:
                set_dropped(result)


def _give_up(results: Sequence[JobResult[..., Any]], error: Exception) -> None:
    for result in results:
        if result.is_dropped or not result.is_pending:
            continue
        logger.error(
            "Job %s of %s was not enqueued after its commit: %s",
            result.id,
            result.task.module_path,
            error,
            extra={"job_id": result.id, "task": result.task.module_path},
        )
        enqueue_failed.send_robust(result.task, result=result, exception=error)
