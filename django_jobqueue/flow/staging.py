"""Store a workflow: its members wait until the last call has said that all are stored."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django_jobqueue import compat, on_commit
from django_jobqueue.engine import Engine
from django_jobqueue.engine.repeats import repeat_until
from django_jobqueue.engine.workflows import chunks
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.flow.membership import Place, read_output, sign_output
from django_jobqueue.flow.plan import Plan, make_plan
from django_jobqueue.flow.signatures import Flow, Signature
from django_jobqueue.flow.workflow import (
    Workflow,
    WorkflowNotFound,
    WorkflowProgress,
    WorkflowState,
)
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.prepared import Prepared
from django_jobqueue.jobs.result_changes import set_store_failed
from django_jobqueue.signals import enqueue_failed

logger = logging.getLogger("django_jobqueue")

Prepare = Callable[[Signature, Sequence[Any], Place], Prepared]
Tell = Callable[[Sequence[Prepared], Sequence[int]], None]  # when each job was stored


@dataclass(slots=True)
class Staged:
    """A workflow with its jobs, ready to be stored."""

    workflow: Workflow
    plan: Plan
    members: Sequence[Prepared]
    callbacks: dict[str, Prepared]
    if_failed: str
    taking: frozenset[str] = frozenset()  # callbacks that take the workflow's result

    @property
    def jobs(self) -> list[Prepared]:
        """Return the members and the callbacks."""
        return [*self.members, *self.callbacks.values()]


def prepare_workflow(flow: Flow, alias: str, prepare: Prepare, if_failed: str) -> Staged:
    """Make the jobs of a workflow.

    Raises: InvalidTask, TypeError, PayloadTooLarge.
    """
    plan, workflow = make_plan(flow), Workflow(new_id(), alias)
    workflow.progress = WorkflowProgress(0, len(plan.members), 0)
    goes_on = if_failed == "continue"
    members = [
        prepare(one.call, one.call.args, Place.of(workflow.id, plan, one, goes_on))
        for one in plan.members
    ]
    callbacks = {
        event: _prepare_callback(event, call, workflow, plan, prepare)
        for event, call in (flow.callbacks or {}).items()
    }
    taking = frozenset(
        event
        for event, call in (flow.callbacks or {}).items()
        if event == "on_success" and call.takes_result
    )
    return Staged(workflow, plan, members, callbacks, if_failed, taking)


def _prepare_callback(
    event: str, call: Signature, workflow: Workflow, plan: Plan, prepare: Prepare
) -> Prepared:
    """Make the job of a callback: its first argument is the result, or what there was to do."""
    args: Sequence[Any] = call.args
    place = Place(workflow.id, event)
    if call.takes_result and event == "on_success":
        place = replace(place, takes=plan.output)
    elif call.takes_result:
        args = ({"workflow": workflow.id, "members": len(plan.members)}, *args)
    return prepare(call, args, place)


def enqueue(engine: Engine, staged: Staged, tell: Tell) -> Workflow:
    """Store a workflow now, or when the transaction has committed.

    Raises: QueueUnavailable; WorkflowRefused if that took longer than an hour.
    """
    tasks = [one.task for one in staged.jobs]
    connection = next(
        (found for task in tasks if (found := on_commit.awaited(task, engine.options))), None
    )
    store = partial(store_workflow, engine, staged, tell)
    if connection is None:
        return store()
    staged.workflow.is_pending = True
    connection.on_commit(CommitHook(engine, staged, store), robust=True)
    return staged.workflow


def store_workflow(engine: Engine, staged: Staged, tell: Tell) -> Workflow:
    """Store a workflow, 100 jobs a call; none of them runs before the last call.

    It may be repeated: `again` of a QueueUnavailable does so.
    """
    engine.check_test_run()
    workflow, plan = staged.workflow, staged.plan
    jobs = [one.job for one in staged.jobs]
    output = sign_output(engine.signer, workflow.id, plan.output)
    first = 1
    try:
        for chunk in chunks(jobs):
            engine.workflows.stage(
                workflow.id,
                chunk,
                total=len(plan.members),
                steps=plan.steps_that_begin(first, first + len(chunk) - 1),
                if_failed=staged.if_failed,
                output=output,
            )
            first, output = first + len(chunk), b""
        engine.workflows.seal(workflow.id)
    except QueueUnavailable as error:
        error.again = partial(store_workflow, engine, staged, tell)
        raise
    workflow.is_pending, workflow.state = False, WorkflowState.RUNNING
    if compat.is_heard(compat.signals.task_enqueued, logging.DEBUG):
        found = engine.workflows.read(workflow.id)
        tell(staged.jobs, [found.created_at if found else 0] * len(jobs))
    return workflow


def refresh(engine: Engine, workflow: Workflow) -> None:
    """Read a workflow again. Raises: WorkflowNotFound, QueueUnavailable."""
    found = engine.workflows.read(workflow.id)
    if found is None:
        raise WorkflowNotFound(f"There is no workflow {workflow.id}, or it was removed.")
    workflow.state = WorkflowState(found.state)
    workflow.progress = WorkflowProgress(found.done, found.members, found.failed)
    workflow.reason = found.reason


def result(engine: Engine, workflow: Workflow) -> Any:
    """Return the result of a workflow that has ended.

    Raises: WorkflowNotFound, ValueError, BadSignature, QueueUnavailable.
    """
    found = engine.workflows.read(workflow.id)
    if found is None:
        raise WorkflowNotFound(f"There is no workflow {workflow.id}, or it was removed.")
    goes_on = found.if_failed == "continue" and found.state != WorkflowState.CANCELLED
    if found.state != WorkflowState.SUCCEEDED and not goes_on:
        raise ValueError(f"Workflow {workflow.id} is {found.state}: it has no result.")
    return read_output(engine, workflow.id, goes_on)


def cancel(engine: Engine, workflow_id: str) -> None:
    """Cancel a workflow. Raises: WorkflowNotFound, QueueUnavailable."""
    if not engine.workflows.cancel(workflow_id):
        raise WorkflowNotFound(f"There is no workflow {workflow_id}, or it was removed.")


class CommitHook:
    """Store a workflow when called, after a commit, and let no error escape from it.

    If Django drops the hook uncalled, the transaction was rolled back.
    """

    def __init__(self, engine: Engine, staged: Staged, store: Callable[[], Workflow]) -> None:
        self._engine = engine
        self._staged = staged
        self._store = store
        self._is_called = False

    def __call__(self) -> None:
        self._is_called = True
        if self._staged.workflow.is_dropped:
            return
        deadline = time.monotonic() + on_commit.PATIENCE
        try:
            error = self._try(deadline)
            if isinstance(error, QueueUnavailable) and time.monotonic() < deadline:
                time.sleep(on_commit.RETRY_AFTER)
                self._engine.client.try_again()
                error = self._try(deadline)
        except BaseException as interrupt:  # such as the time-out of the task that commits
            said = f"{type(interrupt).__name__} interrupted the call."
            self._give_up(QueueUnavailable(said, maybe_stored=True))
            raise
        if error:
            self._give_up(error)

    def __del__(self) -> None:
        if not self._is_called and self._staged.workflow.is_pending:
            self._staged.workflow.drop()

    def _try(self, deadline: float) -> Exception | None:
        try:
            with repeat_until(deadline):
                self._store()
        except Exception as error:
            return error
        return None

    def _give_up(self, error: Exception) -> None:
        """Tell of the workflow, and of each of its members, as on_commit.py does of jobs."""
        workflow = self._staged.workflow
        workflow.is_pending, workflow.store_failed = False, True
        on_commit.failures[self._engine.alias] += len(self._staged.members)
        logger.error(
            "Workflow %s was not enqueued after its commit: %s",
            workflow.id,
            error,
            extra={"workflow": workflow.id},
        )
        for one in self._staged.members:
            set_store_failed(one.result)
            enqueue_failed.send_robust(
                one.task, result=one.result, exception=error, workflow=workflow
            )
