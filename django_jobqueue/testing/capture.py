"""Capture enqueued jobs instead of storing them, and assert that jobs were enqueued."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.utils.translation import gettext as _

from django_jobqueue import compat
from django_jobqueue.backend import JobQueueBackend, prepare
from django_jobqueue.bulk import Call, TaskCall, expand_calls
from django_jobqueue.conf import load
from django_jobqueue.engine.tags import Cancelled
from django_jobqueue.flow.signatures import Flow
from django_jobqueue.flow.staging import Staged
from django_jobqueue.flow.workflow import Workflow
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.prepared import Prepared
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.result_changes import set_state
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger import outbox
from django_jobqueue.retry import Seconds
from django_jobqueue.task import Task
from django_jobqueue.testing.locks import LocalLocks, as_duplicate
from django_jobqueue.testing.run import LocalResults, now_ms, run_now
from django_jobqueue.testing.workflows import LocalWorkflows
from django_jobqueue.worker.executor import Executor


class CapturedJobs(list[JobResult[..., Any]]):
    """The results of the enqueued jobs, in order, with the task, args and kwargs of each."""

    def __init__(self, alias: str) -> None:
        super().__init__()
        self._alias = alias
        self._prepared: list[Prepared] = []
        self.by_id: dict[str, JobResult[..., Any]] = {}  # in their current state
        self.cached = LocalResults()
        self.locks = LocalLocks()
        self.workflows = LocalWorkflows()
        self._staged: list[Staged] = []

    def add(self, prepared: Prepared) -> None:
        prepared.note_stored(now_ms())
        self._prepared.append(prepared)
        self.by_id[prepared.job.id] = prepared.result
        self.append(prepared.result)

    def add_workflow(self, staged: Staged) -> None:
        """Capture a workflow: its members are among the jobs, and run in their order."""
        self.workflows.add(staged.workflow)
        self._staged.append(staged)
        for prepared in staged.members:
            prepared.note_stored(now_ms())
            self.by_id[prepared.job.id] = prepared.result
            self.append(prepared.result)

    def stand_in(self, prepared: Prepared, signer: Signer) -> JobResult[..., Any] | None:
        """Return the result of the job that stands for a new one, which has its arguments then."""
        holder = self.locks.holder(prepared.job, self.by_id)
        if holder is None or " newest," not in prepared.job.unique:
            return holder and as_duplicate(holder)
        job, at = prepared.job, next(n for n, one in enumerate(self) if one.id == holder.id)
        job.id = holder.id
        job.seal(signer, sys.maxsize)
        prepared.note_stored(now_ms())
        self._prepared = [one if one.job.id != job.id else prepared for one in self._prepared]
        self[at] = self.by_id[job.id] = prepared.result
        return as_duplicate(prepared.result)

    def run(self) -> list[JobResult[..., Any]]:
        """Run the captured jobs that have not run yet; return their results."""
        options = load(self._alias)
        signer = Signer(options.signing_keys)
        executor = Executor(self._alias, options, signer, JobQueueBackend)
        prepared, self._prepared = self._prepared, []
        workflows, self._staged = self._staged, []

        def run(job: Prepared) -> JobResult[..., Any]:
            self.locks.start(job.job)
            return self.cached.note(run_now(executor, job))

        ended = [run(job) for job in prepared]
        for staged in workflows:
            ended += self.workflows.run(staged, signer, run)
        self.by_id |= {result.id: result for result in ended}
        return ended

    def drop(self, result_id: str) -> None:
        """Exclude a job from the next `run`."""
        self._prepared = [one for one in self._prepared if one.job.id != result_id]


class _CapturingBackend(JobQueueBackend):
    jobs: CapturedJobs

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self.validate_task(task)
        return self._capture([(task, args, kwargs)])[0]

    def enqueue_many(
        self, task: Any, calls: Iterable[Call], spread: Seconds | None = None
    ) -> list[JobResult[..., Any]]:
        self.validate_task(task)
        return self._capture(expand_calls(task, calls, spread))

    def _capture(self, calls: Iterable[TaskCall]) -> list[JobResult[..., Any]]:
        options = load(self.alias)
        signer = Signer(options.signing_keys)
        results = []
        for prepared in [prepare(*call, options, signer) for call in calls]:
            result = self.jobs.stand_in(prepared, signer)
            if result is None:
                if prepared.job.round:
                    outbox.write(self.alias, options, [prepared])
                self.jobs.add(prepared)
                result = prepared.result
            results.append(result)
        return results

    def enqueue_workflow(self, flow: Flow, if_failed: str) -> Workflow:
        staged = self.prepare_workflow(flow, if_failed)
        self.jobs.add_workflow(staged)
        return staged.workflow

    def add_to_group(self, context: JobContext, member: Any, calls: Sequence[Any]) -> None:
        self.jobs.workflows.add_members(member, self.prepare_added(member, calls))

    def refresh_workflow(self, workflow: Workflow) -> None:
        self.jobs.workflows.refresh(workflow)

    def workflow_result(self, workflow: Workflow) -> Any:
        return self.jobs.workflows.result(workflow)

    def cancel_workflow(self, workflow_id: str) -> None:
        self.jobs.workflows.cancel(workflow_id)

    def get_result(self, result_id: str) -> Any:
        if result := self.jobs.by_id.get(result_id):
            return result
        raise compat.TaskResultDoesNotExist(result_id)

    def cancel(self, result_id: str) -> State:
        result: JobResult[..., Any] = self.get_result(result_id)
        if not result.state.is_final:
            self.jobs.drop(result_id)
            set_state(result, State.CANCELLED)
        return result.state

    def cancel_tagged(self, tag: str, reason: str) -> Cancelled:
        """Cancel the captured jobs of a tag that have not run."""
        found = [
            one for one in self.jobs.by_id.values() if tag in one.tags and not one.state.is_final
        ]
        for one in found:
            self.cancel(one.id)
        return Cancelled(len(found))

    def explain(self, result: JobResult[..., Any]) -> list[str]:
        state = phrases.STATES[result.state]
        return [_("It is captured by captured_jobs(): %(state)s.") % {"state": state}]

    def latest(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self.validate_task(task)
        return self.jobs.cached.latest(self, task, args, kwargs)


@contextmanager
def captured_jobs(alias: str = "default") -> Iterator[CapturedJobs]:
    """Capture the jobs that this thread enqueues inside the block, instead of storing them.

    The capture waits for no commit, so it works where on-commit hooks never run.
    """
    handler = compat.task_backends
    before = handler[alias]
    capturing = _CapturingBackend(alias, handler.settings[alias])
    capturing.jobs = CapturedJobs(alias)
    handler[alias] = capturing
    try:
        yield capturing.jobs
    finally:
        handler[alias] = before


def assert_enqueued(
    jobs: Sequence[JobResult[..., Any]],
    task: Task[..., Any],
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    queue_name: str | None = None,
    count: int | None = None,
) -> list[JobResult[..., Any]]:
    """Assert that jobs of the task are among the captured ones, and return them.

    An argument that is not given matches anything; without `count`, at least one job must match.
    """
    found = [
        job
        for job in jobs
        if job.task.func == task.func
        and (args is None or job.args == list(args))
        and (kwargs is None or job.kwargs == dict(kwargs))
        and (queue_name is None or job.task.queue_name == queue_name)
    ]
    if (count is None and not found) or (count is not None and len(found) != count):
        seen = "".join(
            f"\n  {job.task.module_path}(*{job.args}, **{job.kwargs}) on {job.task.queue_name}"
            for job in jobs
        )
        wanted = f"args={args} kwargs={kwargs} queue_name={queue_name}"
        raise AssertionError(
            f"{task.module_path} was enqueued {len(found)} times with {wanted}, "
            f"wanted {'at least 1' if count is None else count}. Enqueued:{seen or ' nothing'}"
        )
    return found
