"""A backend that runs each job immediately and needs no Redis."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from django_jobqueue import compat
from django_jobqueue.backend import JobQueueBackend, prepare
from django_jobqueue.bulk import Call, expand_calls
from django_jobqueue.conf import Options, load
from django_jobqueue.engine.tags import Cancelled
from django_jobqueue.flow.signatures import Flow
from django_jobqueue.flow.workflow import Workflow
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.prepared import Prepared
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.ledger import outbox
from django_jobqueue.retry import Seconds
from django_jobqueue.testing.locks import LocalLocks, as_duplicate
from django_jobqueue.testing.run import LocalResults, now_ms, run_now
from django_jobqueue.testing.workflows import LocalWorkflows
from django_jobqueue.worker.executor import Executor


class EagerBackend(JobQueueBackend):
    """Run each job when it is enqueued, in the caller's thread, without Redis.

    Arguments and results pass through JSON, as they do with Redis. The backend waits neither
    for commits nor for run_after, and retries follow immediately.
    """

    _results: dict[str, JobResult[..., Any]] = {}
    _cached = LocalResults()
    _locks = LocalLocks()
    _workflows = LocalWorkflows()

    @property
    def engine(self) -> Any:
        raise ImproperlyConfigured("EagerBackend has no Redis: use JobQueueBackend to look at it.")

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self.validate_task(task)
        return self._run(load(self.alias), task, args, kwargs)

    def enqueue_many(
        self, task: Any, calls: Iterable[Call], spread: Seconds | None = None
    ) -> list[JobResult[..., Any]]:
        return [self.enqueue(*call) for call in expand_calls(task, calls, spread)]

    def enqueue_workflow(self, flow: Flow, if_failed: str) -> Workflow:
        """Run the members in their order, then the callbacks."""
        staged = self.prepare_workflow(flow, if_failed)
        options = load(self.alias)
        signer = Signer(options.signing_keys)

        def run(prepared: Prepared) -> JobResult[..., Any]:
            self._results[prepared.job.id] = prepared.result
            self.note_stored([prepared], [now_ms()])
            result = run_now(Executor(self.alias, options, signer, type(self)), prepared)
            self._results[result.id] = result
            return self._cached.note(result)

        self._workflows.add(staged.workflow)
        self._workflows.run(staged, signer, run)
        return staged.workflow

    def add_to_group(self, context: JobContext, member: Any, calls: Sequence[Any]) -> None:
        self._workflows.add_members(member, self.prepare_added(member, calls))

    def refresh_workflow(self, workflow: Workflow) -> None:
        self._workflows.refresh(workflow)

    def workflow_result(self, workflow: Workflow) -> Any:
        return self._workflows.result(workflow)

    def cancel_workflow(self, workflow_id: str) -> None:
        self._workflows.cancel(workflow_id)

    def latest(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self.validate_task(task)
        return self._cached.latest(self, task, args, kwargs)

    @classmethod
    def clear(cls) -> None:
        """Delete all results and latest values of this process."""
        cls._results.clear()
        cls._cached = LocalResults()
        cls._locks = LocalLocks()
        cls._workflows = LocalWorkflows()

    def get_result(self, result_id: str) -> Any:
        """Return a result of this process.

        Raises: TaskResultDoesNotExist.
        """
        try:
            return self._results[result_id]
        except KeyError:
            raise compat.TaskResultDoesNotExist(result_id) from None

    def cancel(self, result_id: str) -> Any:
        """Return the state in which the job ended, because it can't be cancelled any more."""
        return self.get_result(result_id).state

    def cancel_tagged(self, tag: str, reason: str) -> Cancelled:
        """Cancel nothing, because no job is left that could be."""
        return Cancelled()

    def explain(self, result: JobResult[..., Any]) -> list[str]:
        """Return a sentence about the end of the job, because it is final."""
        state = result.state
        return [_("It is final: %(state)s.") % {"state": phrases.STATES[state]}]

    def _run(
        self, options: Options, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> JobResult[..., Any]:
        signer = Signer(options.signing_keys)
        prepared = prepare(task, args, kwargs, options, signer)
        if holder := self._locks.holder(prepared.job, self._results):
            return as_duplicate(holder)
        self._locks.start(prepared.job)
        self._results[prepared.job.id] = prepared.result  # what the run itself enqueues may find it
        if prepared.job.round:
            outbox.write(self.alias, options, [prepared])
        self.note_stored([prepared], [now_ms()])
        result = run_now(Executor(self.alias, options, signer, type(self)), prepared)
        self._results[result.id] = result
        return self._cached.note(result)
