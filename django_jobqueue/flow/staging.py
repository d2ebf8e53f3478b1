"""Store a workflow: its members wait until the last call has said that all are stored."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django_jobqueue import on_commit
from django_jobqueue.engine import Engine
from django_jobqueue.engine.workflows import chunks
from django_jobqueue.exceptions import JobQueueError
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

logger = logging.getLogger("django_jobqueue")

Prepare = Callable[[Signature, Sequence[Any], Place], Prepared]


@dataclass(slots=True)
class Staged:
    """A workflow with its jobs, ready to be stored."""

    workflow: Workflow
    plan: Plan
    members: Sequence[Prepared]
    callbacks: dict[str, Prepared]
    taking: frozenset[str] = frozenset()  # callbacks that take the workflow's result


def prepare_workflow(flow: Flow, alias: str, prepare: Prepare) -> Staged:
    """Make the jobs of a workflow.

    Raises: InvalidTask, TypeError, PayloadTooLarge.
    """
    plan, workflow = make_plan(flow), Workflow(new_id(), alias)
    workflow.progress = WorkflowProgress(0, len(plan.members), 0)
    members = [prepare(one.call, one.call.args, Place.of(workflow.id, one)) for one in plan.members]
    callbacks = {
        event: _prepare_callback(event, call, workflow, plan, prepare)
        for event, call in (flow.callbacks or {}).items()
    }
    taking = frozenset(
        event
        for event, call in (flow.callbacks or {}).items()
        if event == "on_success" and call.takes_result
    )
    return Staged(workflow, plan, members, callbacks, taking)


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


def enqueue(engine: Engine, staged: Staged, if_failed: str) -> Workflow:
    """Store a workflow now, or when the transaction has committed.

    Raises: QueueUnavailable; WorkflowRefused if that took longer than an hour.
    """
    tasks = [one.task for one in (*staged.members, *staged.callbacks.values())]
    connection = next(
        (found for task in tasks if (found := on_commit.awaited(task, engine.options))), None
    )
    if connection is None:
        store(engine, staged, if_failed)
        return staged.workflow
    staged.workflow.is_pending = True

    def after_commit() -> None:
        try:
            if not staged.workflow.is_dropped:
                store(engine, staged, if_failed)
        except JobQueueError as error:
            logger.error("Workflow %s was not stored: %s", staged.workflow.id, error)

    connection.on_commit(after_commit, robust=True)
    return staged.workflow


def store(engine: Engine, staged: Staged, if_failed: str) -> None:
    """Store a workflow, 100 jobs a call; none of them runs before the last call."""
    engine.check_test_run()
    workflow, plan = staged.workflow, staged.plan
    jobs = [one.job for one in (*staged.members, *staged.callbacks.values())]
    output = sign_output(engine.signer, workflow.id, plan.output)
    first = 1
    for chunk in chunks(jobs):
        steps = plan.steps_that_begin(first, first + len(chunk) - 1)
        engine.workflows.stage(
            workflow.id,
            chunk,
            total=len(plan.members),
            steps=steps,
            if_failed=if_failed,
            output=output,
        )
        first, output = first + len(chunk), b""
    engine.workflows.seal(workflow.id)
    workflow.is_pending, workflow.state = False, WorkflowState.RUNNING


def refresh(engine: Engine, workflow: Workflow) -> None:
    """Read a workflow again. Raises: WorkflowNotFound, QueueUnavailable."""
    found = engine.workflows.read(workflow.id)
    if found is None:
        raise WorkflowNotFound(f"There is no workflow {workflow.id}, or it was removed.")
    workflow.state = WorkflowState(found.state)
    workflow.progress = WorkflowProgress(found.done, found.members, found.failed)
    workflow.reason = found.reason


def result(engine: Engine, workflow: Workflow) -> Any:
    """Return the result of a workflow that has ended. Raises: ValueError, BadSignature."""
    found = engine.workflows.read(workflow.id)
    if found is None:
        raise WorkflowNotFound(f"There is no workflow {workflow.id}, or it was removed.")
    goes_on = found.if_failed == "continue" and found.state != WorkflowState.CANCELLED
    if found.state != WorkflowState.SUCCEEDED and not goes_on:
        raise ValueError(f"Workflow {workflow.id} is {found.state}: it has no result.")
    return read_output(engine, workflow.id)


def cancel(engine: Engine, workflow_id: str) -> None:
    """Cancel a workflow. Raises: WorkflowNotFound, QueueUnavailable."""
    if not engine.workflows.cancel(workflow_id):
        raise WorkflowNotFound(f"There is no workflow {workflow_id}, or it was removed.")
