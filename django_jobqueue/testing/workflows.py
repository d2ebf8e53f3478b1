"""Run workflows that are not in Redis, in this process."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from django_jobqueue.flow.membership import Membership, Place
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
        self._runs: dict[str, _LocalRun] = {}  # of those that run now

    def add(self, workflow: Workflow) -> None:
        workflow.state = WorkflowState.RUNNING
        self._known[workflow.id] = workflow, None

    def run(self, staged: Staged, signer: Signer, run: Run) -> list[JobResult[..., Any]]:
        """Run the members, then the callbacks; return the results of those that ran."""
        workflow = staged.workflow
        if workflow.state.is_final:  # it was cancelled
            return []
        found = self._runs[workflow.id] = _LocalRun(staged, signer, run)
        output = found.run_members()
        has_result = not found.failed or staged.if_failed == "continue"
        self._known[workflow.id] = workflow, (output,) if has_result else None
        found.call()
        del self._runs[workflow.id]
        return found.ended

    def add_members(self, member: Membership, jobs: Sequence[tuple[Place, Prepared]]) -> None:
        """Note what a member adds to its group; it runs when the member has ended."""
        self._runs[member.workflow].add(member, jobs)

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


class _Added(NamedTuple):
    """A member that another one has added."""

    place: Place
    prepared: Prepared
    feeds: int
    results: list[Any]  # of its group
    at: int  # its own among them


class _LocalRun:
    """One run of a workflow."""

    def __init__(self, staged: Staged, signer: Signer, run: Run) -> None:
        self._staged = staged
        self._signer = signer
        self._run = run
        self._values: dict[int | str, Any] = {}  # by number; of added members lists, by group
        self.failed: dict[int | str, int] = {}  # the step that each feeds, by number or name
        self._added = 0
        self._waiting: list[_Added] = []
        self.ended: list[JobResult[..., Any]] = []

    def run_members(self) -> Any:
        """Run the members, and return the workflow's result."""
        plan, stops = self._staged.plan, self._staged.if_failed == "stop"
        for member, prepared in zip(plan.members, self._staged.members, strict=True):
            if stops and member.step and member.step in self.failed.values():
                self.failed[member.number] = member.feeds
                continue
            place = Place.of(self._staged.workflow.id, plan, member)
            result = self._give(prepared, place)
            self._run_added()
            if result.state is State.SUCCEEDED:
                self._values[member.number] = result.return_value
            else:
                self.failed[member.number] = member.feeds
        count = len(plan.members) + self._added
        workflow = self._staged.workflow
        workflow.state = WorkflowState.FAILED if self.failed else WorkflowState.SUCCEEDED
        workflow.progress = WorkflowProgress(count, count, len(self.failed))
        return filled(as_numbers(plan.output), self._values)

    def call(self) -> None:
        """Run the callbacks."""
        for event in ("on_failure" if self.failed else "on_success", "on_done"):
            if (callback := self._staged.callbacks.get(event)) is not None:
                takes = self._staged.plan.output if event in self._staged.taking else NOTHING
                self._give(callback, Place(self._staged.workflow.id, event, takes))

    def add(self, member: Membership, jobs: Sequence[tuple[Place, Prepared]]) -> None:
        """Note members that another one adds. Their results stand in the order of the calls."""
        number, feeds = member.group
        results = self._values.setdefault(f"+{number}", [])
        for place, prepared in jobs:
            self._added += 1
            self._waiting.append(_Added(place, prepared, feeds, results, len(results)))
            results.append(None)

    def _run_added(self) -> None:
        """Run what members have added, in that order, and what those add."""
        while self._waiting:
            added = self._waiting.pop(0)
            result = self._give(added.prepared, added.place)
            if result.state is State.SUCCEEDED:
                added.results[added.at] = result.return_value
            else:
                self.failed[added.place.member] = added.feeds

    def _give(self, prepared: Prepared, place: Place) -> JobResult[..., Any]:
        takes = place.takes
        given = () if takes is NOTHING else (filled(as_numbers(takes), self._values),)
        found = Membership(self._signer, place.workflow, place.member, given)
        prepared.job.member = replace(found, group=place.group, is_added=place.is_added)
        self.ended.append(result := self._run(prepared))
        return result
