"""Store jobs when the caller's transaction has committed."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from django_jobqueue.conf import Options
from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import CHUNK
from django_jobqueue.engine.repeats import repeat_until
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.flow import unique
from django_jobqueue.jobs.prepared import Prepared
from django_jobqueue.jobs.result_changes import set_dropped, set_store_failed
from django_jobqueue.signals import enqueue_failed

logger = logging.getLogger("django_jobqueue")

PATIENCE = 2.5  # seconds that a failing Redis may hold a commit: somebody waits for the page
RETRY_AFTER = 0.5  # seconds before the only second try

# Stores the jobs in at most one call; the flag: Redis is asked, however recently that failed.
Store = Callable[[Engine, Sequence[Prepared], bool], object]

failures: Counter[str] = Counter()  # jobs of this process that no commit could store, by alias


def awaited(task: Any, options: Options) -> BaseDatabaseWrapper | None:
    """Return the connection for whose commit an enqueue of the task has to wait, if any."""
    wanted = getattr(task, "on_commit", None)
    if wanted is None:  # a task that Django's decorator made, such as one of a library
        wanted = options.enqueue_on_commit
    return open_transaction(options.database) if wanted else None


def open_transaction(database: str) -> BaseDatabaseWrapper | None:
    """Return the connection of the database if it has an open transaction."""
    connection = connections[database]
    if connection.in_atomic_block:
        return connection
    # Without a connection there is nothing to commit; no connection is opened to find out.
    by_hand = connection.connection is not None and not connection.autocommit
    return connection if by_hand else None


def defer(
    store: Store, engine: Engine, jobs: Sequence[Prepared], connection: BaseDatabaseWrapper
) -> None:
    """Call `store` when the transaction commits, and let no error escape from the commit.

    All jobs of the transaction and alias are stored together. A failure is counted, logged, and
    sent as `enqueue_failed`, per job.
    Raises: TransactionManagementError if transactions are managed by hand (Django).
    """
    for one in jobs:
        unique.tell(one.job)
    hook = _Hook(store, engine, jobs)
    connection.on_commit(hook, robust=True)


class _Hook:
    """Store the jobs of an enqueue when called, and those of the hooks that wait with it.

    If Django drops it uncalled, there will be no jobs. So it is after a rollback, of which Django
    tells nobody, and after a hook of others that raised before any of this transaction was called.
    """

    __slots__ = ("engine", "is_called", "jobs", "store")

    def __init__(self, store: Store, engine: Engine, jobs: Sequence[Prepared]) -> None:
        self.store = store
        self.engine = engine
        self.jobs = jobs
        self.is_called = False

    def __call__(self) -> None:
        if self.is_called:
            return
        others = _still_to_call(sys._getframe(1))
        hooks = [self, *(hook for hook in others if hook.engine is self.engine)]
        for hook in hooks:
            hook.is_called = True
        _Delivery(self.store, self.engine).run([one for hook in hooks for one in hook.jobs])

    def __del__(self) -> None:
        for one in () if self.is_called else self.jobs:
            if one.is_wanted:
                set_dropped(one.result)


def _still_to_call(caller: FrameType) -> Iterator[_Hook]:
    """Yield our hooks of this commit that Django has still to call, if it is Django that calls.

    It has removed those of savepoints that were rolled back, and keeps the others in a variable
    of its own. Whoever else calls a hook, such as a TestCase, gets its jobs alone.
    """
    if caller.f_code is BaseDatabaseWrapper.run_and_clear_commit_hooks.__code__:
        for _, function, _ in caller.f_locals.get("current_run_on_commit", ()):
            if isinstance(function, _Hook) and not function.is_called:
                yield function


class _Delivery:
    """Store jobs after a commit, and tell of those that can't be stored."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        # Whoever sets a long TIMEOUT wants to wait for two tries of it.
        self._patience = max(PATIENCE, 2 * engine.options.timeout + RETRY_AFTER)
        self._deadline = 0.0  # monotonic; no further try begins that could last longer

    def run(self, jobs: Sequence[Prepared]) -> None:
        """Store the jobs in their order; stop when Redis takes none of a call."""
        jobs = [one for one in jobs if one.is_wanted]
        for start in range(0, len(jobs), CHUNK):
            chunk = jobs[start : start + CHUNK]
            try:
                error = self._chunk(chunk)
            except BaseException as interrupt:  # such as the time-out of the task that commits
                said = f"{type(interrupt).__name__} interrupted the call."
                self._give_up(jobs[start:], QueueUnavailable(said, maybe_stored=True))
                raise
            if error:
                self._give_up(jobs[start:], error)
                return

    def _chunk(self, jobs: Sequence[Prepared]) -> Exception | None:
        """Store the jobs of a call, or those that can be; return why none was stored."""
        self._deadline = time.monotonic() + self._patience
        error = self._try(jobs)
        if all(one.job.round for one in jobs):
            return error  # nobody needs to wait: a worker stores them from their rows
        if isinstance(error, QueueUnavailable) and self._is_time_left(RETRY_AFTER):
            time.sleep(RETRY_AFTER)
            error = self._try(jobs, retry=True)
        if error is None or len(jobs) == 1:
            return error
        return self._one_by_one(jobs, error)

    def _one_by_one(self, jobs: Sequence[Prepared], error: Exception) -> Exception | None:
        """Store what can be stored, since one job may be to blame; return why none was."""
        refused: list[tuple[Prepared, Exception]] = []
        for one in jobs:
            if self._is_time_left():
                error = self._try([one], retry=True) or error
            if one.is_wanted:
                refused.append((one, error))
        if len(refused) == len(jobs):
            return error
        for one, error in refused:
            self._give_up([one], error)
        return None

    def _try(self, jobs: Sequence[Prepared], retry: bool = False) -> Exception | None:
        try:
            with repeat_until(self._deadline):
                self._store(self._engine, jobs, retry)
        except Exception as error:
            return error
        return None

    def _is_time_left(self, pause: float = 0.0) -> bool:
        return time.monotonic() + pause + self._engine.options.timeout <= self._deadline

    def _give_up(self, jobs: Sequence[Prepared], error: Exception) -> None:
        """Tell of the jobs that were not stored; the durable ones are only late."""
        late = [one.result for one in jobs if one.is_wanted and one.job.round]
        for result in late:
            set_store_failed(result)
        if late:
            logger.warning("%d durable jobs are stored later, by a worker: %s", len(late), error)
        for result in [one.result for one in jobs if one.is_wanted and not one.job.round]:
            failures[self._engine.alias] += 1
            set_store_failed(result)
            logger.error(
                "Job %s of %s was not enqueued after its commit: %s",
                result.id,
                result.task.module_path,
                error,
                extra={"job_id": result.id, "task": result.task.module_path},
            )
            enqueue_failed.send_robust(result.task, result=result, exception=error)
