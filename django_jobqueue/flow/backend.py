"""What a backend does for workflows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django_jobqueue.conf import Options, load
from django_jobqueue.flow import adding, staging
from django_jobqueue.flow.membership import Place
from django_jobqueue.flow.signatures import Flow
from django_jobqueue.flow.workflow import Workflow
from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.prepared import Prepared
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

    def add_to_group(self, context: JobContext, member: Any, calls: Sequence[Any]) -> None:
        """See JobContext.add_to_group."""
        engine = self.engine
        jobs = [prepared for _, prepared in self.prepare_added(member, calls)]
        run = Job(context.task_result.id, context.task_result.task.module_path)
        run.fence = context.fence
        adding.add(engine, run, member, [one.job for one in jobs])

    def prepare_added(self, member: Any, calls: Sequence[Any]) -> list[tuple[Place, Prepared]]:
        """Make the jobs that a run adds. Raises: InvalidTask, TypeError, PayloadTooLarge."""
        options = load(self.alias)
        given = adding.given_calls(member, calls, self.alias, options)
        for call in given:
            self.validate_task(call.task)
            outbox.refuse(call.task, options)
        return adding.prepare_added(member, given, self.prepare_member)

    def refresh_workflow(self, workflow: Workflow) -> None:
        staging.refresh(self.engine, workflow)

    def workflow_result(self, workflow: Workflow) -> Any:
        return staging.result(self.engine, workflow)

    def cancel_workflow(self, workflow_id: str) -> None:
        staging.cancel(self.engine, workflow_id)
