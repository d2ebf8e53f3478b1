"""The `django.tasks` backend, which stores calls of tasks as jobs and reads their results.

The backend has no state. Creating it opens no connection, since tasks that are imported create it.
Next: engine/jobs.py stores the job.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any

from django.apps import apps
from django.core import checks
from django.db import connections

from django_jobqueue import cached, compat, middleware, on_commit, paths
from django_jobqueue.bulk import Call, expand_calls
from django_jobqueue.conf import Options
from django_jobqueue.diagnosis import explanation
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.engine.tags import Cancelled
from django_jobqueue.exceptions import BadSignature, JobNotFound, QueueUnavailable, TaskUnknown
from django_jobqueue.flow import debounce, limits, unique
from django_jobqueue.flow.backend import WorkflowBackend
from django_jobqueue.flow.membership import Place
from django_jobqueue.flow.signatures import Signature
from django_jobqueue.jobs import envelope
from django_jobqueue.jobs.job import QUEUE_PATTERN, Job, is_id, new_id
from django_jobqueue.jobs.payload import pure_call
from django_jobqueue.jobs.prepared import Prepared, Results
from django_jobqueue.jobs.result import JobResult, result_of
from django_jobqueue.jobs.signature import check_call
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger import outbox, rounds
from django_jobqueue.retry import Seconds
from django_jobqueue.task import Task, as_called


class JobQueueBackend(WorkflowBackend, compat.BaseTaskBackend):
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
            replace(task, run_after=None)  # creating a task validates it
            return
        compat.BaseTaskBackend.validate_task(self, task)
        if not QUEUE_PATTERN.fullmatch(task.queue_name):
            raise compat.InvalidTask(
                f"Queue name {task.queue_name!r}: use 1 to 64 letters, digits, '_', '-' or '.'."
            )

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Store a call of a task, immediately or when the transaction commits.

        Raises: InvalidTask, TypeError, PayloadTooLarge, QueueUnavailable.
        """
        engine = self._engine_for(task)
        prepared = [prepare(task, args, kwargs, engine.options, engine.signer)]
        if prepared[0].job.round:
            self._write_rows(engine, prepared)
        elif connection := on_commit.awaited(task, engine.options):
            on_commit.defer(self._store, engine, prepared, connection)
        else:
            self._store(engine, prepared)
        return prepared[0].result

    def enqueue_many(
        self, task: Any, calls: Iterable[Call], spread: Seconds | None = None
    ) -> Sequence[JobResult[..., Any]]:
        """Store many calls of a task, 100 per round trip; see `enqueue`.

        All calls are checked before the first is stored.
        """
        engine = self._engine_for(task)
        prepared = [
            prepare(*call, engine.options, engine.signer)
            for call in expand_calls(task, calls, spread)
        ]
        if prepared and prepared[0].job.round:
            self._write_rows(engine, prepared)
        elif connection := on_commit.awaited(task, engine.options):
            on_commit.defer(self._store, engine, prepared, connection)
        else:
            self._store(engine, prepared)
        return Results(prepared)

    def prepare_scheduled(
        self,
        task: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        schedule: str,
        nominal_at: int | None = None,
    ) -> Prepared:
        """Make a job of a schedule's call; once it is stored, the caller calls `note_stored`."""
        self.validate_task(task)
        options, signer = self.engine.options, self.engine.signer
        return prepare(
            task, args, kwargs, options, signer, schedule=schedule, nominal_at=nominal_at
        )

    def note_stored(self, prepared: Sequence[Prepared], stored_at: Sequence[int]) -> None:
        """Record when each job was stored, in ms since the epoch, and send `task_enqueued`."""
        enqueued = compat.signals.task_enqueued
        heard = compat.is_heard(enqueued, logging.DEBUG)
        for one, at in zip(prepared, stored_at, strict=True):
            if one.job.duplicate is not None:
                at = debounce.deliver(self.engine, one.job, at)
            one.note_stored(at)
            if heard and one.is_new:
                enqueued.send_robust(type(self), task_result=one.result)

    def latest(
        self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> cached.Latest[Any] | None:
        """Return the latest value of a task, and enqueue a refresh if the value needs one.

        Raises: InvalidTask, TypeError, QueueUnavailable.
        """
        self.validate_task(task)
        engine = self.engine
        make = partial(prepare, task, args, kwargs, engine.options, engine.signer)
        found, refresh = cached.look_up(engine, task, args, kwargs, make)
        if refresh is not None:
            self.note_stored([refresh.prepared], [refresh.stored_at])
        return found

    def get_result(self, result_id: str) -> Any:
        """Return the result of the job with this id, whatever its state.

        Raises: TaskResultDoesNotExist; TaskResultMismatch for an unknown task, and for arguments
        or a return value that can't be read.
        """
        if not is_id(result_id):
            raise compat.TaskResultDoesNotExist(result_id)
        try:
            job = self.engine.inspector.job(result_id)
        except JobNotFound as error:
            raise compat.TaskResultDoesNotExist(result_id) from error
        return self.as_result(job)

    def as_result(self, job: Job) -> Any:
        """Return the result of a job that was read from Redis with all its data.

        Raises: TaskResultMismatch.
        """
        try:
            job.open(self.engine.signer)
            called = {"queue_name": job.queue, "priority": job.priority, "backend": self.alias}
            return result_of(job, as_called(paths.find(job.task), **called))
        except (BadSignature, TaskUnknown, ValueError, RecursionError) as error:
            raise compat.TaskResultMismatch(
                f"Job {job.id} of {job.task!r} can't be shown as a result: {error}"
            ) from error

    def cancel(self, result_id: str) -> State:
        """Cancel the job with this id, and return its state afterwards.

        Raises: TaskResultDoesNotExist, QueueUnavailable.
        """
        try:
            return rounds.cancel(self.engine, result_id)
        except JobNotFound as error:
            raise compat.TaskResultDoesNotExist(result_id) from error

    def cancel_tagged(self, tag: str, reason: str) -> Cancelled:
        """Cancel all jobs of a tag; see flow/tagged.py."""
        return self.engine.tags.cancel(tag, reason)

    def explain(self, result: JobResult[..., Any]) -> list[str]:
        """See JobResult.explain."""
        return explanation.explain_result(self.engine, result)

    def drop(self, result_id: str) -> None:
        """Forget a job whose enqueue is cancelled before its commit."""
        outbox.drop(self.engine.options, result_id)

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Check that the app is installed; the app registers all other checks."""
        if apps.is_installed("django_jobqueue"):
            return []
        return [
            checks.Error(
                f'TASKS["{self.alias}"] uses django_jobqueue, which is not in INSTALLED_APPS.',
                hint='Add "django_jobqueue": it brings jobworker, the checks and the admin.',
                id="jobqueue.E005",
            )
        ]

    def prepare_member(self, call: Signature, args: Any, place: Place) -> Prepared:
        return prepare(call.task, args, call.kwargs, *self.ways(), place=place)

    def _engine_for(self, task: Any) -> Engine:
        """Return the engine after validating the task, which is done once for each engine.

        What a task is valid by are settings, and settings that change make a new engine.
        """
        engine = self.engine
        seen: dict[str, Any] = task.__dict__ if isinstance(task, Task) else {}
        if seen.get("valid_for") is not engine:
            self.validate_task(task)
            outbox.check(task, engine.options)
            seen["valid_for"] = engine
        return engine

    def _store(
        self, engine: Engine, prepared: Sequence[Prepared], retry: bool = False
    ) -> Results[..., Any]:
        """Store those that are not stored yet; after QueueUnavailable, `again` calls this again."""
        engine.check_test_run()
        if retry:
            engine.client.try_again()
        wanted = [one for one in prepared if one.is_wanted]
        try:
            if len(wanted) == 1:  # its caller looks at the result at once, one of many maybe never
                meanwhile = wanted[0].make_result
                self.note_stored(wanted, engine.jobs.enqueue([wanted[0].job], meanwhile))
            else:
                rest = iter(wanted)
                for stored_at in engine.jobs.enqueue_many([one.job for one in wanted]):
                    self.note_stored([*islice(rest, len(stored_at))], stored_at)
        except QueueUnavailable as error:
            error.again = partial(self._store, engine, prepared, retry=True)
            raise
        finally:
            outbox.note_accepted(engine, wanted)
        return Results(prepared)

    def _write_rows(self, engine: Engine, prepared: Sequence[Prepared]) -> None:
        """Write the rows of durable jobs, and store the jobs when they are committed."""
        database = engine.options.database
        if on_commit.open_transaction(database) is None:
            engine.check_test_run()
        outbox.announce(engine)
        outbox.write(engine.alias, engine.options, prepared)
        on_commit.defer(self._store, engine, prepared, connections[database])


def prepare(
    task: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Options,
    signer: Signer,
    *,
    schedule: str = "",
    nominal_at: int | None = None,
    place: Place | None = None,
) -> Prepared:
    """Make a signed job of a call, or of a fire of `schedule`, or of a `place` in a workflow.

    Raises: InvalidTask, TypeError, PayloadTooLarge, and whatever middleware raises.
    """
    path = task.module_path
    paths.check_findable(path)
    check_call(task, [None, *args] if place and place.takes_result else args, kwargs)
    job = Job(new_id(), path)
    job.queue, job.priority = task.queue_name, task.priority
    job.args, job.kwargs = pure_call(args, kwargs)
    attempts = getattr(task, "max_attempts", None)
    recoveries = getattr(task, "max_recoveries", None)
    job.max_attempts = options.max_attempts if attempts is None else attempts
    job.max_recoveries = options.max_recoveries if recoveries is None else recoveries
    job.schedule, job.nominal_at = schedule, nominal_at
    is_plain = getattr(task, "is_plain", False)  # most are, and are not asked for each option
    if not is_plain:
        envelope.fill(job, task)
    if place is None and outbox.is_wanted(task, options):
        job.round = 1
    if task.run_after is not None:
        envelope.defer(job, task.run_after)
    for enqueue in middleware.load(options.middleware).enqueue:
        enqueue(job)
    envelope.check(job)  # middleware may have tagged it
    if not is_plain:  # middleware may have changed its arguments too
        unique.fill(job, task)
        limits.fill(job, task)
    seal = job.seal if place is None else partial(place.seal, job)
    seal(signer, options.max_payload)
    return Prepared(job, task)
