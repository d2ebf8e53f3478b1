"""The `django.tasks` backend: a call of a task becomes a stored job, and a result is read back.

Stateless and made at import time of the tasks: it connects to nothing by itself.
Next: engine/jobs.py stores the job.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from django.apps import apps
from django.core import checks

from django_jobqueue import cached, compat, on_commit
from django_jobqueue.bulk import Call, singles
from django_jobqueue.cached import Latest
from django_jobqueue.conf import Options
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.engine.jobs import CHUNK, NewJob
from django_jobqueue.exceptions import (
    BadSignature,
    JobNotFound,
    QueueUnavailable,
    TaskUnknown,
)
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.job import (
    MAX_ATTEMPTS,
    MAX_RECOVERIES,
    QUEUE_PATTERN,
    State,
    is_id,
    new_id,
)
from django_jobqueue.jobs.payload import Signer
from django_jobqueue.jobs.result import STATUS_OF, JobResult, moment, result_of
from django_jobqueue.retry import Seconds
from django_jobqueue.task import Task, as_called, as_task, find

logger = logging.getLogger("django_jobqueue")

Prepared = tuple[NewJob, JobResult[..., Any]]


class JobQueueBackend(compat.BaseTaskBackend):
    """Store jobs in Redis or Valkey, for `manage.py jobworker` to run."""

    task_class = Task
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        compat.BaseTaskBackend.__init__(self, alias, params)
        self.queues = set(params.get("QUEUES", ()))  # empty: any name

    @property
    def engine(self) -> Engine:
        return get_engine(self.alias)

    def validate_task(self, task: Any) -> None:
        """Raise InvalidTask unless the task can be stored."""
        if not isinstance(task, compat.Task):
            raise compat.InvalidTask(f"{task!r} is no task: decorate the function with @task.")
        run_after: object = task.run_after
        if isinstance(run_after, timedelta):
            replace(task, run_after=None)  # validates all else
            return
        compat.BaseTaskBackend.validate_task(self, task)
        if not QUEUE_PATTERN.fullmatch(task.queue_name):
            raise compat.InvalidTask(
                f"Queue name {task.queue_name!r}: use 1 to 64 letters, digits, '_', '-' or '.'."
            )

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Store a call of a task, at once or when the transaction commits.

        Raises: InvalidTask, TypeError, PayloadTooLarge, QueueUnavailable.
        """
        self.validate_task(task)
        engine = self.engine
        prepared = self._prepare(engine.options, engine.signer, task, args, kwargs)
        self._store_or_wait(engine, as_task(task), [prepared])
        return prepared[1]

    def enqueue_many(
        self, task: Any, calls: Iterable[Call], spread: Seconds | None = None
    ) -> list[JobResult[..., Any]]:
        """Store many calls of a task, 500 in one round trip; see `enqueue`.

        All calls are checked before the first is stored.
        """
        self.validate_task(task)
        engine = self.engine
        prepared = [
            self._prepare(engine.options, engine.signer, *single)
            for single in singles(task, calls, spread)
        ]
        for chunk in _chunks(prepared):
            self._store_or_wait(engine, as_task(task), chunk)
        return [result for _, result in prepared]

    def store_by(
        self,
        store: Callable[[NewJob], int | None],
        task: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        schedule: str,
        nominal_at: int | None = None,
    ) -> JobResult[..., Any] | None:
        """Have a schedule's call of a task stored at once; see `enqueue`.

        `store` returns when that was, in ms; None: it was not.
        """
        self.validate_task(task)
        engine = self.engine
        job, result = self._prepare(engine.options, engine.signer, task, args, kwargs)
        fields: tuple[str | int, ...] = ("schedule", schedule)
        if nominal_at is not None:
            fields += ("nominal", nominal_at)
        stored_at = store(job._replace(fields=job.fields + fields))
        if stored_at is None:
            return None
        result = replace(result, schedule=schedule, nominal_time=moment(nominal_at))
        self._announce([result], [stored_at])
        return result

    def latest(
        self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Latest[Any] | None:
        """Return the latest value of a task, and have it refreshed if it needs that.

        Raises: InvalidTask, TypeError, QueueUnavailable.
        """
        self.validate_task(task)
        engine = self.engine
        digest = cached.digest(task, args, kwargs)
        kept = engine.values.latest(digest)
        found = cached.judge(task, kept)
        if not kept.is_refreshing and cached.needs_refresh(task, found):
            prepared = self._prepare(engine.options, engine.signer, task, args, kwargs)
            self._refresh(engine, digest, kept.refresh, prepared)
        return found

    def get_result(self, result_id: str) -> Any:
        """Return the job of an id, in whatever state.

        Raises: TaskResultDoesNotExist; TaskResultMismatch if its task is gone from the code.
        """
        if not is_id(result_id):
            raise compat.TaskResultDoesNotExist(result_id)
        engine = self.engine
        try:
            job = engine.inspector.job(result_id)
        except JobNotFound as error:
            raise compat.TaskResultDoesNotExist(result_id) from error
        try:
            data = engine.signer.verify(job.id, job.task, job.payload or b"")
            args, kwargs = payload.load_call(data)
            task = find(job.task)
        except (BadSignature, TaskUnknown, ValueError) as error:
            raise compat.TaskResultMismatch(
                f"Job {result_id} of {job.task!r} can't be shown as a result: {error}"
            ) from error
        task = as_called(task, queue_name=job.queue, priority=job.priority, backend=self.alias)
        return result_of(job, task, args, kwargs)

    def cancel(self, result_id: str) -> State:
        """Cancel the job of an id; return its state now.

        Raises: TaskResultDoesNotExist, QueueUnavailable.
        """
        try:
            return self.engine.jobs.cancel(result_id)
        except JobNotFound as error:
            raise compat.TaskResultDoesNotExist(result_id) from error

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Check that the app is installed; its own checks do the rest."""
        if apps.is_installed("django_jobqueue"):
            return []
        return [
            checks.Error(
                f'TASKS["{self.alias}"] uses django_jobqueue, which is not in INSTALLED_APPS.',
                hint='Add "django_jobqueue": it brings jobworker, the checks and the admin.',
                id="jobqueue.E005",
            )
        ]

    def _prepare(
        self,
        options: Options,
        signer: Signer,
        task: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Prepared:
        """Return the job to store, and the result as it stands before that."""
        call = payload.pure_call(args, kwargs)
        data = payload.dump_call(call, options.max_payload)
        job_id, path = new_id(), task.module_path
        max_attempts = getattr(task, "max_attempts", MAX_ATTEMPTS)
        recoveries = getattr(task, "max_recoveries", None)
        if recoveries is None:
            recoveries = options.max_recoveries
        fields: tuple[str | int, ...] = ()
        if max_attempts != MAX_ATTEMPTS:
            fields += ("max_attempts", max_attempts)
        if recoveries != MAX_RECOVERIES:
            fields += ("max_recoveries", recoveries)
        job = NewJob(
            id=job_id,
            queue=task.queue_name,
            task=path,
            payload=signer.sign(job_id, path, data),
            priority=task.priority,
            due=_due(task.run_after),
            fields=fields,
        )
        state = State.QUEUED if job.due is None else State.SCHEDULED
        result: JobResult[..., Any] = JobResult(
            task=task,
            id=job_id,
            status=STATUS_OF[state],
            enqueued_at=None,
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=call[0],
            kwargs=call[1],
            backend=self.alias,
            errors=[],
            worker_ids=[],
            state=state,
            max_attempts=max_attempts,
        )
        return job, result

    def _store_or_wait(self, engine: Engine, task: Task[..., Any], chunk: list[Prepared]) -> None:
        database = engine.options.database
        store = partial(self._store, engine, chunk)
        if task.enqueue_on_commit and on_commit.in_transaction(database):
            on_commit.store_on_commit(store, [result for _, result in chunk], database)
        else:
            store()

    def _store(self, engine: Engine, chunk: list[Prepared]) -> None:
        wanted = [(job, result) for job, result in chunk if not result.is_dropped]
        stored_at = engine.jobs.enqueue_many([job for job, _ in wanted])
        self._announce([result for _, result in wanted], stored_at)

    def _refresh(self, engine: Engine, digest: str, seen: str, prepared: Prepared) -> None:
        """Store the job that refreshes a value, unless another caller has; at once.

        Who has a stale value can go on with it, so a refusal is no error.
        """
        job, result = prepared
        keep = cached.keep_seconds(result.task)
        try:
            at = engine.values.refresh(digest, job, seen=seen, keep=keep)
        except QueueUnavailable as error:
            logger.warning("The latest value of %s is not refreshed: %s", job.task, error)
        else:
            if at is not None:
                self._announce([result], [at])

    def _announce(self, results: Sequence[JobResult[..., Any]], stored_at: Sequence[int]) -> None:
        """Note when jobs were stored, and tell those who listen."""
        enqueued = compat.signals.task_enqueued
        heard = compat.is_heard(enqueued, logging.DEBUG)
        for result, at in zip(results, stored_at, strict=True):
            result._accept(at)
            if heard:
                enqueued.send_robust(type(self), task_result=result)


def _due(run_after: datetime | timedelta | None) -> int | timedelta | None:
    """Return a time in ms since the epoch; a delay stays one until the server adds it."""
    if isinstance(run_after, datetime):
        return int(run_after.timestamp() * 1000)
    return run_after


def _chunks(prepared: list[Prepared]) -> Iterator[list[Prepared]]:
    rest = iter(prepared)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
