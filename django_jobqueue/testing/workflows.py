"""Run workflows that are not in Redis, in this process."""

from collections.abc import Callable
from typing import Any

from django_jobqueue.flow.membership import Membership
from django_jobqueue.flow.plan import NOTHING, as_numbers, filled
from django_jobqueue.flow.staging import Staged
from django_jobqueue.flow.workflow import (
    Workflow,
    WorkflowNotFound,
    WorkflowProgress,
    WorkflowState,
)
from django_jobqueue.jobs.prepared import Prepared
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import State

Run = Callable[[Prepared], JobResult[..., Any]]


class LocalWorkflows:
    """Keep the workflows of this process, and run them as Redis and workers do."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Workflow, Any]] = {}  # with their results

    def add(self, workflow: Workflow) -> None:
        workflow.state = WorkflowState.RUNNING
        self._known[workflow.id] = workflow, None

    def run(self, staged: Staged, signer: Signer, run: Run) -> list[JobResult[..., Any]]:
        """Run the members, then the callbacks; return the results of those that ran."""
        workflow, plan, if_failed = staged.workflow, staged.plan, staged.if_failed
        if workflow.state.is_final:  # it was cancelled
            return []
        values: dict[int, Any] = {}
        failed: dict[int, int] = {}  # the step that each feeds, by number
        ended = []

        def give(prepared: Prepared, name: str, takes: Any) -> JobResult[..., Any]:
            given = () if takes is NOTHING else (filled(as_numbers(takes), values),)
            prepared.job.member = Membership(signer, workflow.id, name, given)
            ended.append(run(prepared))
            return ended[-1]

        for member, prepared in zip(plan.members, staged.members, strict=True):
            if if_failed == "stop" and member.step and member.step in failed.values():
                failed[member.number] = member.feeds
                continue
            result = give(prepared, str(member.number), member.takes)
            if result.state is State.SUCCEEDED:
                values[member.number] = result.return_value
            else:
                failed[member.number] = member.feeds
        workflow.state = WorkflowState.FAILED if failed else WorkflowState.SUCCEEDED
        count = len(plan.members)
        workflow.progress = WorkflowProgress(count, count, len(failed))
        output = filled(as_numbers(plan.output), values)
        has_result = not failed or if_failed == "continue"
        self._known[workflow.id] = workflow, (output,) if has_result else None
        for event in ("on_failure" if failed else "on_success", "on_done"):
            if (callback := staged.callbacks.get(event)) is not None:
                takes = plan.output if event in staged.taking else NOTHING
                give(callback, event, takes)
        return ended

    def refresh(self, workflow: Workflow) -> None:
        """Copy what is known of a workflow. Raises: WorkflowNotFound."""
        known, _ = self._find(workflow.id)
        workflow.state, workflow.progress = known.state, known.progress
        workflow.reason = known.reason

    def result(self, workflow: Workflow) -> Any:
        """Return the result of a workflow. Raises: ValueError, WorkflowNotFound."""
        known, output = self._find(workflow.id)
        if output is None:
            raise ValueError(f"Workflow {workflow.id} is {known.state}: it has no result.")
        return output[0]

    def cancel(self, workflow_id: str) -> None:
        """Cancel a workflow that has not run. Raises: WorkflowNotFound."""
        known, _ = self._find(workflow_id)
        if not known.state.is_final:
            known.state = WorkflowState.CANCELLED

    def _find(self, workflow_id: str) -> tuple[Workflow, Any]:
        if workflow_id not in self._known:
            raise WorkflowNotFound(f"There is no workflow {workflow_id}, or it was removed.")
        return self._known[workflow_id]
