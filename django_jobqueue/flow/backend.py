"""What a backend does for workflows."""

from typing import TYPE_CHECKING, Any

from django_jobqueue.conf import Options, load
from django_jobqueue.flow import staging
from django_jobqueue.flow.signatures import Flow
from django_jobqueue.flow.workflow import Workflow
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.ledger import outbox


class WorkflowBackend:
    """Store workflows, read and cancel them."""

    if TYPE_CHECKING:
        alias: str
        engine: Any
        validate_task: Any
        prepare_member: staging.Prepare
        note_stored: staging.Tell

    def ways(self) -> tuple[Options, Signer]:
        """Return what a member is prepared with; no engine is needed for it."""
        options = load(self.alias)
        return options, Signer(options.signing_keys)

    def enqueue_workflow(self, flow: Flow, if_failed: str) -> Workflow:
        """Store the jobs of a workflow; see flow/staging.py."""
        return staging.enqueue(
            self.engine, self.prepare_workflow(flow, if_failed), self.note_stored
        )

    def prepare_workflow(self, flow: Flow, if_failed: str) -> staging.Staged:
        """Make the jobs of a workflow. Raises: InvalidTask, TypeError, PayloadTooLarge."""
        options = load(self.alias)
        for call in flow.signatures():
            self.validate_task(call.task)
            outbox.refuse(call.task, options)
        return staging.prepare_workflow(flow, self.alias, self.prepare_member, if_failed)

    def refresh_workflow(self, workflow: Workflow) -> None:
        staging.refresh(self.engine, workflow)

    def workflow_result(self, workflow: Workflow) -> Any:
        return staging.result(self.engine, workflow)

    def cancel_workflow(self, workflow_id: str) -> None:
        staging.cancel(self.engine, workflow_id)
